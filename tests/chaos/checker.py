"""Judges what is left of a round; knows nothing of the worker's insides.

What it holds interviews to, and what it excuses:

lost       An answer that was given to its end, and heard, is not in the candidate's turns. It is
           excused where the candidate or LiveKit was away meanwhile, where it was spoken haltingly
           by a machine that was too busy, and where the question was never followed by another
           (the interview ended with it).
doubled    Words of an answer are in more of the candidate's turns than the candidate said them.
asked      A question is asked again though a whole answer to it had been recorded before.
voices     Two interviewers are audible at once for longer than `Limits.two_voices_s`.
silence    The candidate waits longer than `Limits.silence_s`, not counting what LiveKit was away,
           nor the database and the lease of calm after it: nobody can be sent meanwhile.
end        It has no end, or one without an outcome and a reason.
lease      It has an end, and its lease is somebody's.
room       An interviewer is in the room after the end.
process    The process of a job is there after the end.
journal    A record on the disk is not in the database, or a turn of it is no row of the turns.
leftover   Whatever else was left behind: sockets, workers that did not end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final

from chaos.diary import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chaos.diary import Answer
    from chaos.evidence import Evidence, RoundEvidence, Struck

#: What is struck when an interviewer dies, by the kind's name.
_KILLS: Final = ("kill-job", "kill-worker", "kill-machine")
_LIVEKIT: Final = ("kill-livekit",)
_DATABASE: Final = ("stop-database", "kill-database", "stall-database")
#: Seconds until everybody is in the room again after LiveKit is back: the SDK's back-off.
_REJOIN_S: Final = 4.0


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What counts as too long, in seconds."""

    silence_s: float = 10.0
    two_voices_s: float = 1.0
    #: For which nobody can be sent after the database was away.
    calm_s: float = 4.0


@dataclass(frozen=True, kw_only=True)
class Violation:
    """Something that must not be."""

    what: str
    detail: str
    #: Empty: it is the round's.
    interview_id: str = ""
    #: Seconds since the round's interviewers were sent; None: at its end.
    at_s: float | None = None
    #: The last fault before it.
    after: str = ""


