"""A simulated machine with its own disk and one worker, which is replaced after it has ended."""

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

    from worker.simulation.livekit_server import LiveKitServer

#: Megabytes of a machine's disk.
_DISK_MB: Final = 48
#: Seconds in which a worker must end after its second SIGTERM: the time of its clean-up and more.
_ENDS_S: Final = 60.0
#: Nice value of all processes except the candidates'.
_NICE: Final = os.getpriority(os.PRIO_PROCESS, 0)


@dataclass(frozen=True, kw_only=True)
class LivingJob:
    """A job with a living process on this machine."""

    job_id: str
    room: str
    pid: int
    #: Start time in ISO 8601.
    began: str

    @property
    def identity(self) -> str:
        """The interviewer's identity."""
        return f"interviewer-{self.job_id}"


class PlacedWorker(RunningWorker):
    """A worker with the data folder of its machine and the agent name of all workers."""

    def __init__(self, server: LiveKitServer, settings: Mapping[str, str], data_dir: Path) -> None:
        super().__init__(server, {**settings, "INTERVIEW_DATA_DIR": str(data_dir)})
        self.data_dir = data_dir
        self.agent_name = self.settings["INTERVIEW_AGENT_NAME"]

    @property
    def main(self) -> psutil.Process | None:
        """The main process while it lives, else None."""
        if self.process is None or self.process.poll() is not None:
            return None
        return psutil.Process(self.process.pid)

    def tree(self) -> list[psutil.Process]:
        """Return the main process and all of its descendants."""
        main = self.main
        with contextlib.suppress(psutil.NoSuchProcess):
            return [] if main is None else [main, *main.children(recursive=True)]
        return []


class Machine:
    """A data folder on its own disk, and the worker that currently runs there."""

    def __init__(
        self, number: int, server: LiveKitServer, settings: Mapping[str, str], folder: Path
    ) -> None:
        self.number = number
        self.data_dir = folder / f"machine-{number}"
        self.data_dir.mkdir()
        #: True if this process could mount a real disk, which a fault can fill.
        self.has_disk = _mount(self.data_dir)
        self._server = server
        self._settings = settings
        self.worker = PlacedWorker(server, settings, self.data_dir)
        self.retired: list[PlacedWorker] = []
        #: True from the worker's registration with LiveKit to the fault that ends it.
        self.registered = False
        self._withheld = 0
        #: The jobs by the names of their journals, and the names of those whose process has ended.
        self._jobs: dict[str, LivingJob] = {}
        self._ended: set[str] = set()
        #: Number of open sockets of the main process after its start.
        self.sockets_at_first = 0
        #: Descriptions of workers that did not end in time.
        self.overdue: list[str] = []

    async def start(self) -> None:
        """Start the worker and wait until LiveKit has registered it."""
        await self.worker.start()
        self.registered = self.worker.main is not None
        for process in self.worker.tree():
            process.nice(_NICE)  # not the candidates' nice value, which it inherited
        self.sockets_at_first = self.sockets

    @property
    def serving(self) -> bool:
        """Whether the worker takes interviews, as far as the faults allow."""
        return self.registered and not self._withheld

    @contextlib.contextmanager
    def withheld(self) -> Iterator[None]:
        """Count the worker as one that takes no interviews while the block runs."""
        self._withheld += 1
        try:
            yield
        finally:
            self._withheld -= 1

    @property
    def sockets(self) -> int:
        """The number of internet sockets of the worker's main process."""
        main = self.worker.main
        return 0 if main is None else len(main.net_connections(kind="inet"))

    async def replace(self) -> None:
        """Wait for the end of the current worker, and start another one."""
        self.registered = False
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
            # A fault ended it during its start; that fault also starts the next worker.
            if new.process is None or new.process.poll() is None:
                raise

    def signal_all(self, number: signal.Signals) -> list[int]:
        """Send a signal to every process of the worker; return their ids."""
        sent = []
        for process in self.worker.tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
                sent.append(process.pid)
        return sent

    def signal_main(self, number: signal.Signals) -> list[int]:
        """Send a signal to the main process alone; return its id, or nothing if it has ended."""
        main = self.worker.main
        with contextlib.suppress(psutil.NoSuchProcess):
            if main is not None:
                main.send_signal(number)
                return [main.pid]
        return []

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to the worker's process group, as systemd does."""
        assert self.worker.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.worker.process.pid, number)

    def fill_disk(self) -> None:
        """Fill the disk completely."""
        with contextlib.suppress(OSError), self._ballast.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"\0" * size)

    def free_disk(self) -> None:
        """Free the space again."""
        self._ballast.unlink(missing_ok=True)

    @property
    def _ballast(self) -> Path:
        return self.data_dir / "ballast"

    def journals(self) -> Iterator[Path]:
        """Yield the journals on this machine, ingested or not."""
        folder = self.data_dir / "journals"
        yield from (*folder.glob("*.jsonl"), *folder.glob("shipped/*.jsonl"))

    def jobs(self) -> list[LivingJob]:
        """Return the jobs with living processes, as the first lines of their journals name them.

        Reads each journal once, and never those of jobs that have ended.
        """
        found = []
        for path in self.journals():
            if path.name in self._ended:
                continue
            job = self._jobs.get(path.name) or _job_of(path)
            if job is None:
                continue
            self._jobs[path.name] = job
            if is_alive(job.pid):
                found.append(job)
            else:
                self._ended.add(path.name)
        return sorted(found, key=lambda job: job.began)

    def keep_logs(self, folder: Path) -> None:
        """Copy the logs of all workers of this machine into a folder."""
        for number, worker in enumerate((*self.retired, self.worker), start=1):
            shutil.copy(worker.log_path, folder / f"machine-{self.number}-worker-{number}.log")

    async def end(self) -> list[str]:
        """End the worker; return descriptions of the processes that outlive it."""
        self.free_disk()
        await self.worker.stop()
        with contextlib.suppress(AssertionError):
            await self.worker.nothing_left()
        return [f"process {each} of machine {self.number}" for each in left_behind(self.data_dir)]

    async def remove(self) -> None:
        """End all workers and unmount the disk."""
        try:
            await self.end()
            for worker in (*self.retired, self.worker):
                await worker.discard()
        finally:
            if self.has_disk:
                await asyncio.to_thread(
                    subprocess.run, ["umount", "--lazy", str(self.data_dir)], check=False
                )


def _job_of(path: Path) -> LivingJob | None:
    """Return the job of a journal; None if its first line is not complete yet."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        with path.open() as file:
            header = json.loads(file.readline())
        return LivingJob(
            job_id=header["job_id"],
            room=header["room"],
            pid=int(header["pid"]),
            began=header["at"],
        )
    return None


def is_alive(pid: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _mount(folder: Path) -> bool:
    """Mount a small tmpfs on a folder; return False if this process is not permitted to."""
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
