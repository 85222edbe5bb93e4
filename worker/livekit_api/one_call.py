"""One call of LiveKit's server API: credentials, timeout, conversion of errors, and repetition."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeVar

import aiohttp
from livekit import api

from worker.livekit_api.errors import LiveKitKeyRefused, RoomToolError, check_url, shown_url
from worker.livekit_api.failures import DISCONNECTED, converted

if TYPE_CHECKING:
    from pydantic import SecretStr

T = TypeVar("T")

#: Timeout of one call to the server, in seconds.
CALL_TIMEOUT_S: Final = 10.0


class LiveKitSettings(Protocol):
    """The URL, the key and the secret of a LiveKit server, as in `worker.config.Settings`."""

    @property
    def livekit_url(self) -> str: ...

    @property
    def livekit_api_key(self) -> str: ...

    @property
    def livekit_api_secret(self) -> SecretStr: ...


@dataclass(frozen=True, repr=False)
class LiveKitCall(ABC):
    """Makes a call of one LiveKit server's API. A subclass provides the connection."""

    #: URL of the server (ws, wss, http or https).
    url: str
    #: API key of the server.
    key: str
    #: Secret of the API key.
    secret: str

    @classmethod
    def of(cls, settings: LiveKitSettings) -> Self:
        """Return an instance for the server of `settings`. The URL, key and secret may be empty."""
        secret = settings.livekit_api_secret.get_secret_value()
        return cls(settings.livekit_url, settings.livekit_api_key, secret)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({shown_url(self.url)!r}, {self.key!r}, '***')"

    @abstractmethod
    def _server(self) -> AbstractAsyncContextManager[api.LiveKitAPI]:
        """Return a context manager that yields LiveKit's own client for one call."""

    @asynccontextmanager
    async def calling(
        self, operation: str, *, timeout_s: float = CALL_TIMEOUT_S
    ) -> AsyncIterator[api.LiveKitAPI]:
        """Yield LiveKit's own client for one call, and convert failures of the call.

        Args:
            operation: The name of the operation, for error messages.
            timeout_s: Timeout of the call, in seconds.

        Raises:
            LiveKitUrlInvalid: The URL cannot be the URL of a LiveKit server.
            LiveKitKeyRefused: The server refuses the key or its secret, or either of them is empty.
            LiveKitUnreachable: No answer came in time, or the answer is not from a LiveKit server.
            RoomToolError: The server accepted the key and refused the request.
        """
        async with self._within(operation, timeout_s), self._server() as server:
            yield server

    def _check_access(self) -> None:
        """Raise LiveKitKeyRefused if the key or the secret is empty."""
        if not self.key or not self.secret:
            # With an empty key LiveKit's own client would use the key from the environment, which
            # may be another key.
            raise LiveKitKeyRefused(self.url)

    @asynccontextmanager
    async def _within(self, operation: str, timeout_s: float) -> AsyncIterator[None]:
        """Check URL, key and secret, limit the time of a call, and convert the call's failures."""
        check_url(self.url)
        self._check_access()
        with converted(operation, self.url, budget_s=timeout_s):
            # Do not rely on the timeout option of LiveKit's client: each call of the client ignores
            # this option (livekit-api 1.2.2), so a server that never answers would block the call
            # forever.
            async with asyncio.timeout(timeout_s):
                yield

    async def _call(
        self,
        operation: str,
        ask: Callable[[api.LiveKitAPI], Awaitable[T]],
        *,
        repeatable: bool = True,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> T:
        """Make one call.

        Repeat the call once if `repeatable` is true and the server closed the connection.
        """
        async with self._within(operation, timeout_s):
            try:
                async with self._server() as server:
                    return await ask(server)
            except aiohttp.ClientConnectorError:
                raise  # the connection could not be opened, so a second attempt would not help
            except DISCONNECTED:
                if not repeatable:
                    raise
            async with self._server() as server:
                return await ask(server)

    async def _found(
        self,
        operation: str,
        ask: Callable[[api.LiveKitAPI], Awaitable[Any]],
        *,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> bool:
        """Make one call; return False if the server answers "not found"."""
        try:
            await self._call(operation, ask, timeout_s=timeout_s)
        except RoomToolError as error:
            if error.code != api.ServerErrorCode.NOT_FOUND:
                raise
            return False
        return True
