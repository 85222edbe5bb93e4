"""Checks the evidence of a round without the worker's code.

The kinds of violation, and their exceptions:

lost       The candidate completed an answer, but one of its words is in none of the candidate's
           turns in `interviews show`. Exceptions: the candidate or LiveKit was unavailable during
           the answer; a machine that was too busy spoke the answer haltingly; no later question
           and no closing followed (the interview ended with this question). A misheard word has
           another word in its place; it is counted separately.
doubled    The candidate's turns contain a word more often than the candidate said it, or a turn
           has two rows.
asked      A question is asked again although a complete answer to it was recorded before.
           Exception: the interviewer was killed within a second of that.
voices     Two interviewers are audible at once for longer than `Limits.two_voices_s`.
silence    The candidate waits longer than `Limits.silence_s`, also a candidate of a burst of
           dispatches for the first words. Not counted: the candidate's own absence, outages of
           LiveKit, times in which the database took no writes, and times in which no slot was free
           (`listening` says how this is decided).
end        The interview has no end, an end without outcome or reason, or the reason RoomDeleted,
           although only rooms of bursts are deleted. Or it did not end while the candidate waited.
lease      The interview has ended, but a job still holds its lease.
room       An interviewer is in the room after the end.
process    The process of a job exists after the end.
journal    A record on the disk is missing in the database, or a turn has no row in `turns`.
leftover   Anything else was left behind: sockets, workers that did not end.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tests.chaos.listening import (
    first_wait,
    late_first_words,
    longest_silence,
    returns,
    silences,
    two_voices,
    unheard,
)
from tests.chaos.misheard import misheard
from tests.chaos.verdict import Found, Limits, Verdict, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.chaos.diary import Answer, Diary, Listener
    from tests.chaos.evidence import Evidence, RoundEvidence, Struck


def judge(round_: RoundEvidence, limits: Limits | None = None) -> Verdict:
    """Check one round; return the verdict."""
    limits = limits or Limits()
    violations: list[Violation] = []
    for interview in round_.interviews:
        found = _violations(round_, interview, limits)
        diary = interview.diary
        violations += [_located(round_, diary, diary.ended_s, each) for each in found]
    for listener in round_.listeners:
        found = [
            *late_first_words(round_, listener, limits),
            *two_voices(listener.voices, limits),
        ]
        left_s = max((visit.end_s for visit in listener.visits), default=listener.began_s)
        violations += [_located(round_, listener, left_s, each) for each in found]
    violations += [Violation(what="leftover", detail=each) for each in round_.leftovers]
    answers = [
        (one, each) for one in round_.interviews for each in one.diary.answers if each.complete
    ]
    first_waits = [(each, first_wait(round_, each)) for each in round_.listeners]
    longest = [longest_silence(round_, one) for one in round_.interviews]
    waits = [wait for wait in (*longest, *(wait for _, wait in first_waits)) if wait is not None]
    return Verdict(
        violations=tuple(violations),
        returns=tuple(returns(round_)),
        silences_s=tuple((wait.counted_s, wait.span.length_s) for wait in waits),
        answers=len(answers),
        unheard=sum(unheard(round_, one, each) for one, each in answers),
        halting=sum(each.late_frames > 0 for _, each in answers),
        misheard=sum(
            _is_misheard(one, question_id, word)
            for one in round_.interviews
            for question_id, word in _missing(round_, one)
        ),
        ends=tuple(_end_of(one) for one in round_.interviews),
        first_words_s=tuple(
            wait.span.length_s for each, wait in first_waits if wait is not None and each.voices
        ),
    )


def _violations(round_: RoundEvidence, one: Evidence, limits: Limits) -> list[Found]:
    return [
        *_lost(round_, one),
        *_doubled(one),
        *_asked_again(round_, one),
        *two_voices(one.diary.voices, limits),
        *silences(round_, one, limits),
        *_end(one),
        *_journals(one),
    ]


def _located(
    round_: RoundEvidence, log: Diary | Listener, ended_s: float, found: Found
) -> Violation:
    """Return a violation of the interview that a log is about, with the fault before it."""
    until_s = found.at_s if found.at_s is not None else ended_s
    before = [each for each in round_.struck if each.hit and each.span.start_s <= until_s]
    last: Struck | None = max(before, key=lambda each: each.span.start_s, default=None)
    after = ""
    if last is not None:
        at_s = last.span.start_s - log.began_s
        after = f"{last.kind} {last.target}".strip() + f" at {at_s:.1f} s"
    return Violation(
        what=found.what,
        detail=found.detail,
        interview_id=log.interview_id,
        at_s=None if found.at_s is None else round(found.at_s - log.began_s, 1),
        after=after,
    )


# --- turns ----------------------------------------------------------------------------------------


def _times(one: Evidence, word: str) -> int:
    """Return how often a word occurs in the candidate's complete turns."""
    texts = (
        turn.text for turn in one.turns if turn.speaker == "candidate" and not turn.interrupted
    )
    return sum(len(re.findall(rf"\b{word}\b", text.lower())) for text in texts)


def _missing(round_: RoundEvidence, one: Evidence) -> Iterable[tuple[str, str]]:
    """Yield question and word for each word that was heard but not recorded."""
    recorded = " ".join(one.shown).lower()
    for question_id, words in one.words.items():
        if _heard_whole(round_, one, question_id) and _went_on(one, question_id):
            missing = [word for word in words if not re.search(rf"\b{word}\b", recorded)]
            yield from ((question_id, word) for word in missing)


