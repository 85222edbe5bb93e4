"""Journals of an earlier version: read, recovered, shipped, drawn and asserted on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from states import FileJournal, History, Outcome, render
from states.journal import JournalDamaged, read_records
from states.testing import assert_outcome, assert_path
from states.timeline import startup
from tests.compat.capture.written import as_read
from tests.compat.captured import VERSIONS, Captured, broken, readable
from tests.compat.comparing import changed_values
from worker.journal.recovery import DAMAGED, SHIPPED, ingest_journal, ingest_records, read_journal
from worker.resources.consequences import meanings
from worker.store.database import Database
from worker.store.jobs import get_job, records_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.compat.conftest import Restored, Server
    from worker.store.jobs import Job

Entry = dict[str, Any]
Record = dict[str, Any]

_ENTRIES = [
    pytest.param(version, entry, id=f"{version}-{entry['kind']}-{entry['reason']}-{number}")
    for version in VERSIONS
    for number, entry in enumerate(version.data("journals", "index.json"))
]
_SIGKILL = 9


def _path(captured: Captured, entry: Entry) -> Path:
    return captured.path("journals", entry["file"])


def _entries(captured: Captured, *kinds: str) -> list[Entry]:
    return [each for each in captured.data("journals", "index.json") if each["kind"] in kinds]


@pytest.fixture
async def empty_database(server: Server, restored: Restored) -> AsyncIterator[Database]:
    """A database with the current schema and no rows."""
    async with server.copy_of(restored.template) as url:
        database = await Database.open(url)
        await database.run(
            "empty",
            lambda connection: connection.execute(
                "TRUNCATE interviews, jobs, job_records, turns, workers, duties"
            ),
        )
        yield database
        await database.aclose()


@pytest.mark.parametrize(("version", "entry"), _ENTRIES)
def test_a_journal_reads_as_before(version: Captured, entry: Entry) -> None:
    path = _path(version, entry)
    with readable(f"The journal {entry['file']} of version {version}"):
        if entry["kind"] == "damaged":
            with pytest.raises(JournalDamaged):
                History.read(path)
            history = History.from_records(read_records(path, pass_over_damage=True).records)
        else:
            history = History.read(path)
        problems = list(changed_values(entry, entry | as_read(history)))
    broken([f"In {entry['file']} of version {version}, {problem}." for problem in problems])


@pytest.mark.parametrize(("version", "entry"), _ENTRIES)
def test_a_journal_can_be_asserted_on_and_drawn(version: Captured, entry: Entry) -> None:
    with readable(f"The journal {entry['file']} of version {version}"):
        history = History.from_records(
            read_records(_path(version, entry), pass_over_damage=True).records
        )
        assert_path(history, *entry["path"])
        if entry["outcome"] is not None:
            assert_outcome(history, Outcome(entry["outcome"]), entry["reason"])
        drawn = render.mermaid(history, losses=meanings())
        assert all(state in drawn for state in entry["path"])
        startup(history)


def test_the_captured_journals_cover_every_outcome_and_kind_of_damage(captured: Captured) -> None:
    whole = _entries(captured, "whole")
    assert {entry["outcome"] for entry in whole} >= set(captured.data("names.json")["outcomes"])
    assert {entry["kind"] for entry in _entries(captured, "torn", "damaged", "without_end")} == {
        "torn",
        "damaged",
        "without_end",
    }
    assert any("DEGRADED" in entry["path"] for entry in whole)


async def test_every_whole_journal_is_shipped_with_its_outcome_and_reason(
    captured: Captured, empty_database: Database
) -> None:
    problems = []
    for entry in _entries(captured, "whole"):
        with readable(f"The journal {entry['file']} of version {captured}"):
            book = read_journal(_path(captured, entry))
            written = await ingest_records(empty_database, entry["job_id"], book.records)
            job = await get_job(empty_database, entry["job_id"])
            records = await records_of(empty_database, entry["job_id"])
        assert written == len(book.records)
        problems += list(_shipped_otherwise(entry, job, records))
    broken(problems)


def _shipped_otherwise(entry: Entry, job: Job | None, records: list[Record]) -> Iterator[str]:
    """Every value that the database stores otherwise than the journal has it."""
    if job is None:
        yield f"The job of {entry['file']} is not in the database after its journal was shipped."
        return
    for name in ("outcome", "reason", "exit_code", "signal"):
        if getattr(job, name) != entry[name]:
            now = getattr(job, name)
            yield f"Of {entry['file']}, {name} is stored as {now!r}, not as {entry[name]!r}."
    if as_read(History.from_records(records))["turns"] != entry["turns"]:
        yield f"The turns of {entry['file']} are not those that were said."


@pytest.mark.parametrize("kind", ["torn", "damaged", "without_end"])
async def test_a_dead_job_is_recovered_from_its_journal(
    captured: Captured, empty_database: Database, tmp_path: Path, kind: str
) -> None:
    for entry in _entries(captured, kind):
        journal = tmp_path / f"{entry['job_id']}.jsonl"
        shutil.copyfile(_path(captured, entry), journal)
        had_ended = "CLOSED" in entry["path"]
        with readable(f"The journal {entry['file']} of version {captured}"):
            assert await ingest_journal(empty_database, journal, exit_code=None, signal=_SIGKILL)
            job = await get_job(empty_database, entry["job_id"])
            records = await records_of(empty_database, entry["job_id"])
        outcome, reason = (entry["outcome"], entry["reason"]) if had_ended else _killed(entry)
        end = {name: getattr(job, name, None) for name in ("exit_code", "signal")}
        expected = {**entry, "outcome": outcome, "reason": reason, **end}
        broken(list(_shipped_otherwise(expected, job, records)))
        folder = DAMAGED if kind == "damaged" else SHIPPED
        assert (tmp_path / folder / journal.name).exists()


def _killed(entry: Entry) -> tuple[str, str]:
    # The journal already says how the process ended.
    if entry["exited"]:
        return entry["outcome"], entry["reason"]
    return "failed", "ProcessKilled"


def test_a_torn_journal_is_reopened_without_its_torn_line(
    captured: Captured, tmp_path: Path
) -> None:
    (entry,) = _entries(captured, "torn")
    path = tmp_path / f"{entry['job_id']}.jsonl"
    shutil.copyfile(_path(captured, entry), path)
    before = read_records(path)
    journal = FileJournal(path, again=True)
    journal.append("fault", 1.0, where="test", error="Test")
    journal.close()
    after = read_records(path)
    assert before.torn_bytes > 0
    assert (after.torn_bytes, len(after.records)) == (0, len(before.records) + 1)
    assert after.records[:-1] == before.records


async def test_shipping_journals_again_changes_nothing_in_the_database(
    captured: Captured, own_database: Database
) -> None:
    for entry in _entries(captured, "whole"):
        stored = await records_of(own_database, entry["job_id"])
        if not stored or stored[-1]["kind"] != "exit":
            continue  # its job was still running when the database was dumped
        records = read_journal(_path(captured, entry)).records
        before = await get_job(own_database, entry["job_id"])
        assert await ingest_records(own_database, entry["job_id"], records) == 0
        assert await get_job(own_database, entry["job_id"]) == before
