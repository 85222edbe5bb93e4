"""Scenes for tests of the floor: a floor, an audio output that obeys it, and sounds, on numbers."""

from __future__ import annotations

from worker.interview.dialogue.floor.decisions import Decision, Kind
from worker.interview.dialogue.floor.floor import Floor
from worker.interview.dialogue.floor.floor_state import FloorState
from worker.interview.dialogue.floor.inputs import (
    Input,
    LineBegins,
    LineEnds,
    SoundBegins,
    SoundEnds,
    SoundGoesOn,
    Tick,
    Words,
)

#: A line of 22 words, each 0.4 s long.
LINE = (
    "please tell me about a recent project and which part of the work was your own and what you "
    "would change today"
)
WORD_S = 0.4
WORD_ENDS_S = tuple(WORD_S * (index + 1) for index in range(len(LINE.split())))
LENGTH_S = WORD_ENDS_S[-1]

#: Time after which the VAD reports the beginning of a sound.
ONSET_S = 0.1
#: Time between two reports on a sound that goes on: one window of Silero.
WINDOW_S = 0.032
#: Silence after which the end of a sound is reported.
END_S = 0.2
#: States in which nothing is undecided.
DECIDED = (FloorState.THEIRS, FloorState.OURS_OPENING, FloorState.OURS)
#: Decisions that end an undecided time.
DECIDING = (Kind.RESUME, Kind.STOP, Kind.JOIN, Kind.SAY_AGAIN)
#: Seconds between SAY_AGAIN and the first sound of the line.
_AGAIN_S = 0.1


def line_at(at: float, *, hotword: bool = False, withdrawable: bool = True) -> LineBegins:
    """Return the beginning of `LINE`."""
    return LineBegins(
        at=at, text=LINE, word_ends_s=WORD_ENDS_S, hotword=hotword, withdrawable=withdrawable
    )


def sound(begun: float, voiced_s: float, *, end_s: float = END_S) -> list[Input]:
    """Return the reports on a sound of `voiced_s` seconds."""
    onset_s = min(ONSET_S, voiced_s)
    inputs: list[Input] = [SoundBegins(at=begun + onset_s, voiced_s=onset_s)]
    steps = int((voiced_s - onset_s) / WINDOW_S)
    for step in range(1, steps + 1):
        heard_s = onset_s + step * WINDOW_S
        inputs.append(SoundGoesOn(at=begun + heard_s, voiced_s=heard_s))
    inputs.append(SoundEnds(at=begun + voiced_s + end_s, voiced_s=voiced_s))
    return inputs


def final(at: float, text: str) -> Words:
    """Return a final transcript."""
    return Words(at=at, text=text)


def interim(at: float, text: str) -> Words:
    """Return an interim transcript."""
    return Words(at=at, text=text, final=False)


class Scene:
    """A floor with an audio output that carries its decisions out, on virtual time."""

    def __init__(self) -> None:
        self.floor = Floor()
        self.decisions: list[Decision] = []
        #: Beginning and end of each time in which something was undecided.
        self.episodes: list[tuple[float, float]] = []
        #: How often a line was played to its end.
        self.completed = 0
        self._line: LineBegins | None = None
        self._playing_since: float | None = None
        self._played_s = 0.0
        self._again_at: float | None = None
        self._undecided_since: float | None = None

    @property
    def kinds(self) -> list[str]:
        """The kinds of the decisions so far."""
        return [str(decision.kind) for decision in self.decisions]

    @property
    def state(self) -> FloorState:
        """The state of the floor."""
        return self.floor.state

    def times_of(self, kind: Kind) -> list[float]:
        """Return the times of the decisions of a kind."""
        return [decision.at for decision in self.decisions if decision.kind is kind]

    def only(self, kind: Kind) -> Decision:
        """Return the only decision of a kind."""
        found = [decision for decision in self.decisions if decision.kind is kind]
        assert len(found) == 1, self.kinds
        return found[0]

    def give(self, *inputs: Input) -> None:
        """Give inputs in the order of their times. Ticks and ends of lines come by themselves."""
        for given in sorted(inputs, key=lambda each: each.at):
            self.run_until(given.at)
            self._take(given)

    def after_an_answer(self, at: float) -> None:
        """Let the candidate answer, and begin `LINE` at a time."""
        self.give(*sound(at - 5.0, 2.0), final(at - 2.0, "I built the search"), line_at(at))

    def run_until(self, at: float) -> None:
        """Let time pass."""
        while (timer := self._next_timer()) is not None and timer[0] <= at:
            self._take(timer[1])

    def _next_timer(self) -> tuple[float, Input] | None:
        timers: list[tuple[float, Input]] = []
        if (due := self.floor.due) is not None:
            timers.append((due, Tick(at=due)))
        if self._playing_since is not None:
            end = self._playing_since + LENGTH_S - self._played_s
            timers.append((end, LineEnds(at=end)))
        if self._again_at is not None and self._line is not None:
            again = line_at(self._again_at, hotword=self._line.hotword)
            timers.append((self._again_at, again))
        return min(timers, key=lambda timer: timer[0], default=None)

    def _take(self, given: Input) -> None:
        if isinstance(given, LineBegins):
            self._line, self._playing_since, self._played_s = given, given.at, 0.0
            self._again_at = None
        elif isinstance(given, LineEnds):
            self.completed += self._playing_since is not None
            self._playing_since = None
        decisions = self.floor.give(given)
        for decision in decisions:
            self.decisions.append(decision)
            self._carry_out(decision)
        self._note_episode(given.at, decided=any(each.kind in DECIDING for each in decisions))

    def _note_episode(self, at: float, *, decided: bool) -> None:
        since = self._undecided_since
        if since is not None and (decided or self.state in DECIDED):
            self.episodes.append((since, at))
            self._undecided_since = None
        if self._undecided_since is None and self.state not in DECIDED:
            self._undecided_since = at

    def _carry_out(self, decision: Decision) -> None:
        if decision.kind in (Kind.PAUSE, Kind.WITHDRAW, Kind.STOP):
            if self._playing_since is not None:
                self._played_s += decision.at - self._playing_since
            self._playing_since = None
        elif decision.kind is Kind.RESUME and self._playing_since is None:
            self._playing_since = decision.at
        elif decision.kind is Kind.SAY_AGAIN:
            self._again_at = decision.at + _AGAIN_S


def decided(*inputs: Input, floor: Floor | None = None) -> list[str]:
    """Return the kinds of all decisions on the inputs."""
    floor = floor or Floor()
    return [str(decision.kind) for each in inputs for decision in floor.give(each)]
