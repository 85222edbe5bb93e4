"""Access of a job to LiveKit's API: calls about its own room, and dispatches of its own interview.

A job's process handles data from strangers, so it gets neither the API secret nor the key of the
workers. Instead the main process gives each job a token for its own room, which the job renews
before the token expires.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, Protocol

from worker.aio.backoff import ExponentialBackoff
from worker.aio.tasks import cancel_and_wait
from worker.aio.timeouts import run_with_timeout
from worker.livekit_api.room_client import TOKEN_S, LiveKitRoomClient, room_client

logger = logging.getLogger(__name__)

#: Name of the attribute of a LiveKit job that has the job's room token, and name of the request to
#: the main process for a new token.
ROOM_TOKEN: Final = "interview_worker.room_token"  # noqa: S105  # a name
#: Name of the attribute of a LiveKit job that has the key for the dispatches of its interview.
METADATA_KEY: Final = "interview_worker.metadata_key"
#: Key of the `JobAccess` in the user data of a job's process (`JobContext.proc.userdata`).
JOB_ACCESS: Final = "interview_worker.job_access"

#: Age of a room token in seconds at which the job asks for a new token. If the main process dies
#: before it answers, the old token stays valid long enough to hand the interview over.
_OLD_S: Final = TOKEN_S / 2
#: Seconds between two checks of the token's age. The checks use the wall clock, because a token
#: also expires while the machine is suspended.
_LOOK_S: Final = 30.0
#: Maximum seconds to wait for a new token. The main process normally answers within a millisecond.
_ANSWER_S: Final = 5.0
_RETRY: Final = ExponentialBackoff(first_s=1.0, longest_s=30.0)


class WorkerRequests(Protocol):
    """Requests to the main process, as `JobContext.inference_executor` makes them."""

    async def do_inference(self, method: str, data: bytes) -> bytes | None:
        """Make the request `method`.

        Raises an error if the main process refuses the request or is gone.
        """
        ...


class _NoToken(Exception):
    """Raised if the main process answers without a token."""


class JobAccess:
    """Access of one job to LiveKit's API: calls about its room, and dispatches of its interview.

    Args:
        url: URL of the LiveKit server.
        room: The room of the job.
        token: The room token that the main process gave the job; empty if it gave none.
        metadata_key: The key that encrypts the dispatches of the job's interview; empty if the job
            holds no interview.
        worker: Asks the main process for another token.
        clock: Returns the Unix time in seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        room: str,
        token: str,
        metadata_key: str,
        worker: WorkerRequests,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.room = room
        self.metadata_key = metadata_key
        self._url = url
        self._token = token
        self._worker = worker
        self._clock = clock
        self._since = clock()

    @property
    def livekit(self) -> LiveKitRoomClient:
        """The calls about the job's room: its participants and its dispatches."""
        return room_client(self._url, lambda: self._token)

    @asynccontextmanager
    async def kept_valid(self) -> AsyncIterator[None]:
        """Renew the token before it expires, while the `with` block runs."""
        if not self._token:
            yield
            return
        renewing = asyncio.create_task(self._renew_in_time(), name="renew-room-token")
        try:
            yield
        finally:
            await cancel_and_wait(renewing)

    async def _renew_in_time(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            if self._clock() - self._since >= _OLD_S:
                await self._renew()

    async def _renew(self) -> None:
        """Ask the main process for a new token until it sends one."""
        for wait_s in _RETRY.delays():
            asked = self._clock()
            try:
                answer = await run_with_timeout(
                    self._worker.do_inference(ROOM_TOKEN, b""), _ANSWER_S
                )
                if not answer:
                    raise _NoToken
            except Exception as error:
                logger.warning(
                    "the job got no new LiveKit token for its room, and will ask again: %s",
                    type(error).__name__,
                    extra={"event": "room_token_not_renewed"},
                )
                await asyncio.sleep(wait_s)
            else:
                self._token, self._since = answer.decode(), asked
                return
