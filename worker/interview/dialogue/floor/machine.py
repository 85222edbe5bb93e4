"""`FloorMachine`: the state of the floor, its transitions, and what they do to the line."""

from __future__ import annotations

import math

from worker.interview.dialogue.floor.decisions import Decision, Kind, Verdict
from worker.interview.dialogue.floor.figures import WORD_END_WITHIN_S
from worker.interview.dialogue.floor.floor_state import TRANSITIONS, FloorEvent, FloorState
from worker.interview.dialogue.floor.line import Line
from worker.interview.dialogue.floor.sound import Sound

_S, _E = FloorState, FloorEvent
_SILENCES = (Kind.PAUSE, Kind.WITHDRAW, Kind.STOP)


class FloorMachine:
    """The state, the line that is played, and the sound of the candidate. `Floor` adds inputs."""

    def __init__(self) -> None:
        self.state: FloorState = _S.THEIRS
        self._now = -math.inf
        self._decisions: list[Decision] = []
        self._line: Line | None = None
        self._sound: Sound | None = None
        # Time from which no line sounds; None while a line sounds.
        self._silent_since: float | None = -math.inf
        self._paused_at: float | None = None
        # Time at which the line pauses or stops. Set only in PAUSING and YIELDING.
        self._stop_at: float | None = None
        # True if the candidate has spoken since the last line began.
        self._spoke = False
        # True if the next line is one that was withdrawn in vain.
        self._say_again = False

    @property
    def line_sounds(self) -> bool:
        """True while a line of the interviewer is played and not paused."""
        return self._line is not None and self._line.playing

    def _sounds_at(self, at: float) -> bool:
        """Return whether a line sounds now, or still sounded at a time."""
        return self._silent_since is None or at < self._silent_since

    def _fire(self, event: FloorEvent, *, verdict: Verdict | None = None, text: str = "") -> None:
        """Make the transition of the table, if there is one."""
        edge = TRANSITIONS.get((self.state, event))
        if edge is None:
            return
        self.state = edge.target
        stop_at, self._stop_at = self._stop_at, None
        if self._line is not None and edge.target in (_S.PAUSING, _S.YIELDING):
            # A sound without words may still be a backchannel. The later the line pauses, the
            # shorter is the gap after a backchannel.
            last = event is _E.SOUND_LASTS
            end = self._line.word_end(self._now, WORD_END_WITHIN_S, last=last)
            self._stop_at = end if stop_at is None else min(end, stop_at)
        for kind in edge.kinds:
            self._decide(kind, event, verdict, text)

    def _decide(
        self,
        kind: Kind,
        event: FloorEvent,
        verdict: Verdict | None,
        text: str = "",
        rest: str = "",
    ) -> None:
        sound, gap_s = self._sound, 0.0
        if verdict is None and sound is not None:
            verdict = sound.verdict
        if kind is Kind.RESUME and self._paused_at is not None:
            gap_s = self._now - self._paused_at
        self._decisions.append(
            Decision(
                at=self._now,
                kind=kind,
                reason=str(event),
                verdict=verdict,
                share=1.0 if self._line is None else self._line.share(self._now),
                voiced_s=0.0 if sound is None else sound.voiced_s,
                gap_s=gap_s,
                text=text if kind in (Kind.OVERLAP, Kind.ECHO) else "",
                rest=rest,
            )
        )
        self._carry_out(kind)

    def _carry_out(self, kind: Kind) -> None:
        """Change the line as the caller changes it when it carries out the decision."""
        line = self._line
        if line is None:
            return
        if kind in _SILENCES and line.playing:
            line.pause(self._now)
            self._silent_since = self._paused_at = self._now
        elif kind is Kind.RESUME and not line.playing:
            line.resume(self._now)
            self._silent_since = self._paused_at = None
        if kind in (Kind.STOP, Kind.JOIN, Kind.SAY_AGAIN):
            self._line = self._paused_at = None
        if kind in (Kind.STOP, Kind.JOIN) and self._sound is not None:
            self._sound.theirs = True
        if kind is Kind.SAY_AGAIN:
            self._say_again = self._spoke = True
