"""`Line`: the interviewer's line with the times of its words. `SaidWords`: what was said when."""

from __future__ import annotations

import bisect
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from worker.interview.dialogue.floor.figures import ECHO_SLACK_S, ECHO_WINDOW_S
from worker.interview.dialogue.floor.inputs import LineBegins
from worker.interview.dialogue.floor.words import plain
from worker.speech.tts.word_timing import spoken_length

#: Seconds for which the words of the interviewer are kept. A transcript may come long after them.
_KEPT_S: Final = 60.0
#: Tolerance for times that are computed from sums and differences.
_TINY_S: Final = 1e-6


class Line:
    """A line of the interviewer that is being played.

    If the voice reports no times of words, they are estimated from the lengths of the words.
    """

    def __init__(self, begins: LineBegins) -> None:
        self.hotword = begins.hotword
        #: True if only words interrupt the line, because a sound alone has paused it in vain.
        self.guarded = False
        #: True if the candidate made a sound while the line was played.
        self.disturbed = False
        texts = begins.text.split()
        ends = begins.word_ends_s
        if len(ends) != len(texts):
            ends = _estimated(texts, begins.pace)
        #: The words, each without punctuation. One entry may hold several words or none.
        self.words = tuple(plain(text) for text in texts)
        self._ends_s = tuple(sorted(ends))
        self._begins_s = (0.0, *self._ends_s)[: len(self._ends_s)]
        self._anchor = begins.at
        self._played_s = 0.0
        self._playing = True

    @property
    def playing(self) -> bool:
        """True unless the line is paused."""
        return self._playing

    def played_s(self, at: float) -> float:
        """Return how many seconds of the line were played at a time."""
        return self._played_s + (max(0.0, at - self._anchor) if self._playing else 0.0)

    def place(self, at: float, played_s: float) -> None:
        """Note how many seconds of the line were played."""
        self._anchor, self._played_s = at, max(0.0, played_s)

    def pause(self, at: float) -> None:
        """Pause at the current position."""
        self.place(at, self.played_s(at))
        self._playing = False

    def resume(self, at: float) -> None:
        """Continue at the current position."""
        self.place(at, self.played_s(at))
        self._playing = True

    def word_end(self, at: float, within_s: float, *, last: bool) -> float:
        """Return the time of the first (or the last) end of a word in the next `within_s` seconds.

        If no word ends in this time, return the end of this time.
        """
        played_s = self.played_s(at)
        ends = [end for end in self._ends_s if played_s <= end <= played_s + within_s]
        if not ends:
            return at + within_s
        return at + (ends[-1] if last else ends[0]) - played_s

    def begun(self, at: float) -> int:
        """Return the number of words that have begun at a time."""
        return bisect.bisect_right(self._begins_s, self.played_s(at) + _TINY_S)

    def begin_s(self, index: int) -> float:
        """Return the position at which a word begins, in seconds from the start of the line."""
        return self._begins_s[index]

    def share(self, at: float) -> float:
        """Return the share of the words that were said completely at a time, from 0 to 1."""
        if not self._ends_s:
            return 1.0
        said = bisect.bisect_right(self._ends_s, self.played_s(at) + _TINY_S)
        return said / len(self._ends_s)


def _estimated(texts: Sequence[str], pace: float) -> tuple[float, ...]:
    """Return the end of each word in seconds, at `pace` characters per second."""
    ends: list[float] = []
    length = 0
    for text in texts:
        length += spoken_length(text) + bool(ends)
        ends.append(length / max(pace, 1.0))
    return tuple(ends)


@dataclass(frozen=True)
class _Said:
    words: tuple[str, ...]
    at: float


class SaidWords:
    """The words that the interviewer has said in the last minute, each with its time."""

    def __init__(self) -> None:
        self._said: deque[_Said] = deque()
        self._line: Line | None = None
        self._next = 0

    def take(self, line: Line, at: float) -> None:
        """Add the words of the line that have begun since the last call."""
        self._take(line, at, line.begun(at))
        while self._said and self._said[0].at < at - _KEPT_S:
            self._said.popleft()

    def take_all(self, line: Line, at: float) -> None:
        """Add all words of a line that was played to its end, because its times are estimates."""
        self._take(line, at, len(line.words))

    def _take(self, line: Line, at: float, count: int) -> None:
        if line is not self._line:
            self._line, self._next = line, 0
        for index in range(self._next, count):
            began = at - max(0.0, line.played_s(at) - line.begin_s(index))
            self._said.append(_Said(line.words[index], began))
        self._next = max(self._next, count)

    def around(self, begun: float, ended: float) -> tuple[str, ...]:
        """Return the words whose echo a sound from `begun` to `ended` may contain."""
        return self._between(max(begun - ECHO_SLACK_S, ended - ECHO_WINDOW_S), ended)

    def since(self, begun: float) -> tuple[str, ...]:
        """Return the words whose echo a transcript may contain that began at this time."""
        return self._between(begun - ECHO_SLACK_S, math.inf)

    def _between(self, first: float, last: float) -> tuple[str, ...]:
        return tuple(word for said in self._said if first <= said.at <= last for word in said.words)
