"""Steps of a conversation, as the rows of a table: what the candidate waits for and does.

A step that waits looks at what was heard since the candidate last spoke, typed, left or returned,
and since the last line that a step waited for. It fails after `within_s` seconds. All seconds are
virtual.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Final, Protocol

from tests.support.conversation.acoustics import VOICE_DBFS, Timbre
from tests.support.conversation.candidate import NotHeard
from tests.support.conversation.words import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.support.conversation.candidate import Candidate

#: Seconds that a candidate thinks before an answer.
THINKS_S: Final = 0.5
#: First words of a text whose sound shows that the text is being said.
_FIRST_WORDS: Final = 4
#: Share of a word that is audible if the word is said to its end.
_WHOLE: Final = 0.9


class Step(Protocol):
    """One step of the candidate."""

    async def take(self, candidate: Candidate) -> None:
        """Take the step. Raises NotHeard if the interviewer does not do what the step awaits."""


# --- waiting --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hears:
    """Waits until a text was heard word by word, and the interviewer is quiet."""

    text: str
    within_s: float = 40.0
    #: Seconds that the candidate then thinks before the next step.
    then_s: float = THINKS_S

    async def take(self, candidate: Candidate) -> None:
        what = f'hears "{self.text}"'
        await candidate.until(lambda: bool(candidate.hears(self.text)), self.within_s, what)
        await candidate.until_quiet()
        candidate.since = candidate.now
        await asyncio.sleep(self.then_s)


@dataclass(frozen=True)
class HearsALine:
    """Waits until the interviewer has said anything, and is quiet."""

    within_s: float = 15.0
    quiet_s: float = 1.0
    #: True if later steps look only at what comes after the line.
    ends_waiting: bool = True

    async def take(self, candidate: Candidate) -> None:
        since = max(candidate.since, candidate.microphone.spoke_until)
        await candidate.until(
            lambda: bool(candidate.ear.since(since)), self.within_s, "hears a line"
        )
        await candidate.until_quiet(self.quiet_s)
        if self.ends_waiting:
            candidate.since = candidate.now


@dataclass(frozen=True)
class HearsWord:
    """Waits until the n-th word of a text begins, from 1."""

    n: int
    of: str
    within_s: float = 40.0

    async def take(self, candidate: Candidate) -> None:
        begun = " ".join(plain(self.of)[: self.n])
        what = f'hears word {self.n} of "{self.of}"'
        await candidate.until(lambda: bool(candidate.hears(begun)), self.within_s, what)


@dataclass(frozen=True)
class HearsNot:
    """Waits some seconds, in which not even the first words of these texts may be heard."""

    texts: tuple[str, ...]
    for_s: float

    async def take(self, candidate: Candidate) -> None:
        began = candidate.now
        await asyncio.sleep(self.for_s)
        for text in self.texts:
            first = " ".join(plain(text)[:_FIRST_WORDS])
            if candidate.ear.occurrences(first, began):
                raise NotHeard(f'within {self.for_s:g} s was heard: "{text}"')


@dataclass(frozen=True)
class Reads:
    """Waits until these words were written to the candidate."""

    text: str
    within_s: float

    async def take(self, candidate: Candidate) -> None:
        what = f'reads "{self.text}"'
        await candidate.until(lambda: candidate.read(self.text), self.within_s, what)


@dataclass(frozen=True)
class IsSilencedWithin:
    """The interviewer is silent some seconds after the candidate began to speak.

    With `at_word_end`, the interviewer's last word must have been said to its end.
    """

    seconds: float
    at_word_end: bool = True

    async def take(self, candidate: Candidate) -> None:
        await asyncio.sleep(max(0.0, candidate.began_to_speak + self.seconds - candidate.now))
        heard = candidate.ear.words[-1]
        if heard.end > candidate.began_to_speak + self.seconds:
            raise NotHeard(f"the interviewer still speaks after {self.seconds:g} s")
        if self.at_word_end and heard.share < _WHOLE:
            raise NotHeard(f'the interviewer is silent in the middle of "{heard.text}"')


@dataclass(frozen=True)
class Waits:
    """Does nothing for some seconds."""

    seconds: float

    async def take(self, candidate: Candidate) -> None:
        await asyncio.sleep(self.seconds)


# --- doing ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Says:
    """Says some words. The recogniser may understand others: `heard_as`, with as many words.

    With `over`, the words are said over a line of the interviewer, which later steps still look at.
    """

    text: str
    heard_as: str | None = None
    over: bool = False

    async def take(self, candidate: Candidate) -> None:
        await candidate.say(self.text, heard_as=self.heard_as, over=self.over)


@dataclass(frozen=True)
class Insists:
    """Says the same after each line of the interviewer until a text is heard; at most `times`."""

    says: str
    until: str
    times: int = 3
    within_s: float = 15.0

    async def take(self, candidate: Candidate) -> None:
        for _ in range(self.times):
            await HearsALine(self.within_s, quiet_s=1.5, ends_waiting=False).take(candidate)
            if candidate.hears(self.until):
                return
            await Says(self.says).take(candidate)
        raise NotHeard(
            f'"{self.until}" was not heard after "{self.says}" was said {self.times} times'
        )


@dataclass(frozen=True)
class Answers:
    """Answers questions in order, each after it was heard as a whole."""

    questions: Sequence[str]
    answers: Sequence[str]
    within_s: float = 40.0

    async def take(self, candidate: Candidate) -> None:
        for question, answer in zip(self.questions, self.answers, strict=True):
            await Hears(question, self.within_s).take(candidate)
            await candidate.say(answer)


@dataclass(frozen=True)
class IsAnsweredWithin:
    """Waits until the interviewer speaks, some seconds after the candidate's last sound at most."""

    seconds: float

    async def take(self, candidate: Candidate) -> None:
        last_sound = candidate.microphone.spoke_until
        within_s = last_sound + self.seconds - candidate.now
        await candidate.until(
            lambda: bool(candidate.ear.since(last_sound)), within_s, "hears the interviewer"
        )


