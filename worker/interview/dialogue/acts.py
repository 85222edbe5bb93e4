"""The acts: what the candidate does in a turn, such as answering or asking to repeat the question.

Every turn has exactly one of these acts. If the act is in doubt, the turn is an ANSWER.
"""

from __future__ import annotations

from states.text_enum import TextEnum


class Act(TextEnum):
    """What the candidate does in a turn."""

    REPEAT = "REPEAT", "asks to hear the question or the last line again"
    NOT_UNDERSTOOD = "NOT_UNDERSTOOD", "does not understand the question"
    REPHRASE = "REPHRASE", "asks for the question in other words"
    CLARIFY = "CLARIFY", "asks what exactly the question refers to"
    SKIP = "SKIP", "wants to leave the question out"
    LATER = "LATER", "wants to answer the question later"
    STALL = "STALL", "keeps the turn while thinking"
    WAIT = "WAIT", "asks for a moment"
    READY = "READY", "is ready to continue"
    STOP = "STOP", "wants to end the interview"
    POSTPONE = "POSTPONE", "wants to continue another time"
    ABOUT_YOU = "ABOUT_YOU", "asks who or what the interviewer is"
    WITHDRAW_CONSENT = "WITHDRAW_CONSENT", "takes the consent back"
    OBJECT_RECORDING = "OBJECT_RECORDING", "does not want to be recorded"
    HUMAN = "HUMAN", "wants to talk to a person, or needs an accommodation"
    ABOUT_DATA = "ABOUT_DATA", "asks what happens with the answers"
    ABOUT_TIME = "ABOUT_TIME", "asks how long the interview takes"
    ABOUT_JOB = "ABOUT_JOB", "asks about the job"
    ABOUT_RESULT = "ABOUT_RESULT", "asks how the answers are judged"
    CANNOT_HEAR = "CANNOT_HEAR", "does not hear the interviewer"
    PACE = "PACE", "asks for slower or louder speech"
    NO_ANSWER = "NO_ANSWER", "says that there is no answer"
    DISTRESS = "DISTRESS", "says that the interview is too much at the moment"
    GO_BACK = "GO_BACK", "wants to return to an earlier question"
    DONE = "DONE", "says that the answer is complete"
    SMALL_TALK = "SMALL_TALK", "greets, thanks or says goodbye"
    AFFIRM = "AFFIRM", "says yes"
    DENY = "DENY", "says no"
    ANSWER = "ANSWER", "anything else"


#: The acts that ask for a fact about the interview or the interviewer.
FACT_ACTS = (Act.ABOUT_YOU, Act.ABOUT_DATA, Act.ABOUT_TIME)
#: The acts that ask for something that the interviewer answers or passes on.
QUESTION_ACTS = (*FACT_ACTS, Act.ABOUT_JOB, Act.ABOUT_RESULT, Act.CLARIFY)


#: The acts that are heard in every phase: nothing but the end of the interview outranks them.
RIGHTS = (Act.STOP, Act.POSTPONE, Act.HUMAN, Act.WITHDRAW_CONSENT, Act.OBJECT_RECORDING)
#: All other acts.
ORDINARY = tuple(act for act in Act if act not in RIGHTS)


def act_of(name: str) -> Act:
    """Return the act with the stored name; ANSWER for a name that this version does not know."""
    return Act(name) if name in tuple(Act) else Act.ANSWER
