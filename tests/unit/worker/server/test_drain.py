"""The drain of a worker, on virtual time."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from states import BUDGETS, State
from tests.support.virtual.job_parts import settings_in
from worker.job.signals import HANDOVER_SIGNAL, SHUTDOWN_SIGNAL
from worker.server.drain import SEAT_WAIT_S, Drain
from worker.store.workers import Reserved

if TYPE_CHECKING:
    import signal
    from collections.abc import Collection
    from pathlib import Path

pytestmark = pytest.mark.looptime


DATABASE = "postgresql://database/interviews"
#: Numbers of other workers, and of their free slots.
NO_PEERS = (0, 0)
FULL_PEER = (1, 0)
ONE_SLOT = (1, 1)


class Leaving:
    """A worker whose jobs leave 3 s after a signal; those in `deaf` ignore the signal."""

    def __init__(self, folder: Path, *jobs: str, **variables: Any) -> None:
        self.running = list(jobs)
        #: Whether a job was accepted and never got a process; the error that finish_jobs() raises.
        self.given = False
        self.raises: Exception | None = None
        #: Number of other workers, and of their free slots that are not reserved; None: unknown.
        self.others: tuple[int, int] | None = NO_PEERS
        #: Seconds for which slots were reserved.
        self.reserved_for: set[float] = set()
        self.deaf: set[str] = set()
        self.all_gone = asyncio.Event()
        self.told: list[tuple[signal.Signals, tuple[str, ...], float]] = []
        self.departure = Drain(
            settings_in(folder, **variables),
            self,
            jobs=lambda: list(self.running),
            reserve=self.reserve,
        )

    async def reserve(self, wanted: int, for_s: float) -> Reserved | None:
        if self.others is None:
            return None
        workers, free = self.others
        slots = min(wanted, free)
        self.others = workers, free - slots
        self.reserved_for.add(for_s)
        return Reserved(workers=workers, slots=slots)

    def have(self, seats: int) -> None:
        """Set the number of free slots of the other worker."""
        self.others = (1, seats)

    async def finish_jobs(self) -> None:
        if self.raises is not None:
            raise self.raises
        if self.running or self.given:
            await self.all_gone.wait()

    def tell_jobs(self, word: signal.Signals, jobs: Collection[str]) -> None:
        now = asyncio.get_running_loop().time()
        self.told.append((word, tuple(jobs), round(now)))
        for job in set(jobs) - self.deaf:
            asyncio.get_running_loop().call_later(3.0, self.end, job)

    def end(self, job: str) -> None:
        if job in self.running:
            self.running.remove(job)
        if not self.running and not self.given:
            self.all_gone.set()

    async def gone_after(self) -> float:
        """Return the seconds until the worker's drain ends."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self.departure.run()
        return loop.time() - began


async def test_interviews_that_finish_within_the_drain_time_get_no_signal(tmp_path: Path) -> None:
    worker = Leaving(tmp_path, "a", "b", INTERVIEW_DRAIN_S=60)
    for at_s, job in ((10, "a"), (20, "b")):
        asyncio.get_running_loop().call_later(at_s, worker.end, job)
    assert await worker.gone_after() == pytest.approx(20, abs=0.2)
    assert worker.told == []


async def test_interviews_still_running_after_the_drain_time_are_handed_over(
    tmp_path: Path,
) -> None:
    worker = Leaving(tmp_path, "a", "b", INTERVIEW_DRAIN_S=60)
    worker.have(5)
    assert await worker.gone_after() == pytest.approx(63, abs=0.2)
    assert worker.told == [(HANDOVER_SIGNAL, ("a", "b"), 60)]


async def test_a_second_stop_hands_over_immediately(tmp_path: Path) -> None:
    worker = Leaving(tmp_path, "a", INTERVIEW_DRAIN_S=3600)
    worker.have(1)
    asyncio.get_running_loop().call_later(5, worker.departure.hurry)
    assert await worker.gone_after() == pytest.approx(8, abs=0.2)
    assert worker.told == [(HANDOVER_SIGNAL, ("a",), 5)]


async def test_with_a_drain_time_of_zero_all_interviews_are_handed_over_immediately(
    tmp_path: Path,
) -> None:
    worker = Leaving(tmp_path, "a", INTERVIEW_DRAIN_S=0)
    worker.have(1)
    assert await worker.gone_after() == pytest.approx(3, abs=0.2)
    assert worker.told == [(HANDOVER_SIGNAL, ("a",), 0)]


@pytest.mark.parametrize("others", [NO_PEERS, None])
async def test_without_another_worker_interviews_are_closed_with_a_log_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, others: tuple[int, int] | None
) -> None:
    worker = Leaving(tmp_path, "a", INTERVIEW_DRAIN_S=10)
    worker.others = others
    assert await worker.gone_after() == pytest.approx(13, abs=0.2)
    assert worker.told == [(SHUTDOWN_SIGNAL, ("a",), 10)]
    said = "the remaining interviews are closed, because no other worker can take them over"
    assert said in caplog.messages


