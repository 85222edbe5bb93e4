"""Checks of this machine: data folder, disk, open files, memory, processors and port."""

from __future__ import annotations

import errno
import os
import resource
import secrets
import shutil
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aiohttp
import psutil

from worker.config.http import address_of
from worker.doctor.context import run_in_daemon_thread
from worker.doctor.finding import Finding, fine, warning, wrong
from worker.env.container import (
    BASE_MB,
    JOB_MB,
    Capacity,
    Limits,
    capacity,
    limits_of_this_process,
)
from worker.env.surroundings import unknown_home
from worker.server.port_probe import bind_once
from worker.server.readiness import write_probe

if TYPE_CHECKING:
    from worker.doctor.context import CheckContext

_MB: Final = 1_000_000
#: Free disk space in bytes below which the check warns and the alert InterviewDiskFull fires.
_LITTLE_DISK: Final = 1_000 * _MB
#: Free disk space in bytes below which the check fails.
_NO_DISK: Final = 100 * _MB

_SYNCS: Final = 5
#: Milliseconds of an fsync above which the check warns. A turn is committed after one fsync, and
#: the next turn waits for this commit.
_SLOW_SYNC_MS: Final = 50.0
#: Milliseconds of an fsync above which the check fails.
_BROKEN_SYNC_MS: Final = 1000.0

#: Open files that a worker's main process needs without any job process, including a reserve.
_BASE_FILES: Final = 128
#: Open files that a worker's main process needs for each job process (pipes, journal, sockets),
#: including a reserve.
_FILES_A_PROCESS: Final = 16

_ANSWER_S: Final = 2.0


async def check_data_dir(visit: CheckContext) -> Finding:
    """Check that the journal folder is writable, in the same way as the readiness check."""
    if (problem := unknown_home(visit.settings.data_dir)) is not None:
        return wrong(problem, "set INTERVIEW_DATA_DIR to a folder that can be written")
    folder = visit.settings.journal_dir
    if (problem := await run_in_daemon_thread(lambda: write_probe(folder))) is not None:
        return wrong(problem, "set INTERVIEW_DATA_DIR to a writable folder")
    return fine(f"{visit.settings.data_dir} is writable")


async def check_disk(visit: CheckContext) -> Finding:
    """Check the free space and the free inodes of the disk with the data folder."""
    folder = visit.settings.journal_dir
    free, files = await run_in_daemon_thread(
        lambda: (shutil.disk_usage(folder).free, os.statvfs(folder))
    )
    # Some file systems create inodes on demand and report 0 of 0.
    few_files = files.f_files > 0 and files.f_favail < 1000
    return judge_disk(free, few_files=few_files)


def judge_disk(free: int, *, few_files: bool = False) -> Finding:
    """Judge the free space of a disk, in bytes."""
    found = f"{free / 1e9:.1f} GB free" + (", few free inodes" if few_files else "")
    advice = "free some space, or set INTERVIEW_DATA_DIR to another disk"
    if free < _NO_DISK:
        return wrong(found, advice, free_bytes=free)
    if free < _LITTLE_DISK or few_files:
        return warning(found, advice, free_bytes=free)
    return fine(found, free_bytes=free)


async def check_fsync(visit: CheckContext) -> Finding:
    """Check how long it takes to write a record to the disk."""
    folder = visit.settings.journal_dir
    return judge_fsync(statistics.median(await run_in_daemon_thread(lambda: _syncs_ms(folder))))


def judge_fsync(median_ms: float) -> Finding:
    """Judge the median of several fsync times, in milliseconds."""
    found = f"{median_ms:.1f} ms to write a record to the disk"
    facts = {"median_ms": round(median_ms, 2)}
    advice = "put INTERVIEW_DATA_DIR on a local disk (SSD), not on a network share"
    if median_ms > _BROKEN_SYNC_MS:
        return wrong(f"{found}: every turn of an interview waits for this", advice, **facts)
    if median_ms > _SLOW_SYNC_MS:
        return warning(found, advice, **facts)
    return fine(found, **facts)


def _syncs_ms(folder: Path) -> list[float]:
    path = folder / f".doctor-{os.getpid()}-{secrets.token_hex(4)}"
    took = []
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        for _ in range(_SYNCS):
            os.write(descriptor, bytes(300))
            began = time.perf_counter()
            os.fsync(descriptor)
            took.append((time.perf_counter() - began) * 1000)
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)
    return took


