"""`interview-worker health`: ask the worker on this machine how it is, for a container's probe."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from enum import StrEnum
from typing import Annotated, Any

import typer

from worker.cli.common import CommandError, ExitCode, one_line_errors, print_json
from worker.config.http import address
from worker.config.settings import Settings

#: Seconds for the answer: it comes from memory.
_ANSWER_S = 3.0


class Probe(StrEnum):
    """What is asked for."""

    READY = "ready"
    LIVE = "live"
    STARTED = "started"


_PATHS = {Probe.READY: "/readyz", Probe.LIVE: "/livez", Probe.STARTED: "/startupz"}


def health(
    probe: Annotated[
        Probe, typer.Argument(help="ready: jobs are taken; live: it runs; started: it once was.")
    ] = Probe.READY,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask the worker that these settings point at; exit 0 where it is well, 5 where it is not."""
    with one_line_errors():
        settings = Settings.load()
        well, answer = ask(settings, _PATHS[probe])
        if as_json:
            print_json(answer)
        else:
            typer.echo(_line(probe, well, answer))
    if not well:
        raise typer.Exit(ExitCode.UNAVAILABLE)


def ask(settings: Settings, path: str) -> tuple[bool, dict[str, Any]]:
    """Whether the worker says that it is well, and what it says.

    Raises CommandError where nobody answers, or somebody who is no worker.
    """
    if settings.http_port == 0:
        raise CommandError(
            "INTERVIEW_HTTP_PORT is 0, any port: the worker's log says which one it took",
            ExitCode.USAGE,
        )
    url = address(settings) + path
    request = urllib.request.Request(url)  # noqa: S310  # http, and an address of the settings
    if token := settings.http_token.get_secret_value():
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_S) as answer:  # noqa: S310
            return True, _read(answer.read())
    except urllib.error.HTTPError as error:
        with error:  # it is the answer, and holds the connection
            return False, _refused(url, error)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        why = getattr(reason, "strerror", None) or type(reason).__name__
        raise CommandError(
            f"no worker answers at {url} ({why}): it is not running, or INTERVIEW_HTTP_HOST and "
            "INTERVIEW_HTTP_PORT are others than its own",
            ExitCode.UNAVAILABLE,
        ) from None


def _refused(url: str, error: urllib.error.HTTPError) -> dict[str, Any]:
    if error.code == 401:
        raise CommandError(
            f"{url} wants a token: set INTERVIEW_HTTP_TOKEN to the worker's", ExitCode.USAGE
        ) from None
    if error.code not in (404, 503):
        raise CommandError(f"{url} is no interview-worker (HTTP {error.code})") from None
    return _read(error.read())


def _read(body: bytes) -> dict[str, Any]:
    answer = json.loads(body)
    if not isinstance(answer, dict):
        raise CommandError("what answers is no interview-worker")
    return answer


def draining(answer: dict[str, Any]) -> str:
    """That it drains, and for how long."""
    left_s = answer.get("drain_left_s")
    return "draining" if left_s is None else f"draining, {left_s:.0f} s left"


def _line(probe: Probe, well: bool, answer: dict[str, Any]) -> str:
    if probe is Probe.LIVE:
        stuck = answer.get("unresponsive_jobs", [])
        return "alive" + (f"; without a sign of life: {', '.join(stuck)}" if stuck else "")
    if answer.get("draining"):
        return f"{draining(answer)}: no new interviews, {answer.get('slots_used', '?')} left"
    if waiting := answer.get("waiting_on"):
        return f"not {probe}: waiting on {', '.join(waiting)}"
    without = answer.get("without")
    used = f"{answer.get('slots_used', '?')} of {answer.get('slots', '?')} slots in use"
    return (f"{probe}: {used}" if well else f"not {probe}") + (
        f", without {', '.join(without)}" if without else ""
    )
