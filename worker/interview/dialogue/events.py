"""The events: what happens in an interview other than a candidate's turn."""

from __future__ import annotations

from states.text_enum import TextEnum


class Event(TextEnum):
    """What happens in an interview other than a candidate's turn."""

    PRESENT = "present", "the candidate is in the room and can be heard, or has typed"
    PROMPT_DONE = "prompt_done", "an utterance of the interviewer is over"
    OVERLAP = "overlap", "a cough or a backchannel during an utterance"
    GRAB = "grab", "the candidate talks into an utterance and gets the floor"
    WITHDRAWN = "withdrawn", "the candidate goes on after a pause, so the utterance is withdrawn"
    WITHDRAWN_IN_VAIN = "withdrawn_in_vain", "no words came within 1 s of a withdrawal"
    ECHO = "echo", "the microphone returns the interviewer's own words"
    NOINPUT = "noinput", "silence has reached the next level"
    NOMATCH = "nomatch", "speech without usable words"
    BABBLE = "babble", "30 s of sound of speech without usable text"
    NOAUDIO = "noaudio", "there is no live microphone"
    SOFT = "soft", "the time of the question is used up; the next breath ends it"
    HARD = "hard", "1.5 times the time of the question is used up"
    BUDGET = "budget", "the time of the whole interview is used up"
    LEFT = "left", "the candidate left the room"
    RETURNED = "returned", "the candidate is in the room again"
    GRACE_OVER = "grace_over", "the candidate did not return within the grace period"
    WINDOW_OVER = "window_over", "the time in which the interview can begin is over"
    RESUMED = "resumed", "a new interviewer continues the interview"
    QUIET = "quiet", "both are quiet after the goodbye"
    SECOND_PERSON = "second_person", "another person talks"
    FOLLOW_UP = "follow_up", "a language model asks a follow-up in place of what comes next"
    PLAN_ENDED = "plan_ended", "all questions of the plan are asked"


class Detail(TextEnum):
    """The kind of an event, for events that have several kinds."""

    NO_WORDS = "no_words", "nomatch: no words"
    UNSURE = "unsure", "nomatch: the recognizer is not sure of the words"
    LANGUAGE = "language", "nomatch: words of another language"
    CUT = "cut", "prompt_done: the candidate cut the utterance off"
    UNHEARD = "unheard", "prompt_done: the voice or the room failed"
    WRITTEN = "written", "prompt_done: the text was delivered in writing"
    ABSENCE = "absence", "resumed: the candidate was away"
    CRASH = "crash", "resumed: the interviewer before has crashed"
    HANDOVER = "handover", "resumed: the interviewer before has handed over"
    OUTAGE = "outage", "resumed: the interviewer could not be heard"


def event_of(name: str) -> Event | None:
    """Return the event with the stored name; None for an event that this version does not know."""
    return Event(name) if name in tuple(Event) else None
