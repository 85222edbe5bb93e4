"""Time from a dispatch to the first audible frame, and memory use, on a real LiveKit server.

Three workers serve the same server in turns, so that disturbances of the machine affect all of
them: this worker, one that only plays a tone, and the framework's usual pattern.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import secrets
import statistics
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.figures import Figure
from states import History
from worker.continuity.dispatch_metadata import dispatch_metadata
from worker.demo.worker_process import running_worker
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.simulation.livekit_server import LiveKitServer
from worker.simulation.room_candidate import Candidate
from worker.store.database import Database
from worker.store.embedded.client import EmbeddedPostgres
from worker.store.interviews import create_interview
from worker.store.migrate import migrate

#: Seconds between two rounds, in which the pool replaces the used warm process.
_PAUSE_S = 5.0
#: The start-up log lines, with their targets in milliseconds (row S7 of docs/reference/rows.md).
_TARGETS = {
    "handshake_start": None,
    "ctx_connected": 300.0,
    "session_started": None,
    "init_done": 800.0,
}
#: Steps of this worker that have targets of their own, in milliseconds.
_STEPS = {"connect": 200.0, "load vad": 2000.0}
#: Limit of the first audible frame's time, relative to that of the tone worker.
_AUDIBLE_RATIO = 1.5

_BEGUN = "handshake_start"

OURS, TONE, USUAL = "ours", "tone only", "usual pattern"

Metadata = Callable[[str], Awaitable[str]]


@dataclass(kw_only=True)
class Contender:
    """One of the compared workers."""

    who: str
    agent_name: str
    pid: int
    log: Path
    #: Prepares an interview in a room and returns the dispatch's metadata.
    metadata: Metadata
    joined_ms: list[float] = field(default_factory=list)
    audible_ms: list[float] = field(default_factory=list)
    job_mib: list[float] = field(default_factory=list)
    idle_mib: list[float] = field(default_factory=list)


async def run(binary: Path, folder: Path, rounds: int) -> list[Figure]:
    """Run all benchmarks of this module; takes about 15 seconds per round."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(LiveKitServer(binary))
        contenders = [
            await stack.enter_async_context(worker)
            for worker in (_tone(server, folder), _usual(server, folder), _ours(server, folder))
        ]
        await asyncio.sleep(_PAUSE_S)
        for contender in contenders:
            contender.idle_mib.append(_weight(contender.pid))
        for n in range(rounds + 1):
            for contender in contenders:
                await _round(server, contender, counts=n > 0)  # the first round is a warm-up
        return [
            *_figures(contenders),
            *_start_up_lines(contenders),
            *_steps(folder / "journals"),
        ]


async def _round(server: LiveKitServer, contender: Contender, *, counts: bool) -> None:
    room = f"bench-{secrets.token_hex(4)}"
    livekit = server.client
    await livekit.create_room(room)
    metadata = await contender.metadata(room)
    token = livekit.candidate_token(room=room, identity=f"candidate-{room}", name="Listener")
    async with Candidate(server.url, token) as listener:
        dispatched_s = listener.now_s
        await livekit.dispatch(room=room, agent_name=contender.agent_name, metadata=metadata)
        audible_s = await listener.wait_for_sound(since_s=dispatched_s, timeout_s=30.0)
        joined_s = next(p.at_s for p in listener.presence if p.event == "joined")
        if counts:
            contender.joined_ms.append(1000 * (joined_s - dispatched_s))
            contender.audible_ms.append(1000 * (audible_s - dispatched_s))
            contender.job_mib.append(_pss_mib(_job_pid(contender.log)))
        await livekit.delete_room(room)
    await asyncio.sleep(_PAUSE_S)


# --- the compared workers -------------------------------------------------------------------------


def _environment(server: LiveKitServer) -> dict[str, str]:
    return {
        **os.environ,
        "LIVEKIT_URL": server.url,
        "LIVEKIT_API_KEY": server.api_key,
        "LIVEKIT_API_SECRET": server.api_secret,
    }


async def _no_metadata(_: str) -> str:
    return ""


@asynccontextmanager
async def _baseline(
    kind: str, who: str, server: LiveKitServer, folder: Path
) -> AsyncIterator[Contender]:
    log, name = folder / f"{kind}.log", f"{kind}-{secrets.token_hex(3)}"
    module = ("benchmarks.baseline_worker", kind, name)
    async with running_worker(_environment(server), log, module=module) as process:
        yield Contender(who=who, agent_name=name, pid=process.pid, log=log, metadata=_no_metadata)


