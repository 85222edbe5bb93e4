"""Faults injected into a database operation, and their effects, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import pytest

from worker import faults
from worker.faults.grammar import parse
from worker.store.database import Database
from worker.store.errors import DatabaseOperationFailed, DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from worker.store.pool import Connections

pytestmark = pytest.mark.looptime

Ship: TypeAlias = Callable[[], Awaitable[Any]]


@pytest.fixture(autouse=True)
def nothing_stays_armed() -> Iterator[None]:
    yield
    faults.arm(())


class NoServer:
    """A fake pool whose connections accept every operation."""

    @asynccontextmanager
    async def transaction(self, **_: Any) -> AsyncIterator[None]:
        yield

    async def fetch(self, *_: Any, **__: Any) -> str:
        return "shipped"


async def answer(_: Any) -> str:
    return "shipped"


@pytest.fixture(params=["run", "fetch"])
def ship(request: pytest.FixtureRequest) -> Ship:
    """Return the operation `ship`, as several statements or as a single one."""
    database = Database(cast("Connections", NoServer()), "postgresql://localhost/x")
    if request.param == "run":
        return lambda: database.run("ship", answer, budget_s=5.0)
    return lambda: database.fetch("ship", "SELECT 1", budget_s=5.0)


async def test_an_operation_is_retried_after_a_broken_connection(ship: Ship) -> None:
    faults.arm(parse("database.ship=close@1"))
    assert await ship() == "shipped"


@pytest.mark.parametrize("text", ["database=close", "database=hang", "database=slow:6"])
async def test_an_unresponsive_database_is_unavailable_when_the_budget_is_spent(
    ship: Ship, text: str
) -> None:
    faults.arm(parse(text))
    began = asyncio.get_running_loop().time()
    with pytest.raises(DatabaseUnavailable):
        await ship()
    assert asyncio.get_running_loop().time() - began == pytest.approx(5.0)


@pytest.mark.row("B11")
async def test_a_refused_operation_is_not_retried(ship: Ship) -> None:
    faults.arm(parse("database=raise:42501"))
    with pytest.raises(DatabaseOperationFailed, match="42501"):
        await ship()


async def test_a_full_disk_of_the_server_is_waited_for(ship: Ship) -> None:
    faults.arm(parse("database=raise:53100@1"))
    assert await ship() == "shipped"
    faults.arm(parse("database=raise:53100"))
    with pytest.raises(DatabaseUnavailable, match="53100"):
        await ship()


async def test_a_fault_of_another_operation_has_no_effect(ship: Ship) -> None:
    faults.arm(parse("database.get_interview=raise"))
    assert await ship() == "shipped"
