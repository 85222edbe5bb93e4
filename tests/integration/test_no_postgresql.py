"""A database URL of another kind of server: one clear line within the budget, and no hang."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.support.database.cli_process import command
from worker.cli.common import ExitCode
from worker.config.settings import Settings
from worker.resources.bootstrap import AgentResources
from worker.resources.database import database_resource
from worker.resources.resource import LoadFailed
from worker.store.database import Database
from worker.store.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HTTP = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
REDIS = b"-ERR unknown command\r\n"
SSH = b"SSH-2.0-OpenSSH_9.2\r\n"
MYSQL = b"J\0\0\0\x0a8.0.36\0" + b"x" * 60

ANSWERS = {"HTTP": HTTP, "Redis": REDIS, "SSH": SSH, "MySQL": MYSQL, "silence": b""}


@contextlib.asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    """Yield the database URL of a server that sends `answer` to any request, and nothing more."""
    talks: set[asyncio.Task[None] | None] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.current_task())
        with contextlib.suppress(OSError):
            await reader.read(1)
            writer.write(answer)
            await reader.read(-1)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield f"postgresql://me:secret@127.0.0.1:{port}/interviews"
    server.close()
    await asyncio.gather(*(task for task in talks if task is not None))


@pytest.mark.parametrize("mode", ["prefer", "disable", "require"])
@pytest.mark.parametrize("name", ANSWERS)
async def test_a_server_other_than_postgresql_is_unavailable_in_one_line(
    name: str, mode: str
) -> None:
    async with answering(ANSWERS[name]) as url:
        db = await Database.open(f"{url}?sslmode={mode}")
        with pytest.raises(DatabaseUnavailable) as caught:
            await db.ping(budget_s=0.3)
        await db.aclose(budget_s=0.5)
    message = str(caught.value)
    assert "\n" not in message
    assert "secret" not in message
    if ANSWERS[name] and mode != "disable":
        assert "the server is not PostgreSQL, or refuses TLS" in message


async def test_an_answer_that_asyncpg_cannot_parse_is_not_postgresql() -> None:
    async with answering(b"R\0\0\0\0") as url:
        db = await Database.open(f"{url}?sslmode=disable")
        with pytest.raises(DatabaseUnavailable, match="is not PostgreSQL"):
            await db.ping(budget_s=0.3)
        await db.aclose(budget_s=0.5)


@pytest.mark.parametrize("name", ["HTTP", "silence"])
async def test_a_job_continues_without_postgresql(tmp_path: Path, name: str) -> None:
    async with answering(ANSWERS[name]) as url:
        settings = Settings.load(_env_file=None, DATABASE_URL=url, INTERVIEW_DATA_DIR=tmp_path)
        with pytest.raises(LoadFailed) as failed:
            await database_resource(settings).load(AgentResources())
        assert failed.value.reason == "DatabaseUnavailable"
        assert isinstance(failed.value.meanwhile, Database)
        await failed.value.meanwhile.aclose(budget_s=0.5)


@pytest.mark.parametrize("name", ["HTTP", "silence"])
async def test_a_command_ends_with_one_line_that_names_the_database(
    tmp_path: Path, name: str
) -> None:
    async with answering(ANSWERS[name]) as url:
        ended = await command("jobs", "list", settings={"DATABASE_URL": url}, folder=tmp_path)
    assert ended.code == ExitCode.UNAVAILABLE
    assert ended.error.startswith("interview-worker: database: ping: unavailable: ")
    assert "postgresql://me:***@127.0.0.1" in ended.error