async def test_only_as_many_interviews_are_handed_over_as_peers_have_free_slots(
    tmp_path: Path,
) -> None:
    worker = Leaving(tmp_path, "a", "b", "c", INTERVIEW_DRAIN_S=10)
    worker.have(2)
    await worker.gone_after()
    assert worker.told == [
        (HANDOVER_SIGNAL, ("a", "b"), 10),
        (SHUTDOWN_SIGNAL, ("c",), 10 + SEAT_WAIT_S),
    ]


async def test_a_slot_stays_reserved_until_the_peer_has_certainly_reported_the_interview(
    tmp_path: Path,
) -> None:
    worker = Leaving(
        tmp_path,
        "a",
        INTERVIEW_DRAIN_S=10,
        INTERVIEW_BUDGET_CLOSING_S=13,
        INTERVIEW_CLEANUP_S=6,
    )
    worker.have(1)
    await worker.gone_after()
    # The closing and the cleanup of the job, then the next dispatch and a heartbeat of the peer.
    assert worker.reserved_for == {13 + 6 + 4}


async def test_each_interview_gets_a_slot_of_its_own_if_slots_become_free_one_by_one(
    tmp_path: Path,
) -> None:
    worker = Leaving(tmp_path, "a", "b", "c", INTERVIEW_DRAIN_S=10)
    worker.have(1)
    for at_s in (11, 13):
        asyncio.get_running_loop().call_later(at_s, worker.have, 1)
    await worker.gone_after()
    assert worker.told == [
        (HANDOVER_SIGNAL, ("a",), 10),
        (HANDOVER_SIGNAL, ("b",), 12),
        (HANDOVER_SIGNAL, ("c",), 14),
    ]


@pytest.mark.parametrize("others", [FULL_PEER, None])
async def test_the_drain_waits_for_peers_that_have_no_free_slot_yet(
    tmp_path: Path, others: tuple[int, int] | None
) -> None:
    worker = Leaving(tmp_path, "a", INTERVIEW_DRAIN_S=10, DATABASE_URL=DATABASE)
    worker.others = others
    asyncio.get_running_loop().call_later(15, worker.have, 1)
    await worker.gone_after()
    assert worker.told == [(HANDOVER_SIGNAL, ("a",), 16)]


@pytest.mark.parametrize("others", [FULL_PEER, None])
async def test_the_wait_for_a_free_slot_of_a_peer_is_bounded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, others: tuple[int, int] | None
) -> None:
    worker = Leaving(tmp_path, "a", INTERVIEW_DRAIN_S=10, DATABASE_URL=DATABASE)
    worker.others = others
    await worker.gone_after()
    assert worker.told == [(SHUTDOWN_SIGNAL, ("a",), 10 + SEAT_WAIT_S)]
    said = "the drain waits, because no other worker is known to have a free slot"
    assert caplog.messages.count(said) == 1


async def test_a_third_stop_ends_the_wait_for_a_free_slot(tmp_path: Path) -> None:
    worker = Leaving(tmp_path, "a", INTERVIEW_DRAIN_S=0)
    worker.have(0)
    asyncio.get_running_loop().call_later(1, worker.departure.hurry)
    asyncio.get_running_loop().call_later(3, worker.departure.hurry)
    assert await worker.gone_after() == pytest.approx(6, abs=0.2)
    assert worker.told == [(SHUTDOWN_SIGNAL, ("a",), 3)]


