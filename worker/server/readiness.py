"""Readiness of this worker to run a job, and the reasons if the worker is not ready.

A worker that is not ready must not take a job. If a worker refuses a job, LiveKit asks another
worker, or the dispatch is repeated later, so the candidate does not wait for an interviewer that
cannot work. A worker whose database is unavailable is still ready, because the plan comes with the
dispatch and the journal keeps the turns.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from worker.aio.threads import in_thread
from worker.journal.folder import FolderIdentity
from worker.telemetry.worker_status import Cause

logger = logging.getLogger(__name__)

#: Seconds between two checks of the disk and of the providers.
PROBE_EVERY_S = 5.0
#: Seconds after which a disk that has not answered counts as not writable.
_PROBE_BUDGET_S = 5.0
#: Bytes that each check writes to the disk: about the size of a long interview's journal.
_PROBE_BYTES = 256 * 1024


@dataclass(frozen=True, kw_only=True)
class NotReady:
    """One reason to take no job: a cause, and a readable sentence without personal data."""

    cause: Cause
    message: str

    def __str__(self) -> str:
        return f"{self.cause}: {self.message}"


@dataclass(frozen=True, kw_only=True)
class Signs:
    """Results of the last checks. Each field is the problem of one part; None if the part works."""

    #: Problem of STT, with which the interviewer hears the candidate; None if STT works.
    hearing: str | None = None
    #: Problem of TTS, with which the interviewer speaks to the candidate; None if TTS works.
    speaking: str | None = None
    #: Problem of writing to the folder of the journals; None if the folder can be written to.
    writing: str | None = None
    #: Problem of preparing a process for a job; None if processes can be prepared.
    set_up: str | None = None


def decide(signs: Signs) -> tuple[NotReady, ...]:
    """Return every reason to take no job; empty if a job could run, even degraded.

    An interview needs only one of STT and TTS. Without STT the candidate types, and without TTS the
    candidate reads.
    """
    found: list[NotReady] = []
    if signs.set_up is not None:
        found.append(NotReady(cause=Cause.SET_UP_FAILED, message=signs.set_up))
    if signs.hearing is not None and signs.speaking is not None:
        message = f"{signs.hearing}; {signs.speaking}"
        found.append(NotReady(cause=Cause.NO_SPEECH, message=message))
    if signs.writing is not None:
        found.append(NotReady(cause=Cause.CANNOT_WRITE, message=signs.writing))
    return tuple(found)


#: Function that returns the problem of STT and the problem of TTS. A problem is None if that part
#: works. Any thread may call the function.
SpeechProbe = Callable[[], tuple[str | None, str | None]]


class Readiness:
    """Checks readiness every few seconds, keeps the result, and reports every change.

    `on_change` is called on the event loop whenever the reasons have changed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        speech: SpeechProbe = lambda: (None, None),
        on_change: Callable[[], None] = lambda: None,
        probe_every_s: float = PROBE_EVERY_S,
    ) -> None:
        self._folder = folder
        self._identity = FolderIdentity(folder)
        self._speech = speech
        self._on_change = on_change
        self._probe_every_s = probe_every_s
        self._signs = Signs()
        self._reasons: tuple[NotReady, ...] = ()
        self._probing: asyncio.Task[Signs] | None = None

    def reasons(self) -> tuple[NotReady, ...]:
        """Return the reasons to take no job now; empty if the worker takes jobs. Thread-safe."""
        return self._reasons

    def set_up_failed(self, why: str) -> None:
        """Record that no process could be prepared for a job, and the reason `why`."""
        self._judge(replace(self._signs, set_up=why))

    def set_up_works(self) -> None:
        """Record that a process was prepared for a job."""
        self._judge(replace(self._signs, set_up=None))

    async def watch(self) -> None:
        """Check the disk and the providers periodically until cancelled."""
        try:
            while True:
                await self.look()
                await asyncio.sleep(self._probe_every_s)
        finally:
            if self._probing is not None:
                self._probing.cancel()

    async def look(self) -> None:
        """Check the disk and the providers once, in at most `_PROBE_BUDGET_S` seconds."""
        # Run only one probe at a time, so that waiting probes do not pile up while a disk (NFS)
        # hangs.
        if self._probing is None:
            probe = in_thread("readiness", self._probe)
            self._probing = asyncio.create_task(probe, name="readiness-probe")
        done, _ = await asyncio.wait({self._probing}, timeout=_PROBE_BUDGET_S)
        if not done:
            hangs = f"the disk of {self._folder} does not respond"
            self._judge(replace(self._signs, writing=hangs))
            return
        probed, self._probing = self._probing, None
        try:
            seen = probed.result()
        except Exception:  # any error of the probe itself, which says nothing about readiness
            logger.exception(
                "the readiness probe raised an error, so the readiness is unchanged",
                extra={"event": "readiness_probe_failed"},
            )
            return
        self._judge(replace(seen, set_up=self._signs.set_up))

    def _probe(self) -> Signs:
        hearing, speaking = self._speech()
        # If the folder was replaced by another one, do not write to it or create it.
        writing = self._identity.problem() or write_probe(self._folder)
        if writing is None:
            self._identity.note()
        return Signs(hearing=hearing, speaking=speaking, writing=writing)

    def _judge(self, signs: Signs) -> None:
        self._signs, reasons = signs, decide(signs)
        before, self._reasons = self._reasons, reasons
        if reasons == before:
            return
        for reason in reasons:
            if reason not in before:
                logger.error(
                    "the worker is not accepting jobs: %s",
                    reason,
                    extra={"event": "worker_not_accepting_jobs", "cause": reason.cause},
                )
        if not reasons:
            logger.info(
                "the worker is accepting jobs again", extra={"event": "worker_accepting_jobs"}
            )
        self._on_change()


def write_probe(folder: Path, size: int = _PROBE_BYTES) -> str | None:
    """Lock, write and sync a test file of `size` bytes in `folder`, as a job does with its journal.

    Returns a description of the problem, or None if the file could be written. Blocks while the
    disk does not respond.
    """
    probe = folder / f".probe-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            if (problem := _lock(descriptor)) is not None:
                return f"cannot lock a file in {folder} ({problem})"
            _write_all(descriptor, bytes(size))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
            probe.unlink(missing_ok=True)
    except OSError as error:
        return f"cannot write to {folder} ({error.strerror or type(error).__name__})"
    return None


def _lock(descriptor: int) -> str | None:
    """Lock a file; return why the lock is impossible, as on some network file systems."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        # Locks work: the lock is held by a worker in another container with the same pid.
        return None
    except OSError as error:
        return error.strerror or type(error).__name__
    return None


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
