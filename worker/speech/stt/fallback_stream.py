"""STT stream for one speaker over a fallback chain. A change of provider loses no speech."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from enum import Enum, auto
from typing import Any

from livekit import rtc
from livekit.agents import APIConnectionError, stt, vad
from livekit.agents.types import APIConnectOptions

from worker import faults
from worker.aio.backoff import ExponentialBackoff
from worker.aio.tasks import cancel_and_wait
from worker.fallback.chain import ProviderChain
from worker.fallback.failure import failure_of
from worker.speech.stt.catch_up import CatchUp
from worker.speech.stt.delivery import Delivery, has_text
from worker.speech.stt.pending_speech import PendingSpeech
from worker.speech.stt.provider_stream import ProviderStream
from worker.speech.stt.round_robin import Choice, ProviderRound

logger = logging.getLogger(__name__)

#: Sample rate (hertz) of the audio for every provider. Speech models and telephone audio need no
#: higher rate.
_SAMPLE_RATE = 16_000
#: If a provider's stream fails temporarily more than this many seconds after it was opened, a new
#: stream of the same provider is opened. If the stream fails earlier, the next provider is asked.
_STEADY_S = 10.0
#: Back-off before the chain is asked again, after all of its providers have failed.
_RETRY = ExponentialBackoff(first_s=0.5, longest_s=15.0)
#: Seconds of the current speech that a provider must have received before a missing transcript of
#: that speech counts as a failure of the provider.
_FAIR_S = 0.5
#: Seconds without speech after which a provider that comes earlier in the chain may take over. The
#: value is longer than the silence that ends a turn, so that the provider changes between turns.
_QUIET_S = 2.0
#: Maximum seconds that a `ChainStream` waits at its end for provider streams to close. Streams that
#: take longer close in the background.
_LAST_CLOSE_S = 1.0
#: Seconds by which the event loop may wake before the requested time (the clock's resolution).
_EARLY_S = 0.001
#: Maximum seconds to wait for the provider's last events once the audio has ended.
_LAST_WORDS_S = 5.0


class _Outcome(Enum):
    """Reason to stop using the current provider's stream."""

    #: The audio has ended, and no transcript is outstanding.
    DONE = auto()
    #: The stream raised an error, or ended before the audio did.
    BROKE = auto()
    #: The stream failed temporarily, more than `_STEADY_S` seconds after it was opened.
    BROKE_OFF = auto()
    #: The provider gave no transcript of speech in time.
    DEAF = auto()
    #: A preferred provider is available again, and the candidate is silent.
    RELIEVED = auto()


