"""Circuit breaker state that all jobs of one worker share through files.

The worker's data folder holds one small file per provider. A writer replaces a file atomically with
a rename, so readers see the old or the new version and need no lock. If two jobs write at once, the
last write wins, which costs at most one redundant probe. An unreadable file counts as an unknown
state, because a breaker saves time and must never cost an interview.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path

from worker.aio.threads import OrderedCalls

logger = logging.getLogger(__name__)

#: Maximum seconds for which a caller, which may be the event loop, waits for the disk. A healthy
#: disk needs about 0.1 ms.
_DISK_WITHIN_S = 0.05
#: Maximum size of a record file in bytes; a larger file is not a record.
_LARGEST_FILE = 4096
#: Seconds after the time `until` of a record at which the record becomes stale and is ignored: the
#: job that wrote the record has ended.
_STALE_S = 300.0
#: Longest time in seconds that `until` may lie in the future. A later time means that the clock was
#: set back or that the record is invalid.
_FARTHEST_S = 2 * 3600.0
#: Upper bound of a valid epoch time in seconds (the year 5138), still representable as a date.
_LAST_MOMENT = 1e11


@dataclass(frozen=True, kw_only=True)
class BreakerRecord:
    """The known state of one provider. Times are seconds of the Unix epoch."""

    #: Reason of the failure, one word in CamelCase; "Recovered" if the provider works again.
    reason: str
    #: Time at which the provider failed or recovered.
    since: float
    #: Time until which jobs should not call the provider; 0 if the provider is ready.
    until: float = 0.0
    #: True if the failure is permanent (key refused, no credit), so that a call before `until`
    #: cannot succeed.
    for_good: bool = False

    @property
    def ready(self) -> bool:
        """True if the provider worked when a job last used or probed it."""
        return self.until == 0.0


class SharedBreaker:
    """Reads and writes the records of one worker's providers. An unchanged file is read only once.

    A thread reads and writes the files, in the order of the calls. If the disk hangs, a caller
    waits for `_DISK_WITHIN_S` seconds and then gets the last known record. Until the disk answers,
    later callers get the last known record at once.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._folder = folder
        self._disk = OrderedCalls("provider-records")
        self._last: Future[None] | None = None
        #: Parsed files, by file name: version (inode, mtime, size), and record (None if invalid).
        self._seen: dict[str, tuple[tuple[int, int, int], BreakerRecord | None]] = {}

    def read(self, resource: str, member: str) -> BreakerRecord | None:
        """Return the record of a provider; None if it is missing, stale or unreadable."""
        path = self._path(resource, member)
        self._on_disk(lambda: self._refresh(path))
        _, record = self._seen.get(path.name, (None, None))
        if record is None or record.ready:
            return record
        now = self.clock()
        fresh = now - _STALE_S < record.until < now + _FARTHEST_S
        return record if fresh else None

    def _refresh(self, path: Path) -> None:
        """Read the file if it has changed. Called in the thread for disk access."""
        try:
            status = path.stat()
        except OSError:
            self._seen.pop(path.name, None)
            return
        version = (status.st_ino, status.st_mtime_ns, status.st_size)
        seen = self._seen.get(path.name)
        if seen is None or seen[0] != version:
            record = _read(path) if status.st_size <= _LARGEST_FILE else None
            self._seen[path.name] = (version, record)

    def _on_disk(self, call: Callable[[], None], *, needed: bool = False) -> None:
        """Run `call` in the thread, and wait for it unless an earlier call hangs.

        While an earlier call hangs, a call with `needed=False` is not made.
        """
        hangs = self._last is not None and not self._last.done()
        if hangs and not needed:
            return
        last = self._last = self._disk.submit(call)
        if not hangs:
            with contextlib.suppress(TimeoutError):
                last.exception(timeout=_DISK_WITHIN_S)

    def write(self, resource: str, member: str, record: BreakerRecord) -> None:
        """Publish a record to the other jobs.

        The method never raises an error. If the write fails, for example on a full disk, each job
        detects the provider's failure on its own.
        """
        path = self._path(resource, member)
        self._on_disk(lambda: self._replace(path, record), needed=True)

    def _replace(self, path: Path, record: BreakerRecord) -> None:
        """Replace the file of a record. Called in the thread for disk access."""
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps(asdict(record)), encoding="utf-8")
            draft.replace(path)
        except OSError as error:
            logger.warning(
                "sharing a provider's state with the other jobs failed: %s",
                error.strerror,
                extra={"event": "provider_state_not_shared"},
            )
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)

    def _path(self, resource: str, member: str) -> Path:
        return self._folder / f"{resource}-{member}.json"


def _read(path: Path) -> BreakerRecord | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        record = BreakerRecord(
            reason=str(data["reason"])[:64],
            since=float(data["since"]),
            until=float(data["until"]),
            for_good=data["for_good"] is True,
        )
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    # Accept only an identifier as reason, because the reason is shown in conditions, log lines and
    # terminals.
    is_word = record.reason.isascii() and record.reason.isidentifier()
    are_times = all(0 <= moment < _LAST_MOMENT for moment in (record.since, record.until))
    return record if is_word and are_times else None


def provider_breaker(data_dir: Path) -> SharedBreaker:
    """Return the breaker of this worker, with its files in the data folder."""
    return SharedBreaker(data_dir / "providers")
