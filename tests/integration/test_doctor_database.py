"""The doctor's findings on a real PostgreSQL: healthy, behind, too new, missing privileges."""

from __future__ import annotations

import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.database.database_urls import execute_at
from tests.support.paths import REPOSITORY
from worker.config.settings import Settings
from worker.doctor import database
from worker.doctor.context import CheckContext
from worker.doctor.registry import CHECKS
from worker.doctor.runner import run_checks
from worker.store.privileges import DELETED_FROM

_DELETE = re.compile(r"DELETE FROM (\w+)")
DATABASE_CHECKS = [check for check in CHECKS if check.name.startswith("database.")]


def visit_to(url: str, folder: Path, **variables: Any) -> CheckContext:
    return CheckContext(
        Settings.load(_env_file=None, INTERVIEW_DATA_DIR=folder, DATABASE_URL=url, **variables)
    )


async def verdicts(visit: CheckContext) -> dict[str, str]:
    results = await run_checks(visit, DATABASE_CHECKS)
    return {result.check.name: str(result.finding.verdict) for result in results}


@asynccontextmanager
async def role(url: str, *grants: str) -> AsyncIterator[str]:
    """Yield the URL for a role with only these grants."""
    await execute_at(url, "CREATE ROLE poor LOGIN", *grants)
    try:
        yield url.replace("postgresql://postgres@", "postgresql://poor@", 1)
    finally:
        await execute_at(url, "DROP OWNED BY poor", "DROP ROLE poor")


async def test_a_migrated_database_is_ok(migrated_database_url: str, tmp_path: Path) -> None:
    found = await verdicts(visit_to(migrated_database_url, tmp_path, INTERVIEW_SLOTS=4))
    assert set(found.values()) == {"ok"}


async def test_a_database_without_a_schema_is_ok_and_the_finding_says_who_creates_it(
    empty_database_url: str, tmp_path: Path
) -> None:
    visit = visit_to(empty_database_url, tmp_path)
    finding = await database.check_schema_version(visit)
    assert finding.verdict == "ok"
    assert "no schema yet" in finding.found
    assert (await database.check_privileges(visit)).verdict == "ok"


async def test_pending_migrations_are_a_warning_that_names_them(
    migrated_database_url: str, tmp_path: Path
) -> None:
    await execute_at(
        migrated_database_url,
        "DELETE FROM schema_migrations WHERE version ="
        " (SELECT max(version) FROM schema_migrations)",
    )
    finding = await database.check_schema_version(visit_to(migrated_database_url, tmp_path))
    assert finding.verdict == "warning"
    assert finding.facts["missing"] == [finding.facts["known"]]


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("INSERT INTO schema_migrations (version, checksum) VALUES (9001, 'x')", "too new"),
        ("UPDATE schema_migrations SET checksum = 'x' WHERE version = 1", "migration 0001 differs"),
    ],
)
async def test_a_different_or_newer_migration_history_is_wrong(
    migrated_database_url: str, tmp_path: Path, statement: str, found: str
) -> None:
    await execute_at(migrated_database_url, statement)
    finding = await database.check_schema_version(visit_to(migrated_database_url, tmp_path))
    assert finding.verdict == "wrong"
    assert found in finding.found


async def test_a_missing_privilege_of_the_role_is_named(
    migrated_database_url: str, tmp_path: Path
) -> None:
    grants = (
        "GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO poor",
        "REVOKE INSERT ON turns FROM poor",
    )
    async with role(migrated_database_url, *grants) as url:
        finding = await database.check_privileges(visit_to(url, tmp_path))
    assert finding.verdict == "wrong"
    assert finding.facts["lacking"] == [
        "INSERT on turns",
        *(f"DELETE on {table}" for table in ("workers", "duties", "leases", "orphans")),
    ]


def test_the_doctor_knows_every_table_from_which_the_worker_deletes_rows() -> None:
    sources = (REPOSITORY / "worker" / "store").rglob("*.py")
    named = {table for path in sources for table in _DELETE.findall(path.read_text("utf-8"))}
    # Only `interviews create` deletes an interview, after a failure, and works without the right.
    assert named - {"interviews"} == set(DELETED_FROM)


async def test_a_role_without_privileges_is_first_reported_as_unable_to_read(
    migrated_database_url: str, tmp_path: Path
) -> None:
    async with role(migrated_database_url) as url:
        found = await verdicts(visit_to(url, tmp_path))
    assert found["database.privileges"] == "wrong"
    assert found["database.schema"] == "skipped"


async def test_a_role_that_may_not_create_tables_is_reported(
    empty_database_url: str, tmp_path: Path
) -> None:
    async with role(empty_database_url) as url:
        finding = await database.check_privileges(visit_to(url, tmp_path))
    assert finding.facts["lacking"] == ["CREATE on the schema"]


async def test_a_read_only_server_is_wrong(migrated_database_url: str, tmp_path: Path) -> None:
    options = quote("-c default_transaction_read_only=on")
    finding = await database.check_server(
        visit_to(f"{migrated_database_url}&options={options}", tmp_path)
    )
    assert finding.verdict == "wrong"
    assert "the server is read-only" in finding.found


async def test_more_pools_than_the_server_has_connections_is_a_warning(
    migrated_database_url: str, tmp_path: Path
) -> None:
    visit = visit_to(migrated_database_url, tmp_path, INTERVIEW_SLOTS=20)
    assert (await database.check_connections(visit)).verdict == "warning"


async def test_an_unavailable_database_is_wrong_and_the_rest_is_skipped(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    visit = visit_to(f"postgresql://a:topsecret@127.0.0.1:{port}/d", tmp_path)
    results = await run_checks(visit, DATABASE_CHECKS)
    found = {result.check.name: str(result.finding.verdict) for result in results}
    assert found.pop("database.tls") == "ok"
    assert found.pop("database.server") == "wrong"
    assert set(found.values()) == {"skipped"}
    assert "topsecret" not in str([result.as_data() for result in results])


async def test_a_missing_database_is_named(migrated_database_url: str, tmp_path: Path) -> None:
    url = migrated_database_url.replace("/test_", "/no_test_", 1)
    finding = await database.check_server(visit_to(url, tmp_path))
    assert "InvalidCatalogNameError" in finding.found
    assert "the database's name" in finding.advice


async def test_no_database_url_is_wrong_and_the_advice_says_how_to_set_one(tmp_path: Path) -> None:
    finding = await database.check_server(visit_to("", tmp_path))
    assert finding.found == "no database is configured"
    assert "INTERVIEW_EMBEDDED=1" in finding.advice
