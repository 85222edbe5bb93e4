"""What the rows of the table `workers` say, for tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from worker.store.workers import _AVAILABLE, _seen

if TYPE_CHECKING:
    from worker.store.database import Database


@dataclass(frozen=True, kw_only=True)
class Peers:
    """The peers of one worker: all other live workers with the same agent name."""

    #: Number of peers, including those that take no jobs at the moment.
    workers: int
    #: Total free slots of the peers that take jobs, without the reserved slots.
    seats: int


async def other_workers(db: Database, agent_name: str, *, besides: str, fresh_s: float) -> Peers:
    """Count the workers of `agent_name` other than `besides`, and the free slots of these workers.

    A worker counts if its heartbeat is at most `fresh_s` seconds old.
    """
    count = (
        f"SELECT count(*) AS workers, coalesce(sum({_AVAILABLE}), 0) AS seats FROM workers"  # noqa: S608
        f" WHERE agent_name = $1 AND worker_id <> $2 AND {_seen('$3')}"
    )
    (found,) = await db.fetch("other_workers", count, agent_name, besides, fresh_s)
    return Peers(workers=found["workers"], seats=int(found["seats"]))