@dataclass(frozen=True)
class TalksOn:
    """Says numbered sentences with breaths between, until the interviewer speaks.

    The interviewer has to begin between `earliest_s` and `latest_s` after the first word. The
    candidate then finishes the sentence.
    """

    earliest_s: float
    latest_s: float
    breath_s: float = 0.5

    async def take(self, candidate: Candidate) -> None:
        began = candidate.now
        for sentence in numbered_sentences():
            await candidate.say(sentence, over=True)
            candidate.microphone.pause(self.breath_s)
            await candidate.microphone.idle.wait()
            if heard := candidate.ear.since(began):
                after_s = heard[0].start - began
                break
            if candidate.now - began > self.latest_s:
                raise NotHeard(f"nothing was said in {self.latest_s:g} s of talk")
        if not self.earliest_s <= after_s <= self.latest_s:
            raise NotHeard(f"the interviewer spoke after {after_s:.1f} s of talk")


def numbered_sentences() -> Iterator[str]:
    """Yield sentences for a candidate who never ends."""
    for number in count(1):
        yield f"Then came step {number} of that project and it was not the last one at all."


@dataclass(frozen=True)
class Tries:
    """Takes steps as far as the interviewer lets the candidate; none of them has to succeed."""

    steps: tuple[Step, ...]

    async def take(self, candidate: Candidate) -> None:
        for step in self.steps:
            try:
                await step.take(candidate)
            except NotHeard as missing:
                candidate.note(f"gives up: {missing}")


@dataclass(frozen=True)
class Makes:
    """Coughs, slams a door (both are noise), or strikes keys."""

    noise: Timbre
    seconds: float
    dbfs: float = VOICE_DBFS

    async def take(self, candidate: Candidate) -> None:
        await candidate.make(self.noise, self.seconds, self.dbfs)


@dataclass(frozen=True)
class AnotherVoiceTalks:
    """Another person, or a television, talks from now on, beside everything else."""

    db: float
    seconds: float
    text: str = "the weather will be fine in the north and it will rain in the south tomorrow."

    async def take(self, candidate: Candidate) -> None:
        candidate.play_voice(self.text, self.seconds, self.db)


@dataclass(frozen=True)
class Types:
    """Types a message."""

    text: str

    async def take(self, candidate: Candidate) -> None:
        await candidate.type(self.text)


@dataclass(frozen=True)
class Mutes:
    """Mutes the microphone, which then sends digital silence, or unmutes it."""

    muted: bool = True

    async def take(self, candidate: Candidate) -> None:
        candidate.mute(muted=self.muted)


@dataclass(frozen=True)
class Publishes:
    """Takes the microphone out of the room (no frames at all), or brings it back."""

    published: bool = field(kw_only=True)

    async def take(self, candidate: Candidate) -> None:
        candidate.publish(published=self.published)


@dataclass(frozen=True)
class Leaves:
    """Leaves the room."""

    async def take(self, candidate: Candidate) -> None:
        candidate.move(here=False)


@dataclass(frozen=True)
class Returns:
    """Comes back to the room."""

    async def take(self, candidate: Candidate) -> None:
        candidate.move(here=True)
