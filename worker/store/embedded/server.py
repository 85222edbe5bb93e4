"""The embedded PostgreSQL server: create its cluster, start and stop its process."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from worker.store.embedded.layout import PostgresDidNotStart, bare_environment, claim_run_dir
from worker.store.embedded.system_user import WORKING_DIR, as_user, programs_for, system_user

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from worker.store.embedded.layout import Layout

#: Maximum duration of a server start in seconds. A start after a crash may have to replay the
#: write-ahead log.
_START_BUDGET_S = 30.0
#: Maximum seconds to wait after each step of a stop: fast shutdown, immediate shutdown, kill
#: (https://www.postgresql.org/docs/current/server-shutdown.html).
_STOP_STEP_S = 10.0
_STOP_SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)
# Seconds between two checks of the server, a tenth of the interval of PostgreSQL's own pg_ctl.
_LOOK_S = 0.01
#: Size of the log file in bytes above which the next start of the server truncates the file.
_LOG_LIMIT = 1_000_000
_PR_SET_PDEATHSIG = 1  # linux/prctl.h

_libc = ctypes.CDLL(None, use_errno=True)


class Server:
    """One PostgreSQL server on one data folder.

    PostgreSQL refuses to run as root, so root runs it as a system user, without changing the
    permissions of root's folders (see `system_user`).
    """

    def __init__(self, layout: Layout, bin_dir: Path) -> None:
        self._layout = layout
        self._bin_dir = bin_dir
        self._user = system_user() if os.geteuid() == 0 else None
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Create the cluster if needed, start the server, and return when it accepts connections.

        Raises `PostgresDidNotStart` with the last line of the log if the server does not start.
        """
        layout = self._layout
        claim_run_dir(layout, self._user.pw_uid if self._user else os.geteuid())
        if self._user:
            self._bin_dir = programs_for(self._user, layout, self._bin_dir)
        await self._clear_away_the_previous()
        if layout.log.stat().st_size > _LOG_LIMIT:
            os.truncate(layout.log, 0)
        if not (layout.cluster / "PG_VERSION").exists():
            await self._make_cluster()
        await self._start_server()

    async def wait(self) -> None:
        """Return when the server has ended, for any reason."""
        if self._process is not None:
            await self._process.wait()

    async def stop(self) -> None:
        """Stop the server, which ends its sessions and writes its data to the disk."""
        process, self._process = self._process, None
        if process is not None:
            await _stop(lambda: [process.pid] if process.returncode is None else [])

    async def _start_server(self) -> None:
        options = [f"-c{name}={value}" for name, value in self._layout.server_options.items()]
        self._process = process = await self._run("postgres", self._layout.cluster, *options)
        try:
            async with asyncio.timeout(_START_BUDGET_S):
                while not self._is_ready(process.pid):
                    if process.returncode is not None:
                        raise PostgresDidNotStart(
                            self._layout.data_dir, self._layout.last_log_line()
                        )
                    await asyncio.sleep(_LOOK_S)
        except BaseException as error:
            await self.stop()
            if isinstance(error, TimeoutError):
                problem = f"it was not ready after {_START_BUDGET_S:.0f} s"
                raise PostgresDidNotStart(self._layout.data_dir, problem) from None
            raise

    def _is_ready(self, pid: int) -> bool:
        """Return whether the lock file contains the process id `pid` and the status "ready"."""
        try:
            text = self._layout.server_lock_files[0].read_text()
        except OSError:
            return False
        lines = [line.strip() for line in text.splitlines()]
        return lines[:1] == [str(pid)] and lines[7:8] == ["ready"]

    async def _clear_away_the_previous(self) -> None:
        """Stop processes that a killed keeper or server left behind, and remove stale lock files.

        PostgreSQL refuses to start while a lock file names a server that exists, even as a zombie.
        In a container whose first process reaps no other processes, a dead server stays a zombie.
        """
        await _stop(lambda: _working_in(self._layout.cluster, self._fresh_cluster))
        for lock_file in self._layout.server_lock_files:
            lock_file.unlink(missing_ok=True)

    @property
    def _fresh_cluster(self) -> Path:
        return self._layout.cluster.with_name("postgres.new")

    async def _make_cluster(self) -> None:
        """Run initdb in a temporary folder, and rename the folder after success.

        In this way no process ever finds a partial cluster.
        """
        cluster = self._layout.cluster
        fresh = self._fresh_cluster
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if self._user:
            os.chown(fresh, self._user.pw_uid, self._user.pw_gid)
        process = await self._run(
            "initdb", fresh, "-U", "postgres", "--auth=trust", "--encoding=UTF8",
            "--no-locale", "--no-instructions",
        )  # fmt: skip
        try:
            code = await process.wait()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            raise
        if code != 0:
            raise PostgresDidNotStart(self._layout.data_dir, self._layout.last_log_line())
        with contextlib.suppress(FileNotFoundError):
            cluster.rmdir()
        fresh.rename(cluster)

    async def _run(
        self, program: str, cluster: Path, *arguments: str
    ) -> asyncio.subprocess.Process:
        """Run a PostgreSQL program with a cluster as working directory and as option `-D`."""
        # The bare environment also has no PG* and LC_* variables, from which PostgreSQL would read
        # settings and the language of its messages.
        with self._layout.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                self._bin_dir / program,
                "-D",
                WORKING_DIR if self._user else cluster,
                *arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=cluster,
                env=bare_environment(LC_ALL="C"),
                preexec_fn=_die_with(os.getpid()),
                **(as_user(self._user) if self._user else {}),
            )


def _die_with(keeper: int) -> Callable[[], None]:
    """Return a `preexec_fn` with which the kernel sends SIGINT when `keeper` dies (prctl(2))."""

    def ask_for_it() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
        # The keeper may have died before the call of prctl.
        if os.getppid() != keeper:
            os._exit(1)

    return ask_for_it


async def _stop(left: Callable[[], Collection[int]]) -> None:
    """Send increasingly strong signals to the processes that `left` returns, until none is left.

    SIGINT ends a server, but only cancels the current statement of a session process.
    """
    for number in _STOP_SIGNALS:
        for pid in left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_STEP_S):
                while left():  # noqa: ASYNC110 - no event for a process that is no child
                    await asyncio.sleep(_LOOK_S)
                return


def _working_in(*folders: Path) -> list[int]:
    """Return the ids of the server and session processes that work in one of `folders`.

    The process ids in lock files are not used, because such an id may belong to another process by
    now, and because session processes, which the lock files do not name, outlive a killed server.
    """
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if (entry / "cwd").readlink() in folders:
                    found.append(int(entry.name))
    return found
