"""`interview-worker top`: the running interviews of the worker on this machine, live."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

import psutil
import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from worker.cli.common import CommandError, one_line_errors, print_json
from worker.cli.health import ask, draining
from worker.cli.tables import add_row, printable
from worker.config.http import address_of
from worker.config.settings import Settings
from worker.telemetry.job_observer import UNRESPONSIVE_S

#: Limits in seconds above which `top` shows a silence (`_SILENT_S`) or the delay of a reply
#: (`_SLOW_S`) in red.
_SILENT_S, _SLOW_S = 5.0, 5.0
_MEGABYTE = 1 << 20
_ID_WIDTH = 12
_WORDS = ("interview", "state", "without")
_FIGURES = ("turns", "answer", "silence", "heartbeat", "CPU", "memory")
_COLUMNS = ("interview", "state", "since", "without", *_FIGURES)


def top(
    every_s: Annotated[
        float, typer.Option("--every", min=0.2, max=60.0, help="Seconds between updates.")
    ] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Print once and exit.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print once, as JSON.")] = False,
) -> None:
    """Show the running interviews live: state, lost resources, silence, latency, CPU, memory.

    The command asks the worker at INTERVIEW_HTTP_HOST and INTERVIEW_HTTP_PORT. Ctrl-C exits.
    """
    with one_line_errors():
        settings = Settings.load()
        usage = Usage()
        if as_json:
            print_json(look(settings, usage))
            return
        console = Console()
        if once or not console.is_terminal:
            console.print(screen(look(settings, usage)))
            return
        with Live(console=console, auto_refresh=False, screen=True) as live:
            while True:
                live.update(_screen_or_trouble(settings, usage), refresh=True)
                time.sleep(every_s)


def _screen_or_trouble(settings: Settings, usage: Usage) -> Any:
    """Return the screen, or, if no worker answers (for example during a restart), an error text."""
    try:
        return screen(look(settings, usage))
    except CommandError as error:
        return Text(str(error), style="red")


class Usage:
    """Measures the CPU and memory usage of processes on this machine.

    The CPU usage of a process is measured since the previous call for the same process.
    """

    def __init__(self) -> None:
        self._processes: dict[int, psutil.Process] = {}

    def of(self, pid: int | None) -> tuple[float | None, float | None]:
        """Return the CPU usage in per cent of one CPU, and the unshared memory in MB.

        Return (None, None) for an unknown process.
        """
        if pid is None:
            return None, None
        try:
            process = self._processes.setdefault(pid, psutil.Process(pid))
            return process.cpu_percent(), process.memory_full_info().uss / _MEGABYTE
        except psutil.Error:
            self._processes.pop(pid, None)
            return None, None


def look(settings: Settings, usage: Usage) -> dict[str, Any]:
    """Return the current state of the worker and its jobs.

    Raises CommandError if no worker answers; see `ask`.
    """
    server = address_of(settings)
    _, worker = ask(server, "/readyz")
    _, answer = ask(server, "/jobs")
    jobs = answer.get("jobs", [])
    for job in jobs:
        cpu, memory = usage.of(job.get("pid") if job.get("running") else None)
        job["cpu_percent"], job["memory_mb"] = cpu, memory and round(memory)
    return {"worker": worker, "jobs": jobs}


def screen(seen: dict[str, Any]) -> Group:
    """Return the screen that shows the result of `look`."""
    running = [job for job in seen["jobs"] if job["running"]]
    ended = [job for job in seen["jobs"] if not job["running"]]
    parts: list[Any] = [_headline(seen["worker"], len(running)), Text()]
    parts.append(_table(running) if running else Text("no interview is running", style="dim"))
    if ended:
        last = Table("recently ended", "outcome", "reason", "turns", box=None, pad_edge=False)
        for job in ended[:5]:
            add_row(last, _name(job), job["outcome"], job["reason"], job["turns"])
        parts += [Text(), last]
    return Group(*parts)


def _headline(worker: dict[str, Any], running: int) -> Text:
    slots = f"{running} running, {worker.get('slots_used')} of {worker.get('slots')} slots in use"
    if worker.get("draining"):
        return Text(f"{draining(worker)}: {slots}", style="yellow")
    if waiting := worker.get("waiting_on"):
        return Text(f"takes no interviews, waiting on {', '.join(waiting)}: {slots}", style="red")
    without = f", without {', '.join(worker['without'])}" if worker.get("without") else ""
    return Text(f"ready: {slots}{without}", style="yellow" if without else "green")


def _table(jobs: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in _COLUMNS:
        # Do not truncate the id, because a truncated id does not identify the interview.
        width = _ID_WIDTH if name == "interview" else None
        justify: Literal["left", "right"] = "left" if name in _WORDS else "right"
        table.add_column(name, justify=justify, min_width=width)
    for job in jobs:
        table.add_row(*_cells(job))
    return table


def _cells(job: dict[str, Any]) -> list[Text]:
    missing = [n for n, c in job["conditions"].items() if c["status"] == "lost"]
    answer_s = job["latency_s"].get("answer")
    silent_s, life_s = job["longest_silence_s"], job["last_sign_of_life_s"]
    cpu, memory = job["cpu_percent"], job["memory_mb"]
    return [
        Text(_name(job)),
        Text(str(job["state"])),
        Text(_seconds(job["state_s"])),
        Text(", ".join(missing), style="yellow"),
        Text(str(job["turns"])),
        Text(_seconds(answer_s), style="red" if (answer_s or 0) > _SLOW_S else ""),
        Text(_seconds(silent_s or None), style="red" if silent_s > _SILENT_S else ""),
        Text(_seconds(life_s), style="red" if life_s > UNRESPONSIVE_S else "dim"),
        Text("" if cpu is None else f"{cpu:.0f} %"),
        Text("" if memory is None else f"{memory} MB"),
    ]


def _name(job: dict[str, Any]) -> str:
    return printable(str(job["interview_id"] or job["job_id"]))


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds // 60:.0f}:{seconds % 60:02.0f}"
