"""Whom to ask about one stretch of speech, and who turns out to be deaf."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from livekit.agents import stt

from worker.providers.chain import ProviderChain
from worker.providers.failure import NoText

Choice = tuple[str, stt.STT[Any]]

#: How often the patience is doubled while a sound goes on in which nobody finds words.
_MOST_DOUBLINGS = 4
#: So often a provider that begins to understand and falls silent is asked again at once.
_MOST_TRIES = 3
#: So many stretches of speech, each of so many seconds, in which nobody finds a word are no
#: noise any more: then all are deaf.
_DEAF_STRETCHES = 3
_LEAST_STRETCH_S = 1.0


class Round:
    """The chain's members asked in turn, until one gives text or all have been asked.

    Who gave no text is only suspected: a cough has no words for anybody. The suspicion is
    confirmed by text from somebody else for the same audio, and dropped where there is none.
    """

    def __init__(self, chain: ProviderChain[stt.STT[Any]]) -> None:
        self._chain = chain
        self._waiting: Iterator[Choice] = iter(())
        self._begun = False
        self._suspects: list[Choice] = []
        self._found_nothing = False
        #: How often the others were asked about the stretch that begins there, in vain.
        self._forgiven, self._stretch_s = 0, -1.0
        self._deaf: list[float] = []
        #: How many have fallen silent since the last final text.
        self._tries = 0

    @property
    def open(self) -> bool:
        """Whether somebody is under suspicion."""
        return bool(self._suspects)

    def patience_factor(self, stretch: tuple[float, float]) -> int:
        """By how much to be more patient with a stretch of speech, or noise, that goes on."""
        return 1 << min(self._forgiven, _MOST_DOUBLINGS) if stretch[0] == self._stretch_s else 1

    def choose(self) -> Choice | None:
        """Whom to ask next; None when all have been asked, and the round is over."""
        if not self._begun:
            asked = {name for name, _ in self._suspects}
            self._begun = True
            self._waiting = (each for each in self._chain.candidates() if each[0] not in asked)
        chosen = next(self._waiting, None)
        if chosen is None and self._suspects and not self._found_nothing:
            # The others could not be asked: the first again, with the whole of the audio.
            return self._suspects[0] if self._tries < _MOST_TRIES else None
        return chosen

    def suspect(self, choice: Choice, *, late: bool) -> None:
        """A provider gave no text; a `late` one was opened for this audio alone."""
        self._suspects.append(choice)
        self._tries += 1
        self._found_nothing = self._found_nothing or late

    def text_from(self, name: str, *, final: bool, same_speech: bool) -> None:
        """A provider gave text: the others who gave none for the same speech have failed."""
        for suspect in dict.fromkeys(suspect for suspect, _ in self._suspects):
            if suspect != name and not same_speech:
                continue  # it may have been a cough that they had no words for
            if suspect != name:
                self._chain.failed(suspect, NoText(), served_by=name)
            else:  # it is its stream that was deaf
                self._chain.fault(name, NoText.__name__)
        self._chain.served(name)
        self.restart()
        self._forgiven = 0
        self._deaf.clear()
        if final:
            self._tries = 0

    def over(self, stretch: tuple[float, float]) -> bool:
        """All were asked about a stretch of speech; whether some listened and found no words.

        They are forgiven, until that has come to pass several times in a row.
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
        """Begin anew with the first choice, nobody under suspicion."""
        self._begun, self._suspects, self._found_nothing = False, [], False
