"""Typed messages as streams: read up to a limit, few at once, and never without an end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from tests.support.virtual.async_steps import for_ever
from worker.transport.data_limits import LONGEST_READ_S, MOST_STREAMS, MOST_TEXT_BYTES
from worker.transport.typed_streams import TypedStreams

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from livekit import rtc

pytestmark = pytest.mark.looptime


class Stream:
    """A text stream of the SDK that yields parts, then ends, fails, or stays open."""

    def __init__(self, *parts: str, fails: bool = False, ends: bool = True) -> None:
        self._parts = parts
        self._fails = fails
        self._ends = ends
        self.read = 0
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[str]:
        for part in self._parts:
            self.read += 1
            yield part
        if self._fails:
            raise ConnectionError("Ada said: hello")
        if not self._ends:
            await for_ever()

    def close(self) -> None:
        self.closed = True


class Agent:
    """An agent that collects texts, and takes `handles_s` seconds for each."""

    def __init__(self, handles_s: float = 0.0) -> None:
        self.texts: list[str] = []
        self._handles_s = handles_s
        self.streams = TypedStreams(self._on_text)

    async def _on_text(self, text: str) -> None:
        self.texts.append(text)
        await asyncio.sleep(self._handles_s)

    def open(self, stream: Stream) -> None:
        self.streams.open(cast("rtc.TextStreamReader", stream), "ada")


async def test_a_message_is_passed_on_as_one_cleaned_line() -> None:
    agent, stream = Agent(), Stream("I led a te", "am\nof ", "five.\x1b[31m")
    agent.open(stream)
    await asyncio.sleep(0.1)
    assert agent.texts == ["I led a team of five."]
    assert stream.closed


async def test_reading_stops_at_the_limit_and_the_stream_is_closed() -> None:
    agent, stream = Agent(), Stream(*["x" * 15_000] * 4_000)
    agent.open(stream)
    await asyncio.sleep(0.1)
    assert len(agent.texts[0]) == MOST_TEXT_BYTES
    assert stream.read <= MOST_TEXT_BYTES // 15_000 + 1
    assert stream.closed


async def test_a_character_that_the_limit_cuts_is_dropped() -> None:
    agent = Agent()
    agent.open(Stream("x" + "\U0001f600" * MOST_TEXT_BYTES))
    await asyncio.sleep(0.1)
    assert agent.texts[0] == "x" + "\U0001f600" * ((MOST_TEXT_BYTES - 1) // 4)


async def test_a_message_without_an_end_is_read_for_a_limited_time() -> None:
    agent, stream = Agent(), Stream("Hello.", ends=False)
    agent.open(stream)
    await asyncio.sleep(LONGEST_READ_S + 0.1)
    assert agent.texts == ["Hello."]
    assert stream.closed


async def test_a_message_that_breaks_off_is_dropped_without_its_text_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    agent, stream = Agent(), Stream("I led a", fails=True)
    agent.open(stream)
    await asyncio.sleep(0.1)
    assert agent.texts == []
    assert stream.closed
    (record,) = caplog.records
    assert record.getMessage().endswith(": ConnectionError")


async def test_a_message_without_words_is_not_passed_on() -> None:
    agent = Agent()
    agent.open(Stream(" \n\x00"))
    await asyncio.sleep(0.1)
    assert agent.texts == []


async def test_messages_that_are_read_or_handled_are_counted() -> None:
    agent = Agent(handles_s=5.0)
    for _ in range(MOST_STREAMS):
        assert not agent.streams.full
        agent.open(Stream("Hello."))
    await asyncio.sleep(1.0)
    assert agent.streams.full
    await asyncio.sleep(5.0)
    assert not agent.streams.full
    assert len(agent.texts) == MOST_STREAMS


async def test_nothing_is_read_or_handled_after_the_stop() -> None:
    agent, stream = Agent(), Stream("Hello.", ends=False)
    agent.open(stream)
    await asyncio.sleep(0.1)
    agent.streams.stop()
    await asyncio.sleep(60.0)
    assert agent.texts == []
    assert stream.closed