async def check_files(visit: CheckContext) -> Finding:
    """Compare RLIMIT_NOFILE with the files that the main process opens for its jobs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    processes = visit.settings.slots + visit.settings.idle_processes
    return judge_files(
        *(2**31 if limit == unlimited else limit for limit in (soft, hard)), processes=processes
    )


def judge_files(soft: int, hard: int, *, processes: int) -> Finding:
    """Judge the soft and the hard limit of open files of a process."""
    needed = _BASE_FILES + _FILES_A_PROCESS * processes
    facts = {"soft": soft, "hard": hard, "needed": needed}
    found = f"{soft} open files allowed, about {needed} needed for {processes} processes"
    if soft >= needed:
        return fine(found, **facts)
    advice = (
        f"run ulimit -n {needed} before starting the worker"
        if hard >= needed
        else f"raise the hard limit to {needed} (LimitNOFILE in systemd, --ulimit in Docker)"
    )
    verdict = wrong if soft < needed / 2 else warning
    return verdict(found, advice, **facts)


async def check_memory(visit: CheckContext) -> Finding:
    """Compare the total memory and the free memory with the memory that the slots need.

    The total memory is the limit of the container if there is one, else the memory of the machine.
    """
    limits = await run_in_daemon_thread(limits_of_this_process)
    memory = psutil.virtual_memory()
    return judge_memory(
        limits, total=memory.total, free=memory.available, slots=visit.settings.slots
    )


def judge_memory(limits: Limits, *, total: int, free: int, slots: int) -> Finding:
    """Judge whether the memory, in bytes, is enough for `slots` interviews."""
    most = min(total, limits.memory if limits.memory is not None else total)
    left = min(free, most - limits.used) if limits.memory is not None else free
    needed = (BASE_MB + JOB_MB * slots) * _MB
    fits = Capacity(cpus=1, memory=most).slots_by_memory or 0
    whose = "the container's limit is" if limits.memory is not None else "this machine has"
    found = (
        f"{slots} slots need about {needed / 1e9:.1f} GB; {whose} {most / 1e9:.1f} GB, "
        f"{max(0, left) / 1e9:.1f} GB free"
    )
    facts = {"needed_bytes": needed, "most_bytes": most, "free_bytes": left, "slots_fit": fits}
    if most < needed:
        slots_advice = (
            f"set INTERVIEW_SLOTS={fits}" if fits else "no slot fits: use another machine"
        )
        return wrong(found, f"{slots_advice}, or add memory", **facts)
    if left < needed:
        return warning(
            found,
            "free some memory, unless a worker with these settings already runs here",
            **facts,
        )
    return fine(found, **facts)


async def check_cpus(visit: CheckContext) -> Finding:
    """Compare the number of processors that this process may use with the slots."""
    usable = await run_in_daemon_thread(capacity)
    return judge_cpus(usable.cpus, visit.settings.slots)


def judge_cpus(cpus: float, slots: int) -> Finding:
    """Judge whether `cpus` processors are enough for `slots` interviews."""
    fits = Capacity(cpus=cpus, memory=None).slots_by_cpus
    found = f"{cpus:g} processors for {slots} slots"
    facts = {"cpus": cpus, "slots_fit": fits}
    if slots > fits:
        return warning(
            found,
            f"set INTERVIEW_SLOTS={fits}: with local speech, more slots fall behind real time",
            **facts,
        )
    return fine(found, **facts)


async def check_port(visit: CheckContext) -> Finding:
    """Check that the port of the HTTP server is free, or that a worker uses it."""
    host, port = visit.settings.http_host, visit.settings.http_port
    if port == 0:
        return fine("a free port is chosen at startup (INTERVIEW_HTTP_PORT=0)")
    try:
        bind_once(host, port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            return wrong(
                f"cannot bind {host}:{port} ({error.strerror})",
                "set INTERVIEW_HTTP_HOST to an address of this machine, and a port above 1023",
            )
    else:
        return fine(f"{host}:{port} is free")
    if await _is_a_worker(visit):
        return fine(f"a worker answers at {host}:{port}", worker=True)
    return wrong(
        f"{host}:{port} is in use, and no worker answers there",
        "set INTERVIEW_HTTP_PORT to a free port (0 takes any)",
    )


async def _is_a_worker(visit: CheckContext) -> bool:
    token = visit.settings.http_token.get_secret_value()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(f"{address_of(visit.settings).url}/livez", headers=headers) as answer,
        ):
            data = await answer.json()
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return False
    return isinstance(data, dict) and data.get("alive") is True