async def test_kept_interviews_are_handed_over_once_a_peer_has_a_free_slot(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Leaving(tmp_path, "a", "b", INTERVIEW_DRAIN_S=10, INTERVIEW_NO_SUCCESSOR="keep")
    loop = asyncio.get_running_loop()
    loop.call_later(30, worker.end, "a")
    loop.call_later(100, worker.have, 1)
    assert await worker.gone_after() == pytest.approx(103, abs=2.1)
    ((word, jobs, _),) = worker.told
    assert (word, jobs) == (HANDOVER_SIGNAL, ("b",))
    said = (
        "the remaining interviews continue on this worker,"
        " because no other worker can take them over"
    )
    assert caplog.messages.count(said) == 1


async def test_a_third_stop_ends_kept_interviews(tmp_path: Path) -> None:
    worker = Leaving(tmp_path, "a", INTERVIEW_DRAIN_S=3600, INTERVIEW_NO_SUCCESSOR="keep")
    loop = asyncio.get_running_loop()
    loop.call_later(5, worker.departure.hurry)
    loop.call_later(50, worker.departure.hurry)
    assert await worker.gone_after() == pytest.approx(53, abs=0.2)
    assert worker.told == [(SHUTDOWN_SIGNAL, ("a",), 50)]


async def test_a_third_stop_hurries_jobs_that_are_already_in_handover(tmp_path: Path) -> None:
    worker = Leaving(tmp_path, "a", INTERVIEW_DRAIN_S=0)
    worker.have(1)
    worker.deaf = {"a"}
    asyncio.get_running_loop().call_later(1, worker.departure.hurry)
    asyncio.get_running_loop().call_later(2, worker.departure.hurry)
    await worker.gone_after()
    assert [word for word, _, _ in worker.told] == [HANDOVER_SIGNAL, SHUTDOWN_SIGNAL]


@pytest.mark.parametrize(("seats", "longest_s"), [(1, BUDGETS[State.CLOSING] + 5), (0, 7.0 + 5)])
async def test_the_wait_for_a_job_that_does_not_end_is_limited_to_its_closing_time(
    tmp_path: Path, seats: int, longest_s: float
) -> None:
    worker = Leaving(tmp_path, "a", INTERVIEW_DRAIN_S=0)
    worker.others = (seats, seats)
    worker.deaf = {"a"}
    assert await worker.gone_after() <= longest_s + 2.1
    assert worker.running == ["a"]


@pytest.mark.parametrize(("hurries", "longest_s"), [(0, 3.0 + 15.0), (2, 3.0)])
async def test_a_job_that_never_gets_a_process_does_not_keep_the_worker_running(
    tmp_path: Path, hurries: int, longest_s: float, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Leaving(tmp_path, "a", INTERVIEW_DRAIN_S=0)
    worker.given = True
    for _ in range(hurries):
        worker.departure.hurry()
    assert await worker.gone_after() <= longest_s + 2.1
    assert ("never got a process" in caplog.text) is (hurries == 0)


async def test_jobs_still_finish_if_waiting_for_their_end_raises(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Leaving(tmp_path, "a", INTERVIEW_DRAIN_S=60)
    worker.raises = RuntimeError("process not started")
    asyncio.get_running_loop().call_later(20, worker.end, "a")
    assert await worker.gone_after() == pytest.approx(20, abs=2.1)
    assert worker.told == []
    assert "waiting for jobs failed" in caplog.text


async def test_the_drain_logs_its_progress(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    worker = Leaving(tmp_path, "a", INTERVIEW_DRAIN_S=60)
    assert worker.departure.left_s is None
    asyncio.get_running_loop().call_later(12, worker.end, "a")
    going = asyncio.create_task(worker.gone_after())
    await asyncio.sleep(6)
    assert worker.departure.left_s == pytest.approx(54, abs=0.1)
    await going
    lines = [each for each in caplog.records if each.msg == "the worker is still draining"]
    told = [(each.jobs, each.left_s) for each in lines]  # type: ignore[attr-defined]
    assert told == [(1, 55), (1, 50)]


@pytest.mark.parametrize(
    ("stops_before", "stops_at_s", "told"),
    [
        pytest.param(0, [], [(HANDOVER_SIGNAL, 10)], id="no stop: handover after the drain time"),
        pytest.param(1, [], [(HANDOVER_SIGNAL, 0)], id="one before the drain: handover at once"),
        pytest.param(2, [], [(SHUTDOWN_SIGNAL, 0)], id="two before the drain: the jobs end"),
        pytest.param(0, [5], [(HANDOVER_SIGNAL, 5)], id="one while draining: handover"),
        pytest.param(
            0, [5, 6], [(HANDOVER_SIGNAL, 5), (SHUTDOWN_SIGNAL, 6)], id="two: handover, then end"
        ),
        pytest.param(
            0, [11], [(HANDOVER_SIGNAL, 10)], id="one after the drain time: changes nothing"
        ),
        pytest.param(
            0,
            [11, 13],
            [(HANDOVER_SIGNAL, 10), (SHUTDOWN_SIGNAL, 13)],
            id="two after the drain time: the second ends the jobs",
        ),
        pytest.param(
            0,
            [5, 6, 7, 8],
            [(HANDOVER_SIGNAL, 5), (SHUTDOWN_SIGNAL, 6)],
            id="more than two: no further signal",
        ),
    ],
)
async def test_each_stop_request_of_a_drain_has_its_meaning(
    tmp_path: Path,
    stops_before: int,
    stops_at_s: list[int],
    told: list[tuple[signal.Signals, int]],
) -> None:
    worker = Leaving(tmp_path, "a", INTERVIEW_DRAIN_S=10)
    worker.have(1)
    worker.deaf = {"a"}
    for _ in range(stops_before):
        worker.departure.hurry()
    for at_s in stops_at_s:
        asyncio.get_running_loop().call_later(at_s, worker.departure.hurry)
    await worker.gone_after()
    assert [(word, at_s) for word, _, at_s in worker.told] == told


@pytest.mark.parametrize("peers", [NO_PEERS, ONE_SLOT], ids=["no slot", "a slot"])
async def test_a_third_stop_while_a_free_slot_is_looked_for_ends_the_jobs_at_once(
    tmp_path: Path, peers: tuple[int, int]
) -> None:
    class Slow(Leaving):
        async def reserve(self, wanted: int, for_s: float) -> Reserved | None:
            await asyncio.sleep(1.0)
            return await super().reserve(wanted, for_s)

    worker = Slow(tmp_path, "a", INTERVIEW_DRAIN_S=0, INTERVIEW_NO_SUCCESSOR="keep")
    worker.others = peers
    for at_s in (0.3, 0.6):
        asyncio.get_running_loop().call_later(at_s, worker.departure.hurry)
    assert await worker.gone_after() == pytest.approx(4.0, abs=0.2)
    assert [word for word, _, _ in worker.told] == [SHUTDOWN_SIGNAL]
