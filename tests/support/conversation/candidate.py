"""The candidate of a conversation: speaks, makes noises, types, hears, reads, leaves, returns."""

from __future__ import annotations

import asyncio
from itertools import chain
from typing import TYPE_CHECKING, Final

from tests.support.conversation.acoustics import VOICE_DBFS, Timbre
from tests.support.conversation.microphone import Mixer, noise_parts, spoken_parts
from tests.support.conversation.words import is_in
from worker.transport.in_memory import FRAME_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.conversation.ear import Ear, Occurrence
    from tests.support.conversation.words import Lexicon
    from worker.transport.in_memory import InMemoryTransport

#: Seconds of quiet after which the candidate takes the interviewer's line for finished.
LINE_OVER_S: Final = 0.5
_ROUNDING_S: Final = 1e-3
#: What the candidate answers, in every conversation, to a line of the interviewer that has these
#: words. So a sound check before the first question changes no row.
HABITS: Final = {"hear me": "Yes, I can hear you."}


class NotHeard(AssertionError):
    """Raised when the interviewer did not say or write in time what a step waits for."""


class Candidate:
    """A candidate in a room, and what the room does to the sound.

    Args:
        lexicon: The words of the conversation.
        ear: What the candidate hears.
        microphone: The candidate's microphone.
        transport: The job's transport.
    """

    def __init__(
        self,
        lexicon: Lexicon,
        ear: Ear,
        microphone: Mixer,
        transport: InMemoryTransport,
    ) -> None:
        self.ear = ear
        self.microphone = microphone
        self._lexicon = lexicon
        self._transport = transport
        #: Time since which steps look for what they wait for.
        self.since = 0.0
        #: What happened, each with its time: the candidate's part of the transcript.
        self.did: list[tuple[float, str]] = []
        #: Time at which the candidate last began to speak.
        self.began_to_speak = 0.0
        self._used: set[str] = set()
        self._words_seen = 0

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def note(self, what: str) -> None:
        self.did.append((self.now, what))

    # --- waiting ----------------------------------------------------------------------------------

    async def until(self, condition: Callable[[], bool], within_s: float, what: str) -> None:
        """Wait until a condition holds. Raises NotHeard if it does not hold in time."""
        end = self.now + within_s
        while not condition():
            if self.now >= end:
                raise NotHeard(f"{what}: not within {within_s:g} s")
            await self._habits()
            await asyncio.sleep(FRAME_S)

    async def until_quiet(self, seconds: float = LINE_OVER_S) -> None:
        """Wait until the interviewer was quiet for some seconds."""
        # The last sound moves while the interviewer speaks.
        while (left_s := self.ear.last_sound + seconds - self.now) > _ROUNDING_S:  # noqa: ASYNC110
            await asyncio.sleep(left_s)

    async def _habits(self) -> None:
        """Answer a line of the interviewer that every candidate answers in the same way."""
        if len(self.ear.words) == self._words_seen:
            return
        self._words_seen = len(self.ear.words)
        for asked, answer in HABITS.items():
            if asked not in self._used and self.ear.occurrences(asked):
                self._used.add(asked)
                await self.until_quiet()
                await self.say(answer)

    # --- hearing and reading ----------------------------------------------------------------------

    def hears(self, text: str) -> list[Occurrence]:
        """Return each time that a text was heard since the last step."""
        return self.ear.occurrences(text, self.since)

    def read(self, text: str) -> bool:
        """Return whether a text was written to the candidate."""
        return any(is_in(text, written) for written in self._transport.written)

    # --- doing ------------------------------------------------------------------------------------

    async def say(self, text: str, *, heard_as: str | None = None, over: bool = False) -> None:
        """Say some words; return when the last one is over.

        With `over`, later steps still look at what the interviewer says now.
        """
        self.note(f'says "{text}"')
        self.began_to_speak = self.now
        if not over:
            self.since = self.now
        self.microphone.speak(self._lexicon.speak(text, heard_as=heard_as))
        await self.microphone.idle.wait()

    async def make(self, noise: Timbre, seconds: float, dbfs: float = VOICE_DBFS) -> None:
        """Make a noise; return when it is over."""
        self.note(f"{noise.value}, {seconds:g} s")
        self.microphone.sound(noise_parts(noise, seconds, dbfs))
        await asyncio.sleep(seconds)

    def play_voice(self, text: str, seconds: float, db: float) -> None:
        """Let another voice talk for some seconds, `db` decibels above the candidate's."""
        self.note(f"another voice at {db:g} dB for {seconds:g} s")
        spoken_s = sum(word.seconds for word in self._lexicon.speak(text))
        times = round(seconds / spoken_s) or 1
        sentences = [self._lexicon.speak(text) for _ in range(times)]
        words = chain.from_iterable(sentences)
        self.microphone.sound(spoken_parts(words, Timbre.OTHER_VOICE, VOICE_DBFS + db))

    async def type(self, text: str) -> None:
        """Type a message."""
        self.note(f'types "{text}"')
        self.since = self.now
        await self._transport.type_text(text)

    def mute(self, *, muted: bool) -> None:
        self.note("mutes" if muted else "unmutes")
        self.microphone.muted = muted

    def publish(self, *, published: bool) -> None:
        """Take the microphone out of the room, or bring it back."""
        self.note("publishes the microphone" if published else "unpublishes the microphone")
        self._transport.microphone_is_on = published
        if published:
            self.microphone.publish()
        else:
            self.microphone.unpublish()

    def move(self, *, here: bool) -> None:
        """Leave the room, or come back to it."""
        self.note("returns" if here else "leaves")
        self.since = self.now
        self.publish(published=here)
        self._transport.move(here=here)
