"""Analysis of what a candidate heard: voices, silences, and the return of interviewers.

The length of a candidate's silence is its longest stretch in which LiveKit was available, the
database took writes, and a worker had a free slot. After an outage the count begins again at 0,
because no lease expires during an outage, so that the rescue of the interview begins only then. No
other cause excuses a silence: neither the time that a lease takes to expire, nor the calm after an
outage of the database, nor a worker that still uses connections from before a fail-over.

- The database counts as taking no writes while the chaos run's own writes fail (`watch`), during or
  just after an injected fault of the database. A write that fails at any other time excuses no
  silence, because the cause is then a busy machine or a fault of PostgreSQL. A database with a slow
  network counts as taking writes.
- No slot counts as free while the chaos run finds no free slot (`watch`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Final

from tests.chaos.spans import Span, common, without
from tests.chaos.verdict import Found, Limits, Return

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tests.chaos.diary import Answer, Listener
    from tests.chaos.evidence import Evidence, RoundEvidence

#: Names of the kinds of fault that kill an interviewer.
_KILLS: Final = ("kill-job", "kill-worker", "kill-machine")
_LIVEKIT: Final = ("kill-livekit",)
_DATABASE: Final = ("stop-database", "kill-database", "stall-database", "fail-over-database")
#: Seconds until all participants are in the room again after LiveKit is back (the SDK's back-off).
_REJOIN_S: Final = 4.0
#: Seconds after a fault of the database in which a failed write still belongs to it: a write that
#: began during the fault.
_LAST_WRITE_S: Final = 2.0


def unheard(round_: RoundEvidence, one: Evidence, answer: Answer) -> bool:
    """Return whether the candidate or LiveKit was unavailable during a part of the answer."""
    away = [each.longer(_REJOIN_S) for each in round_.away(*_LIVEKIT)]
    span = Span(start_s=answer.start_s, end_s=answer.end_s)
    present = any(v.start_s <= span.start_s and span.end_s <= v.end_s for v in one.diary.visits)
    return not present or any(span.overlap_s(each) > 0 for each in away)


def two_voices(voices: Mapping[str, Sequence[Span]], limits: Limits) -> Iterable[Found]:
    """Yield each pair of interviewers that are audible at once for too long."""
    for (first, spans), (second, others) in combinations(voices.items(), 2):
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
class Silence:
    """A candidate's wait for words."""

    span: Span
    #: Seconds of its longest stretch that nothing excuses.
    counted_s: float


def silences(round_: RoundEvidence, one: Evidence, limits: Limits) -> Iterable[Found]:
    """Yield the waits above the limit."""
    for silence in _waits(round_, one):
        if silence.counted_s > limits.silence_s:
            yield Found(what="silence", detail=_detail(silence), at_s=silence.span.start_s)


def late_first_words(round_: RoundEvidence, listener: Listener, limits: Limits) -> Iterable[Found]:
    """Yield the wait of a burst's candidate for its first words, if it is above the limit."""
    wait = first_wait(round_, listener)
    if wait is not None and wait.counted_s > limits.silence_s:
        heard = "first words of a burst's interview after" if listener.voices else "no words for"
        yield Found(what="silence", detail=f"{heard} {_detail(wait)}", at_s=wait.span.start_s)


def _detail(silence: Silence) -> str:
    whole_s, counted_s = silence.span.length_s, silence.counted_s
    return f"{whole_s:.1f} s, with {counted_s:.1f} s in a row that are not excused"


def longest_silence(round_: RoundEvidence, one: Evidence) -> Silence | None:
    """Return the longest wait of an interview; None if its candidate never waited."""
    return max(_waits(round_, one), key=lambda each: each.counted_s, default=None)


def first_wait(round_: RoundEvidence, listener: Listener) -> Silence | None:
    """Return the wait of a burst's candidate for its first words; None if it never joined."""
    if not listener.visits:
        return None
    heard = [span.start_s for spans in listener.voices.values() for span in spans]
    end_s = min(heard, default=listener.visits[-1].end_s)
    span = Span(start_s=listener.visits[0].start_s, end_s=max(end_s, listener.visits[0].start_s))
    return _silence(span, [*_excused(round_), *_absences(listener.visits)])


def _waits(round_: RoundEvidence, one: Evidence) -> list[Silence]:
    """Return the silences from the first visit to the closing, or to the last visit's end."""
    diary = one.diary
    sounds = [span for spans in diary.voices.values() for span in spans]
    sounds += [Span(start_s=each.start_s, end_s=each.end_s) for each in diary.answers]
    end_s = diary.closing_s or max((visit.end_s for visit in diary.visits), default=0.0)
    begin_s = max(diary.began_s, min((v.start_s for v in diary.visits), default=0.0))
    away = [*_excused(round_), *_absences(diary.visits)]
    found = []
    at_s = begin_s
    for sound in [*sorted(sounds, key=lambda each: each.start_s), Span(start_s=end_s, end_s=end_s)]:
        if sound.start_s > at_s and at_s < end_s:
            gap = Span(start_s=at_s, end_s=min(sound.start_s, end_s))
            found.append(_silence(gap, away))
        at_s = max(at_s, sound.end_s)
    return found


def _silence(span: Span, away: Iterable[Span]) -> Silence:
    stretches = (each.length_s for each in without(span, away))
    return Silence(span=span, counted_s=max(stretches, default=0.0))


def _absences(visits: Sequence[Span]) -> list[Span]:
    """Return the times between visits, with the time in which a returned candidate connects."""
    return [
        Span(start_s=before.end_s, end_s=after.start_s + _REJOIN_S)
        for before, after in pairwise(visits)
    ]


def _excused(round_: RoundEvidence) -> list[Span]:
    """Return the times in which no interviewer could be sent, by the rules of this module."""
    outages = [each.longer(_LAST_WRITE_S) for each in round_.away(*_DATABASE)]
    return [
        *(each.longer(_REJOIN_S) for each in round_.away(*_LIVEKIT)),
        *common(round_.unwritable, outages),
        *round_.no_slot,
    ]


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
