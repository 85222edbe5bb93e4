"""Processes of a benchmark: one line of JSON for each request and for each answer.

The parent starts a process with `Child.start` and asks it with `Child.ask`. The child calls
`serve`. The child ends when the parent closes its standard input, or dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

#: Answers a request with JSON data. Its parameters are the fields of the request.
Handler: TypeAlias = "Callable[..., Awaitable[Mapping[str, Any]]]"

#: The modules of a checkout are found from here.
_REPOSITORY: Final = Path(__file__).parents[1]
#: Limit of one line in bytes: a request that names 10,000 interviews fits.
_LINE: Final = 1 << 22
#: Seconds that a child may take to end once its standard input is closed.
_END_S: Final = 20.0


class ChildFailed(Exception):
    """Raised when a process of the benchmark has died, or could not do what it was asked for."""


class Child:
    """A process that answers requests. Several requests may wait for their answers at a time."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self._name = name
        self._process = process
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = itertools.count()
        self._reading: asyncio.Task[None] | None = None
        #: What the child reported when it was ready.
        self.ready: dict[str, Any] = {}

    @classmethod
    async def start(
        cls, module: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> Child:
        """Run `python -m module`; return once it is ready.

        Raises ChildFailed if the process ends instead.
        """
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=_REPOSITORY,
            env=environment,
            limit=_LINE,
        )
        child = cls(module, process)
        assert process.stdout is not None  # noqa: S101  # a pipe was asked for
        line = await process.stdout.readline()
        if not line:
            raise ChildFailed(f"{module} ended with code {await process.wait()}")
        child.ready = json.loads(line)
        child._reading = asyncio.create_task(child._read(process.stdout), name=f"read-{module}")
        return child

    async def ask(self, what: str, **fields: Any) -> dict[str, Any]:
        """Send a request; return its answer. Raises ChildFailed if there is none."""
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            self._send({"number": number, "what": what, "fields": fields})
            said = await answer
        finally:
            del self._answers[number]
        if "error" in said:
            raise ChildFailed(f"{self._name}: {what}: {said['error']}")
        return dict(said["answer"])

    async def kill(self) -> None:
        """Kill the process with SIGKILL, and wait for its end."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._stop_reading()

    async def aclose(self) -> None:
        """Let the process end, and kill it if that takes too long."""
        assert self._process.stdin is not None  # noqa: S101  # a pipe was asked for
        self._process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                await self._process.wait()
        await self.kill()

    async def _stop_reading(self) -> None:
        if self._reading is not None:
            # The pipe has ended with the process, so the reader ends by itself.
            await asyncio.wait({self._reading})

    def _send(self, request: Mapping[str, Any]) -> None:
        stdin = self._process.stdin
        if stdin is None or stdin.is_closing() or self._process.returncode is not None:
            raise ChildFailed(f"{self._name} is not running")
        stdin.write(json.dumps(request).encode() + b"\n")

    async def _read(self, stdout: asyncio.StreamReader) -> None:
        try:
            while line := await stdout.readline():
                said = json.loads(line)
                answer = self._answers.get(said["number"])
                if answer is not None and not answer.done():
                    answer.set_result(said)
        finally:
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(ChildFailed(f"{self._name} has ended"))


async def serve(
    handlers: Mapping[str, Handler],
    *,
    ready: Mapping[str, Any],
) -> None:
    """Print `ready`, then answer requests with `handlers` until standard input ends.

    Each request runs in a task of its own. An error of a handler becomes the answer.
    """
    reader = asyncio.StreamReader(limit=_LINE)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    tasks: set[asyncio.Task[None]] = set()
    _print(ready)
    try:
        while line := await reader.readline():
            request = json.loads(line)
            task = asyncio.create_task(_answer(handlers, request), name=request["what"])
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    finally:
        for task in tuple(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tuple(tasks))


async def _answer(handlers: Mapping[str, Handler], request: Mapping[str, Any]) -> None:
    try:
        answer = await handlers[request["what"]](**request["fields"])
    except Exception as error:
        _print({"number": request["number"], "error": f"{type(error).__name__}: {error}"})
    else:
        _print({"number": request["number"], "answer": answer})


def _print(said: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def allow_many_connections() -> None:
    """Raise this process's limit of open files to what the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
