"""A simulated candidate without a room, connected to a job by a Unix socket.

`worker.transport.local_socket` is the job's side of the socket.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Self

from worker.aio.tasks import cancel_and_wait
from worker.simulation.audio_analysis import TrackPlacer
from worker.simulation.candidate import SimulatedCandidate
from worker.transport.local_protocol import SAMPLE_RATE, Sound, Wire, WireBroken, Words

if TYPE_CHECKING:
    from pathlib import Path

    from worker.audio.dsp import Pcm

logger = logging.getLogger(__name__)

#: Identity of the interviewer, who is the only possible peer.
_INTERVIEWER = "interviewer"
#: After this time without a frame, in seconds, the next frame is placed in the recording by its
#: arrival time, not directly after the previous frame. Unlike a LiveKit track, the socket carries
#: no frames during silence.
_NEW_UTTERANCE_S = 0.2


class SocketCandidate(SimulatedCandidate):
    """A candidate that accepts the connection of an interviewer on a Unix socket.

    The candidate counts as joined when the first interviewer has connected. While an interviewer is
    connected, the candidate closes any further connection. Use a SocketCandidate as an async
    context manager.

    Args:
        socket: The path of the socket. The path must not exist yet, and must not be longer than
            about 100 bytes.
        identity: The identity of the candidate, as stored with the interview.
    """

    def __init__(self, socket: Path, identity: str) -> None:
        super().__init__()
        self._socket = socket
        self._identity = identity
        self._server: asyncio.Server | None = None
        self._wire: Wire | None = None
        self._listener: asyncio.Task[None] | None = None
        self._placer = TrackPlacer()
        self._heard_until_s = 0.0

    @property
    def identity(self) -> str:
        """The candidate's identity."""
        return self._identity

    @property
    def interviewers(self) -> tuple[str, ...]:
        """The identity of the interviewer; empty while no interviewer is connected."""
        return (_INTERVIEWER,) if self._wire is not None else ()

    async def join(self) -> None:
        """Create the socket and accept connections in the background.

        Raises:
            OSError: The socket cannot be created.
        """
        self._server = await asyncio.start_unix_server(self._on_connected, self._socket)

    async def leave(self) -> None:
        """Close the connection and the socket. The recording and the captions stay available."""
        if self._server is not None:
            self._server.close()
        await self._microphone.close()
        if self._listener is not None:
            await cancel_and_wait(self._listener)
        if self._wire is not None:  # the listener was cancelled before it ran
            await self._wire.aclose()
        await self.captions.aclose()
        self._socket.unlink(missing_ok=True)

    async def __aenter__(self) -> Self:
        await self.join()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    def _on_connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._wire is not None:
            writer.close()
            return
        self._wire = Wire(reader, writer)
        if self._listener is None:
            self._joined_at = asyncio.get_running_loop().time()
            self._microphone.open()
        self._listener = asyncio.create_task(self._listen(self._wire), name="local-candidate")
        self._changed.set()

    async def _send(self, samples: Pcm) -> None:
        # As in a room, the candidate may continue to speak after the interviewer has left.
        if self._wire is not None:
            await self._wire.send(Sound(samples=samples))

    async def _listen(self, wire: Wire) -> None:
        try:
            while (message := await wire.receive()) is not None:
                self._take(message)
        except WireBroken as error:
            logger.error(
                "the socket received invalid data instead of an interviewer's message: %s",
                error,
                extra={"event": "interviewer_message_invalid"},
            )
        finally:
            self._wire = None
            self._changed.set()
            await wire.aclose()

    def _take(self, message: Sound | Words) -> None:
        if isinstance(message, Words):
            self.captions.keep(_INTERVIEWER, message.segment, message.text, final=message.final)
            return
        if self.now_s - self._heard_until_s > _NEW_UTTERANCE_S:
            self._placer = TrackPlacer()
        # The interviewer sends a frame at the time at which the playback of the frame begins.
        self._heard_until_s = self.now_s + len(message.samples) / SAMPLE_RATE
        self._ear.hear(
            message.samples,
            self._placer,
            until_s=self._heard_until_s,
            identity=_INTERVIEWER,
        )
