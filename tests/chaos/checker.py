"""Judges what is left of a round; knows nothing of the worker's insides.

What it holds interviews to, and what it excuses:

lost       A word of an answer that was given to its end, and heard, is not among what is shown of
           the candidate's. It is excused where the candidate or LiveKit was away meanwhile, where
           the answer was spoken haltingly by a machine that was too busy, and where the question
           was never followed by another (the interview ended with it). One that was misheard has
           another in its place; it is counted apart.
doubled    Words of an answer are in more of the candidate's turns than the candidate said them.
asked      A question is asked again though a whole answer to it had been recorded before, by an
           interviewer who was not killed within a second of that.
voices     Two interviewers are audible at once for longer than `Limits.two_voices_s`.
silence    The candidate waits longer than `Limits.silence_s`, not counting what LiveKit was away,
           nor the database and the lease of calm after it: nobody can be sent meanwhile.
end        It has no end, or one without an outcome and a reason, or one for which none here does
           anything: a room that was deleted.
lease      It has an end, and its lease is somebody's.
room       An interviewer is in the room after the end.
process    The process of a job is there after the end.
journal    A record on the disk is not in the database, or a turn of it is no row of the turns.
leftover   Whatever else was left behind: sockets, workers that did not end.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tests.chaos.listening import longest_silence, returns, silences, two_voices, unheard
from tests.chaos.misheard import misheard
from tests.chaos.verdict import Found, Limits, Verdict, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.chaos.diary import Answer
    from tests.chaos.evidence import Evidence, RoundEvidence, Struck


def judge(round_: RoundEvidence, limits: Limits | None = None) -> Verdict:
    """Judge one round."""
    limits = limits or Limits()
    violations: list[Violation] = []
    for interview in round_.interviews:
        found = _violations(round_, interview, limits)
        violations += [_located(round_, interview, each) for each in found]
    violations += [Violation(what="leftover", detail=each) for each in round_.leftovers]
    answers = [
        (one, each) for one in round_.interviews for each in one.diary.answers if each.complete
    ]
    return Verdict(
        violations=tuple(violations),
        returns=tuple(returns(round_)),
        silences_s=tuple(
            (longest.counted_s, longest.span.length_s)
            for one in round_.interviews
            if (longest := longest_silence(round_, one, limits)) is not None
        ),
        answers=len(answers),
        unheard=sum(unheard(round_, one, each) for one, each in answers),
        halting=sum(each.late_frames > 0 for _, each in answers),
        misheard=sum(
            _is_misheard(one, question_id, word)
            for one in round_.interviews
            for question_id, word in _missing(round_, one)
        ),
        ends=tuple(_end_of(one) for one in round_.interviews),
    )


def _violations(round_: RoundEvidence, one: Evidence, limits: Limits) -> list[Found]:
    return [
        *_lost(round_, one),
        *_doubled(one),
        *_asked_again(round_, one),
        *two_voices(one, limits),
        *silences(round_, one, limits),
        *_end(one),
        *_journals(one),
    ]


def _located(round_: RoundEvidence, one: Evidence, found: Found) -> Violation:
    until_s = found.at_s if found.at_s is not None else one.diary.ended_s
    before = [each for each in round_.struck if each.hit and each.span.start_s <= until_s]
    last: Struck | None = max(before, key=lambda each: each.span.start_s, default=None)
    after = ""
    if last is not None:
        at_s = last.span.start_s - one.diary.began_s
        after = f"{last.kind} {last.target}".strip() + f" at {at_s:.1f} s"
    return Violation(
        what=found.what,
        detail=found.detail,
        interview_id=one.diary.interview_id,
        at_s=None if found.at_s is None else round(found.at_s - one.diary.began_s, 1),
        after=after,
    )


# --- turns ----------------------------------------------------------------------------------------


def _times(one: Evidence, word: str) -> int:
    """In how many of the candidate's whole turns a word is, each time counted."""
    texts = (
        turn.text for turn in one.turns if turn.speaker == "candidate" and not turn.interrupted
    )
    return sum(len(re.findall(rf"\b{word}\b", text.lower())) for text in texts)


def _missing(round_: RoundEvidence, one: Evidence) -> Iterable[tuple[str, str]]:
    """The questions and words that were heard and are not recorded."""
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
    """Whether the interviewer took the question for answered: another came, or the end."""
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
            # It may have been under way already when the answer was recorded.
            if recorded and asked.at_s - turn.at_s > _QUESTION_S:
                yield Found(
                    what="asked",
                    detail=f"{asked.question_id!r} again, {asked.at_s - turn.at_s:.1f} s after"
                    " its answer was recorded",
                    at_s=asked.at_s,
                )
                break


#: Seconds until a turn is sure to be in the database: until then it is on a disk that may be gone.
_SHIPPED_S: Final = 1.0
#: Seconds of a question with the words before it.
_QUESTION_S: Final = 6.0


# --- the end --------------------------------------------------------------------------------------


def _end_of(one: Evidence) -> str:
    if one.row is None or one.row.outcome is None:
        return "no end"
    return f"{one.row.outcome}/{one.row.reason}"


def _end(one: Evidence) -> Iterable[Found]:
    row = one.row
    if row is None:
        yield Found(what="end", detail="the interview has no row")
    elif row.status != "ended" or not row.outcome or not row.reason:
        yield Found(what="end", detail=f"{row.status}, outcome {row.outcome}/{row.reason}")
    elif row.reason == "RoomDeleted":
        yield Found(
            what="end", detail=f"{row.outcome}/{row.reason}, and nobody deletes a room here"
        )
    elif row.lease_job is not None:
        yield Found(what="lease", detail=f"{row.lease_job} holds it")
    if one.diary.gave_up:
        yield Found(what="end", detail="the candidate waited for the end in vain")
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
