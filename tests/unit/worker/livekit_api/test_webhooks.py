"""LiveKit's webhooks: signed ones are accepted, others refused, and their rooms are checked."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest
from livekit import api

from worker.livekit_api.webhooks import LOOKED_AT, MOST_BYTES, PATH, Webhooks
from worker.telemetry.bounded_server import HttpLimits
from worker.telemetry.http import TelemetryServer
from worker.telemetry.job_observer import Observer
from worker.telemetry.worker_status import WorkerStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

KEY, SECRET = "key", "a-secret-of-more-than-thirty-two-characters"
LEFT = {"event": "participant_left", "room": {"name": "room-1"}, "participant": {"identity": "x"}}


def signed(body: str, *, key: str = KEY, secret: str = SECRET) -> str:
    """Return LiveKit's Authorization header, with the digest of the body."""
    digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
    return api.AccessToken(key, secret).with_sha256(digest).to_jwt()


class Received:
    """A worker's server for webhooks, with the rooms and events that it received."""

    def __init__(self, folder: Path, limits: HttpLimits | None) -> None:
        self.rooms: list[str] = []
        self.events: list[str] = []
        self.can_look = True
        self.webhooks = Webhooks(
            KEY, SECRET, on_room=self.told, on_event=self.events.append, body_s=0.1
        )
        self.server = TelemetryServer(
            Observer(folder, version="1"),
            WorkerStatus,
            token="of-the-other-pages",
            posts={PATH: self.webhooks.handle},
            limits=limits,
        )
        self.url = ""

    def told(self, room: str) -> bool:
        if self.can_look:
            self.rooms.append(room)
        return self.can_look

    async def post(self, body: str, authorization: str | None) -> int:
        headers = {"Content-Type": "application/webhook+json"}
        if authorization is not None:
            headers["Authorization"] = authorization
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                self.url + PATH, data=io.BytesIO(body.encode()), headers=headers
            ) as answer,
        ):
            return answer.status


@asynccontextmanager
async def receiving(folder: Path, *, limits: HttpLimits | None = None) -> AsyncIterator[Received]:
    one = Received(folder, limits)
    one.url = f"http://127.0.0.1:{await one.server.start('127.0.0.1', 0)}"
    try:
        yield one
    finally:
        await one.server.aclose()


@pytest.mark.parametrize("event", LOOKED_AT)
async def test_a_room_that_a_participant_joined_or_left_is_checked(
    event: str, tmp_path: Path
) -> None:
    async with receiving(tmp_path) as here:
        body = json.dumps(LEFT | {"event": event})
        assert await here.post(body, signed(body)) == 200
        assert (here.rooms, here.events) == (["room-1"], [event])


async def test_livekit_must_resend_a_webhook_whose_room_cannot_be_checked_now(
    tmp_path: Path,
) -> None:
    async with receiving(tmp_path) as here:
        here.can_look = False
        body = json.dumps(LEFT)
        assert await here.post(body, signed(body)) == 503
        here.can_look = True
        assert await here.post(body, signed(body)) == 200
        assert (here.rooms, here.events) == (["room-1"], ["participant_left"])


async def test_refusals_are_logged_once_a_minute_and_always_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with receiving(tmp_path) as here:
        for _ in range(5):
            await here.post("", None)
        assert here.events == ["refused"] * 5
    assert len([each for each in caplog.records if each.name == "worker.livekit_api.webhooks"]) == 1


async def test_other_events_are_accepted_and_counted_together(tmp_path: Path) -> None:
    async with receiving(tmp_path) as here:
        for event in ("track_published", "room_finished", "of_a_newer_server"):
            body = json.dumps(LEFT | {"event": event, "new": {"field": 1}})
            assert await here.post(body, signed(body)) == 200
        assert (here.rooms, here.events) == ([], ["other"] * 3)


async def test_a_webhook_without_a_valid_signature_is_refused(tmp_path: Path) -> None:
    body = json.dumps(LEFT)
    without_digest = api.AccessToken(KEY, SECRET).with_identity("candidate-1").to_jwt()
    brought = (
        None,
        "",
        "no token",
        "Bearer of-the-other-pages",
        signed(body, secret="another-secret-of-more-than-thirty-two-chars"),
        signed(body, key="another"),
        signed(json.dumps(LEFT | {"room": {"name": "room-2"}})),
        without_digest,
    )
    async with receiving(tmp_path) as here:
        for authorization in brought:
            assert await here.post(body, authorization) == 401, authorization
        assert (here.rooms, here.events) == ([], ["refused"] * len(brought))


