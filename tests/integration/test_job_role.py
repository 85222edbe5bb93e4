"""The database role of job processes: what it can do, what it cannot, and who may make it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
import pytest

from states import Outcome, Reason
from tests.support.database.database_urls import server_socket
from tests.support.database.job_records import JobRecords, header
from tests.support.database.lease_times import LEASE_S, SCOPE
from tests.support.database.pgbouncer import PgBouncer
from tests.support.debian_programs import debian_program
from tests.support.wire import CountingProxy
from worker.config.settings import Settings
from worker.doctor.context import CheckContext
from worker.doctor.database_jobs import check_job_role
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.store.claims import claim_dispatches, give_back_dispatches, note_dispatches
from worker.store.database import Database
from worker.store.interview_status import store_end
from worker.store.interview_turns import turns_of, turns_of_all
from worker.store.interviews import InterviewClosedToJob, create_interview, get_interview
from worker.store.job_access import pass_for, prepare_job_access
from worker.store.job_role import NoJobRole
from worker.store.jobs import ship
from worker.store.leases import keep_lease, take_lease
from worker.store.orphans import Limits, find_orphaned
from worker.store.privileges import OF_JOBS, lacking, too_much
from worker.store.role_sql import scram_verifier
from worker.store.schema import check_schema
from worker.store.talk_time import talk_seconds
from worker.store.url import DatabaseUrl
from worker.store.workers import can_be_followed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable
    from pathlib import Path

    from worker.store.connection import Connection
    from worker.store.job_access import JobAccess

PLAN = load_plan(SAMPLE_PLAN).to_json()


@pytest.fixture
async def access(database: Database, migrated_database_url: str) -> AsyncIterator[JobAccess]:
    """Yield the access of jobs to a database with the interviews `one` and `two`."""
    for interview_id in ("one", "two"):
        await create_interview(database, interview_id=interview_id, plan=PLAN, candidate_name="Ada")
    access = await prepare_job_access(database, migrated_database_url)
    yield access
    await drop(database, access.role)


@pytest.fixture
async def job(access: JobAccess) -> AsyncIterator[Database]:
    """Yield the database as a job of the interview `one` has it."""
    db = await Database.open(access.url_for("one", "interview-one"))
    yield db
    await db.aclose()


@pytest.fixture
async def connection(access: JobAccess) -> AsyncIterator[asyncpg.Connection]:
    """Yield a connection of the jobs' role, for statements that no job sends."""
    connection = await asyncpg.connect(str(DatabaseUrl.of(access.url_for("one", "interview-one"))))
    yield connection
    await connection.close()


async def execute(db: Database, *statements: str) -> None:
    async def run(connection: Connection) -> None:
        for statement in statements:
            await connection.execute(statement)

    await db.run("test", run)


async def drop(db: Database, role: str) -> None:
    await execute(db, f'DROP OWNED BY "{role}"', f'DROP ROLE "{role}"')


async def rows_of(db: Database) -> tuple[int, int]:
    """Return how many leases and how many looks are stored."""
    looks = "(SELECT count(*) FROM orphans) AS looks"
    (row,) = await db.fetch("count", f"SELECT (SELECT count(*) FROM leases) AS leases, {looks}")
    return row["leases"], row["looks"]


def pass_in(access: JobAccess, interview_id: str) -> str:
    own_pass = DatabaseUrl.of(access.url_for(interview_id, f"interview-{interview_id}")).own_pass
    assert own_pass is not None
    return own_pass


def answer(text: str = "My answer.") -> JobRecords:
    journal = JobRecords()
    journal.transition("RUNNING")
    journal.add("condition", resource="vad", status="ready", reason="", message="", since=1)
    journal.said("interviewer", "What did you do?")
    journal.said("candidate", text)
    journal.add("hearing", final="And then", interim="I", question_id="q2")
    return journal


# --- what a job does ------------------------------------------------------------------------------


