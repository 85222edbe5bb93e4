"""Whether this worker could serve a job, and if not, why.

A worker that could not must not take one: LiveKit asks another worker, or the dispatch is tried
again, and the candidate is spared a room in which nobody listens. A database that is away is no
reason, since the plan comes with the dispatch and the journal keeps what is said.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from worker.in_thread import in_thread
from worker.telemetry.status import Cause

logger = logging.getLogger(__name__)

#: Seconds between two looks at the disk and at the providers.
PROBE_EVERY_S = 5.0
#: Seconds after which a disk that has not answered counts as one that cannot be written.
_PROBE_BUDGET_S = 5.0
#: Bytes that must find a place: about the journal of a long interview.
_PROBE_BYTES = 256 * 1024


@dataclass(frozen=True, kw_only=True)
class NotReady:
    """One reason to take no job: its cause, and a sentence for people without personal data."""

    cause: Cause
    message: str

    def __str__(self) -> str:
        return f"{self.cause}: {self.message}"


@dataclass(frozen=True, kw_only=True)
class Signs:
    """What was seen last. None where all is well, else what is wrong."""

    #: In the direction from the candidate, and in the one to the candidate.
    hearing: str | None = None
    speaking: str | None = None
    writing: str | None = None
    set_up: str | None = None


def decide(signs: Signs) -> tuple[NotReady, ...]:
    """Every reason to take no job; none where one could be served, however degraded.

    With only one direction of speech an interview is held: the candidate types, or reads.
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


#: Says what is wrong with hearing and with speaking, None for each that works; in any thread.
SpeechProbe = Callable[[], tuple[str | None, str | None]]


class Readiness:
    """Looks every few seconds, remembers what it saw, and tells of every change.

    `on_change` is called on the event loop whenever the reasons are others than before.
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
        self._speech = speech
        self._on_change = on_change
        self._probe_every_s = probe_every_s
        self._signs = Signs()
        self._reasons: tuple[NotReady, ...] = ()
        self._probing: asyncio.Task[Signs] | None = None

    def reasons(self) -> tuple[NotReady, ...]:
        """Why no job is taken at this moment; empty where they are. In any thread."""
        return self._reasons

    def set_up_failed(self, why: str) -> None:
        """No process could be prepared for a job."""
        self._judge(replace(self._signs, set_up=why))

    def set_up_works(self) -> None:
        """A process was prepared."""
        self._judge(replace(self._signs, set_up=None))

    async def watch(self) -> None:
        """Look, again and again, until cancelled."""
        try:
            while True:
                await self.look()
                await asyncio.sleep(self._probe_every_s)
        finally:
            if self._probing is not None:
                self._probing.cancel()

    async def look(self) -> None:
        """Look once, in at most five seconds: whether the disk takes a journal, and who serves."""
        # A disk that hangs (NFS) is asked once, however often somebody looks.
        if self._probing is None:
            probe = in_thread("readiness", self._probe)
            self._probing = asyncio.create_task(probe, name="readiness-probe")
        done, _ = await asyncio.wait({self._probing}, timeout=_PROBE_BUDGET_S)
        if not done:
            hangs = f"the disk of {self._folder} does not answer"
            self._judge(replace(self._signs, writing=hangs))
            return
        probed, self._probing = self._probing, None
        try:
            seen = probed.result()
        except Exception:  # whatever it is, it says nothing of what could be served
            logger.exception("readiness is as it was: looking failed")
            return
        self._judge(replace(seen, set_up=self._signs.set_up))

    def _probe(self) -> Signs:
        hearing, speaking = self._speech()
        return Signs(hearing=hearing, speaking=speaking, writing=write_probe(self._folder))

    def _judge(self, signs: Signs) -> None:
        self._signs, reasons = signs, decide(signs)
        before, self._reasons = self._reasons, reasons
        if reasons == before:
            return
        for reason in reasons:
            if reason not in before:
                logger.error("no job is taken: %s", reason, extra={"cause": reason.cause})
        if not reasons:
            logger.info("jobs are taken again")
        self._on_change()


def write_probe(folder: Path) -> str | None:
    """Write a file there as a job would its journal, down to the disk; what is wrong, if so.

    Blocks for as long as the disk does.
    """
    probe = folder / f".probe-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _write_all(descriptor, bytes(_PROBE_BYTES))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
            probe.unlink(missing_ok=True)
    except OSError as error:
        return f"cannot write to {folder} ({error.strerror or type(error).__name__})"
    return None


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
