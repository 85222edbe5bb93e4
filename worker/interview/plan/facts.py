"""The answers to the candidate's questions about the interview and the offered position."""

from __future__ import annotations

from dataclasses import dataclass

from worker.interview.plan.checked import Checked
from worker.interview.plan.validation import Text


@dataclass(frozen=True, kw_only=True)
class Facts(Checked):
    """One answer for each topic. A plan cannot add topics.

    A default answer states only facts about the software. The topics about the offered position
    have no default, because only the company knows their answers.
    """

    recorded: Text = (
        "What you say is written down. I do not know whether the sound is kept as well; "
        "the company can tell you."
    )
    who_reads: Text = "I do not know who reads it. The company can tell you."
    how_decided: Text = (
        "I only ask the questions, and I decide nothing. I do not know how the company decides."
    )
    how_long: Text = "I cannot say exactly. It depends on how long your answers are."
    next_step: Text = "I do not know what happens next. The company can tell you."
    human_instead: Text = (
        "I cannot bring a person into this call. Please ask the company whether you can talk "
        "to a person instead."
    )
    delete: Text = "I cannot delete anything myself. Please ask the company to do it."
    about_you: Text = "I am an AI interviewer, not a person."

    #: What the job is.
    role: Text | None = None
    salary: Text | None = None
    #: Where the work is done: an office, a town, remote.
    place: Text | None = None
    hours: Text | None = None
    team: Text | None = None
    #: To whom the candidate would report.
    manager: Text | None = None
    #: When the work would begin.
    start: Text | None = None
    #: The tools and technologies of the job.
    tools: Text | None = None
