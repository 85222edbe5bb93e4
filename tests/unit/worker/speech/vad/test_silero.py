"""The VAD that a process loads once."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest
from livekit.agents import vad

from worker.speech.vad.energy import EnergyVAD
from worker.speech.vad.silero import VADCache, VADLoadFailed, get_vad, load_vad, preload_vad


def nothing() -> None:
    """Prepare nothing."""


class Loader:
    """A fake model with a controllable load time, which may fail."""

    def __init__(self, *, blocks: bool = False, failures: int = 0) -> None:
        self.calls = 0
        self.threads: list[str] = []
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self._failures = failures
        if not blocks:
            self.go_on.set()

    def __call__(self) -> vad.VAD:
        self.calls += 1
        self.threads.append(threading.current_thread().name)
        self.begun.set()
        self.go_on.wait(timeout=30)
        if self.calls <= self._failures:
            raise OSError("the model cannot be read")
        return EnergyVAD()


def cache_of(loader: Loader) -> VADCache:
    return VADCache(prepare=nothing, register=nothing, load=loader)


@pytest.mark.row("S1")
async def test_silero_is_loaded_once_for_all_callers() -> None:
    first, second = await asyncio.gather(get_vad(), load_vad())

    assert first is second
    assert first is not None
    assert first.model == "silero"
    assert preload_vad()
    assert await get_vad() is first


@pytest.mark.row("S1")
async def test_the_event_loop_runs_while_the_model_loads_in_a_thread() -> None:
    loader = Loader(blocks=True)
    loading = asyncio.create_task(cache_of(loader).get())
    await asyncio.to_thread(loader.begun.wait)
    loader.go_on.set()

    assert await loading is not None
    assert loader.threads[0].startswith("vad-load")


@pytest.mark.row("S1")
async def test_concurrent_callers_share_one_load() -> None:
    loader = Loader(blocks=True)
    cache = cache_of(loader)
    waiting = [asyncio.create_task(cache.get()) for _ in range(5)]
    await asyncio.to_thread(loader.begun.wait)
    loader.go_on.set()

    assert len(set(await asyncio.gather(*waiting))) == 1
    assert loader.calls == 1


async def test_a_cancelled_caller_does_not_cancel_the_load_of_the_others() -> None:
    loader = Loader(blocks=True)
    cache = cache_of(loader)
    impatient = asyncio.create_task(cache.get())
    patient = asyncio.create_task(cache.get())
    await asyncio.to_thread(loader.begun.wait)

    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    loader.go_on.set()

    assert await patient is not None
    assert loader.calls == 1


async def test_a_load_whose_only_caller_was_cancelled_serves_the_next_caller() -> None:
    loader = Loader(blocks=True)
    cache = cache_of(loader)
    impatient = asyncio.create_task(cache.get())
    await asyncio.to_thread(loader.begun.wait)
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    loader.go_on.set()

    assert await cache.get() is not None
    assert loader.calls == 1


@pytest.mark.row("S1")
async def test_a_failed_load_returns_none_and_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = cache_of(Loader(failures=1))

    with caplog.at_level(logging.WARNING, logger="worker.speech.vad.silero"):
        results = await asyncio.gather(cache.get(), cache.get())

    assert list(results) == [None, None]
    (record,) = caplog.records
    assert record.__dict__["error"] == "OSError"


@pytest.mark.row("S1")
async def test_a_failed_load_is_not_cached() -> None:
    loader = Loader(failures=1)
    cache = cache_of(loader)

    assert await cache.get() is None
    assert await cache.get() is not None


async def test_load_raises_the_reason_of_a_failure() -> None:
    with pytest.raises(VADLoadFailed) as caught:
        await cache_of(Loader(failures=1)).load()

    assert caught.value.cause == "OSError"
    assert isinstance(caught.value.__cause__, OSError)


async def test_a_failed_load_without_a_caller_has_no_effect() -> None:
    loader = Loader(blocks=True, failures=1)
    cache = cache_of(loader)
    impatient = asyncio.create_task(cache.get())
    await asyncio.to_thread(loader.begun.wait)
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    loading = cache._loading
    assert loading is not None
    loader.go_on.set()

    await asyncio.wait({loading})


@pytest.mark.row("S1")
async def test_a_vad_loaded_before_the_fork_is_available_immediately() -> None:
    loader = Loader()
    cache = cache_of(loader)
    assert cache.preload()
    assert cache.preload()

    assert await cache.get() is not None
    assert loader.calls == 1


async def test_a_failed_preload_is_retried_in_the_job() -> None:
    cache = cache_of(Loader(failures=1))

    assert not cache.preload()
    assert await cache.get() is not None


def test_a_load_that_ended_with_its_event_loop_restarts_in_the_next_one() -> None:
    loader = Loader(blocks=True)
    cache = cache_of(loader)

    async def give_up() -> None:
        waiting = asyncio.create_task(cache.get())
        await asyncio.to_thread(loader.begun.wait)
        waiting.cancel()

    asyncio.run(give_up())
    loader.go_on.set()

    assert asyncio.run(cache.get()) is not None
