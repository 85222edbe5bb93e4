"""The blocking calls of an engine, in a separate thread."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

import pytest

from worker.aio.threads import EngineThread, LastAnswer, OrderedCalls, in_thread_within


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


# --- calls that may hang --------------------------------------------------------------------------


def test_calls_run_in_their_order_and_the_future_has_result_or_error() -> None:
    calls, ran = OrderedCalls("ordered-calls"), list[int]()

    def run(number: int) -> int:
        ran.append(number)
        return 10 // number

    futures = [calls.submit(partial(run, number)) for number in (5, 0, 2)]
    assert [futures[0].result(), futures[2].result()] == [2, 5]
    assert isinstance(futures[1].exception(), ZeroDivisionError)
    assert ran == [5, 0, 2]


def test_the_thread_ends_when_it_is_idle_and_a_later_call_starts_another() -> None:
    calls = OrderedCalls("idle-calls", idle_s=0.0)
    first = calls.submit(threading.current_thread).result()
    first.join()
    second = calls.submit(threading.current_thread).result()
    assert second is not first
    assert first.daemon
    second.join()


def test_without_a_free_thread_the_future_has_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    calls = OrderedCalls("none-calls")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        assert isinstance(calls.submit(int).exception(), RuntimeError)
    assert calls.submit(int).result() == 0


async def test_a_call_that_needs_too_long_is_a_timeout_and_continues() -> None:
    go_on, done = threading.Event(), threading.Event()

    def block() -> None:
        go_on.wait()
        done.set()

    with pytest.raises(TimeoutError):
        await in_thread_within("late-calls", block, 0.01)
    go_on.set()
    await asyncio.to_thread(done.wait)
    assert await in_thread_within("early-calls", lambda: 7, 60.0) == 7


async def test_a_question_that_hangs_leaves_the_last_answer_and_is_asked_once() -> None:
    answers, asked = threading.Event(), 0
    answers.set()

    def question() -> int:
        nonlocal asked
        asked += 1
        answers.wait()
        return asked

    last = LastAnswer("question-calls", 0, within_s=60.0)
    assert await last.ask(question) == 1
    answers.clear()
    last._within_s = 0.01
    assert await last.ask(question) == 1
    last._within_s = 3600.0
    assert [await last.ask(question) for _ in range(3)] == [1, 1, 1]
    assert asked == 2
    answers.set()
    while await last.ask(question) == 1:
        pass
    assert await last.ask(question) >= 2


async def test_the_error_of_a_question_is_raised_and_the_next_one_is_asked() -> None:
    last = LastAnswer("error-calls", 7, within_s=60.0)
    with pytest.raises(ZeroDivisionError):
        await last.ask(lambda: 1 // 0)
    assert await last.ask(lambda: 8) == 8
