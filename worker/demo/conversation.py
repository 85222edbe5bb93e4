"""The candidate's side of a whole interview: listen, answer, until the interviewer leaves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from worker.demo.headset import CandidateTimeout, Headset
from worker.demo.voice import LocalVoice, Voice, without_pauses

logger = logging.getLogger(__name__)

#: The interviewer has finished when nothing is heard of it for so long; its sentences are
#: 0.25 s apart.
_PAUSE_S = 1.0
_FIRST_WORD_S = 30.0
_LONGEST_UTTERANCE_S = 60.0


class Script(Protocol):
    """What the candidate says."""

    def is_question(self, said: str) -> bool:
        """Return whether the interviewer's words ask for an answer."""

    def answer_for(self, question: str) -> str:
        """Return the answer to a question, with its pauses as `voice.render` reads them."""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """What was heard of the interviewer (its captions) and what the candidate answered."""

    heard: str
    answered: str
    #: Seconds from the interviewer's last audible frame before to its first one of this.
    waited_s: float


async def hold_conversation(
    candidate: Headset,
    script: Script,
    *,
    voice: Voice | None = None,
    on_exchange: Callable[[Exchange], None] = lambda _: None,
) -> list[Exchange]:
    """Answer every question aloud until the interviewer has gone; returns what was said.

    Raises CandidateTimeout where nobody is heard within 30 s of joining.
    """
    voice = voice or LocalVoice()
    exchanges: list[Exchange] = []
    asked_before = 0
    spoke_until_s: float | None = None
    # What was heard before does not count; by default, before the candidate's own last words.
    since_s: float | None = None
    while True:
        heard_from_s = await _next_word(candidate, since_s, first=not exchanges)
        if heard_from_s is None:
            return exchanges
        paused_s = await candidate.wait_until_interviewer_paused(
            quiet_s=_PAUSE_S, since_s=since_s, timeout_s=_LONGEST_UTTERANCE_S
        )
        captions = candidate.captions.others(candidate.identity)
        heard = " ".join(caption.text for caption in captions[asked_before:]).strip()
        asked_before = len(captions)
        if not heard:
            # A recorded word, as "one moment, please", has no caption, and no answer.
            since_s = paused_s
            continue
        since_s = None
        waited_s = heard_from_s - (spoke_until_s or 0.0)
        if not script.is_question(heard):
            exchange = Exchange(heard=heard, answered="", waited_s=waited_s)
            exchanges.append(exchange)
            on_exchange(exchange)
            await candidate.wait_until_alone(timeout_s=_LONGEST_UTTERANCE_S)
            return exchanges
        answer = script.answer_for(heard)
        samples, rate = await voice.render(answer)
        spoken = await candidate.say(samples, rate)
        spoke_until_s = spoken.end_s
        exchange = Exchange(heard=heard, answered=without_pauses(answer), waited_s=waited_s)
        exchanges.append(exchange)
        on_exchange(exchange)


async def _next_word(candidate: Headset, since_s: float | None, *, first: bool) -> float | None:
    """When the interviewer began to speak again; None where it left without another word."""
    sound = asyncio.create_task(candidate.wait_for_sound(since_s=since_s, timeout_s=_FIRST_WORD_S))
    gone = asyncio.create_task(candidate.wait_until_alone(timeout_s=_FIRST_WORD_S))
    waiting = {sound} if first else {sound, gone}
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if sound.done():
            return sound.result()
        return None
    except CandidateTimeout:
        if first:
            raise
        return None
    finally:
        for task in (sound, gone):
            task.cancel()
        await asyncio.gather(sound, gone, return_exceptions=True)
