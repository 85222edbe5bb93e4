"""`interview-worker health`: the status of the worker on this machine, for container probes.

A container runs this command every few seconds, so the module imports only what the request needs.
"""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from enum import StrEnum
from typing import Annotated, Any

import typer

from worker.cli.common import CommandError, ExitCode, one_line_errors, print_json
from worker.config.http import HttpSettings, address

#: Timeout of the request in seconds. The timeout is short, because the worker answers from memory.
_ANSWER_S = 3.0


class Probe(StrEnum):
    """The probes that a worker answers."""

    READY = "ready"
    LIVE = "live"
    STARTED = "started"


_PATHS = {Probe.READY: "/readyz", Probe.LIVE: "/livez", Probe.STARTED: "/startupz"}


def health(
    probe: Annotated[
        Probe, typer.Argument(help="ready: takes jobs; live: runs; started: was ready once.")
    ] = Probe.READY,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Probe the worker at INTERVIEW_HTTP_HOST and INTERVIEW_HTTP_PORT; exit 0 if ok, 5 if not."""
    with one_line_errors():
        settings = HttpSettings.load()
        well, answer = ask(settings, _PATHS[probe])
        if as_json:
            print_json(answer)
        else:
            typer.echo(_line(probe, well, answer))
    if not well:
        raise typer.Exit(ExitCode.UNAVAILABLE)


def ask(settings: HttpSettings, path: str) -> tuple[bool, dict[str, Any]]:
    """Request `path` from the worker. Return whether the status is a success, and the answer.

    Raises CommandError if no program answers, or if the program that answers is not a worker.
    """
    if settings.http_port == 0:
        raise CommandError(
            "INTERVIEW_HTTP_PORT is 0 (any free port): set it to the port in the worker's log",
            ExitCode.USAGE,
        )
    url = address(settings) + path
    try:
        status, body = _get(settings, path)
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


def _get(settings: HttpSettings, path: str) -> tuple[int, bytes]:
    """Request `path`, and return the status and the body of the answer.

    The request goes to the worker alone: a proxy of the environment or a redirect would be given
    the token.
    """
    token = settings.http_token.get_secret_value()
    headers = {"Authorization": f"Bearer {token}".encode()} if token else {}
    host = address(settings).removeprefix("http://")
    with closing(http.client.HTTPConnection(host, timeout=_ANSWER_S)) as connection:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def _read(url: str, body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:  # also for bytes that are not text
        answer = None
    if not isinstance(answer, dict):
        raise CommandError(f"{url} is not an interview-worker (its answer is no JSON object)")
    return answer


def draining(answer: dict[str, Any]) -> str:
    """Return "draining", followed by the seconds left if `answer` contains them."""
    left_s = answer.get("drain_left_s")
    return "draining" if left_s is None else f"draining, {left_s:.0f} s left"


def _line(probe: Probe, well: bool, answer: dict[str, Any]) -> str:
    if probe is Probe.LIVE:
        stuck = answer.get("unresponsive_jobs", [])
        return "alive" + (f"; unresponsive jobs: {', '.join(stuck)}" if stuck else "")
    if answer.get("draining"):
        return f"{draining(answer)}: no new interviews, {answer.get('slots_used', '?')} left"
    if waiting := answer.get("waiting_on"):
        return f"not {probe}: waiting on {', '.join(waiting)}"
    without = answer.get("without")
    used = f"{answer.get('slots_used', '?')} of {answer.get('slots', '?')} slots in use"
    return (f"{probe}: {used}" if well else f"not {probe}") + (
        f", without {', '.join(without)}" if without else ""
    )
