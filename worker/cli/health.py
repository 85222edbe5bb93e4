"""`interview-worker health`: the status of the worker on this machine, for container probes.

A container runs this command every few seconds, so the module imports only what the request needs.
"""

from __future__ import annotations

import http.client
import io
import json
import socket
from contextlib import closing
from enum import StrEnum
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.common import CommandError, ExitCode, one_line_errors, print_json
from worker.config.http_address import HttpAddress, plain_address
from worker.env.shown import on_one_line

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: Timeout of the request to the worker in seconds. The worker answers fast, because it answers from
#: memory.
_ANSWER_S = 3.0
#: Maximum size of an answer in bytes. A worker has at most 1000 jobs, and its answer has less than
#: a KiB for each of them.
_MAX_BODY = 16 << 20


class Probe(StrEnum):
    """The probes that a worker answers."""

    READY = "ready"
    LIVE = "live"
    STARTED = "started"


_PATHS = {Probe.READY: "/readyz", Probe.LIVE: "/livez", Probe.STARTED: "/startupz"}


def health(
    probe: Annotated[
        Probe,
        typer.Argument(
            help="ready: the worker takes jobs; live: it runs; started: it has been ready once."
        ),
    ] = Probe.READY,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Probe the worker at INTERVIEW_HTTP_HOST and INTERVIEW_HTTP_PORT; exit 0 if ok, 5 if not.

    If INTERVIEW_HTTP_PROBE_PORT is set, the request goes to that port, which needs no token.
    """
    with one_line_errors():
        server = _server()
        well, answer = ask(server, _PATHS[probe])
        if as_json:
            print_json(answer)
        else:
            typer.echo(_line(server.url + _PATHS[probe], probe, well, answer))
    if not well:
        raise typer.Exit(ExitCode.UNAVAILABLE)


def _server() -> HttpAddress:
    if (plain := plain_address()) is not None:
        return plain
    from worker.config.http import HttpSettings, probe_address_of  # pydantic takes 0.3 s

    return probe_address_of(HttpSettings.load())


def ask(server: HttpAddress, path: str) -> tuple[bool, dict[str, Any]]:
    """Request `path` from the worker. Return whether the status is a success, and the answer.

    Raises CommandError if no program answers, or if the program that answers is not a worker.
    """
    if server.port == 0:
        raise CommandError(
            "INTERVIEW_HTTP_PORT is 0 (any free port): set it to the port in the worker's log",
            ExitCode.USAGE,
        )
    url = server.url + path
    try:
        status, body = _get(server, path)
    # A worker that dies during the request raises RemoteDisconnected, which is an OSError too.
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise CommandError(
            f"no worker answers at {url} ({why}): it is not running, or INTERVIEW_HTTP_HOST and "
            "INTERVIEW_HTTP_PORT differ from the worker's",
            ExitCode.UNAVAILABLE,
        ) from None
    except http.client.HTTPException as error:
        raise CommandError(f"{url} is not an interview-worker ({type(error).__name__})") from None
    if status == 401:
        raise CommandError(
            f"{url} requires a token: set INTERVIEW_HTTP_TOKEN to the worker's", ExitCode.USAGE
        )
    if status not in (200, 404, 503):
        raise CommandError(f"{url} is not an interview-worker (HTTP {status})")
    return status == 200, _read(url, body)


def _get(server: HttpAddress, path: str) -> tuple[int, bytes]:
    """Request `path`, and return the status and the body of the answer.

    The request uses no proxy of the environment and follows no redirect, because a proxy or a
    redirect could reveal the token. Raises TimeoutError if the answer is not complete in time,
    AnswerTooLarge if it is longer than `_MAX_BODY`, and another HTTPException or OSError if the
    request fails.
    """
    headers = {"Authorization": f"Bearer {server.token}".encode()} if server.token else {}
    host = server.url.removeprefix("http://")
    with closing(http.client.HTTPConnection(host, timeout=_ANSWER_S)) as connection:
        connection.request("GET", path, headers=headers)
        answer = http.client.HTTPResponse(connection.sock, method="GET")
        answer.fp.close()
        answer.fp = io.BufferedReader(_UntilDeadline(connection.sock, monotonic() + _ANSWER_S))
        answer.begin()
        body = answer.read(_MAX_BODY + 1)
        if len(body) > _MAX_BODY:
            raise AnswerTooLarge
        if answer.length:  # fewer bytes have come than Content-Length announced
            raise http.client.IncompleteRead(body, answer.length)
        return answer.status, body


class AnswerTooLarge(http.client.HTTPException):
    """Raised when an answer is longer than `_MAX_BODY`, so it cannot come from a worker."""


class _UntilDeadline(io.RawIOBase):
    """Reads from a socket until a deadline; later reads raise TimeoutError.

    The timeout of the socket itself is not enough: it restarts with every byte, so a slow answer
    could take forever.
    """

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        super().__init__()
        self._connection = connection
        self._deadline = deadline

    def readable(self) -> bool:
        """Return True, as io.BufferedReader requires."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read into `buffer` what has arrived, or wait until the deadline."""
        left_s = self._deadline - monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._connection.settimeout(left_s)
        return self._connection.recv_into(buffer)


def _read(url: str, body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    # ValueError: the answer is not JSON or not text. RecursionError: it has thousands of nested
    # brackets.
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise CommandError(f"{url} is not an interview-worker (its answer is no JSON object)")
    return answer


def draining(answer: dict[str, Any]) -> str:
    """Return "draining", followed by the seconds left if `answer` contains them."""
    left_s = answer.get("drain_left_s")
    return "draining" if left_s is None else f"draining, {left_s:.0f} s left"


def _line(url: str, probe: Probe, well: bool, answer: dict[str, Any]) -> str:
    """Return the worker's answer as one line of text.

    Raises CommandError if the answer lacks the fields of a worker's answer.
    """
    try:
        return on_one_line(_words(probe, well, answer))
    except (KeyError, OverflowError, TypeError, ValueError):
        raise CommandError(
            f"{url} is not an interview-worker (its answer has other fields)"
        ) from None


def _words(probe: Probe, well: bool, answer: dict[str, Any]) -> str:
    if probe is Probe.LIVE:
        stuck = answer.get("unresponsive_jobs", [])
        return "alive" + (f"; unresponsive jobs: {', '.join(stuck)}" if stuck else "")
    if answer.get("draining"):
        left = f", {answer['slots_used']} left" if "slots_used" in answer else ""
        return f"{draining(answer)}: no new interviews{left}"
    if waiting := answer.get("waiting_on"):
        return f"not {probe}: waiting on {', '.join(waiting)}"
    without = answer.get("without")
    slots = ""
    if "slots" in answer:  # the probe server's answer does not contain the slots
        slots = f": {answer['slots_used']} of {answer['slots']} slots in use"
    return (f"{probe}{slots}" if well else f"not {probe}") + (
        f", without {', '.join(without)}" if without else ""
    )
