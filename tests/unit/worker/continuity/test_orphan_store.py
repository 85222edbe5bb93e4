"""What a dispatch of a successor tells of the turns so far."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from worker.continuity.orphan_store import DatabaseOrphanStore
from worker.store.turns import Turn

if TYPE_CHECKING:
    import pytest

    from worker.store.database import Database


def turn(text: str, *, late: bool) -> Turn:
    return Turn(
        interview_id="iv-1",
        job_id="AJ_1",
        seq=1,
        at=datetime(2026, 3, 1, tzinfo=UTC),
        speaker="candidate",
        question_id="q0",
        role=None,
        text=text,
        generated=None,
        heard=None,
        interrupted=False,
        late=late,
    )


async def test_a_dispatch_leaves_out_turns_that_a_job_said_without_its_lease(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def stored(*_: object) -> dict[str, list[Turn]]:
        return {"iv-1": [turn("with the lease", late=False), turn("without", late=True)]}

    monkeypatch.setattr("worker.continuity.orphan_store.turns_of_all", stored)
    store = DatabaseOrphanStore(cast("Database", object()), cast("Any", None))
    told = await store.turns(["iv-1"])
    assert [each["text"] for each in told["iv-1"]] == ["with the lease"]
