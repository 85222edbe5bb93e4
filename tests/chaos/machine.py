"""A machine with one worker on it: a disk of its own, and a new worker where the last one died."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psutil

from tests.support.live.running_worker import RunningWorker, left_behind
from tests.support.live.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from worker.demo.livekit_server import LiveKitServer

#: Megabytes of a machine's disk, and what the cache of spoken lines may take of them.
_DISK_MB: Final = 48
#: Seconds until a worker that was told twice to end must have ended: its clean-up and more.
_ENDS_S: Final = 60.0
#: What everything but the candidates runs at.
_NICE: Final = os.getpriority(os.PRIO_PROCESS, 0)


@dataclass(frozen=True, kw_only=True)
class LivingJob:
    """A job that is held by a process of this machine."""

    job_id: str
    room: str
    pid: int
    #: When, in ISO 8601.
    began: str

    @property
    def identity(self) -> str:
        """The interviewer's identity."""
        return f"interviewer-{self.job_id}"


class PlacedWorker(RunningWorker):
    """A worker whose data folder is its machine's, and whose name is that of all."""

    def __init__(self, server: LiveKitServer, settings: Mapping[str, str], data_dir: Path) -> None:
        super().__init__(server, {**settings, "INTERVIEW_DATA_DIR": str(data_dir)})
        self.data_dir = data_dir
        self.agent_name = self.settings["INTERVIEW_AGENT_NAME"]

    @property
    def main(self) -> psutil.Process | None:
        """The main process, while it lives."""
        if self.process is None or self.process.poll() is not None:
            return None
        return psutil.Process(self.process.pid)

    def tree(self) -> list[psutil.Process]:
        """The main process and all below it."""
        main = self.main
        with contextlib.suppress(psutil.NoSuchProcess):
            return [] if main is None else [main, *main.children(recursive=True)]
        return []


class Machine:
    """The worker of one place, whichever it is by now."""

    def __init__(
        self, number: int, server: LiveKitServer, settings: Mapping[str, str], folder: Path
    ) -> None:
        self.number = number
        self.data_dir = folder / f"machine-{number}"
        self.data_dir.mkdir()
        #: A full disk is a real one where this process may mount one.
        self.has_disk = _mount(self.data_dir)
        self._server = server
        self._settings = settings
        self.worker = PlacedWorker(server, settings, self.data_dir)
        self.retired: list[PlacedWorker] = []
        #: Open sockets of the main process as it began.
        self.sockets_at_first = 0
        #: What did not end in time, in words.
        self.overdue: list[str] = []

    async def start(self) -> None:
        """Start the worker, until LiveKit has it."""
        await self.worker.start()
        for process in self.worker.tree():
            process.nice(_NICE)  # not the candidates', which it was started with
        self.sockets_at_first = self.sockets

    @property
    def sockets(self) -> int:
        """Internet sockets of the worker's main process."""
        main = self.worker.main
        return 0 if main is None else len(main.net_connections(kind="inet"))

    async def replace(self) -> None:
        """Wait for the end of the worker that is here, and start another one."""
        old = self.worker
        assert old.process is not None
        process = old.process
        try:
            await eventually(lambda: process.poll() is not None, "its end", timeout_s=_ENDS_S)
        except AssertionError:
            self.overdue.append(f"the worker of machine {self.number} (pid {process.pid})")
            process.kill()
        self.retired.append(old)
        self.worker = new = PlacedWorker(self._server, self._settings, self.data_dir)
        try:
            await self.start()
        except AssertionError:
            # Whoever struck it as it began starts the next one.
            if new.process is None or new.process.poll() is None:
                raise

    def signal_all(self, number: signal.Signals) -> list[int]:
        """Send a signal to every process of the worker; returns whom."""
        sent = []
        for process in self.worker.tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
                sent.append(process.pid)
        return sent

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to the worker's process group, as systemd does."""
        assert self.worker.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.worker.process.pid, number)

    def fill_disk(self) -> None:
        """Leave no byte free."""
        with contextlib.suppress(OSError), self._ballast.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"\0" * size)

    def free_disk(self) -> None:
        """Give the space back."""
        self._ballast.unlink(missing_ok=True)

    @property
    def _ballast(self) -> Path:
        return self.data_dir / "ballast"

    def journals(self) -> Iterator[Path]:
        """The journals here, shipped or not."""
        folder = self.data_dir / "journals"
        yield from (*folder.glob("*.jsonl"), *folder.glob("shipped/*.jsonl"))

    def jobs(self) -> list[LivingJob]:
        """The jobs whose processes live, by the first lines of their journals."""
        found = []
        for path in self.journals():
            with contextlib.suppress(OSError, ValueError, KeyError):
                with path.open() as file:
                    header = json.loads(file.readline())
                job = LivingJob(
                    job_id=header["job_id"],
                    room=header["room"],
                    pid=int(header["pid"]),
                    began=header["at"],
                )
                if is_alive(job.pid):
                    found.append(job)
        return sorted(found, key=lambda job: job.began)

    def keep_logs(self, folder: Path) -> None:
        """Copy what its workers have logged into a folder."""
        for number, worker in enumerate((*self.retired, self.worker), start=1):
            shutil.copy(worker.log_path, folder / f"machine-{self.number}-worker-{number}.log")

    async def end(self) -> list[str]:
        """End the worker; returns what outlives it, in words."""
        self.free_disk()
        await self.worker.stop()
        with contextlib.suppress(AssertionError):
            await self.worker.nothing_left()
        return [f"process {each} of machine {self.number}" for each in left_behind(self.data_dir)]

    async def remove(self) -> None:
        """End whatever there is, and give the disk back."""
        try:
            await self.end()
            for worker in (*self.retired, self.worker):
                await worker.discard()
        finally:
            if self.has_disk:
                await asyncio.to_thread(
                    subprocess.run, ["umount", "--lazy", str(self.data_dir)], check=False
                )


def is_alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _mount(folder: Path) -> bool:
    """Put a small disk there; False where this process may not."""
    options = f"size={_DISK_MB}m,mode=0755"
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
            capture_output=True,
            check=False,
        )
    except OSError:
        return False
    return done.returncode == 0
