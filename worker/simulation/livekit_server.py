"""A real LiveKit server on this machine, for the demo and the tests.

The server listens only on 127.0.0.1, needs no network, and dies with the process that started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import aiohttp

from worker.livekit_api.client import LiveKitClient
from worker.livekit_api.errors import LiveKitError, LiveKitKeyRefused
from worker.simulation.child_process import start_child
from worker.simulation.livekit_binary import LiveKitServerUnavailable, find_or_build
from worker.simulation.livekit_config import HOST, Ports, server_config

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "API_KEY",
    "LiveKitServer",
    "LiveKitServerUnavailable",
    "find_or_build",
]

#: The only API key in the configuration of a server.
API_KEY: Final = "interview"
_START_TIMEOUT_S = 20.0
_START_ATTEMPTS = 5
_POLL_S = 0.05
# Maximum seconds from SIGTERM until SIGKILL. The time is short, because a server with open rooms
# does not stop on SIGTERM until the rooms are empty.
_TERMINATE_GRACE_S = 0.5


class LiveKitServer:
    """A `livekit-server` process with its own ports, secret and log.

    Use a LiveKitServer as an async context manager, or call `start` and `stop`. The calls of
    `start` and `stop` may run in different event loops. The thread that calls `start` must outlive
    the server, because the kernel kills the server at the end of this thread (see `start_child`).

    Args:
        binary: The path of the program, which `find_or_build` returns.
        extra_config: Settings of livekit-server's configuration, merged into `server_config`.
        log_path: The log file of the server. By default, a file that `stop` removes.
    """

    def __init__(
        self,
        binary: Path,
        *,
        extra_config: Mapping[str, Any] | None = None,
        log_path: Path | None = None,
    ) -> None:
        self.api_key = API_KEY
        self.api_secret = secrets.token_urlsafe(36)
        self._binary = binary
        self._extra_config = dict(extra_config or {})
        self._folder = Path(tempfile.mkdtemp(prefix="livekit-server-"))
        self.log_path = log_path or self._folder / "log"
        self._ports = Ports.free()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def ports(self) -> Ports:
        """The ports of the server.

        `start` replaces the ports if another process has taken one of them.
        """
        return self._ports

    @property
    def url(self) -> str:
        """The WebSocket URL for candidates and workers."""
        return f"ws://{HOST}:{self._ports.signal}"

    @property
    def http_url(self) -> str:
        """The HTTP URL of the server, with the same host and port as `url`."""
        return f"http://{HOST}:{self._ports.signal}"

    @property
    def client(self) -> LiveKitClient:
        """A client for the server, with the server's own key."""
        return LiveKitClient(self.url, self.api_key, self.api_secret)

    @property
    def pid(self) -> int | None:
        """The server's process id; None while the server is not running."""
        return self._process.pid if self._process and self._process.poll() is None else None

    async def start(self) -> None:
        """Start the server and wait until it answers.

        If another process has taken a port of the server, the next attempt uses other ports.

        Raises:
            LiveKitServerUnavailable: The server exited or did not answer within 20 s
                (`_START_TIMEOUT_S`), or another process took a port of the server in each of five
                attempts (`_START_ATTEMPTS`).
        """
        for _ in range(_START_ATTEMPTS):
            if await self._started():
                return
            self._ports = Ports.free()
        raise LiveKitServerUnavailable(f"other processes took its ports {_START_ATTEMPTS} times")

    async def restart(self) -> None:
        """Kill the server if it is running, and start it again on the same ports.

        Raises:
            LiveKitServerUnavailable: The server did not start, or another process has taken one of
                its ports.
        """
        await self.kill()
        if not await self._started():
            raise LiveKitServerUnavailable(f"another process took a port of {asdict(self._ports)}")

    async def kill(self) -> None:
        """Kill the server (SIGKILL), to simulate a crash, but keep its folder.

        The next start tries the same ports, which another process may have taken by then.
        """
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    async def stop(self) -> None:
        """Stop the server (SIGTERM; SIGKILL after `_TERMINATE_GRACE_S`) and remove its folder."""
        try:
            if self._process is not None and self._process.poll() is None:
                self._process.send_signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    await asyncio.to_thread(self._process.wait, _TERMINATE_GRACE_S)
        finally:
            self._end_now()
            shutil.rmtree(self._folder, ignore_errors=True)

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _started(self) -> bool:
        """Start the server and wait until it answers. Return False if a port was already taken."""
        config = server_config(
            self._ports,
            api_key=self.api_key,
            api_secret=self.api_secret,
            extra=self._extra_config,
        )
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = self._folder / "config.yaml"
        path.write_text(json.dumps(config))  # every JSON document is a YAML document
        with self.log_path.open("ab") as log:
            said_before = log.tell()
            self._process = start_child([str(self._binary), "--config", str(path)], output=log)
        try:
            async with aiohttp.ClientSession() as http:
                ours = await self._answers(http, self._process, said_before)
        except BaseException:
            self._end_now()
            raise
        if not ours:
            self._end_now()
        return ours

    async def _answers(
        self, http: aiohttp.ClientSession, process: subprocess.Popen[bytes], said_before: int
    ) -> bool:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            if process.poll() is not None:
                return self._judge_exit(process.returncode, said_before)
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with http.get(self.http_url, timeout=aiohttp.ClientTimeout(2)) as answer:
                    if answer.status == 200 and await answer.text() == "OK":
                        return await self._is_ours()
            await asyncio.sleep(_POLL_S)
        raise LiveKitServerUnavailable(f"the server did not answer within {_START_TIMEOUT_S:.0f} s")

    async def _is_ours(self) -> bool:
        """Return True if the answering server accepts our secret, as only our own server does."""
        try:
            await self.client.check(budget_s=5)
        except LiveKitKeyRefused:
            return False
        except LiveKitError as error:
            raise LiveKitServerUnavailable(str(error)) from error
        return True

    def _judge_exit(self, status: int, said_before: int) -> bool:
        """Return False if the server exited because a port was taken.

        Raises LiveKitServerUnavailable after any other exit, because a retry would not help.
        """
        said = self.log_path.read_bytes()[said_before:].decode(errors="replace")
        if "address already in use" in said:
            return False
        last = (said.strip().splitlines() or ["no output"])[-1]
        raise LiveKitServerUnavailable(f"{self._binary} exited with {status}: {last.strip()}")

    def _end_now(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
