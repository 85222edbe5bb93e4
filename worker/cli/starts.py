"""Start-up times of the newest jobs, read from the journals on this machine."""

from __future__ import annotations

import heapq
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from states import History, JournalError, State
from states.journal import JournalTooNew
from states.timeline import Spread, startup
from worker.cli.common import CommandError, ExitCode
from worker.config.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Starts:
    """The start-ups of the newest jobs, and the number of skipped journals by reason."""

    spread: Spread
    passed_over: Counter[str]

    @property
    def note(self) -> str:
        """One line of text about the skipped journals; empty if no journal was skipped."""
        if not self.passed_over:
            return ""
        why = ", ".join(f"{count} {reason}" for reason, count in self.passed_over.items())
        return f"Skipped: {why}."


def newest_starts(settings: Settings, last: int) -> Starts:
    """Read the `last` newest journals. Skip journals without a finished start-up.

    Journals that are already stored in the database are included. At most one journal is in memory
    at a time. Raises CommandError (NOT_FOUND) if no journal has a finished start-up.
    """
    spread, passed_over = Spread(), Counter[str]()
    for path in newest_journals(settings, last):
        try:
            start = startup(History.read(path))
        except JournalTooNew:
            passed_over["of a newer version"] += 1
        except JournalError:
            passed_over["broken"] += 1
        else:
            if start.reached:
                spread.add(start)
            else:
                passed_over[_why_none(start.target)] += 1
    starts = Starts(spread=spread, passed_over=passed_over)
    if not spread.jobs:
        message = f"no journal in {settings.journal_dir} has a start-up to show. {starts.note}"
        raise CommandError(message.strip(), ExitCode.NOT_FOUND)
    return starts


def _why_none(target: State | None) -> str:
    return "still starting or cut short" if target is None else "never RUNNING"


def newest_journals(settings: Settings, last: int) -> Iterator[Path]:
    """Yield the `last` newest journals, newest first. At most `last` paths are in memory."""
    folders = (settings.journal_dir, settings.journal_dir / "shipped")
    found = (entry for folder in folders for entry in _journals_in(folder))
    # A journal that is moved to the folder `shipped` during the scan may be found in both folders.
    names: set[str] = set()
    for _, path in heapq.nlargest(last, found):
        if path.name not in names:
            names.add(path.name)
            yield path


def _journals_in(folder: Path) -> Iterable[tuple[float, Path]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(".jsonl"):
                    try:
                        yield entry.stat().st_mtime, Path(entry.path)
                    except FileNotFoundError:
                        continue  # the journal was moved to the folder `shipped` during the scan
    except FileNotFoundError:
        return
    except OSError as error:
        raise JournalError(f"cannot read {folder}: {error.strerror}") from error
