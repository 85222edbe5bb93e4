"""Parts of the tests of `interview-worker interviews`, without a database."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from typer.testing import CliRunner

from worker.cli.app import app
from worker.store.interviews import InterviewStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

INTERVIEW: Final = SimpleNamespace(
    interview_id="one",
    room="interview-one",
    candidate_name="Ada",
    plan={"title": "A talk"},
    status=InterviewStatus.CREATED,
    outcome=None,
    reason=None,
    created_at=datetime(2026, 3, 1, 9, 30, 15, 123_456, tzinfo=UTC),
)


@asynccontextmanager
async def no_database(_: object) -> AsyncIterator[None]:
    """Stand for `worker.cli.databases.database`, and open nothing."""
    yield None


def typed(*arguments: str) -> Any:
    """Run a command of the group `interviews`."""
    return CliRunner().invoke(app, ["interviews", *arguments])