@dataclass(frozen=True, kw_only=True)
class Return:
    """How long a candidate waited for the next interviewer after one was killed."""

    kind: str
    interview_id: str
    waited_s: float | None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a round came to."""

    violations: tuple[Violation, ...]
    returns: tuple[Return, ...]
    #: The longest silence of each interview, in seconds: what of it is not excused, and all.
    silences_s: tuple[tuple[float, float], ...]
    #: Answers given to their end; those among them that nobody could hear; that were spoken
    #: haltingly.
    answers: int
    unheard: int
    halting: int
    ends: tuple[str, ...]


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
        returns=tuple(_returns(round_)),
        silences_s=tuple(
            (longest.counted_s, longest.span.length_s)
            for one in round_.interviews
            if (longest := _longest_silence(round_, one, limits)) is not None
        ),
        answers=len(answers),
        unheard=sum(_unheard(round_, one, each) for one, each in answers),
        halting=sum(each.late_frames > 0 for _, each in answers),
        ends=tuple(_end_of(one) for one in round_.interviews),
    )


@dataclass(frozen=True, kw_only=True)
class _Found:
    what: str
    detail: str
    #: Seconds since the epoch.
    at_s: float | None = None


def _violations(round_: RoundEvidence, one: Evidence, limits: Limits) -> list[_Found]:
    return [
        *_lost(round_, one),
        *_doubled(one),
        *_asked_again(one),
        *_two_voices(one, limits),
        *_silences(round_, one, limits),
        *_end(one),
        *_journals(one),
    ]


def _located(round_: RoundEvidence, one: Evidence, found: _Found) -> Violation:
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


def _lost(round_: RoundEvidence, one: Evidence) -> Iterable[_Found]:
    for question_id, words in one.words.items():
        said = [each for each in one.diary.answers if each.question_id == question_id]
        whole = [each for each in said if each.complete and _is_evidence(round_, one, each)]
        if not whole or not _went_on(one, question_id):
            continue
        for place, word in enumerate(words):
            if _times(one, word) == 0:
                yield _Found(
                    what="lost",
                    detail=f"word {place + 1} of {len(words)} of the answer to {question_id!r}",
                    at_s=whole[-1].end_s,
                )


def _is_evidence(round_: RoundEvidence, one: Evidence, answer: Answer) -> bool:
    return not answer.late_frames and not _unheard(round_, one, answer)


def _unheard(round_: RoundEvidence, one: Evidence, answer: Answer) -> bool:
    """Whether nobody could hear the whole of it."""
    away = [_longer(each, _REJOIN_S) for each in round_.away(*_LIVEKIT)]
    span = Span(start_s=answer.start_s, end_s=answer.end_s)
    present = any(v.start_s <= span.start_s and span.end_s <= v.end_s for v in one.diary.visits)
    return not present or any(_overlap(span, each) > 0 for each in away)


def _went_on(one: Evidence, question_id: str) -> bool:
    """Whether the interviewer took the question for answered: another came, or the end."""
    ids = list(one.words)
    later = ids[ids.index(question_id) + 1 :]
    asked = any(each.question_id in later for each in one.diary.asked)
    return asked or one.diary.closing_s is not None


def _doubled(one: Evidence) -> Iterable[_Found]:
    for question_id, words in one.words.items():
        said = sum(each.question_id == question_id for each in one.diary.answers)
        for place, word in enumerate(words):
            times = _times(one, word)
            if times > max(said, 1) or (times and not said):
                yield _Found(
                    what="doubled",
                    detail=f"word {place + 1} of the answer to {question_id!r}:"
                    f" said {said} times, recorded {times} times",
                )
    keys = [(turn.job_id, turn.seq) for turn in one.turns]
    if len(set(keys)) != len(keys):
        yield _Found(what="doubled", detail="two rows for one turn")


def _asked_again(one: Evidence) -> Iterable[_Found]:
    for asked in one.diary.asked:
        words = one.words[asked.question_id]
        for turn in one.turns:
            whole = all(re.search(rf"\b{word}\b", turn.text.lower()) for word in words)
            recorded = turn.speaker == "candidate" and whole and not turn.interrupted
            # It may have been under way already when the answer was recorded.
            if recorded and asked.at_s - turn.at_s > _QUESTION_S:
                yield _Found(
                    what="asked",
                    detail=f"{asked.question_id!r} again, {asked.at_s - turn.at_s:.1f} s after"
                    " its answer was recorded",
                    at_s=asked.at_s,
                )
                break


#: Seconds of a question with the words before it.
_QUESTION_S: Final = 6.0


# --- voices and silence ---------------------------------------------------------------------------


def _two_voices(one: Evidence, limits: Limits) -> Iterable[_Found]:
    for (first, spans), (second, others) in combinations(one.diary.voices.items(), 2):
        together = [
            (max(a.start_s, b.start_s), overlap)
            for a in spans
            for b in others
            if (overlap := _overlap(a, b)) > 0
        ]
        total = sum(overlap for _, overlap in together)
        if total > limits.two_voices_s:
            yield _Found(
                what="voices",
                detail=f"{first} and {second} together for {total:.1f} s",
                at_s=together[0][0],
            )


@dataclass(frozen=True, kw_only=True)
class _Silence:
    span: Span
    #: Seconds of it that nothing excuses.
    counted_s: float


def _silences(round_: RoundEvidence, one: Evidence, limits: Limits) -> Iterable[_Found]:
    for silence in _waits(round_, one, limits):
        if silence.counted_s > limits.silence_s:
            yield _Found(
                what="silence",
                detail=f"{silence.span.length_s:.1f} s, {silence.counted_s:.1f} s of them not"
                " excused",
                at_s=silence.span.start_s,
            )


def _longest_silence(round_: RoundEvidence, one: Evidence, limits: Limits) -> _Silence | None:
    return max(_waits(round_, one, limits), key=lambda each: each.counted_s, default=None)


def _waits(round_: RoundEvidence, one: Evidence, limits: Limits) -> list[_Silence]:
    """When nobody was heard, from the first visit to the last words or the last visit's end."""
    diary = one.diary
    sounds = [span for spans in diary.voices.values() for span in spans]
    sounds += [Span(start_s=each.start_s, end_s=each.end_s) for each in diary.answers]
    end_s = diary.closing_s or max((visit.end_s for visit in diary.visits), default=0.0)
    begin_s = max(diary.began_s, min((v.start_s for v in diary.visits), default=0.0))
    away = [_longer(each, _REJOIN_S) for each in round_.away(*_LIVEKIT)]
    away += [_longer(each, limits.calm_s) for each in round_.away(*_DATABASE)]
    away += [
        Span(start_s=before.end_s, end_s=after.start_s + _REJOIN_S)
        for before, after in zip(diary.visits, diary.visits[1:], strict=False)
    ]
    found = []
    at_s = begin_s
    for sound in [*sorted(sounds, key=lambda each: each.start_s), Span(start_s=end_s, end_s=end_s)]:
        if sound.start_s > at_s and at_s < end_s:
            gap = Span(start_s=at_s, end_s=min(sound.start_s, end_s))
            excused = sum(_overlap(gap, each) for each in _merged(away))
            found.append(_Silence(span=gap, counted_s=gap.length_s - excused))
        at_s = max(at_s, sound.end_s)
    return found


