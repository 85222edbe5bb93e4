"""What a job with a role of its own cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.support.database.job_records import header
from tests.support.database.job_role import answer, execute, pass_in
from worker.store.database import Database
from worker.store.interview_turns import turns_of
from worker.store.interviews import InterviewClosedToJob, get_interview
from worker.store.job_access import pass_for, prepare_job_access
from worker.store.jobs import ship
from worker.store.privileges import OF_JOBS, lacking, too_much
from worker.store.url import DatabaseUrl

if TYPE_CHECKING:
    from worker.store.job_access import JobAccess


@pytest.mark.parametrize(
    "statement",
    [
        *(f"DELETE FROM {table}" for table in ("interviews", "jobs", "job_records", "turns")),
        *(f"DELETE FROM {table}" for table in ("leases", "orphans", "workers", "tombstones")),
        "TRUNCATE turns",
        "DROP TABLE turns",
        "ALTER TABLE interviews ADD COLUMN mine text",
        "CREATE TABLE mine ()",
        "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "DROP TRIGGER keep_interview ON jobs",
        "UPDATE jobs SET job_id = 'AJ_1'",
        "UPDATE leases SET interview_id = 'one'",
        "BEGIN; LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE",
        "BEGIN; LOCK TABLE leases IN ACCESS EXCLUSIVE MODE",
        "BEGIN; LOCK TABLE interviews IN ACCESS EXCLUSIVE MODE",
        "CREATE ROLE mine",
        "GRANT SELECT ON job_access TO PUBLIC",
    ],
)
async def test_a_job_can_neither_delete_nor_change_the_schema(
    connection: asyncpg.Connection, statement: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT plan FROM interviews",
        "SELECT candidate_name FROM interviews",
        "SELECT candidate_identity FROM interviews",
        "SELECT * FROM interviews",
        "SELECT interviews FROM interviews",
        "UPDATE interviews SET reason = plan::text",
        "UPDATE interviews SET token = 2 RETURNING plan",
        "UPDATE interviews SET plan = '{}'",
        "SELECT text FROM turns",
        "UPDATE turns SET text = ''",
        "SELECT record FROM job_records",
        "SELECT * FROM job_access",
        "SELECT * FROM outbox",
    ],
)
async def test_a_job_cannot_read_the_plans_and_words_of_interviews(
    connection: asyncpg.Connection, statement: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)


async def test_a_pass_opens_no_other_interview(
    access: JobAccess, database: Database, connection: asyncpg.Connection
) -> None:
    for number, interview_id in enumerate(("one", "two"), start=1):
        await ship(database, header(f"AJ_{number}", interview_id), answer().records)
    passes = {each: pass_in(access, each) for each in ("one", "two")}
    assert passes["one"] != passes["two"]
    for function, most in (("own_interview", 1), ("own_turns", 2), ("own_records", 3)):
        query = f"SELECT * FROM {function}($1, $2)"
        assert len(await connection.fetch(query, "one", passes["one"])) == most
        for other in (
            passes["one"],
            "none",
            "",
            None,
            pass_for(b"a guess", "two", "interview-two"),
        ):
            assert await connection.fetch(query, "two", other) == []


async def test_a_job_without_an_interview_opens_nothing(access: JobAccess) -> None:
    db = await Database.open(access.url_for(None, "interview-one"))
    with pytest.raises(InterviewClosedToJob):
        await get_interview(db, "one")
    assert await turns_of(db, "one") == []
    await db.aclose()


async def test_a_job_in_another_room_opens_nothing(access: JobAccess, database: Database) -> None:
    """A job can dispatch another job for any interview into its own room."""
    await ship(database, header("AJ_2", "two"), answer().records)
    db = await Database.open(access.url_for("two", "interview-one"))
    with pytest.raises(InterviewClosedToJob, match="has another room"):
        await get_interview(db, "two")
    assert await turns_of(db, "two") == []
    assert await get_interview(db, "three") is None
    await db.aclose()


async def test_a_job_cannot_move_the_words_of_another_job_into_its_interview(
    access: JobAccess, database: Database, connection: asyncpg.Connection
) -> None:
    await ship(database, header("AJ_2", "two"), answer("A secret.").records)
    await connection.execute("UPDATE jobs SET interview_id = 'one' WHERE job_id = 'AJ_2'")
    assert await connection.fetchval("SELECT interview_id FROM jobs") == "two"
    query = "SELECT * FROM own_records('one', $1)"
    assert await connection.fetch(query, pass_in(access, "one")) == []


async def test_a_job_cannot_give_its_interview_the_id_of_another_job(
    access: JobAccess, database: Database
) -> None:
    """Not even with the privilege to change ids, which an operator may have granted."""
    await ship(database, header("AJ_2", "two"), answer("A secret.").records)
    await execute(
        database,
        "INSERT INTO jobs (job_id, interview_id) VALUES ('AJ_1', 'one')",
        "UPDATE jobs SET job_id = 'gone' WHERE job_id = 'AJ_2'",
        "UPDATE jobs SET job_id = 'AJ_2' WHERE job_id = 'AJ_1'",
    )
    job = await Database.open(access.url_for("one", "interview-one"))
    assert await turns_of(job, "one") == []
    await job.aclose()


async def test_a_job_cannot_take_a_job_without_an_interview_into_its_own(
    access: JobAccess, database: Database, connection: asyncpg.Connection
) -> None:
    await ship(database, header("AJ_2", None), answer("A secret.").records)
    await connection.execute("UPDATE jobs SET interview_id = 'one' WHERE job_id = 'AJ_2'")
    query = "SELECT * FROM own_records('one', $1)"
    assert await connection.fetch(query, pass_in(access, "one")) == []
    # The worker may: it ships a journal whose first part named no interview.
    await execute(database, "UPDATE jobs SET interview_id = 'one' WHERE job_id = 'AJ_2'")
    assert await connection.fetch(query, pass_in(access, "one")) != []


@pytest.mark.parametrize("function", ["drop_lease", "drop_look", "write_outbox", "skip_erased_job"])
async def test_a_job_cannot_make_a_function_the_trigger_of_a_table_of_its_own(
    connection: asyncpg.Connection, function: str
) -> None:
    """These functions have the rights of the owner, and trust the row that they get."""
    await connection.execute("CREATE TEMP TABLE mine (interview_id text, job_id text)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(
            f"CREATE TRIGGER mine AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION {function}()"
        )


async def test_a_job_cannot_erase_another_job_with_the_id_of_an_erased_interview(
    database: Database, connection: asyncpg.Connection
) -> None:
    await execute(
        database,
        "INSERT INTO tombstones (kind, id_sha256) VALUES ('interview', sha256('erased'))",
    )
    journal = answer()
    await ship(database, header("AJ_2", "two"), journal.records[:1])
    await connection.execute("INSERT INTO jobs (job_id, interview_id) VALUES ('AJ_2', 'erased')")
    shipped = await ship(database, header("AJ_2", "two"), journal.records)
    assert shipped.written == len(journal.records) - 1


async def test_a_start_repairs_a_role_whose_settings_a_job_has_changed(
    access: JobAccess, database: Database, migrated_database_url: str
) -> None:
    """PostgreSQL lets every role change its own settings and its own password."""
    url = access.url_for("one", "interview-one")
    for change in ("SET search_path = nowhere", "PASSWORD 'another'"):
        connection = await asyncpg.connect(str(DatabaseUrl.of(url)))
        await connection.execute(f"ALTER ROLE CURRENT_USER {change}")
        await connection.close()
        again = await prepare_job_access(database, migrated_database_url)
        assert again.url_for("one", "interview-one") == url
        job = await Database.open(url)
        assert await get_interview(job, "one") is not None
        await job.aclose()


async def test_the_records_without_a_pass_hold_no_words(
    database: Database, connection: asyncpg.Connection
) -> None:
    await ship(database, header("AJ_2", "two"), answer("A secret.").records)
    found = await connection.fetch("SELECT kind, record FROM wordless_records('AJ_2')")
    assert {row["kind"] for row in found} == {"transition", "condition"}
    assert not any("secret" in row["record"] for row in found)


async def test_a_table_of_the_job_does_not_take_the_place_of_the_keys(
    connection: asyncpg.Connection,
) -> None:
    """A temporary table comes first in the search path of a session."""
    await connection.execute(
        "CREATE TEMP TABLE job_access AS SELECT current_database()::text AS database,"
        " '\\x01'::bytea AS pass_key"
    )
    forged = pass_for(b"\x01", "two", "interview-two")
    assert await connection.fetch("SELECT * FROM own_interview('two', $1)", forged) == []


async def test_the_role_has_exactly_the_privileges_of_the_list(
    access: JobAccess, connection: asyncpg.Connection
) -> None:
    assert await lacking(connection, access.role, OF_JOBS) == []
    assert await too_much(connection, access.role) == []
    assert access.beyond == ()
