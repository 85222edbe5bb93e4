"""The worker's path for webhooks: events of LiveKit, and requests of other senders."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import TYPE_CHECKING, Final

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st
from livekit import api

from tests.fuzz.budget import examples
from tests.fuzz.promises import Logged, assert_has_none_of
from tests.fuzz.strategies.webhooks import CHOSEN, authorizations, bodies, damaged_bodies
from worker.livekit_api.webhooks import LOOKED_AT, OTHER, PATH, REFUSED, Webhooks

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY: Final = "fuzz-key"
SECRET: Final = "fuzz-secret-of-more-than-thirty-two-characters"
#: Seconds after which an answer counts as missing: more than a machine takes that many others use.
ANSWER_S: Final = 60.0


class Receiver:
    """A server with the worker's handler of webhooks, on an event loop of its own."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self.rooms: list[str] = []
        self.events: list[str] = []
        webhooks = Webhooks(KEY, SECRET, on_room=self._look, on_event=self.events.append)
        app = web.Application()
        app.router.add_post(PATH, webhooks.handle)
        self._server = TestServer(app)

    def _look(self, room: str) -> bool:
        self.rooms.append(room)
        return True

    def start(self) -> None:
        """Start the server."""
        self._runner.run(self._server.start_server())

    def stop(self) -> None:
        """Stop the server."""
        self._runner.run(self._server.close())

    def post(self, body: bytes, authorization: str | None) -> tuple[int, str]:
        """Send a request; return the status and all text of the answer."""
        return self._runner.run(self._post(body, authorization))

    async def _post(self, body: bytes, authorization: str | None) -> tuple[int, str]:
        headers = {} if authorization is None else {"Authorization": authorization}
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(self._server.make_url(PATH), data=body, headers=headers) as answer,
        ):
            return answer.status, f"{answer.reason} {await answer.text()}"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        one = Receiver(runner)
        one.start()
        yield one
        one.stop()


def signed(body: bytes) -> str:
    """Return LiveKit's signature of a body."""
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    return api.AccessToken(KEY, SECRET).with_sha256(digest).to_jwt()


@given(bodies())
@examples(8)
def test_a_signed_event_is_accepted_and_counted_under_a_known_name(
    receiver: Receiver, body: bytes
) -> None:
    receiver.events.clear()
    assert receiver.post(body, signed(body))[0] == 200
    assert len(receiver.events) == 1
    assert receiver.events[0] in (*LOOKED_AT, OTHER)


@given(damaged_bodies(), st.none() | authorizations() | st.just("signed"))
@examples(24)
def test_any_request_gets_an_answer_without_its_content_and_without_the_secret(
    receiver: Receiver, body: bytes, authorization: str | None
) -> None:
    receiver.events.clear()
    receiver.rooms.clear()
    logged = Logged()
    with logged:
        given_one = signed(body) if authorization == "signed" else authorization
        status, text = receiver.post(body, given_one)
    assert status == 200 or 400 <= status < 500
    assert authorization == "signed" or status != 200
    assert len(receiver.events) == 1
    assert receiver.events[0] in (*LOOKED_AT, OTHER, REFUSED)
    assert all(isinstance(room, str) for room in receiver.rooms)
    assert_has_none_of(text, (CHOSEN, SECRET))
    assert_has_none_of(logged.text, (CHOSEN, SECRET))
