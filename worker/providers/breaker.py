"""What one job found out about a provider, for every other job of this worker.

One small file a provider in the worker's data folder. Each is replaced as a whole by a rename,
so a reader sees an old one or a new one and there is nothing to lock; the last who writes wins,
which costs at most one probe too many. What cannot be read counts as nothing known: a breaker
may save time, and must never cost an interview.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worker.settings import Settings

logger = logging.getLogger(__name__)

#: A file that is larger is none of ours (bytes).
_LARGEST_FILE = 4096
#: Seconds after its `until` from which a record says nothing any more: whoever wrote it is gone.
_STALE_S = 300.0
#: Seconds into the future that an `until` may lie: a clock that was set back, or no record.
_FARTHEST_S = 2 * 3600.0
#: Seconds of the epoch that no clock shows (the year 5138), and that a date can still hold.
_LAST_MOMENT = 1e11


@dataclass(frozen=True, kw_only=True)
class BreakerRecord:
    """What is known of one provider. Times are seconds of the Unix epoch."""

    #: One word in CamelCase; "Recovered" of one that is ready again.
    reason: str
    #: When it failed, or came back.
    since: float
    #: Until when nobody need ask; 0 of one that is ready.
    until: float = 0.0
    #: Key refused, no credit: asking before `until` is of no use at all.
    for_good: bool = False

    @property
    def ready(self) -> bool:
        """Whether the provider was last seen to work."""
        return self.until == 0.0


class Breaker:
    """The files of one worker's providers. Reading one that has not changed costs one `stat`."""

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._folder = folder
        #: Of each file: what told its versions apart (inode, time, size), and what it said.
        self._seen: dict[str, tuple[tuple[int, int, int], BreakerRecord | None]] = {}

    def read(self, resource: str, member: str) -> BreakerRecord | None:
        """What is known; None where that is nothing, stale or cannot be read."""
        path = self._path(resource, member)
        try:
            status = path.stat()
        except OSError:
            return None
        version = (status.st_ino, status.st_mtime_ns, status.st_size)
        seen = self._seen.get(path.name)
        if seen is None or seen[0] != version:
            seen = (version, _read(path) if status.st_size <= _LARGEST_FILE else None)
            self._seen[path.name] = seen
        record, now = seen[1], self.clock()
        if record is None or record.ready:
            return record
        fresh = now - _STALE_S < record.until < now + _FARTHEST_S
        return record if fresh else None

    def write(self, resource: str, member: str, record: BreakerRecord) -> None:
        """Tell the others. Never raises: with a full disk every job finds out for itself."""
        path = self._path(resource, member)
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps(asdict(record)), encoding="utf-8")
            draft.replace(path)
        except OSError as error:
            logger.warning("a provider's state is not shared: %s", error.strerror)
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
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    # Anything but a word could not stand in a condition, a log line or a terminal.
    is_word = record.reason.isascii() and record.reason.isidentifier()
    are_times = all(0 <= moment < _LAST_MOMENT for moment in (record.since, record.until))
    return record if is_word and are_times else None


def provider_breaker(settings: Settings) -> Breaker:
    """What this worker's jobs tell each other of the providers: files in the data folder."""
    return Breaker(settings.data_dir / "providers")
