"""Find, end and wait for the operating system processes of an embedded PostgreSQL."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

import psutil
from filelock import FileLock

from worker.store.embedded.layout import Layout

_KEEPER = "worker.store.embedded.supervisor"


def processes_of(data_dir: Path) -> dict[str, psutil.Process]:
    """Return the living processes of a data folder by role: "keeper" and "postgres"."""
    found = {}
    cluster = str(Layout.of(data_dir).cluster)
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
        except psutil.Error:
            continue
        # A zombie process has no command line.
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
    """Wait until a process has ended, reaped or not."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    ended, _, _ = select.select([descriptor], [], [], 30)
    os.close(descriptor)
    assert ended


def wait_until_gone(data_dir: Path) -> None:
    """Wait until the keeper has released the folder's lock and its process has ended."""
    keeper = processes_of(data_dir).get("keeper")
    if Layout.of(data_dir).keeper_lock.exists():
        with FileLock(Layout.of(data_dir).keeper_lock, timeout=30):
            pass
    if keeper is not None:
        wait_for_end(keeper)


def end_keeper(data_dir: Path) -> None:
    """Send SIGTERM to the keeper of a data folder; wait until it and its server have ended."""
    keeper = processes_of(data_dir).get("keeper")
    if keeper is not None:
        keeper.send_signal(signal.SIGTERM)
    wait_until_gone(data_dir)
