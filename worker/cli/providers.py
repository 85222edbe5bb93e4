"""`interview-worker providers`: the fallback chains and the state of each provider."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from worker.cli.common import one_line_errors, print_json
from worker.cli.tables import add_row
from worker.config.providers import KEY_FIELDS
from worker.config.settings import Settings, variable_of
from worker.fallback.shared_breaker import SharedBreaker, provider_breaker

_COLUMNS = ("chain", "member", "state", "until", "reason", "since")


def providers(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the fallback chains: each provider's state, until when, and the reason."""
    with one_line_errors():
        settings = Settings.load()
    rows = provider_rows(settings, provider_breaker(settings.data_dir))
    if as_json:
        print_json(rows)
        return
    table = Table(box=None, pad_edge=False)
    for title in ("chain", "member", "state", "until (UTC)", "reason", "since (UTC)"):
        table.add_column(title, no_wrap="UTC" in title)
    for row in rows:
        times = {key: _shown(row[key]) for key in ("until", "since")}
        cells = {**row, **times}
        add_row(table, *(cells[key] for key in _COLUMNS))
    Console().print(table)


def provider_rows(settings: Settings, breaker: SharedBreaker) -> list[dict[str, Any]]:
    """Return the providers of the fallback chains as data, in the order in which they are tried.

    `state` is "ready", "resting", "due" or "left out". A "resting" provider is cooling down and is
    used only if no other provider is left. The cool-down of a provider that is "due" is over, but
    the provider has not been used since. `since` and `until` are None if unknown. The cool-down of
    a local provider is known only to its job, so this command shows a local provider always as
    "ready".
    """
    return [
        {"chain": kind, "member": name, **_state(settings, breaker, kind, name)}
        for kind in ("stt", "tts", "llm")
        for name in getattr(settings, kind)
    ]


def _state(settings: Settings, breaker: SharedBreaker, kind: str, name: str) -> dict[str, Any]:
    if name not in settings.usable(kind):
        reason = f"{variable_of(KEY_FIELDS[name])} is not set"
        return {"state": "left out", "reason": reason, "since": None, "until": None}
    record = breaker.read(kind, name)
    if record is None:
        return {"state": "ready", "reason": "", "since": None, "until": None}
    since = datetime.fromtimestamp(record.since, UTC)
    if record.ready:
        return {"state": "ready", "reason": record.reason, "since": since, "until": None}
    if record.until <= breaker.clock():
        return {"state": "due", "reason": record.reason, "since": since, "until": None}
    return {
        "state": "left out" if record.for_good else "resting",
        "reason": record.reason,
        "since": since,
        "until": datetime.fromtimestamp(record.until, UTC),
    }


def _shown(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else ""