@pytest.mark.parametrize("body", ["", "no JSON", '{"event": 7}', '{"room": 7}'])
async def test_a_signed_body_that_is_no_event_is_refused(body: str, tmp_path: Path) -> None:
    async with receiving(tmp_path) as here:
        assert await here.post(body, signed(body)) == 401
        assert (here.rooms, here.events) == ([], ["refused"])


async def test_an_oversized_body_is_not_read(tmp_path: Path) -> None:
    async with receiving(tmp_path) as here:
        body = json.dumps(LEFT | {"id": "x" * 2_000_000})
        assert await here.post(body, signed(body)) == 413
        assert (here.rooms, here.events) == ([], ["refused"])


async def test_the_probes_still_require_their_token(tmp_path: Path) -> None:
    async with (
        receiving(tmp_path) as here,
        aiohttp.ClientSession() as session,
        session.get(here.url + "/metrics") as answer,
    ):
        assert answer.status == 401


# --- what is sent on a socket ---------------------------------------------------------------------


#: A client that leaves its body unsent is waited for, and the end of the server with it.
SHORT = HttpLimits(linger_s=0.05)


async def answered(here: Received, authorization: str, length: int, body: bytes = b"") -> bytes:
    """Send the head of a webhook, and a part of its body; return the status line of the answer."""
    port = int(here.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(
            f"POST {PATH} HTTP/1.1\r\nHost: a\r\nAuthorization: {authorization}\r\n"
            f"Content-Length: {length}\r\n\r\n".encode()
        )
        writer.write(body)
        async with asyncio.timeout(5):
            return await reader.readline()
    finally:
        writer.transport.abort()


async def test_a_wrong_signature_is_refused_before_the_body_has_come(tmp_path: Path) -> None:
    """Otherwise any client could make the worker read large bodies."""
    wrong = signed("{}", secret="another-secret-of-more-than-thirty-two-chars")
    async with receiving(tmp_path, limits=SHORT) as here:
        assert b" 401 " in await answered(here, wrong, 1000)
        assert here.events == ["refused"]


async def test_the_token_of_a_candidate_is_refused_before_the_body_has_come(
    tmp_path: Path,
) -> None:
    """It is signed with the same key, and signs no body."""
    grants = api.VideoGrants(room_join=True, room="room-1")
    token = api.AccessToken(KEY, SECRET).with_identity("candidate-1").with_grants(grants)
    async with receiving(tmp_path, limits=SHORT) as here:
        assert b" 401 " in await answered(here, token.to_jwt(), 1000)
        assert here.events == ["refused"]


async def test_a_length_beyond_the_limit_is_refused_before_the_body_has_come(
    tmp_path: Path,
) -> None:
    async with receiving(tmp_path, limits=SHORT) as here:
        assert b" 413 " in await answered(here, signed("{}"), MOST_BYTES + 1)
        assert here.events == ["refused"]


async def test_a_signed_body_that_does_not_come_in_time_is_refused(tmp_path: Path) -> None:
    body = json.dumps(LEFT)
    async with receiving(tmp_path, limits=SHORT) as here:
        half = body.encode()[:10]
        assert b" 408 " in await answered(here, signed(body), len(body), half)
        assert (here.rooms, here.events) == ([], ["refused"])


async def test_a_body_with_other_bytes_than_the_signed_ones_is_refused(tmp_path: Path) -> None:
    """A body that is no UTF-8 was compared after its bytes had been replaced."""
    body = json.dumps(LEFT | {"id": "\N{REPLACEMENT CHARACTER}"}, ensure_ascii=False)
    other = body.encode().replace("\N{REPLACEMENT CHARACTER}".encode(), b"\xff")
    async with receiving(tmp_path) as here:
        assert b" 401 " in await answered(here, signed(body), len(other), other)
        assert (here.rooms, here.events) == ([], ["refused"])


async def test_after_a_rotation_only_the_new_key_is_accepted(tmp_path: Path) -> None:
    key, secret = "new-key", "a-new-secret-of-more-than-thirty-two-chars"
    body = json.dumps(LEFT)
    async with receiving(tmp_path) as here:
        here.webhooks.use_key(key, secret)
        assert await here.post(body, signed(body)) == 401
        assert await here.post(body, signed(body, key=key, secret=secret)) == 200
