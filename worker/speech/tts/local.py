"""Text to speech with Hibari in the worker's own process, as a LiveKit TTS."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Never

import numpy as np
from livekit.agents import APIConnectionError, tts, utils
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS

from worker.aio.threads import EngineThread
from worker.audio import dsp
from worker.speech import local_models

if TYPE_CHECKING:
    from livekit.agents import APIConnectOptions

    from worker.audio.dsp import Pcm

_RATE: Final = local_models.TTS_SAMPLE_RATE
#: Seconds of audio that are pushed to the emitter at once. A longer piece would block the event
#: loop for longer while the audio is cut into frames. Shorter pieces take more time in total:
#: pieces of 20 ms take 25 ms of event loop time per second of audio (measured).
_CHUNK_S: Final = 0.2


class LocalTTS(tts.TTS[Never]):
    """Local TTS with an American English voice, 24 kHz mono, without a key or a network.

    `LocalTTS` is not streaming, so AgentSession wraps it in a `tts.StreamAdapter`, which splits the
    text into sentences. The adapter takes 2 ms of the 12 to 15 ms until the first audio (measured,
    2 cores).
    """

    def __init__(self) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False), sample_rate=_RATE, num_channels=1
        )
        self._thread = EngineThread("local-tts")

    @property
    def model(self) -> str:
        return local_models.TTS_MODEL

    @property
    def provider(self) -> str:
        return local_models.PROVIDER

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> LocalChunkedStream:
        """Synthesise a text, and emit each sentence as soon as it is ready.

        A text without words ("...") gives 0.1 s of silence. If the model fails, the stream raises
        an APIConnectionError that does not quote the text.
        """
        return LocalChunkedStream(
            owner=self, text=text, thread=self._thread, conn_options=conn_options
        )

    async def aclose(self) -> None:
        """Stop the thread, once the sentence in progress is synthesised."""
        await self._thread.aclose()


class LocalChunkedStream(tts.ChunkedStream):
    """The audio stream of one text."""

    def __init__(
        self,
        *,
        owner: LocalTTS,
        text: str,
        thread: EngineThread,
        conn_options: APIConnectOptions,
    ) -> None:
        self._thread = thread
        super().__init__(tts=owner, input_text=text, conn_options=conn_options)

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id=utils.shortuuid("local_"),
            sample_rate=_RATE,
            num_channels=1,
            mime_type="audio/pcm",
        )
        try:
            spoken = await self._speak(output_emitter)
        except local_models.LocalSpeechFailed as error:
            raise APIConnectionError(str(error)) from None
        except local_models.LocalSpeechUnavailable as error:
            raise APIConnectionError(str(error), retryable=False) from None
        if not spoken:
            await self._push(output_emitter, _silence(0.1))

    async def _speak(self, emitter: tts.AudioEmitter) -> bool:
        spoken = False
        for sentence in await self._thread.run(local_models.split_sentences, self._input_text):
            samples = await self._thread.run(local_models.synthesize, sentence)
            if not samples.size:
                continue
            if spoken:
                await self._push(emitter, _silence(local_models.SENTENCE_PAUSE_S))
            await self._push(emitter, dsp.to_pcm(samples))
            spoken = True
        return spoken

    async def _push(self, emitter: tts.AudioEmitter, pcm: Pcm) -> None:
        step = round(_CHUNK_S * _RATE)
        for start in range(0, len(pcm), step):
            emitter.push(pcm[start : start + step].tobytes())
            await asyncio.sleep(0)


def _silence(seconds: float) -> Pcm:
    return np.zeros(round(seconds * _RATE), np.int16)
