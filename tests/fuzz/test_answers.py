"""Answers of LiveKit, of providers, of the worker's own server, and files that jobs share."""

from __future__ import annotations

import asyncio
import itertools
import math
from typing import TYPE_CHECKING, Any, Final

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import assume, given

from states import History, JournalError
from tests.fuzz.budget import examples
from tests.fuzz.promises import Logged, assert_has_none_of, assert_one_line, within_time
from tests.fuzz.strategies.answers import (
    QUOTED,
    Answer,
    jobs_as_json,
    livekit_answers,
    provider_records,
    retry_after_headers,
    worker_answers,
)
from worker.cli.common import CommandError
from worker.cli.health import Probe, _line
from worker.fallback.failure import retry_after
from worker.fallback.shared_breaker import SharedBreaker
from worker.livekit_api.client import LiveKitClient
from worker.livekit_api.errors import LiveKitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

KEY: Final = "fuzz-key"
SECRET: Final = "fuzz-secret-of-more-than-thirty-two-characters"
NOW: Final = 1_000_050.0
#: Numbers of the files of providers.
NUMBERS: Final = itertools.count()


class FakeLiveKit:
    """A server at LIVEKIT_URL that gives one answer to every call."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self.answer = Answer(status=200, content_type="application/json", body=b"")
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._server = TestServer(app)

    async def _handle(self, request: web.Request) -> web.Response:
        await request.read()
        answer = self.answer
        return web.Response(
            status=answer.status, body=answer.body, content_type=answer.content_type
        )

    def start(self) -> None:
        """Start the server."""
        self._runner.run(self._server.start_server())

    def stop(self) -> None:
        """Stop the server."""
        self._runner.run(self._server.close())

    def call(self) -> None:
        """Make a call of each kind. Raises LiveKitError if one fails."""
        client = LiveKitClient(str(self._server.make_url("/")), KEY, SECRET)
        self._runner.run(_call_all(client))


async def _call_all(client: LiveKitClient) -> None:
    assert all(isinstance(each, str) for each in await client.list_participants("room-1"))
    assert isinstance(await client.create_room("room-1"), str)
    counts = await client.rooms_with_participants(["room-1"])
    assert all(isinstance(count, int) for count in counts.values())
    dispatches = await client.list_dispatches("room-1")
    assert all(math.isfinite(each.created_at) for each in dispatches)


@pytest.fixture(scope="module")
def livekit() -> Iterator[FakeLiveKit]:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        one = FakeLiveKit(runner)
        one.start()
        yield one
        one.stop()


@given(livekit_answers())
@examples(16)
def test_any_answer_at_livekits_address_is_a_result_or_one_of_our_errors(
    livekit: FakeLiveKit, answer: Answer
) -> None:
    livekit.answer = answer
    logged = Logged()
    try:
        with logged:
            livekit.call()
    except LiveKitError as error:
        assert_one_line(str(error), longest=400)
        assert_has_none_of(str(error), (QUOTED, SECRET))
    assert_has_none_of(logged.text, (SECRET,))


@given(retry_after_headers())
@examples(24)
def test_any_time_to_wait_is_a_number_of_seconds_up_to_an_hour(headers: Mapping[str, str]) -> None:
    seconds = within_time(lambda: retry_after(headers), size=1000)
    assert seconds is None or 0 <= seconds <= 3600


@pytest.fixture(scope="module")
def breaker(folder: Path) -> SharedBreaker:
    return SharedBreaker(folder, clock=lambda: NOW)


@given(provider_records())
@examples(16)
def test_any_file_is_a_state_of_a_provider_or_none(
    breaker: SharedBreaker, folder: Path, content: bytes
) -> None:
    name = f"cloud-{next(NUMBERS)}"  # a breaker reads a file once
    path = folder / f"stt-{name}.json"
    path.write_bytes(content)
    found = breaker.read("stt", name)
    path.unlink()
    if found is not None:
        assert found.reason.isidentifier()
        assert math.isfinite(found.since)
        assert math.isfinite(found.until)


@given(worker_answers())
@examples(24)
def test_any_answer_at_the_workers_address_is_one_printable_line(answer: Any) -> None:
    assume(isinstance(answer, dict))
    for probe in Probe:
        for well in (True, False):
            try:
                assert_one_line(_line("http://127.0.0.1:8081", probe, well, answer), longest=10**6)
            except CommandError as error:
                assert_one_line(str(error), longest=300)


@given(jobs_as_json())
@examples(16)
def test_any_text_is_the_json_of_a_job_or_a_short_error(text: str) -> None:
    try:
        within_time(lambda: History.from_json(text), size=len(text))
    except JournalError as error:
        assert_one_line(str(error), place="this is not the JSON of a job", longest=400)