def _returns(round_: RoundEvidence) -> Iterable[Return]:
    for struck in round_.struck:
        if not struck.hit or struck.kind not in _KILLS:
            continue
        for one in round_.interviews:
            killed = struck.interviewers.get(one.diary.interview_id)
            if killed is None or _was_over(one, struck.span.start_s):
                continue
            heard = [
                span.start_s
                for identity, spans in one.diary.voices.items()
                if identity != killed
                for span in spans
                if span.start_s > struck.span.start_s
            ]
            waited_s = min(heard) - struck.span.start_s if heard else None
            yield Return(kind=struck.kind, interview_id=one.diary.interview_id, waited_s=waited_s)


def _was_over(one: Evidence, at_s: float) -> bool:
    return one.diary.closing_s is not None and at_s >= one.diary.closing_s - 1.0


# --- the end --------------------------------------------------------------------------------------


def _end_of(one: Evidence) -> str:
    if one.row is None or one.row.outcome is None:
        return "no end"
    return f"{one.row.outcome}/{one.row.reason}"


def _end(one: Evidence) -> Iterable[_Found]:
    row = one.row
    if row is None:
        yield _Found(what="end", detail="the interview has no row")
    elif row.status != "ended" or not row.outcome or not row.reason:
        yield _Found(what="end", detail=f"{row.status}, outcome {row.outcome}/{row.reason}")
    elif row.lease_job is not None:
        yield _Found(what="lease", detail=f"{row.lease_job} holds it")
    if one.diary.gave_up:
        yield _Found(what="end", detail="the candidate waited for the end in vain")
    if one.in_room:
        yield _Found(what="room", detail=f"{', '.join(one.in_room)} in the room")
    if one.processes:
        yield _Found(what="process", detail=f"pids {', '.join(map(str, one.processes))}")


def _journals(one: Evidence) -> Iterable[_Found]:
    rows = {(turn.job_id, turn.seq) for turn in one.turns}
    for journal in one.journals:
        stored = one.stored.get(journal.job_id, 0)
        if stored < len(journal.records):
            yield _Found(
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
            yield _Found(what="journal", detail=f"{journal.job_id}: turns {missing} have no row")


# --- spans ----------------------------------------------------------------------------------------


def _overlap(one: Span, other: Span) -> float:
    return max(0.0, min(one.end_s, other.end_s) - max(one.start_s, other.start_s))


def _longer(span: Span, by_s: float) -> Span:
    return Span(start_s=span.start_s, end_s=span.end_s + by_s)


def _merged(spans: Sequence[Span]) -> list[Span]:
    merged: list[Span] = []
    for span in sorted(spans, key=lambda each: each.start_s):
        if merged and span.start_s <= merged[-1].end_s:
            last = merged[-1]
            merged[-1] = Span(start_s=last.start_s, end_s=max(last.end_s, span.end_s))
        else:
            merged.append(span)
    return merged