def _tone(server: LiveKitServer, folder: Path) -> AbstractAsyncContextManager[Contender]:
    return _baseline("tone", TONE, server, folder)


def _usual(server: LiveKitServer, folder: Path) -> AbstractAsyncContextManager[Contender]:
    return _baseline("usual", USUAL, server, folder)


@asynccontextmanager
async def _ours(server: LiveKitServer, folder: Path) -> AsyncIterator[Contender]:
    log, name = folder / "ours.log", f"ours-{secrets.token_hex(3)}"
    plan = load_plan(SAMPLE_PLAN)
    async with AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(await EmbeddedPostgres.start(folder))
        db = await Database.open(postgres.url)
        stack.push_async_callback(db.aclose)
        await migrate(db, budget_s=30.0)

        async def prepare(room: str) -> str:
            interview = await create_interview(
                db,
                interview_id=room,
                plan=plan.to_json(),
                room=room,
                candidate_identity=f"candidate-{room}",
            )
            return dispatch_metadata(interview)

        environment = _environment(server) | {
            "DATABASE_URL": postgres.url,
            "INTERVIEW_DATA_DIR": str(folder),
            "INTERVIEW_AGENT_NAME": name,
            "INTERVIEW_HTTP_PORT": "0",
            "INTERVIEW_LOG_FORMAT": "json",
        }
        process = await stack.enter_async_context(running_worker(environment, log))
        yield Contender(who=OURS, agent_name=name, pid=process.pid, log=log, metadata=prepare)


# --- results --------------------------------------------------------------------------------------


def _figures(contenders: list[Contender]) -> list[Figure]:
    rows: list[tuple[str, str, Callable[[Contender], list[float]]]] = [
        ("dispatch to agent joined", "ms", lambda c: c.joined_ms),
        ("dispatch to first audible frame", "ms", lambda c: c.audible_ms),
        ("a job's process (PSS)", "MiB", lambda c: c.job_mib),
        ("an idle worker, all processes (PSS)", "MiB", lambda c: c.idle_mib),
    ]
    tone = statistics.median(contenders[0].audible_ms)
    limits = {("dispatch to first audible frame", OURS): _AUDIBLE_RATIO * tone}
    return [
        Figure(
            what=what,
            who=contender.who,
            unit=unit,
            samples=samples(contender),
            target=limits.get((what, contender.who)),
        )
        for what, unit, samples in rows
        for contender in contenders
    ]


def _start_up_lines(contenders: list[Contender]) -> list[Figure]:
    """Return milliseconds from job receipt to each log line, without each worker's first job."""
    found = {contender.who: _times(contender.log) for contender in contenders}
    return [
        Figure(what=f"job received to {name}", who=who, unit="ms", samples=times[1:], target=aim)
        for name, aim in _TARGETS.items()
        for who, lines in found.items()
        if len(times := lines.get(name, [])) > 1
    ]


def _times(log: Path) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for line in log.read_text(encoding="utf-8").splitlines():
        start = line.find("{")
        with contextlib.suppress(ValueError, KeyError, TypeError):
            entry = json.loads(line[start:])
            if entry["event"] in _TARGETS:
                found[entry["event"]].append(float(entry["elapsed_ms"]))
    return found


def _steps(journals: Path) -> list[Figure]:
    """Return milliseconds of single steps, from the journals of this worker's jobs."""
    found: dict[str, list[float]] = defaultdict(list)
    for path in sorted(journals.rglob("*.jsonl"))[1:]:
        for step in History.read(path).steps:
            found[step.name].append(step.elapsed_ms)
    return [
        Figure(what=f"step: {name}", who=OURS, unit="ms", samples=found[name], target=aim)
        for name, aim in _STEPS.items()
        if found[name]
    ]


def _job_pid(log: Path) -> int:
    """Return the process of the last job that reported its start in a worker's log."""
    begun = [line for line in log.read_text(encoding="utf-8").splitlines() if _BEGUN in line]
    return int(re.findall(r'"pid": ?(\d+)', begun[-1])[-1])


def _weight(pid: int) -> float:
    """Return the PSS of a worker and all of its processes, in MiB."""
    process = psutil.Process(pid)
    return sum(_pss_mib(p.pid) for p in (process, *process.children(recursive=True)))


def _pss_mib(pid: int) -> float:
    return float(psutil.Process(pid).memory_full_info().pss) / 2**20