def _is_misheard(one: Evidence, question_id: str, word: str) -> bool:
    others = {each for name, words in one.words.items() if name != question_id for each in words}
    return misheard(one.answers[question_id], word, one.shown, others)


def _lost(round_: RoundEvidence, one: Evidence) -> Iterable[Found]:
    for question_id, word in _missing(round_, one):
        if not _is_misheard(one, question_id, word):
            words = one.words[question_id]
            yield Found(
                what="lost",
                detail=f"word {words.index(word) + 1} of {len(words)} of the answer to"
                f" {question_id!r}",
                at_s=_heard_whole(round_, one, question_id)[-1].end_s,
            )


def _heard_whole(round_: RoundEvidence, one: Evidence, question_id: str) -> list[Answer]:
    said = [each for each in one.diary.answers if each.question_id == question_id]
    return [each for each in said if each.complete and _is_evidence(round_, one, each)]


def _is_evidence(round_: RoundEvidence, one: Evidence, answer: Answer) -> bool:
    return not answer.late_frames and not unheard(round_, one, answer)


def _went_on(one: Evidence, question_id: str) -> bool:
    """Return whether the interviewer accepted the answer: a later question or the closing came."""
    ids = list(one.words)
    later = ids[ids.index(question_id) + 1 :]
    asked = any(each.question_id in later for each in one.diary.asked)
    return asked or one.diary.closing_s is not None


def _doubled(one: Evidence) -> Iterable[Found]:
    for question_id, words in one.words.items():
        said = sum(each.question_id == question_id for each in one.diary.answers)
        for place, word in enumerate(words):
            times = _times(one, word)
            if times > max(said, 1) or (times and not said):
                yield Found(
                    what="doubled",
                    detail=f"word {place + 1} of the answer to {question_id!r}:"
                    f" said {said} times, recorded {times} times",
                )
    keys = [(turn.job_id, turn.seq) for turn in one.turns]
    if len(set(keys)) != len(keys):
        yield Found(what="doubled", detail="two rows for one turn")


def _asked_again(round_: RoundEvidence, one: Evidence) -> Iterable[Found]:
    kills = [
        each.span.longer(_SHIPPED_S)
        for each in round_.struck
        if each.hit and one.diary.interview_id in each.interviewers
    ]
    turns = [
        turn
        for turn in one.turns
        if not any(kill.start_s - _SHIPPED_S <= turn.at_s <= kill.end_s for kill in kills)
    ]
    for asked in one.diary.asked:
        words = one.words[asked.question_id]
        for turn in turns:
            whole = all(re.search(rf"\b{word}\b", turn.text.lower()) for word in words)
            recorded = turn.speaker == "candidate" and whole and not turn.interrupted
            # The question may have begun before the answer was recorded.
            if recorded and asked.at_s - turn.at_s > _QUESTION_S:
                yield Found(
                    what="asked",
                    detail=f"{asked.question_id!r} again, {asked.at_s - turn.at_s:.1f} s after"
                    " its answer was recorded",
                    at_s=asked.at_s,
                )
                break


#: Seconds until a turn is certainly in the database. Before that it is only on a disk, which may
#: be lost.
_SHIPPED_S: Final = 1.0
#: Duration, in seconds, of a question with the words before it.
_QUESTION_S: Final = 6.0


# --- the end --------------------------------------------------------------------------------------


def _end_of(one: Evidence) -> str:
    if one.row is None:
        return "no end"
    if one.row.status == "waiting":
        return f"waiting/{one.row.reason}"
    if one.row.outcome is None:
        return "no end"
    return f"{one.row.outcome}/{one.row.reason}"


def _end(one: Evidence) -> Iterable[Found]:
    row = one.row
    if row is None:
        yield Found(what="end", detail="the interview has no row")
    elif row.status == "waiting":  # its candidate has left, and may come back within its window
        if row.lease_job is not None:
            yield Found(what="lease", detail=f"{row.lease_job} still holds it")
    elif row.status != "ended" or not row.outcome or not row.reason:
        yield Found(what="end", detail=f"{row.status}, outcome {row.outcome}/{row.reason}")
    elif row.reason == "RoomDeleted":
        yield Found(what="end", detail=f"{row.outcome}/{row.reason}, but no room is deleted here")
    elif row.lease_job is not None:
        yield Found(what="lease", detail=f"{row.lease_job} still holds it")
    if one.diary.gave_up:
        yield Found(what="end", detail="the interview did not end while the candidate waited")
    if one.in_room:
        yield Found(what="room", detail=f"{', '.join(one.in_room)} in the room")
    if one.processes:
        yield Found(what="process", detail=f"pids {', '.join(map(str, one.processes))}")


def _journals(one: Evidence) -> Iterable[Found]:
    rows = {(turn.job_id, turn.seq) for turn in one.turns}
    for journal in one.journals:
        stored = one.stored.get(journal.job_id, 0)
        if stored < len(journal.records):
            yield Found(
                what="journal",
                detail=f"{journal.job_id}: {len(journal.records)} records on the disk,"
                f" {stored} in the database",
            )
        missing = [
            record["seq"]
            for record in journal.records
            if record.get("kind") == "turn" and (journal.job_id, record["seq"]) not in rows
        ]
        if missing:
            yield Found(what="journal", detail=f"{journal.job_id}: turns {missing} have no row")
