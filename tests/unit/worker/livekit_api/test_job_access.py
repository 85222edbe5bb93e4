"""The token of a job: renewed by its worker long before it expires."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from worker.livekit_api.job_access import ROOM_TOKEN, JobAccess
from worker.livekit_api.room_client import TOKEN_S

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.looptime


class MainProcess:
    """Answers the requests of a job with numbered tokens."""

    def __init__(self) -> None:
        self.asked_at: list[float] = []
        #: Called with the number of the request before each answer.
        self.on_request: Callable[[int], object] = lambda number: None
        self.hangs = False

    async def do_inference(self, method: str, data: bytes) -> bytes | None:
        assert (method, data) == (ROOM_TOKEN, b"")
        self.asked_at.append(asyncio.get_running_loop().time())
        if self.hangs:
            await asyncio.Event().wait()
        self.on_request(len(self.asked_at))
        return f"token-{len(self.asked_at)}".encode()


def access_with(worker: MainProcess, token: str = "token-0") -> JobAccess:  # noqa: S107  # a test's
    loop = asyncio.get_running_loop()
    return JobAccess(
        "ws://livekit:7880",
        room="room-1",
        token=token,
        metadata_key="",
        worker=worker,
        clock=loop.time,
    )


def token_of(access: JobAccess) -> str:
    return access.livekit.token()


async def test_a_job_has_its_token_at_once_and_asks_for_no_other_in_half_of_its_time() -> None:
    worker = MainProcess()
    access = access_with(worker)
    async with access.kept_valid():
        await asyncio.sleep(TOKEN_S / 2 - 60)
        assert token_of(access) == "token-0"
    assert worker.asked_at == []


async def test_a_long_job_always_has_a_token_with_half_of_its_time_left() -> None:
    worker = MainProcess()
    access = access_with(worker)
    began = asyncio.get_running_loop().time()
    async with access.kept_valid():
        await asyncio.sleep(3 * TOKEN_S)
        assert token_of(access) == f"token-{len(worker.asked_at)}"
    times = [began, *worker.asked_at]
    assert len(times) > 5
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert max(gaps) <= TOKEN_S / 2 + 60


async def test_a_token_of_before_a_suspension_of_the_machine_is_renewed_soon() -> None:
    """A suspended machine counts no seconds of the event loop, and the token expires."""
    worker, suspended = MainProcess(), [0.0]
    access = access_with(worker)
    loop = asyncio.get_running_loop()
    access._clock = lambda: loop.time() + suspended[0]
    async with access.kept_valid():
        await asyncio.sleep(60)
        suspended[0] = TOKEN_S
        await asyncio.sleep(60)
        assert token_of(access) == "token-1"


async def test_a_request_that_fails_is_repeated_and_the_old_token_stays(
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker, asked = MainProcess(), asyncio.Event()

    def refuse(number: int) -> None:
        asked.set()
        if number < 4:
            raise RuntimeError("inference failed: hunter2")

    worker.on_request = refuse
    access = access_with(worker)
    async with access.kept_valid():
        await asked.wait()
        assert token_of(access) == "token-0"
        await asyncio.sleep(60)
        assert token_of(access) == "token-4"
    assert caplog.text.count("no new LiveKit token") == 3
    assert "RuntimeError" in caplog.text
    assert "hunter2" not in caplog.text


async def test_a_main_process_that_does_not_answer_is_asked_again() -> None:
    worker = MainProcess()
    worker.hangs = True
    access = access_with(worker)
    async with access.kept_valid():
        await asyncio.sleep(TOKEN_S / 2 + 120)
        assert len(worker.asked_at) > 2
        assert token_of(access) == "token-0"
        worker.hangs = False
        await asyncio.sleep(60)
        assert token_of(access) == f"token-{len(worker.asked_at)}"


async def test_nothing_is_asked_for_after_the_job_and_without_a_first_token() -> None:
    worker = MainProcess()
    async with access_with(worker).kept_valid():
        await asyncio.sleep(1)
    async with access_with(worker, token="").kept_valid():
        await asyncio.sleep(2 * TOKEN_S)
    await asyncio.sleep(2 * TOKEN_S)
    assert worker.asked_at == []


async def test_the_text_of_an_access_shows_no_secret() -> None:
    access = JobAccess(
        "ws://livekit:7880",
        room="room-1",
        token="hunter2",
        metadata_key="hunter3",
        worker=MainProcess(),
    )
    assert "hunter" not in repr(access)
