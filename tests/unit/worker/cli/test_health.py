"""`interview-worker health`: answers that are not a worker's, and where the request goes."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.unit.worker.telemetry.test_http import TOKEN, health, served
from worker.cli.common import ExitCode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@asynccontextmanager
async def answering(reply: bytes) -> AsyncIterator[int]:
    """Yield the port of a server that sends `reply` and closes the connection."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found",
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\xfe",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100_000,
        b'HTTP/1.1 200 OK\r\n\r\n{"waiting_on": 5}',
        b'HTTP/1.1 200 OK\r\n\r\n{"draining": true, "drain_left_s": "soon"}',
        b'HTTP/1.1 200 OK\r\n\r\n{"draining": true, "drain_left_s": 1' + b"0" * 400 + b"}",
    ],
    ids=[
        *("text for 404", "nothing for 503", "redirect", "no text", "cut off"),
        *("nested brackets", "a number for names", "text for a number", "a huge number"),
    ],
)
async def test_an_answer_of_another_program_is_one_line(reply: bytes) -> None:
    async with answering(reply) as port:
        code, text = await health(port)
    assert code == ExitCode.FAILED
    assert "is not an interview-worker" in text
    assert len(text.splitlines()) == 1


async def test_names_in_an_answer_cannot_control_the_terminal() -> None:
    async with answering(b'HTTP/1.1 200 OK\r\n\r\n{"waiting_on": ["\\u001b[2J\\u202e"]}') as port:
        _, text = await health(port)
    assert text.rstrip("\n").isprintable()
    assert "waiting on" in text


async def test_a_worker_that_dies_during_the_request_does_not_answer() -> None:
    async with answering(b"") as port:
        code, text = await health(port)
    assert code == ExitCode.UNAVAILABLE
    assert "no worker answers" in text


async def test_an_answer_that_goes_on_after_the_time_out_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A time-out of each read alone would never end an answer that comes byte by byte."""
    reads = itertools.count(step=2.0)  # two seconds from one read to the next
    monkeypatch.setattr("worker.cli.health.monotonic", lambda: next(reads))
    body = bytes(1 << 18)  # more than one read takes
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n" + body) as port:
        code, text = await health(port)
    assert code == ExitCode.UNAVAILABLE
    assert "no worker answers" in text
    assert "(TimeoutError)" in text


async def test_an_answer_that_is_too_large_is_not_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worker.cli.health._MAX_BODY", 10)
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 11) as port:
        code, text = await health(port)
    assert code == ExitCode.FAILED
    assert "is not an interview-worker (AnswerTooLarge)" in text


async def test_the_request_goes_to_no_proxy_of_the_environment(tmp_path: Path) -> None:
    """A proxy would answer for the worker, and would be given the token."""
    proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy"), "http://127.0.0.1:1")
    async with served(tmp_path, token=TOKEN) as here:
        code, text = await health(here.port, INTERVIEW_HTTP_TOKEN=TOKEN, **proxies)
    assert (code, text) == (ExitCode.OK, "ready: 1 of 4 slots in use\n")


async def test_a_token_may_have_any_characters(tmp_path: Path) -> None:
    odd = "ein langer schlüssel€"
    async with served(tmp_path, token=odd) as here:
        assert (await health(here.port, INTERVIEW_HTTP_TOKEN=odd))[0] == ExitCode.OK
        assert (await health(here.port, INTERVIEW_HTTP_TOKEN=odd[:-1]))[0] == ExitCode.USAGE


async def test_an_invalid_setting_of_another_part_does_not_fail_the_probe(tmp_path: Path) -> None:
    async with served(tmp_path) as here:
        assert (await health(here.port, INTERVIEW_SLOTS="many"))[0] == ExitCode.OK
