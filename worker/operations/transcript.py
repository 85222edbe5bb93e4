"""Formats an interview with its transcript as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from worker.transport.typed_text import clean_text

#: Times in the head of the transcript, each as its title and its key in the interview's data.
_TIMES: Final = (
    ("Created", "created_at"),
    ("Opens", "opens_at"),
    ("Closes", "closes_at"),
    ("Dispatched", "dispatched_at"),
    ("Started", "started_at"),
    ("Ended", "ended_at"),
)
#: Characters that begin emphasis, code, links, images, HTML, strikethrough and mathematics inside a
#: line of Markdown.
_MARKUP: Final = re.compile(r"[\\`*_\[\]<>~$]")


def as_markdown(shown: Mapping[str, Any]) -> str:
    """Return an interview (the result of `interview_as_data`) as Markdown.

    The facts come first, then what became of each question, if that is known, then the turns.
    Text that a person, a plan or a language model chose is shown as data: on the line of its turn,
    without control characters, and with markup escaped. Therefore no text can look like another
    turn or a heading. The export as JSON has the unchanged text.
    """
    lines = [f"# Interview {as_data(shown['interview_id'])}", "", *_head(shown), ""]
    if questions := shown.get("questions"):
        lines += ["## Questions", "", *_questions(questions, shown["turns"]), "## Turns", ""]
    for turn in shown["turns"]:
        typed = " *(typed)*" if turn.get("typed") else ""
        cut = " *(cut off)*" if turn["interrupted"] else ""
        lines += [f"**{turn['speaker'].capitalize()}:** {_text_of(turn)}{typed}{cut}", ""]
    return "\n".join(lines)


def as_data(text: object) -> str:
    """Return text with its Markdown escaped, so that it is shown literally."""
    return _MARKUP.sub(r"\\\g<0>", clean_text(str(text)))


def _head(shown: Mapping[str, Any]) -> Iterator[str]:
    """Yield a Markdown list item for each fact about the interview that is known."""
    yield f"- Status: {shown['status']}"
    if shown["outcome"] is not None:
        yield f"- Outcome: {shown['outcome']} ({shown['reason']})"
    elif shown["reason"] is not None:
        yield f"- Reason: {shown['reason']}"
    yield f"- Candidate: {_candidate(shown)}"
    if title := shown.get("plan_title"):
        yield f"- Plan: {as_data(title)}"
    yield f"- Room: {as_data(shown['room'])}"
    for name, key in _TIMES:
        if isinstance(moment := shown.get(key), datetime):
            yield f"- {name}: {moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    yield f"- Jobs: {', '.join(shown['jobs']) or 'none'}"


def _questions(
    questions: Sequence[Mapping[str, Any]], turns: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """Yield the lines of each question: its id, its status, the positions of its turns, the answer.

    The first turn of the transcript has the position 1.
    """
    positions = {_number(turn): at for at, turn in enumerate(turns, start=1)}
    for question in questions:
        facts = [str(question["status"]).replace("_", " ")]
        if question["reason"] is not None:
            facts.append(as_data(question["reason"]))
        if at := [str(positions[_number(turn)]) for turn in question["turns"]]:
            facts.append(f"turn{'s' if len(at) > 1 else ''} {' and '.join(at)}")
        answer = "" if question["answer"] is None else f": {as_data(question['answer'])}"
        yield f"**{as_data(question['question_id'])}** ({', '.join(facts)}){answer}"
        yield ""


def _number(turn: Mapping[str, Any]) -> tuple[object, object]:
    return turn["job_id"], turn["seq"]


def _candidate(shown: Mapping[str, Any]) -> str:
    name, identity = shown.get("candidate_name"), as_data(shown.get("candidate_identity"))
    return f"{as_data(name)} ({identity})" if name else identity


def _text_of(turn: Mapping[str, Any]) -> str:
    """Return the text of a turn. Interim text that never became final is in brackets."""
    text, interim = str(turn["text"]), turn.get("interim")
    if not interim:
        return as_data(text)
    final = as_data(text.removesuffix(interim))
    return f"{final} [{as_data(interim)}]" if final else f"[{as_data(interim)}]"
