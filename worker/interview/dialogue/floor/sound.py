"""`Sound`: a sound of the candidate, with the words that were recognized in it."""

from __future__ import annotations

from dataclasses import dataclass, field

from worker.interview.dialogue.floor.decisions import INTERRUPTS, Verdict
from worker.interview.dialogue.floor.figures import (
    BACKCHANNEL_S,
    COUGH_S,
    LATE_WORDS_S,
    LONGEST_UNDECIDED_S,
    PAUSE_AFTER_S,
    SAME_SOUND_S,
    WORDS_WITHIN_S,
)

#: Verdicts on interim words after which the line of the interviewer goes on.
HARMLESS = frozenset({Verdict.BACKCHANNEL, Verdict.SOCIAL, Verdict.ECHO})


@dataclass(kw_only=True)
class Sound:
    """A sound of the candidate. Sounds with short silences between them are one sound."""

    #: Time at which the sound began. If the beginning of a sound was decided, the rest is a `Sound`
    #: of its own, and this is the beginning of the rest.
    begun: float
    #: True if a line of the interviewer sounded when the sound began, or has begun since.
    over_line: bool
    #: Time at which the sound with its decided part began; None if no part was decided before.
    whole_begun: float | None = None
    #: Voiced seconds up to the last silence in the sound.
    earlier_s: float = 0.0
    #: Voiced seconds since the last silence in the sound.
    current_s: float = 0.0
    #: Voiced seconds of the decided part.
    decided_s: float = 0.0
    #: Time at which the end was reported; None while the sound goes on.
    ended: float | None = None
    #: True once the event `SOUND_BEGINS` was made for the sound since its last silence.
    announced: bool = False
    #: True once the sound is recorded as an overlap or an echo.
    settled: bool = False
    #: True if the sound belongs to a turn of the candidate.
    theirs: bool = False
    #: True if the sound outlasts the line, or began at its end: it may be the answer.
    at_the_end: bool = False
    #: The final transcripts that are no echo.
    said: list[str] = field(default_factory=list)
    #: What the newest words are; None without words.
    verdict: Verdict | None = None
    #: Time of the newest words.
    words_at: float | None = None
    #: Time from which sounds over the line have had no words yet. The next transcript may contain
    #: their words, such as an echo, before the words of this sound.
    unworded_from: float | None = None

    @property
    def voiced_s(self) -> float:
        """Voiced seconds of the sound, without the decided part."""
        return max(0.0, self.earlier_s + self.current_s - self.decided_s)

    @property
    def heard_from(self) -> float:
        """Time at which the sound began, with its decided part."""
        return self.begun if self.whole_begun is None else self.whole_begun

    @property
    def talks(self) -> bool:
        """True if the newest words are an interruption."""
        return self.verdict in INTERRUPTS

    @property
    def is_short(self) -> bool:
        """True if a sound that is over was as short as a cough, or has harmless words."""
        return not self.talks and (self.voiced_s < COUGH_S or self.verdict in HARMLESS)

    @property
    def is_open(self) -> bool:
        """True if the sound is over a line, and must still be decided."""
        return self.over_line and not (self.settled or self.theirs or self.at_the_end)

    @property
    def pause_after_s(self) -> float | None:
        """Voiced seconds after which the line pauses; None if it does not pause."""
        if self.verdict is Verdict.ECHO:
            return None
        return BACKCHANNEL_S if self.verdict in HARMLESS else PAUSE_AFTER_S

    @property
    def lasts(self) -> bool:
        """True once the sound is so long that the line must pause."""
        limit_s = self.pause_after_s
        return limit_s is not None and self.voiced_s >= limit_s

    @property
    def due(self) -> float:
        """Time at which the sound is decided if no more words come."""
        longest = self.begun + LONGEST_UNDECIDED_S
        if self.ended is None:
            return longest
        latest = self.ended if self.words_at is None else max(self.ended, self.words_at)
        return min(longest, latest + WORDS_WITHIN_S)

    def unworded_until(self, begun: float) -> float | None:
        """Return `unworded_from` for a sound that begins at this time; None if words have come."""
        if self.words_at is not None or self.ended is None or begun - self.ended > LATE_WORDS_S:
            return None
        return self.unworded_from

    def is_continued(self, at: float) -> bool:
        """Return whether a sound that begins at this time counts as a part of this sound."""
        return self.ended is None or at - self.ended <= SAME_SOUND_S

    def go_on(self, voiced_s: float) -> None:
        """Continue the sound after a silence."""
        self.earlier_s += self.current_s
        self.current_s, self.ended, self.announced = voiced_s, None, False

    def rest(self, at: float, *, at_the_end: bool) -> Sound:
        """Return the rest of the sound, which goes on after the sound was decided."""
        return Sound(
            begun=at,
            over_line=True,
            whole_begun=self.heard_from,
            current_s=self.current_s,
            decided_s=self.current_s,
            at_the_end=at_the_end,
            unworded_from=None if self.words_at else self.unworded_from,
        )
