"""Select the provider for a stretch of speech, and detect providers that give no transcript."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from livekit.agents import stt

from worker.fallback.chain import ProviderChain
from worker.fallback.failure import NoText

Choice = tuple[str, stt.STT[Any]]

#: Maximum number of times that the timeout is doubled while a sound continues without a transcript.
_MOST_DOUBLINGS = 4
#: Maximum number of attempts without text until the round ends. If no other provider can be asked,
#: a provider that gave no text is asked again at once, up to this number.
_MOST_TRIES = 3
#: Number of consecutive stretches of speech without a transcript after which all providers that
#: gave no text count as failed, because noise is no longer the likely cause.
_DEAF_STRETCHES = 3
#: Minimum seconds of a stretch of speech that counts for `_DEAF_STRETCHES`.
_LEAST_STRETCH_S = 1.0


class ProviderRound:
    """Asks the providers of the chain in turn, until one gives text or all have been asked.

    A provider that gives no text is at first only suspected, because the sound may be a cough, in
    which no provider finds words. If another provider gives text for the same audio, the suspected
    provider counts as failed. If no provider gives text, the suspicion is dropped. But once
    `_DEAF_STRETCHES` stretches of speech in a row have ended without text from any provider, the
    suspected providers count as failed.
    """

    def __init__(self, chain: ProviderChain[stt.STT[Any]]) -> None:
        self._chain = chain
        self._waiting: Iterator[Choice] = iter(())
        self._begun = False
        self._suspects: list[Choice] = []
        self._found_nothing = False
        #: `_forgiven`: number of rounds without text for one stretch of speech. `_stretch_s`:
        #: position in seconds at which this stretch begins.
        self._forgiven, self._stretch_s = 0, -1.0
        self._deaf: list[float] = []
        #: Number of attempts without text since the last final transcript.
        self._tries = 0

    @property
    def open(self) -> bool:
        """True if at least one provider was asked in this round and gave no text."""
        return bool(self._suspects)

    def patience_factor(self, stretch: tuple[float, float]) -> int:
        """Return the factor by which the timeout for a transcript of `stretch` is multiplied.

        The factor is more than 1 if earlier rounds found no words in the same stretch.
        """
        return 1 << min(self._forgiven, _MOST_DOUBLINGS) if stretch[0] == self._stretch_s else 1

    def choose(self) -> Choice | None:
        """Return the next provider to ask; None if all have been asked and the round is over."""
        if not self._begun:
            asked = {name for name, _ in self._suspects}
            self._begun = True
            self._waiting = (each for each in self._chain.candidates() if each[0] not in asked)
        chosen = next(self._waiting, None)
        if chosen is None and self._suspects and not self._found_nothing:
            # No other provider could be asked, so ask again the first provider that gave no text,
            # with the whole audio.
            return self._suspects[0] if self._tries < _MOST_TRIES else None
        return chosen

    def suspect(self, choice: Choice, *, late: bool) -> None:
        """Record that a provider gave no text.

        `late` is True if the provider's stream was opened for speech that had already begun,
        received all of that speech, and never gave text.
        """
        self._suspects.append(choice)
        self._tries += 1
        self._found_nothing = self._found_nothing or late

    def text_from(self, name: str, *, final: bool, same_speech: bool) -> None:
        """Record that a provider gave text.

        If `same_speech` is True, the providers that were asked earlier in this round gave no text
        for the same stretch of speech, and count as failed.
        """
        for suspect in dict.fromkeys(suspect for suspect, _ in self._suspects):
            if suspect != name and not same_speech:
                # Do not blame the suspects, whose audio may have been a cough without words.
                continue
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
        """End a round in which no provider gave text.

        Returns True if a provider received all of the audio and found no words.

        Once `_DEAF_STRETCHES` stretches of speech in a row have ended without text, the providers
        that gave no text count as failed.
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
        """Start a new round with the first provider, and forget which providers gave no text."""
        self._begun, self._suspects, self._found_nothing = False, [], False