async def test_a_job_needs_no_privilege_beyond_the_list(database: Database, job: Database) -> None:
    """Every statement of a job is run here, from its first look to its end."""
    await job.run("check_schema", check_schema)
    found = await get_interview(job, "one", writable=True)
    assert found is not None
    assert (found.plan, found.candidate_name) == (PLAN, "Ada")
    token = await take_lease(
        job, "one", job_id="AJ_1", lease_s=LEASE_S, room="interview-one", scope=SCOPE
    )
    assert token == 1
    holder = await keep_lease(job, "one", job_id="AJ_1", token=1, lease_s=LEASE_S)
    assert holder is not None
    assert holder.job_id == "AJ_1"
    journal = answer()
    shipped = await ship(job, header("AJ_1", token=1), journal.records)
    assert shipped.written == len(journal.records)
    said = [turn.text for turn in await turns_of(job, "one", writable=True)]
    assert said == ["What did you do?", "My answer.", "And then I"]
    assert said == [turn.text for turn in await turns_of(database, "one")]
    assert await talk_seconds(job, "one", besides="AJ_2") == await talk_seconds(database, "one")
    asked = can_be_followed(job, "AJ_1", agent_name="interviewer", fresh_s=5, failed_tries=3)
    assert not await asked
    journal.transition("CLOSED", outcome="completed", reason="InterviewCompleted")
    await ship(job, header("AJ_1", token=1), journal.records)
    await store_end(
        job,
        "one",
        job_id="AJ_1",
        token=1,
        outcome=Outcome.COMPLETED,
        reason=Reason.INTERVIEW_COMPLETED,
    )
    ended = await get_interview(job, "one")
    assert ended is not None
    assert ended.is_over


async def test_the_end_of_a_job_removes_its_lease_and_its_begin_the_last_look(
    database: Database, job: Database
) -> None:
    """The job may delete neither row: triggers do."""
    await execute(
        database,
        "INSERT INTO orphans (interview_id, token, look_again_at) VALUES ('one', 0, now())",
    )
    await take_lease(job, "one", job_id="AJ_1", lease_s=LEASE_S)
    assert await rows_of(database) == (1, 0)
    await store_end(
        job,
        "one",
        job_id="AJ_1",
        token=1,
        outcome=Outcome.COMPLETED,
        reason=Reason.INTERVIEW_COMPLETED,
    )
    assert await rows_of(database) == (0, 0)


async def test_a_job_that_hands_over_claims_its_own_interview_and_no_other(
    database: Database, job: Database
) -> None:
    limits = Limits(join_s=6.0, delay_s=1.0, tries=3, scope=SCOPE)
    for db, interview_id, job_id in ((job, "one", "AJ_1"), (database, "two", "AJ_2")):
        await take_lease(db, interview_id, job_id=job_id, lease_s=LEASE_S, scope=SCOPE)
        await ship(db, header(job_id, interview_id, token=1), answer().records)
        await store_end(
            db,
            interview_id,
            job_id=job_id,
            token=1,
            outcome=Outcome.HANDED_OVER,
            reason=Reason.HANDOVER_REQUESTED,
        )
    assert await find_orphaned(job, limits, job_id="AJ_2") == []
    found = await find_orphaned(job, limits, job_id="AJ_1")
    assert [(each.interview.interview_id, each.interview.plan) for each in found] == [("one", PLAN)]
    assert await claim_dispatches(job, found, limits) == {"one": 2}
    assert len((await turns_of_all(job, ["one"]))["one"]) == 3
    assert await talk_seconds(job, "one") == await talk_seconds(database, "one")
    await note_dispatches(job, {"one": (2, "AD_1")})
    await give_back_dispatches(job, [(found[0], 2)])  # was sent, so nothing is given back
    stored = await get_interview(database, "one")
    assert stored is not None
    assert (stored.token, stored.dispatch_id) == (2, "AD_1")


