"""`Floor`: decides who may interrupt whom, from the inputs and the table of `floor_state`."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from worker.interview.dialogue.floor.decisions import INTERRUPTS, Decision, Kind, Verdict
from worker.interview.dialogue.floor.figures import (
    ANSWER_BEGINS_S,
    COUGH_S,
    ECHO_BEFORE_WORDS,
    ECHO_WINDOW_S,
    ECHO_WORDS,
    LATE_WORDS_S,
    OPENING_S,
)
from worker.interview.dialogue.floor.floor_state import FloorEvent, FloorState
from worker.interview.dialogue.floor.inputs import (
    Input,
    LineBegins,
    LineEnds,
    Position,
    SoundBegins,
    SoundEnds,
    SoundGoesOn,
    Words,
)
from worker.interview.dialogue.floor.line import Line, SaidWords
from worker.interview.dialogue.floor.machine import FloorMachine
from worker.interview.dialogue.floor.sound import Sound
from worker.interview.dialogue.floor.words import (
    ENGLISH,
    Lexicon,
    is_echo,
    plain,
    proves_echo,
    split_echo,
    verdict_of,
)

_S, _E = FloorState, FloorEvent
#: States in which a new sound belongs to the sound that is being decided.
_ONE_SOUND: Final = (_S.PAUSING, _S.PAUSED, _S.YIELDING, _S.WITHDRAWING)


class Floor(FloorMachine):
    """Whose floor it is. `give` takes one input after another and returns the decisions.

    An input that is earlier than the one before it counts as simultaneous with that one. The caller
    carries the decisions out at once, and gives a `Tick` when `due` is reached.
    """

    def __init__(self, lexicon: Lexicon = ENGLISH) -> None:
        super().__init__()
        #: True while lines are known to come back through the candidate's microphone. Then only
        #: words interrupt, because the sound of the echo cannot be told from the candidate's.
        self.echoing = False
        self._lexicon = lexicon
        self._said = SaidWords()
        self._opening_until = -math.inf
        # True if the newest line is a hotword line.
        self._hotword = False

    @property
    def due(self) -> float | None:
        """Time of the next tick; None if only another input can change something."""
        return min((at for at, _ in self._timers()), default=None)

    def give(self, given: Input) -> tuple[Decision, ...]:
        """Take an input and return the decisions, in the order in which to carry them out."""
        self._now = max(self._now, given.at)
        self._decisions = []
        if self._line is not None:
            self._said.take(self._line, self._now)
        self._let_time_pass()
        match given:
            case LineBegins():
                self._line_begins(given)
            case Position():
                if self._line is not None:
                    self._line.place(self._now, given.played_s)
            case LineEnds():
                self._line_ends(complete=given.complete)
            case SoundBegins():
                self._sound_begins(given.voiced_s)
            case SoundGoesOn():
                self._sound_goes_on(given.voiced_s)
            case SoundEnds():
                self._sound_ends(given.voiced_s)
            case Words():
                self._words(given)
        return tuple(self._decisions)

    # --- time ----------------------------------------------------------------------------------

    def _timers(self) -> list[tuple[float, FloorEvent]]:
        timers: list[tuple[float, FloorEvent]] = []
        if self._stop_at is not None:
            timers.append((self._stop_at, _E.WORD_ENDS))
        if self.state is _S.OURS_OPENING:
            timers.append((self._opening_until, _E.OPENING_OVER))
        if self._sound is not None and self._sound.is_open:
            timers.append((self._sound.due, _E.NO_WORDS))
        return timers

    def _let_time_pass(self) -> None:
        while timers := [timer for timer in self._timers() if timer[0] <= self._now]:
            _, event = min(timers, key=lambda timer: timer[0])
            if event is _E.NO_WORDS:
                self._no_more_words()
            else:
                self._fire(event)

    def _no_more_words(self) -> None:
        """Decide a sound for which no final words came in time."""
        sound, line = self._sound, self._line
        if sound is None:
            return
        if sound.talks:
            self._talk(sound)
            return
        if line is not None and (sound.ended is None or sound.voiced_s >= COUGH_S):
            line.guarded = True
        self._fire(_E.NO_WORDS, verdict=sound.verdict or Verdict.COUGH)
        self._settle(sound)

    # --- our line ------------------------------------------------------------------------------

    def _line_begins(self, begins: LineBegins) -> None:
        sound = self._sound
        if sound is not None and sound.ended is None:
            self._sound = sound.rest(self._now, at_the_end=False)
        elif sound is not None and not sound.is_open:
            sound.settled = True  # a sound that follows is another one
        line = Line(begins)
        line.guarded = self._say_again or self.echoing
        line.disturbed = sound is not None and sound.ended is None
        self._line, self._hotword, self._say_again = line, begins.hotword, False
        self._silent_since = self._paused_at = None
        self._fire(_E.LINE_OPENS if self._opens(begins) else _E.LINE_BEGINS)

    def _opens(self, begins: LineBegins) -> bool:
        """Return whether the line follows a pause of the candidate, and may be withdrawn."""
        spoke, self._spoke = self._spoke, False
        if begins.hotword or not begins.withdrawable:
            self._opening_until = -math.inf
        elif spoke:
            self._opening_until = self._now + OPENING_S
        return self._now < self._opening_until

    def _line_ends(self, *, complete: bool) -> None:
        line, sound = self._line, self._sound
        if line is None or self.state is _S.WITHDRAWING:
            return
        if complete:
            self._said.take_all(line, self._now)
        if sound is not None and sound.is_open:
            late = sound.begun >= self._now - ANSWER_BEGINS_S
            sound.at_the_end = sound.ended is None or late
        if not line.disturbed and line.played_s(self._now) >= OPENING_S:
            self.echoing = False
        if line.playing:
            self._silent_since = self._now
        self._line = self._paused_at = None
        self._fire(_E.LINE_OVER)

    # --- the candidate's sound -----------------------------------------------------------------

    def _sound_begins(self, voiced_s: float) -> None:
        sound = self._sound
        if sound is not None and self._is_continued(sound):
            sound.go_on(voiced_s)
        else:
            if sound is not None and sound.is_open:
                self._no_more_words()
            begun = self._now - max(0.0, voiced_s)
            over_line = self._sounds_at(begun)
            unworded = None if sound is None else sound.unworded_until(begun)
            if unworded is None and over_line:
                unworded = begun
            self._sound = sound = Sound(
                begun=begun, over_line=over_line, current_s=voiced_s, unworded_from=unworded
            )
        if self._line is None:
            # It began at the end of a line at the earliest, and goes on: it may be the answer.
            sound.at_the_end = sound.over_line
        elif sound.over_line:
            self._line.disturbed = True
        self._announce(sound)

    def _is_continued(self, sound: Sound) -> bool:
        if sound.settled or not (sound.is_open or sound.theirs or self._line is None):
            return False
        in_episode = sound.is_open and self.state in _ONE_SOUND
        return in_episode or sound.is_continued(self._now)

    def _sound_goes_on(self, voiced_s: float) -> None:
        sound = self._sound
        if sound is None or sound.ended is not None:
            self._sound_begins(voiced_s)
            return
        sound.current_s = max(sound.current_s, voiced_s)
        self._announce(sound)

    def _sound_ends(self, voiced_s: float) -> None:
        sound = self._sound
        if sound is None or sound.ended is not None:
            return
        sound.current_s, sound.ended = max(sound.current_s, voiced_s), self._now
        if sound.is_open and sound.is_short:
            self._fire(_E.SHORT_SOUND_OVER)

    def _announce(self, sound: Sound) -> None:
        """Let the sound contest the line, unless only words may do so."""
        line = self._line
        if line is None or line.guarded or line.hotword or not sound.is_open:
            return
        if not sound.announced:
            sound.announced = True
            self._fire(_E.SOUND_BEGINS)
        if sound.lasts:
            self._fire(_E.SOUND_LASTS)

    # --- the candidate's words -----------------------------------------------------------------

    def _words(self, given: Words) -> None:
        if not plain(given.text):
            return
        sound = self._sound_of_words()
        if given.final:
            given = self._without_echo(given, sound)
        if not (words := plain(given.text)):
            return
        if sound.theirs or not sound.over_line:
            self._spoke = self._spoke or self._line is None
            return
        sound.verdict = self._judge(words, given, sound)
        sound.words_at, sound.settled = self._now, False
        if given.final:
            self._final(words, given, sound)
        elif sound.at_the_end:
            return
        elif sound.talks:
            self._fire(_E.TALK_BEGINS)
        elif sound.ended is not None or not sound.lasts:
            self._fire(_E.HARMLESS_SO_FAR)

    def _without_echo(self, given: Words, sound: Sound) -> Words:
        """Return final words without the echo before them, which is decided here.

        A transcript that is an echo as a whole is decided by `_final`, unless its sound is not
        over a line, because another sound has begun since.
        """
        since, sound.unworded_from = sound.unworded_from, None
        if since is None:
            return given
        least = ECHO_WORDS if self.echoing else ECHO_BEFORE_WORDS
        echo, rest = split_echo(given.text, self._said.since(since), least)
        if not echo or (not plain(rest) and sound.over_line and not sound.theirs):
            return given
        self.echoing = True
        self._decide(Kind.ECHO, _E.ECHO, Verdict.ECHO, echo, rest)
        return replace(given, text=rest)

    def _sound_of_words(self) -> Sound:
        """Return the sound in which words were said: the newest, or one that the VAD has missed."""
        sound = self._sound
        if sound is not None and sound.ended is not None and self._line is not None:
            missed = sound.theirs or sound.at_the_end or not sound.over_line
            if missed and self._now - sound.ended > LATE_WORDS_S:
                sound = None
        if sound is None:
            over_line = self._sounds_at(self._now)
            begun = self._now - ECHO_WINDOW_S
            sound = Sound(begun=begun, over_line=over_line, ended=self._now)
            self._sound = sound
        return sound

    def _judge(self, words: tuple[str, ...], given: Words, sound: Sound) -> Verdict:
        ended = self._now if sound.ended is None else sound.ended
        if is_echo(words, self._said.around(sound.heard_from, ended)):
            sure = proves_echo(words) or self.echoing
            return Verdict.ECHO if sure else Verdict.BACKCHANNEL
        return verdict_of(
            (*(word for text in sound.said for word in plain(text)), *words),
            given.act,
            self._lexicon,
            hotword_line=self._hotword,
            continues_answer=self.state in (_S.OURS_OPENING, _S.WITHDRAWING),
        )

    def _final(self, words: tuple[str, ...], given: Words, sound: Sound) -> None:
        if sound.verdict is Verdict.ECHO:
            self.echoing = self.echoing or proves_echo(words)
            if self._line is not None:
                self._line.guarded = self._line.disturbed = True
            self._fire(_E.ECHO, verdict=Verdict.ECHO, text=given.text)
            self._settle(sound)
            return
        sound.said.append(given.text)
        if sound.at_the_end:
            sound.theirs, self._spoke = True, self._spoke or self._line is None
        elif sound.verdict in INTERRUPTS:
            self._talk(sound)
        elif not (self.state is _S.WITHDRAWING and sound.ended is None):
            self._fire(_E.OVERLAP, verdict=sound.verdict, text=" ".join(sound.said))
            self._settle(sound)

    def _talk(self, sound: Sound) -> None:
        """Give the sound to a turn of the candidate."""
        self._fire(_E.TALK, verdict=sound.verdict)
        sound.theirs = self._spoke = True

    def _settle(self, sound: Sound) -> None:
        """Note that the sound is decided. If it goes on, the rest is a new sound."""
        sound.settled = True
        sound.said.clear()
        if sound.ended is None:
            self._sound = sound.rest(self._now, at_the_end=self._line is None)
