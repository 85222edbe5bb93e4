"""The blocking calls of an engine, in a separate thread."""

from __future__ import annotations

import asyncio
import threading

import pytest

from worker.aio.threads import EngineThread


async def test_calls_in_an_engine_thread_do_not_block_the_event_loop() -> None:
    thread = EngineThread("test")
    begun, go_on = threading.Event(), threading.Event()

    def block() -> str:
        begun.set()
        go_on.wait()
        return threading.current_thread().name

    call = asyncio.create_task(thread.run(block))
    await asyncio.to_thread(begun.wait)
    go_on.set()

    assert (await call).startswith("test")
    await thread.aclose()


async def test_closing_an_engine_thread_waits_for_the_running_call_and_drops_queued_ones() -> None:
    thread = EngineThread("test")
    begun, go_on = threading.Event(), threading.Event()
    done: list[str] = []

    def block() -> None:
        begun.set()
        go_on.wait()
        done.append("first")

    first = asyncio.create_task(thread.run(block))
    second = asyncio.create_task(thread.run(done.append, "second"))
    await asyncio.to_thread(begun.wait)
    closing = asyncio.create_task(thread.aclose())
    asyncio.get_running_loop().call_soon(go_on.set)
    await closing
    await asyncio.gather(first, second, return_exceptions=True)

    assert done == ["first"]
    assert not any(alive.name.startswith("test") for alive in threading.enumerate())
    with pytest.raises(RuntimeError):
        await thread.run(int)