async def test_a_job_of_an_own_agent_stores_its_work(access: JobAccess) -> None:
    db = await Database.open(access.url_for("booking-17", "interview-booking-17"))
    try:
        work = {"interview_id": "booking-17", "table": 4}
        stored = await create_interview(db, interview_id="booking-17", plan=work, scope=SCOPE)
        assert stored.plan == work
    finally:
        await db.aclose()


async def test_a_job_costs_no_more_round_trips_with_a_role_of_its_own(access: JobAccess) -> None:
    async with CountingProxy(access.url_for("one", "interview-one")) as wire:
        db = await Database.open(wire.url)
        await db.ping()

        async def cost(operation: Awaitable[object]) -> int:
            before = wire.round_trips
            await operation
            return wire.round_trips - before

        journal = JobRecords()
        journal.said("candidate", "My answer.")
        costs = {
            "take": await cost(take_lease(db, "one", job_id="AJ_1", lease_s=LEASE_S)),
            "check": await cost(keep_lease(db, "one", job_id="AJ_1", token=1, lease_s=LEASE_S)),
            "turn": await cost(ship(db, header("AJ_1"), journal.records)),
        }
        await db.aclose()
    assert costs == dict.fromkeys(costs, 2)


# --- what a job cannot do -------------------------------------------------------------------------


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


# --- how the role is made -------------------------------------------------------------------------


async def test_workers_that_start_together_make_one_role(
    database: Database, migrated_database_url: str
) -> None:
    both = [prepare_job_access(database, migrated_database_url) for _ in range(2)]
    first, second = await asyncio.gather(*both)
    assert first.role == second.role
    assert first.url_for("one", "interview-one") == second.url_for("one", "interview-one")
    await drop(database, first.role)


async def test_the_server_never_sees_the_password(access: JobAccess, database: Database) -> None:
    password = DatabaseUrl.of(access.url_for("one", "interview-one")).password
    assert password is not None
    query = "SELECT rolpassword FROM pg_authid WHERE rolname = $1"
    (row,) = await database.fetch("password", query, access.role)
    assert row["rolpassword"].startswith("SCRAM-SHA-256$4096:")
    assert password not in row["rolpassword"]
    assert password not in repr(access)


async def test_the_verifier_is_that_of_postgresql(database: Database) -> None:
    await execute(database, "CREATE ROLE known PASSWORD 'pencil'")
    salt = "split_part(split_part(rolpassword, ':', 2), '$', 1)"
    query = f"SELECT rolpassword, decode({salt}, 'base64') AS salt FROM pg_authid"
    (row,) = await database.fetch("verifier", f"{query} WHERE rolname = 'known'")
    await execute(database, "DROP ROLE known")
    assert scram_verifier("pencil", bytes(row["salt"])) == row["rolpassword"]


async def test_a_role_that_an_operator_has_made_gets_the_privileges(
    database: Database, migrated_database_url: str
) -> None:
    await execute(database, "CREATE ROLE made_by_hand LOGIN")
    job_url = migrated_database_url.replace("//postgres@", "//made_by_hand@", 1)
    try:
        access = await prepare_job_access(database, migrated_database_url, job_url=job_url)
        assert access.role == "made_by_hand"
        db = await Database.open(access.url_for("one", "interview-one"))
        await db.run("check_schema", check_schema)
        await db.aclose()
        made = "SELECT count(*) AS made FROM pg_roles JOIN job_access ON rolname = role_name"
        assert (await database.fetch("made", made))[0]["made"] == 0
    finally:
        await drop(database, "made_by_hand")


async def test_the_role_of_the_worker_is_no_role_for_jobs(
    database: Database, migrated_database_url: str
) -> None:
    with pytest.raises(NoJobRole, match="the role of the worker"):
        await prepare_job_access(database, migrated_database_url, job_url=migrated_database_url)


