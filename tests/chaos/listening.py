"""Analysis of what a candidate heard: voices, silences, and the return of interviewers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final

from tests.chaos.spans import Span, merged
from tests.chaos.verdict import Found, Limits, Return

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.chaos.diary import Answer
    from tests.chaos.evidence import Evidence, RoundEvidence

#: Names of the kinds of fault that kill an interviewer.
_KILLS: Final = ("kill-job", "kill-worker", "kill-machine")
_LIVEKIT: Final = ("kill-livekit",)
_DATABASE: Final = ("stop-database", "kill-database", "stall-database")
#: Seconds until all participants are in the room again after LiveKit is back (the SDK's back-off).
_REJOIN_S: Final = 4.0


def unheard(round_: RoundEvidence, one: Evidence, answer: Answer) -> bool:
    """Return whether the candidate or LiveKit was unavailable during a part of the answer."""
    away = [each.longer(_REJOIN_S) for each in round_.away(*_LIVEKIT)]
    span = Span(start_s=answer.start_s, end_s=answer.end_s)
    present = any(v.start_s <= span.start_s and span.end_s <= v.end_s for v in one.diary.visits)
    return not present or any(span.overlap_s(each) > 0 for each in away)


def two_voices(one: Evidence, limits: Limits) -> Iterable[Found]:
    """Yield each pair of interviewers that are audible at once for too long."""
    for (first, spans), (second, others) in combinations(one.diary.voices.items(), 2):
        together = [
            (max(a.start_s, b.start_s), overlap)
            for a in spans
            for b in others
            if (overlap := a.overlap_s(b)) > 0
        ]
        total = sum(overlap for _, overlap in together)
        if total > limits.two_voices_s:
            yield Found(
                what="voices",
                detail=f"{first} and {second} together for {total:.1f} s",
                at_s=together[0][0],
            )


@dataclass(frozen=True, kw_only=True)
class _Silence:
    span: Span
    #: Seconds of the silence that nothing excuses.
    counted_s: float


def silences(round_: RoundEvidence, one: Evidence, limits: Limits) -> Iterable[Found]:
    """Yield the waits above the limit."""
    for silence in _waits(round_, one, limits):
        if silence.counted_s > limits.silence_s:
            yield Found(
                what="silence",
                detail=f"{silence.span.length_s:.1f} s, {silence.counted_s:.1f} s of them not"
                " excused",
                at_s=silence.span.start_s,
            )


def longest_silence(round_: RoundEvidence, one: Evidence, limits: Limits) -> _Silence | None:
    """Return the longest wait of an interview; None if it had none."""
    return max(_waits(round_, one, limits), key=lambda each: each.counted_s, default=None)


def _waits(round_: RoundEvidence, one: Evidence, limits: Limits) -> list[_Silence]:
    """Return the silences from the first visit to the closing, or to the last visit's end."""
    diary = one.diary
    sounds = [span for spans in diary.voices.values() for span in spans]
    sounds += [Span(start_s=each.start_s, end_s=each.end_s) for each in diary.answers]
    end_s = diary.closing_s or max((visit.end_s for visit in diary.visits), default=0.0)
    begin_s = max(diary.began_s, min((v.start_s for v in diary.visits), default=0.0))
    away = [each.longer(_REJOIN_S) for each in round_.away(*_LIVEKIT)]
    away += [each.longer(limits.calm_s) for each in round_.away(*_DATABASE)]
    away += [
        Span(start_s=before.end_s, end_s=after.start_s + _REJOIN_S)
        for before, after in zip(diary.visits, diary.visits[1:], strict=False)
    ]
    found = []
    at_s = begin_s
    for sound in [*sorted(sounds, key=lambda each: each.start_s), Span(start_s=end_s, end_s=end_s)]:
        if sound.start_s > at_s and at_s < end_s:
            gap = Span(start_s=at_s, end_s=min(sound.start_s, end_s))
            excused = sum(gap.overlap_s(each) for each in merged(away))
            found.append(_Silence(span=gap, counted_s=gap.length_s - excused))
        at_s = max(at_s, sound.end_s)
    return found


def returns(round_: RoundEvidence) -> Iterable[Return]:
    """Yield, for each killed interviewer, how long its candidate waited for the next one."""
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