class ChainStream(stt.RecognizeStream):
    """STT stream over the fallback chain. The stream does not fail while audio arrives."""

    def __init__(
        self,
        owner: stt.STT[Any],
        chain: ProviderChain[stt.STT[Any]],
        detector: vad.VAD | None,
        *,
        patience_s: float,
        closing: set[asyncio.Task[None]],
        conn_options: APIConnectOptions,
    ) -> None:
        super().__init__(stt=owner, conn_options=conn_options, sample_rate=_SAMPLE_RATE)
        self._chain = chain
        self._patience_s = patience_s
        self._news = asyncio.Event()
        self._hope = asyncio.Event()
        self._watch = PendingSpeech(detector, self._on_speech)
        self._delivery = Delivery(self._event_ch.send_nowait, lambda: self._catch_up.catching_up)
        self._catch_up = CatchUp(self._watch, self._delivery.release, patience_s=patience_s)
        self._round = ProviderRound(chain)
        self._ear: ProviderStream | None = None
        #: Event loop time at which the newest provider stream was opened.
        self._asked_at = float("-inf")
        #: Event loop time at which the audio ended; None while there is audio.
        self._ended_at: float | None = None
        #: Why the stream of the previous provider is no longer used; None for the first provider.
        self._ended_by: _Outcome | None = None
        # `ChainSTT` owns this set, because this stream may end before its last provider stream has
        # closed.
        self._closing = closing

    async def _run(self) -> None:
        self._chain.on_recovered.add(self._on_recovered)
        reading = asyncio.create_task(self._read(), name="stt-read")
        try:
            await self._listen()
            self._delivery.release()
        finally:
            self._chain.on_recovered.discard(self._on_recovered)
            self._catch_up.close()
            await cancel_and_wait(reading)
            await self._watch.aclose()
            if self._closing:
                await asyncio.wait(self._closing, timeout=_LAST_CLOSE_S)

    async def _listen(self) -> None:
        """Use one provider after another until the audio has ended."""
        pauses = _RETRY.delays()
        choice: Choice | None = None
        while True:
            choice = choice or self._round.choose()
            if choice is None:
                forgiven = self._round.over(self._watch.stretch)
                self._delivery.release()
                if forgiven:
                    self._watch.forgive(self._asked_at)
                    self._catch_up.look()
                    self._delivery.end_announced()
                if self._ended_at is not None:
                    return
                if not forgiven:
                    await self._pause(next(pauses))
                continue
            began = asyncio.get_running_loop().time()
            outcome = self._ended_by = await self._listen_by(choice)
            if outcome is _Outcome.DONE:
                return
            if asyncio.get_running_loop().time() - began > _STEADY_S:
                pauses = _RETRY.delays()
            if outcome is _Outcome.RELIEVED:
                self._round.restart()
            choice = choice if outcome is _Outcome.BROKE_OFF else None

    async def _listen_by(self, choice: Choice) -> _Outcome:
        """Use one provider until its stream ends, fails or has to be replaced."""
        name, engine = choice
        ear: ProviderStream | None = None
        pump: asyncio.Task[None] | None = None
        began = asyncio.get_running_loop().time()
        try:
            ear = self._open(name, engine)
            pump = asyncio.create_task(self._pump(ear), name=f"listen-{name}")
            pump.add_done_callback(lambda _: self._news.set())
            outcome = await self._attend(ear, pump)
        except Exception as error:  # a plugin may raise any error; listening must continue
            failure = failure_of(error)
            if asyncio.get_running_loop().time() - began > _STEADY_S and not failure.for_good:
                logger.info(
                    "STT stream of provider %s broke off, opening a new stream",
                    name,
                    extra={"event": "stt_stream_reopened"},
                )
                self._chain.fault(name, failure.reason)
                return _Outcome.BROKE_OFF
            self._chain.failed(name, error, engine=engine)
            return _Outcome.BROKE
        else:
            if outcome is _Outcome.DEAF:
                self._round.suspect(choice, late=ear.late and not ear.gave_text)
            return outcome
        finally:
            self._ear = None
            self._catch_up.stream_ended()
            if ear is not None:
                if pump is not None:
                    pump.cancel()
                ear.close_in_background(self._closing)

    def _open(self, name: str, engine: stt.STT[Any]) -> ProviderStream:
        heard_at = self.start_time_offset + max(0.0, time.time() - self.start_time)
        ear = ProviderStream(name, engine, self._watch, heard_at=heard_at)
        if ear.late:
            logger.info(
                "STT provider %s gets the buffered speech before the live audio",
                name,
                extra={"event": "stt_buffered_speech_sent"},
            )
        if self._ended_at is not None:
            ear.end_input()
        self._ear, self._asked_at = ear, ear.opened_at
        self._catch_up.opened(late=ear.late, found_nothing=self._ended_by is _Outcome.DEAF)
        return ear

    async def _attend(self, ear: ProviderStream, pump: asyncio.Task[None]) -> _Outcome:
        """Wait until there is a reason to stop using the stream, and return the reason.

        Raises the provider's error if the stream fails.
        """
        while True:
            self._news.clear()
            if pump.done():
                pump.result()
                if self._ended_at is None:
                    raise APIConnectionError("the stream ended before the audio did")
                return _Outcome.DEAF if self._watch.owed else _Outcome.DONE
            # The event loop may wake slightly before the requested time.
            now = asyncio.get_running_loop().time() + _EARLY_S
            factor = self._round.patience_factor(self._watch.stretch)
            deaf_at = ear.patience_ends(self._patience_s * factor)
            if deaf_at is not None and deaf_at <= now:
                return _Outcome.DEAF
            relief_at = self._relief_at(ear)
            if relief_at is not None and relief_at <= now:
                return _Outcome.RELIEVED
            done_at = None if self._ended_at is None else self._ended_at + _LAST_WORDS_S
            if deaf_at is None and done_at is not None and done_at <= now:
                return _Outcome.DONE
            moments = [at for at in (deaf_at, relief_at, done_at) if at is not None and at > now]
            await _wait(self._news, min(moments, default=None))

    def _relief_at(self, ear: ProviderStream) -> float | None:
        """Return the event loop time at which a preferred provider may take over; None if never."""
        busy = self._watch.owed or self._round.open or self._ended_at is not None
        if busy or ear.name == self._chain.names[0] or not self._chain.has_better(ear.name):
            return None
        return max(self._watch.ended_at, ear.text_at) + _QUIET_S

    async def _read(self) -> None:
        """Read the input and forward it to the current provider stream."""
        async for item in self._input_ch:
            if isinstance(item, rtc.AudioFrame):
                self._watch.push(item)
                if self._ear is not None:
                    self._ear.push(item)
            elif self._ear is not None:
                self._ear.flush()
        self._ended_at = asyncio.get_running_loop().time()
        self._watch.end_of_audio()
        if self._ear is not None:
            self._ear.end_input()
        self._news.set()
        self._hope.set()

    async def _pump(self, ear: ProviderStream) -> None:
        async for event in faults.through("stt", ear.stream, ear.name):
            if self._ear is ear:
                self._take(ear, event)

    def _take(self, ear: ProviderStream, event: stt.SpeechEvent) -> None:
        """Handle a provider's event, and pass the event to the `Delivery`."""
        if not has_text(event):
            self._delivery.take(event)
            return
        ear.text_at = asyncio.get_running_loop().time()
        final = event.type is stt.SpeechEventType.FINAL_TRANSCRIPT
        same_speech = self._watch.began_at + _FAIR_S <= ear.opened_at
        self._round.text_from(ear.name, final=final, same_speech=same_speech)
        self._catch_up.text_came(final=final)
        self._delivery.take(event)
        if final:
            self._watch.understood(ear.covers(event))
            self._catch_up.final_came()
            self._delivery.show()
        self._news.set()

    @property
    def is_behind(self) -> bool:
        """True if a transcript of earlier speech is still expected."""
        return self._catch_up.is_behind

    async def caught_up(self) -> None:
        """Wait until no transcript of earlier speech is expected; `CatchUp` limits the wait."""
        await self._catch_up.over()

    def end_speech(self) -> None:
        """Emit END_OF_SPEECH if the last START_OF_SPEECH has had no END_OF_SPEECH yet."""
        if not self._event_ch.closed:
            self._delivery.release()
            self._delivery.end_announced()

    def repeat_end_of_speech(self) -> None:
        """Emit the newest END_OF_SPEECH again, unless speech has begun since."""
        if not self._event_ch.closed:
            self._delivery.repeat_end()

    def _on_speech(self) -> None:
        """Handle a start or an end of speech."""
        self._catch_up.speech_changed()
        self._news.set()

    async def _pause(self, seconds: float) -> None:
        """Wait until a provider recovers or the audio ends, at most `seconds` seconds."""
        self._delivery.end_announced()
        self._hope.clear()
        if self._ended_at is None:
            await _wait(self._hope, asyncio.get_running_loop().time() + seconds)

    def _on_recovered(self) -> None:
        self._news.set()
        self._hope.set()


async def _wait(event: asyncio.Event, until: float | None) -> None:
    """Wait for an event, at most until the event loop time `until`; None means no limit."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout_at(until):
            await event.wait()