@asynccontextmanager
async def poor_worker(database: Database, url: str) -> AsyncIterator[str]:
    """Yield the URL of a worker that owns nothing and may make no role."""
    await execute(
        database,
        "CREATE ROLE poor_worker LOGIN",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO poor_worker",
    )
    try:
        yield url.replace("//postgres@", "//poor_worker@", 1)
    finally:
        await drop(database, "poor_worker")


async def test_a_worker_that_may_make_no_role_is_told_why(
    database: Database, migrated_database_url: str
) -> None:
    async with poor_worker(database, migrated_database_url) as url:
        db = await Database.open(url)
        with pytest.raises(NoJobRole, match="may not make one"):
            await prepare_job_access(db, url)
        await db.aclose()


async def test_a_second_start_uses_the_same_role(
    access: JobAccess, database: Database, migrated_database_url: str
) -> None:
    again = await prepare_job_access(database, migrated_database_url)
    assert again.url_for("one", "interview-one") == access.url_for("one", "interview-one")


# --- behind PgBouncer -----------------------------------------------------------------------------


async def test_a_job_reads_its_plan_through_pgbouncer(
    access: JobAccess, postgres_url: str, migrated_database_url: str
) -> None:
    bouncer = PgBouncer(
        debian_program("pgbouncer"), server_socket(postgres_url), server_connections=2
    )
    bouncer.add_user(access.role)
    async with bouncer:
        url = bouncer.url(migrated_database_url)
        worker = await Database.open(url)
        behind = await prepare_job_access(worker, url)
        jobs = [
            await Database.open(behind.url_for(each, f"interview-{each}"))
            for each in ("one", "two")
        ]
        found = await asyncio.gather(
            *(
                get_interview(db, each)
                for _ in range(10)
                for db, each in zip(jobs, ("one", "two"), strict=True)
            )
        )
        with pytest.raises(InterviewClosedToJob):
            await get_interview(jobs[0], "two")
        for db in (worker, *jobs):
            await db.aclose()
    assert all(interview is not None and interview.plan == PLAN for interview in found)


async def test_a_role_that_pgbouncer_does_not_know_is_not_used(
    access: JobAccess, postgres_url: str, migrated_database_url: str
) -> None:
    bouncer = PgBouncer(
        debian_program("pgbouncer"), server_socket(postgres_url), server_connections=2
    )
    async with bouncer:
        url = bouncer.url(migrated_database_url)
        worker = await Database.open(url)
        with pytest.raises(NoJobRole, match=f"role {access.role} cannot connect"):
            await prepare_job_access(worker, url)
        await worker.aclose()


# --- the doctor -----------------------------------------------------------------------------------


def visit_to(url: str, folder: Path) -> CheckContext:
    settings = Settings.load(_env_file=None, INTERVIEW_DATA_DIR=folder, DATABASE_URL=url)
    return CheckContext(settings)


async def test_the_doctor_names_the_role_and_what_it_may_do_beyond_its_list(
    access: JobAccess, database: Database, migrated_database_url: str, tmp_path: Path
) -> None:
    visit = visit_to(migrated_database_url, tmp_path)
    finding = await check_job_role(visit)
    assert (finding.verdict, finding.facts["role"]) == ("ok", access.role)
    await execute(database, f'GRANT DELETE ON turns TO "{access.role}"')
    finding = await check_job_role(visit)
    assert finding.verdict == "warning"
    assert finding.facts["beyond"] == ["delete from turns"]
    await execute(database, f'REVOKE INSERT ON turns FROM "{access.role}"')
    finding = await check_job_role(visit)
    assert "lacks INSERT on turns" in finding.found


async def test_the_doctor_says_if_jobs_have_the_rights_of_the_worker(
    database: Database, migrated_database_url: str, tmp_path: Path
) -> None:
    async with poor_worker(database, migrated_database_url) as url:
        finding = await check_job_role(visit_to(url, tmp_path))
    assert finding.verdict == "warning"
    assert "jobs connect with all rights of the worker" in finding.found
    assert "INTERVIEW_DATABASE_JOB_URL" in finding.advice
