"""`interview-worker health`: the status of the worker on this machine, for container probes."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
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
    request = urllib.request.Request(url)  # noqa: S310  # http, and the address from the settings
    if token := settings.http_token.get_secret_value():
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_S) as answer:  # noqa: S310
            return True, _read(answer.read())
    except urllib.error.HTTPError as error:
        with error:  # the error object is the response, and `with` closes its connection
            return False, _refused(url, error)
    except (http.client.HTTPException, json.JSONDecodeError) as error:
        raise CommandError(f"{url} is not an interview-worker ({type(error).__name__})") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        why = getattr(reason, "strerror", None) or type(reason).__name__
        raise CommandError(
            f"no worker answers at {url} ({why}): it is not running, or INTERVIEW_HTTP_HOST and "
            "INTERVIEW_HTTP_PORT differ from the worker's",
            ExitCode.UNAVAILABLE,
        ) from None


def _refused(url: str, error: urllib.error.HTTPError) -> dict[str, Any]:
    if error.code == 401:
        raise CommandError(
            f"{url} requires a token: set INTERVIEW_HTTP_TOKEN to the worker's", ExitCode.USAGE
        ) from None
    if error.code not in (404, 503):
        raise CommandError(f"{url} is not an interview-worker (HTTP {error.code})") from None
    return _read(error.read())


def _read(body: bytes) -> dict[str, Any]:
    answer = json.loads(body)
    if not isinstance(answer, dict):
        raise CommandError("the answer is not from an interview-worker")
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
