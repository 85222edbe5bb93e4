"""Select the provider for one stretch of speech, and find those that give no transcript."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from livekit.agents import stt

from worker.fallback.chain import ProviderChain
from worker.fallback.failure import NoText

Choice = tuple[str, stt.STT[Any]]

#: Limit on how often the timeout is doubled, while a sound continues without a transcript.
_MOST_DOUBLINGS = 4
#: A provider that starts to transcribe and then gives no text is asked again at once, up to this
#: many times.
_MOST_TRIES = 3
#: After this many stretches of speech in a row without a transcript, each of at least this many
#: seconds, the cause is not noise any more: all providers then count as failed.
_DEAF_STRETCHES = 3
_LEAST_STRETCH_S = 1.0


class ProviderRound:
    """Asks the providers of the chain in turn, until one gives text or all have been asked.

    A provider without text is only suspected, because a cough has no words for any provider. Text
    from another provider for the same audio confirms the suspicion. Without such text it is
    dropped.
    """

    def __init__(self, chain: ProviderChain[stt.STT[Any]]) -> None:
        self._chain = chain
        self._waiting: Iterator[Choice] = iter(())
        self._begun = False
        self._suspects: list[Choice] = []
        self._found_nothing = False
        #: Rounds without text for one stretch of speech, and the position where it begins.
        self._forgiven, self._stretch_s = 0, -1.0
        self._deaf: list[float] = []
        #: How many providers gave no text since the last final transcript.
        self._tries = 0

    @property
    def open(self) -> bool:
        """True if a provider is under suspicion."""
        return bool(self._suspects)

    def patience_factor(self, stretch: tuple[float, float]) -> int:
        """Return the factor on the timeout for speech, or noise, that continues."""
        return 1 << min(self._forgiven, _MOST_DOUBLINGS) if stretch[0] == self._stretch_s else 1

    def choose(self) -> Choice | None:
        """Return the next provider to ask; None if all have been asked and the round is over."""
        if not self._begun:
            asked = {name for name, _ in self._suspects}
            self._begun = True
            self._waiting = (each for each in self._chain.candidates() if each[0] not in asked)
        chosen = next(self._waiting, None)
        if chosen is None and self._suspects and not self._found_nothing:
            # No other provider could be asked: ask the first again, with the whole audio.
            return self._suspects[0] if self._tries < _MOST_TRIES else None
        return chosen

    def suspect(self, choice: Choice, *, late: bool) -> None:
        """Record a provider without text. A `late` one was opened for this audio alone."""
        self._suspects.append(choice)
        self._tries += 1
        self._found_nothing = self._found_nothing or late

    def text_from(self, name: str, *, final: bool, same_speech: bool) -> None:
        """Record a provider with text: those without text for the same speech have failed."""
        for suspect in dict.fromkeys(suspect for suspect, _ in self._suspects):
            if suspect != name and not same_speech:
                continue  # it may have been a cough without words
            if suspect != name:
                self._chain.failed(suspect, NoText(), served_by=name)
            else:  # only an earlier stream of this provider gave no text
                self._chain.fault(name, NoText.__name__)
        self._chain.served(name)
        self.restart()
        self._forgiven = 0
        self._deaf.clear()
        if final:
            self._tries = 0

    def over(self, stretch: tuple[float, float]) -> bool:
        """End a round without text; return whether a provider listened and found no words.

        The suspects are forgiven, unless this has happened several times in a row.
        """
        suspects, heard_nothing = list(self._suspects), self._found_nothing
        self.restart()
        if not heard_nothing:
            return False
        self._tries = 0
        began_s, length_s = stretch
        self._forgiven = self._forgiven + 1 if began_s == self._stretch_s else 1
        self._stretch_s = began_s
        if length_s >= _LEAST_STRETCH_S and began_s not in self._deaf:
            self._deaf.append(began_s)
        if len(self._deaf) >= _DEAF_STRETCHES:
            for name in dict.fromkeys(name for name, _ in suspects):
                self._chain.failed(name, NoText())
        return True

    def restart(self) -> None:
        """Start a new round with the first choice and without suspects."""
        self._begun, self._suspects, self._found_nothing = False, [], False
