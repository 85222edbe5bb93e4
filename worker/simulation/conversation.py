"""The candidate's side of an interview: listen and answer until the interviewer leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from worker.simulation.candidate import CandidateTimeout, SimulatedCandidate
from worker.simulation.captions import Caption
from worker.simulation.voice import LocalVoice, Voice, without_pauses

#: Seconds of silence after which the interviewer counts as finished. The pause between two
#: sentences of an interviewer is 0.25 s.
_PAUSE_S = 1.0
_FIRST_WORD_S = 30.0
_LONGEST_UTTERANCE_S = 60.0


class Script(Protocol):
    """Decides what the candidate says."""

    def is_question(self, said: str) -> bool:
        """Return True if the interviewer's words `said` need an answer."""

    def answer_for(self, question: str) -> str:
        """Return the answer to a question. `[pause 1.3]` marks a pause of 1.3 seconds."""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One utterance of the interviewer (the text of its captions) and the candidate's answer."""

    heard: str
    answered: str
    #: Seconds from the end of the candidate's previous answer to the first audible frame of this
    #: utterance. For the first utterance, the seconds count from the candidate's joining.
    waited_s: float


async def hold_conversation(
    candidate: SimulatedCandidate,
    script: Script,
    *,
    voice: Voice | None = None,
    interviewer: str | None = None,
    on_exchange: Callable[[Exchange], None] = lambda _: None,
) -> list[Exchange]:
    """Answer every question aloud until the interviewer leaves. Return the exchanges.

    If `interviewer` is given, only the questions of the interviewer with this identity are
    answered.

    Raises CandidateTimeout if, before the first exchange, no interviewer is audible within 30 s
    (`_FIRST_WORD_S`), if an utterance takes longer than 60 s (`_LONGEST_UTTERANCE_S`), or if the
    interviewer does not leave within 60 s after the closing message.
    """
    voice = voice or LocalVoice()
    listener = _Listener(candidate, interviewer)
    exchanges: list[Exchange] = []
    spoke_until_s = 0.0
    while (utterance := await listener.next_utterance(first=not exchanges)) is not None:
        heard, heard_from_s = utterance
        waited_s = heard_from_s - spoke_until_s
        asks = script.is_question(heard)
        answer = script.answer_for(heard) if asks else ""
        if asks:
            spoken = await candidate.say(*await voice.render(answer))
            spoke_until_s = spoken.end_s
        exchanges.append(Exchange(heard=heard, answered=without_pauses(answer), waited_s=waited_s))
        on_exchange(exchanges[-1])
        if not asks:
            await candidate.wait_until_alone(timeout_s=_LONGEST_UTTERANCE_S)
            break
    return exchanges


class _Listener:
    """Hears the utterances of an interviewer, one after the other."""

    def __init__(self, candidate: SimulatedCandidate, interviewer: str | None) -> None:
        self._candidate = candidate
        self._interviewer = interviewer
        #: Number of captions that belong to earlier utterances.
        self._heard_before = 0

    async def next_utterance(self, *, first: bool) -> tuple[str, float] | None:
        """Wait until the interviewer pauses; return the words, and when they began, in seconds.

        Return None if the interviewer left or stayed silent. If `first` is True and the interviewer
        stays silent, CandidateTimeout is raised. A recorded clip such as "one moment, please" has
        no caption and needs no answer, so the clip is ignored.
        """
        # Time before which sound is ignored; None for the end of the candidate's last answer.
        since_s: float | None = None
        while True:
            heard_from_s = await _next_word(self._candidate, since_s, first=first)
            if heard_from_s is None:
                return None
            paused_s = await self._candidate.wait_until_interviewer_paused(
                quiet_s=_PAUSE_S, since_s=since_s, timeout_s=_LONGEST_UTTERANCE_S
            )
            captions = _captions(self._candidate, self._interviewer)
            heard = " ".join(caption.text for caption in captions[self._heard_before :]).strip()
            self._heard_before = len(captions)
            if heard:
                return heard, heard_from_s
            since_s = paused_s


def _captions(candidate: SimulatedCandidate, interviewer: str | None) -> tuple[Caption, ...]:
    if interviewer is not None:
        return candidate.captions.of(interviewer)
    return candidate.captions.others(candidate.identity)


async def _next_word(
    candidate: SimulatedCandidate, since_s: float | None, *, first: bool
) -> float | None:
    """Wait until the interviewer speaks, and return the time at which the speech began.

    Return None if the interviewer left or stayed silent. If `first` is True and the interviewer
    stays silent, CandidateTimeout is raised.
    """
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
