"""Wrapper of the end-of-turn model. If the model fails, turns end on the silence after speech."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from livekit.agents import LanguageCode, utils
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from livekit.agents.voice.turn import TurnDetectionEvent

from states import Condition, Status
from worker import faults
from worker.aio.backoff import ExponentialBackoff
from worker.aio.tasks import cancel_and_wait
from worker.aio.timeouts import run_with_timeout

if TYPE_CHECKING:
    from livekit import rtc
    from livekit.agents import APIConnectOptions, inference

    from worker.audio.dsp import Pcm

logger = logging.getLogger(__name__)

#: Sample rate (hertz) of the model's input.
SAMPLE_RATE: Final = 16_000
#: Number of samples of the model's input: 1.2 s (livekit.local_inference.EOT_MAX_SAMPLES).
WINDOW: Final = 19_200
#: Timeout in seconds for one prediction, which takes 0.12 s on one of two busy cores.
#: livekit-agents limits the wait for a prediction to 1 s as well, but starts to count at the end of
#: speech, after the prediction was requested.
_PREDICTION_S = 1.0
#: Back-off between tests of a model that has failed. A successful prediction resets the back-off.
_RETRY = ExponentialBackoff(first_s=1.0, longest_s=60.0)

#: Input for a test of the model: 1.2 s of silence.
SILENCE: Final = np.zeros(WINDOW, np.int16)
#: Probability that the turn is over, used if the model returns none. With this probability,
#: livekit-agents ends the turn after the shorter of its two endpointing delays.
_OVER = 1.0

#: A function that returns the probability that the turn is over, given the newest 1.2 s of audio.
Predict = Callable[["Pcm"], Awaitable[float]]


class SupervisedTurnDetector:
    """The local end-of-turn model, in the form that livekit-agents takes (`turn_detection=`).

    If a prediction raises an error or takes longer than `_PREDICTION_S` seconds, the detector
    reports the model as lost to `on_change`. While the model is lost, turns end on the silence
    that the VAD detects. The detector tests a lost model with silent audio, with backoff,
    and reports the model as ready when a test succeeds. The detector never uses the network.

    Args:
        predict: Function that runs the model.
        thresholds: livekit's own detector for the same model, which supplies the model's thresholds
            and languages.
    """

    def __init__(self, predict: Predict, thresholds: inference.TurnDetector) -> None:
        self.thresholds = thresholds
        #: Awaited with the condition `turn_detector` whenever that condition changes.
        self.on_change: Callable[[Condition], Awaitable[None]] | None = None
        self._predict = predict
        self._pauses = _RETRY.delays()
        self._mending: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def model(self) -> str:
        return self.thresholds.model

    @property
    def provider(self) -> str:
        return self.thresholds.provider

    def stream(
        self, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> WatchedTurnStream:
        """Open a stream for one speaker. `conn_options` is ignored, because the model is local."""
        return WatchedTurnStream(self)

    async def probability(self, sound: Pcm) -> float:
        """Return the probability that the turn is over; 1.0 while the model is lost."""
        if self._mending is not None:
            return _OVER
        try:
            probability = await self._ask(sound)
        except Exception as error:  # a model may raise any error; the turn must end
            self._lose(error)
            return _OVER
        self._pauses = _RETRY.delays()
        return probability

    async def _ask(self, sound: Pcm) -> float:
        """Run the model.

        Raises the model's own errors, and TimeoutError after `_PREDICTION_S` seconds.
        """

        async def ask() -> float:
            return await faults.at("turn_detector", self._predict(sound))

        return await run_with_timeout(ask(), _PREDICTION_S)

    def _lose(self, error: Exception) -> None:
        if self._mending is not None or self._closed:
            return
        kind = type(error).__name__
        logger.warning(
            "the turn detector failed: %s", kind, extra={"event": "turn_detector_failed"}
        )
        if isinstance(error, TimeoutError):
            why = "PredictionTimeout", f"no prediction in {_PREDICTION_S:g} s"
        else:
            why = "PredictionFailed", f"the model raised {kind}"
        self._mending = asyncio.create_task(self._mend(*why), name="turn-detector")

    async def _mend(self, reason: str, message: str) -> None:
        await self._tell(Status.LOST, reason, message)
        while True:
            await asyncio.sleep(next(self._pauses))
            with contextlib.suppress(Exception):  # the next test may succeed
                await self._ask(SILENCE)
                break
        logger.info("the turn detector works again", extra={"event": "turn_detector_recovered"})
        await self._tell(Status.READY, "Recovered")
        self._mending = None

    async def _tell(self, status: Status, reason: str, message: str = "") -> None:
        if self.on_change is None:
            return
        condition = Condition(
            resource="turn_detector", status=status, reason=reason, message=message
        )
        try:
            await self.on_change(condition)
        except Exception as error:  # the detector continues even if the callback fails
            kind = type(error).__name__
            logger.warning(
                "reporting the turn detector's condition failed: %s",
                kind,
                extra={"event": "turn_detector_report_failed"},
            )

    async def aclose(self) -> None:
        """Stop testing the model. A prediction that hangs is left running in its thread."""
        self._closed = True
        if self._mending is not None:
            await cancel_and_wait(self._mending)


class WatchedTurnStream:
    """Turn detection stream of one speaker. Each prediction uses the newest 1.2 s of audio."""

    is_fallback = False
    #: Seconds that the framework waits for a prediction once speech has ended.
    prediction_timeout = _PREDICTION_S

    def __init__(self, owner: SupervisedTurnDetector) -> None:
        self._owner = owner
        self._newest = utils.AudioArrayBuffer(buffer_size=WINDOW, sample_rate=SAMPLE_RATE)
        self._asking: asyncio.Task[None] | None = None
        self._asked: asyncio.Future[TurnDetectionEvent] | None = None

    @property
    def model(self) -> str:
        return self._owner.model

    @property
    def provider(self) -> str:
        return self._owner.provider

    async def unlikely_threshold(self, language: LanguageCode | None) -> float | None:
        """Return the probability below which a turn counts as unfinished."""
        return await self._owner.thresholds.unlikely_threshold(language)

    async def backchannel_threshold(self, language: LanguageCode | None) -> float | None:
        """Return None, because the local model does not detect backchannels."""
        return None

    async def supports_language(self, language: LanguageCode | None) -> bool:
        """Return whether the model supports the language."""
        return await self._owner.thresholds.supports_language(language)

    def predict(self) -> asyncio.Future[TurnDetectionEvent]:
        """Request the probability that the turn is over. The returned future raises no error."""
        self.cancel_inference()
        asked: asyncio.Future[TurnDetectionEvent] = asyncio.get_running_loop().create_future()
        self._asked = asked
        self._asking = asyncio.create_task(self._answer(asked), name="turn-prediction")
        return asked

    async def _answer(self, asked: asyncio.Future[TurnDetectionEvent]) -> None:
        began = time.perf_counter()
        probability = await self._owner.probability(self._newest.read())
        _settle(asked, probability, time.perf_counter() - began)

    def cancel_inference(self, *, timed_out: bool = False) -> None:
        """Cancel the prediction, because the speaker continues or the prediction took too long."""
        if self._asking is not None:
            self._asking.cancel()
        if self._asked is not None:
            _settle(self._asked, _OVER if timed_out else 0.0)
        self._asking = self._asked = None

    def push_audio(self, frame: rtc.AudioFrame) -> None:
        """Add a frame of the speaker's audio."""
        try:
            self._newest.push_frame(frame)
        except ValueError:  # the sample rate changed, or the frame is longer than the buffer
            self._newest = utils.AudioArrayBuffer(buffer_size=WINDOW, sample_rate=SAMPLE_RATE)

    def flush(self, reason: str | None = None) -> None:
        """Discard the received audio, because the turn is over."""
        self.cancel_inference()
        self._newest.shift(len(self._newest))

    def end_input(self) -> None:
        """Discard the received audio, because the input has ended."""
        self.flush()

    async def aclose(self) -> None:
        """Discard the received audio, and stop the current prediction."""
        asking = self._asking
        self.flush()
        if asking is not None:
            await cancel_and_wait(asking)


def _settle(
    asked: asyncio.Future[TurnDetectionEvent], probability: float, took_s: float | None = None
) -> None:
    if not asked.done():
        event: Any = TurnDetectionEvent(
            type="eot_prediction",
            last_speaking_time=time.time(),
            end_of_turn_probability=probability,
            inference_duration=took_s,
        )
        asked.set_result(event)
