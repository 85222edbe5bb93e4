"""The processes of an embedded PostgreSQL, as the system sees them."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

import psutil
from filelock import FileLock

from worker.store.embedded_layout import Layout

_KEEPER = "worker.store.embedded_keeper"


def processes_of(data_dir: Path) -> dict[str, psutil.Process]:
    """The keeper and the server of a data folder that are alive, by what they are."""
    found = {}
    cluster = str(Layout.of(data_dir).cluster)
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
        except psutil.Error:
            continue
        # A process that has ended and was not reaped yet has no command line.
        if _KEEPER in command and str(Layout.of(data_dir).data_dir) in command:
            found["keeper"] = process
        elif command and Path(command[0]).name == "postgres" and _works_in(process, cluster):
            found["postgres"] = process
    return found


def _works_in(process: psutil.Process, folder: str) -> bool:
    try:
        return process.cwd() == folder
    except psutil.Error:
        return False


def wait_for_end(process: psutil.Process) -> None:
    """Return when a process has ended, whether or not anybody has reaped it."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    ended, _, _ = select.select([descriptor], [], [], 30)
    os.close(descriptor)
    assert ended


def wait_until_gone(data_dir: Path) -> None:
    """Return when the keeper has let go of the folder, and its process has ended."""
    keeper = processes_of(data_dir).get("keeper")
    if Layout.of(data_dir).keeper_lock.exists():
        with FileLock(Layout.of(data_dir).keeper_lock, timeout=30):
            pass
    if keeper is not None:
        wait_for_end(keeper)


def end_keeper(data_dir: Path) -> None:
    """Ask the keeper of a data folder to end now, and return when it and its server are gone."""
    keeper = processes_of(data_dir).get("keeper")
    if keeper is not None:
        keeper.send_signal(signal.SIGTERM)
    wait_until_gone(data_dir)
