"""The provider state that the jobs of a worker share."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from states import Condition, Status
from tests.support.virtual.probed_chain import AWAY, KEY_REFUSED, Provider, a_chain, clock, names
from tests.support.virtual.provider_fakes import Closable
from worker.fallback import shared_breaker
from worker.fallback.chain import ProviderChain
from worker.fallback.shared_breaker import BreakerRecord, SharedBreaker

pytestmark = pytest.mark.looptime


async def test_a_failure_found_by_one_job_is_avoided_by_the_others(tmp_path: Path) -> None:
    provider = Provider()
    async with a_chain(provider, tmp_path) as one, a_chain(provider, tmp_path) as other:
        told: list[Any] = []
        other.on_fault = lambda *fault: told.append(fault)
        assert names(other) == ["cloud", "local"]

        one.failed("cloud", AWAY)

        assert names(other) == ["local", "cloud"]
        # This job itself has met no failure.
        assert other.is_fresh("cloud")
        assert told == []


async def test_a_temporary_failure_in_another_job_does_not_affect_a_provider_that_serves(
    tmp_path: Path,
) -> None:
    provider = Provider()
    async with a_chain(provider, tmp_path) as one, a_chain(provider, tmp_path) as other:
        other.served("cloud")

        one.failed("cloud", AWAY)
        assert names(other) == ["cloud", "local"]

        one.failed("cloud", KEY_REFUSED)
        assert names(other) == ["local"]


async def test_one_job_probes_for_all_and_all_recover(tmp_path: Path) -> None:
    provider = Provider()
    async with (
        a_chain(provider, tmp_path) as one,
        a_chain(provider, tmp_path) as other,
        a_chain(provider, tmp_path) as third,
    ):
        chains = [one, other, third]
        one.failed("cloud", AWAY)
        for chain in chains:
            names(chain)
        await asyncio.sleep(60)
        # One job alone probes after 1, 2, 4, 8, 16, 30 s. At most one probe is added by chance.
        assert len(provider.probed_at) <= 9

        provider.error = None
        await asyncio.sleep(35)
        assert [names(chain) for chain in chains] == [["cloud", "local"]] * 3


async def test_a_refused_key_is_shared_and_probed_again_by_one_job(tmp_path: Path) -> None:
    provider = Provider()
    async with a_chain(provider, tmp_path) as finder:
        finder.failed("cloud", KEY_REFUSED)
        async with a_chain(provider, tmp_path) as other:
            assert names(other) == ["local"]
            provider.error = None  # the account was paid
            await asyncio.sleep(59)
            assert provider.probed_at == []
            await asyncio.sleep(2)

            assert len(provider.probed_at) == 1
            assert names(other) == ["cloud", "local"]
        # The job that got the refusal does not ask again.
        assert names(finder) == ["local"]


async def test_a_chain_whose_only_provider_is_refused_elsewhere_is_lost_until_it_recovers(
    tmp_path: Path,
) -> None:
    record = BreakerRecord(
        reason="PaymentRequired", since=clock(), until=clock() + 60, for_good=True
    )
    SharedBreaker(tmp_path, clock=clock).write("stt", "cloud", record)
    provider = Provider()
    provider.error = None
    chain: ProviderChain[Any] = ProviderChain(
        "stt",
        [("cloud", Closable)],
        probes={"cloud": provider.probe},
        breaker=SharedBreaker(tmp_path, clock=clock),
    )
    said: list[Condition] = []
    chain.on_change = said.append

    assert names(chain) == []
    assert [condition.status for condition in said] == [Status.LOST]
    await asyncio.sleep(61)
    assert names(chain) == ["cloud"]
    chain.served("cloud")
    assert said[-1].status is Status.READY
    await chain.aclose()


async def test_the_state_of_a_local_provider_is_not_shared(tmp_path: Path) -> None:
    async with a_chain(Provider(), tmp_path) as chain:
        chain.failed("local", AWAY)

    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '{"reason": "Away"}',
        '{"reason": "Two words", "since": 1, "until": 1000100, "for_good": false}',
        '{"reason": "\\u001b[2J", "since": 1, "until": 1000100, "for_good": false}',
        '{"reason": "Away", "since": 1, "until": NaN, "for_good": false}',
        '{"reason": "Away", "since": 1e300, "until": 1000100, "for_good": false}',
        '{"reason": "Away", "since": 1, "until": 99999999, "for_good": true}',
        '{"reason": "Away", "since": 1, "until": 900000, "for_good": true}',
        "[" * 3000,
        " " * 5000 + '{"reason": "Away", "since": 1, "until": 1000100, "for_good": true}',
    ],
    ids=lambda content: content[:40],
)
async def test_a_corrupt_stale_or_absurd_file_is_ignored(tmp_path: Path, content: str) -> None:
    (tmp_path / "stt-cloud.json").write_text(content)

    async with a_chain(Provider(), tmp_path) as chain:
        assert names(chain) == ["cloud", "local"]


async def test_a_record_with_a_time_that_no_float_can_hold_replaces_the_one_before(
    tmp_path: Path,
) -> None:
    breaker = SharedBreaker(tmp_path, clock=clock)
    breaker.write("stt", "cloud", BreakerRecord(reason="Away", since=clock(), until=clock() + 9))
    assert breaker.read("stt", "cloud") is not None
    huge = f'{{"reason": "Away", "since": 1{"0" * 400}, "until": 1000100, "for_good": false}}'
    (tmp_path / "stt-cloud.json").write_text(huge)
    assert breaker.read("stt", "cloud") is None


async def test_a_binary_file_or_a_folder_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "stt-cloud.json").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "tts-cloud.json").mkdir()
    breaker = SharedBreaker(tmp_path, clock=clock)

    assert breaker.read("stt", "cloud") is None
    assert breaker.read("tts", "cloud") is None


@pytest.fixture
def no_folder(tmp_path: Path) -> Path:
    """Return a folder that cannot be created: a file is in its place."""
    (tmp_path / "data").write_text("")
    return tmp_path / "data" / "providers"


async def test_without_a_writable_folder_each_job_detects_failures_on_its_own(
    no_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_chain(Provider(), no_folder) as chain:
        chain.failed("cloud", AWAY)
        assert names(chain) == ["local", "cloud"]

    assert "sharing a provider's state" in caplog.text


async def test_an_unchanged_file_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaker = SharedBreaker(tmp_path, clock=clock)
    breaker.write("stt", "cloud", BreakerRecord(reason="Away", since=clock(), until=clock() + 5))
    assert breaker.read("stt", "cloud") is not None
    read: list[Path] = []
    original: Callable[..., str] = Path.read_text

    def counted(path: Path, **options: Any) -> str:
        read.append(path)
        return original(path, **options)

    monkeypatch.setattr(Path, "read_text", counted)

    for _ in range(3):
        breaker.read("stt", "cloud")
    assert read == []

    breaker.write("stt", "cloud", BreakerRecord(reason="Recovered", since=clock()))
    assert breaker.read("stt", "cloud") == BreakerRecord(reason="Recovered", since=clock())
    assert len(read) == 1


async def test_no_temporary_file_is_left_behind(tmp_path: Path) -> None:
    breaker = SharedBreaker(tmp_path / "providers", clock=clock)
    breaker.write("stt", "cloud", BreakerRecord(reason="Away", since=1.0, until=2.0))

    assert os.listdir(tmp_path / "providers") == ["stt-cloud.json"]


async def test_a_disk_that_hangs_is_waited_for_once_and_the_last_record_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = BreakerRecord(reason="Away", since=clock(), until=clock() + 5)
    breaker = SharedBreaker(tmp_path, clock=clock)
    breaker.write("stt", "cloud", away)
    assert breaker.read("stt", "cloud") == away
    answers, stat, loops = threading.Event(), Path.stat, threading.current_thread()

    def hang(path: Path, **options: Any) -> os.stat_result:
        if path.suffix == ".json":
            assert threading.current_thread() is not loops
            answers.wait()
        return stat(path, **options)

    with monkeypatch.context() as disk:
        disk.setattr(Path, "stat", hang)
        assert breaker.read("stt", "cloud") == away
        disk.setattr(shared_breaker, "_DISK_WITHIN_S", 3600.0)
        assert breaker.read("stt", "cloud") == away  # would take an hour if it waited
        assert breaker.read("tts", "cloud") is None
        recovered = BreakerRecord(reason="Recovered", since=clock())
        breaker.write("stt", "cloud", recovered)
        answers.set()
        assert breaker._last is not None
        breaker._last.result()
        assert breaker.read("stt", "cloud") == recovered
