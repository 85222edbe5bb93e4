"""The doctor's thresholds for warnings and errors."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path
from typing import Any

import pytest
from livekit.rtc._proto import stats_pb2

from tests.support.virtual.job_parts import settings_in
from worker.doctor import host
from worker.doctor.conflicts import conflicts
from worker.doctor.context import CheckContext
from worker.doctor.database import judge_connections
from worker.doctor.livekit import judge_clock
from worker.doctor.media import Way, judge, ways
from worker.doctor.models import SENTENCE, judge_understood
from worker.doctor.registry import checks_of
from worker.doctor.system import check_system
from worker.env.container import BASE_MB, JOB_MB, Limits
from worker.env.surroundings import user_name
from worker.store.privileges import tables

GB = 1_000_000_000


# --- LiveKit ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead_s", "verdict"),
    [
        (0, "ok"),
        (0.9, "ok"),
        (5, "ok"),
        (7, "warning"),
        (-40, "warning"),
        (70, "wrong"),
        (-3700, "wrong"),
    ],
)
def test_the_clock_verdict_depends_on_the_validity_of_tokens(ahead_s: float, verdict: str) -> None:
    ours = 1_000_000.4
    server = float(int(ours - ahead_s))
    finding = judge_clock(server, before=ours, after=ours + 0.1)
    assert finding.verdict == verdict
    assert finding.facts["ahead_s"] == pytest.approx(ahead_s, abs=1.1)


def test_a_slow_response_is_not_clock_skew() -> None:
    assert judge_clock(1_000_004.0, before=1_000_000.0, after=1_000_009.0).facts["ahead_s"] == 0.0


def stats(*, protocol: str, kind: str = "HOST", relay: str = "TRANSPORT_UDP") -> list[Any]:
    transport, pair, local, other = (stats_pb2.RtcStats() for _ in range(4))
    transport.transport.rtc.id = "T"
    transport.transport.transport.selected_candidate_pair_id = "P"
    pair.candidate_pair.rtc.id = "P"
    pair.candidate_pair.candidate_pair.local_candidate_id = "L"
    pair.candidate_pair.candidate_pair.current_round_trip_time = 0.012
    local.local_candidate.rtc.id = "L"
    local.local_candidate.candidate.protocol = protocol
    local.local_candidate.candidate.candidate_type = stats_pb2.IceCandidateType.Value(kind)
    local.local_candidate.candidate.relay_protocol = stats_pb2.IceServerTransportProtocol.Value(
        relay
    )
    other.local_candidate.rtc.id = "unused"
    other.local_candidate.candidate.protocol = "tcp"
    return [other, local, pair, transport]


@pytest.mark.parametrize(
    ("given", "protocol", "relayed"),
    [
        (stats(protocol="udp"), "udp", False),
        (stats(protocol="TCP"), "tcp", False),
        (stats(protocol="udp", kind="RELAY"), "udp", True),
        (stats(protocol="udp", kind="RELAY", relay="TRANSPORT_TLS"), "tcp", True),
    ],
)
def test_the_transport_protocol_in_use_is_read_from_the_statistics(
    given: list[Any], protocol: str, relayed: bool
) -> None:
    (way,) = ways(given)
    assert (way.protocol, way.relayed) == (protocol, relayed)
    assert way.round_trip_ms == pytest.approx(12)


def test_incomplete_statistics_give_no_transport_protocol() -> None:
    assert ways([]) == []
    assert ways(stats(protocol="udp")[:3]) == []


def test_media_over_udp_is_ok() -> None:
    finding = judge([way("udp"), way("udp")], connected_ms=120, heard_s=0.08)
    assert finding.verdict == "ok"
    assert finding.found == "joined in 120 ms, sound received after 80 ms, over UDP"


def test_media_over_tcp_is_a_warning_that_names_the_udp_ports() -> None:
    finding = judge([way("udp"), way("tcp", relayed=True)], connected_ms=120, heard_s=0.08)
    assert finding.verdict == "warning"
    assert finding.found.endswith("over TCP AND UDP through TURN")
    assert "UDP 50000-60000" in finding.advice


def test_media_without_statistics_reports_an_unknown_protocol() -> None:
    assert "an unknown protocol" in judge([], connected_ms=1, heard_s=0.1).found


def way(protocol: str, *, relayed: bool = False) -> Way:
    return Way(protocol=protocol, relayed=relayed, round_trip_ms=1.0)


# --- the database -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allowed", "verdict"), [(100, "ok"), (50, "ok"), (49, "warning"), (5, "warning"), (4, "wrong")]
)
def test_the_connection_limit_is_compared_with_the_pools_of_all_slots(
    allowed: int, verdict: str
) -> None:
    finding = judge_connections(allowed, processes=5, pool=5, overflow=5)
    assert finding.verdict == verdict
    assert finding.facts["most"] == 50


def test_the_checked_tables_are_read_from_the_migrations() -> None:
    assert {"interviews", "jobs", "job_records", "turns"} <= set(tables())


# --- models and settings ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "verdict"),
    [(SENTENCE, "ok"), ("shall we begin with the first", "ok"), ("Hello", "wrong"), ("", "wrong")],
)
def test_local_stt_is_judged_by_the_number_of_words_it_recognizes(text: str, verdict: str) -> None:
    assert judge_understood(text, took_ms=1).verdict == verdict


@pytest.mark.row("S13")
@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"DATABASE_URL": "postgresql://h/d", "INTERVIEW_EMBEDDED": "1"}, "INTERVIEW_EMBEDDED"),
        ({"INTERVIEW_HURRIED_CLOSING_S": "14"}, "INTERVIEW_HURRIED_CLOSING_S (14 s)"),
        ({"INTERVIEW_BUDGET_RUNNING_S": "60"}, "INTERVIEW_CANDIDATE_SILENCE_S (120 s)"),
        ({"INTERVIEW_SLOTS": "1"}, "2 warm processes for 1 slots"),
        ({"INTERVIEW_FAULTS": "load.vad=hang", "INTERVIEW_ALLOW_FAULTS": "1"}, "faults are set"),
    ],
)
def test_conflicting_settings_are_named(
    tmp_path: Path, variables: dict[str, str], named: str
) -> None:
    assert any(named in what for what, _ in conflicts(settings_in(tmp_path, **variables)))


def test_the_default_settings_do_not_conflict(tmp_path: Path) -> None:
    assert list(conflicts(settings_in(tmp_path, INTERVIEW_SLOTS=4))) == []


def test_every_provider_of_every_chain_has_a_check_with_a_unique_name(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, INTERVIEW_STT="deepgram,local", INTERVIEW_TTS="local")
    names = [check.name for check in checks_of(settings)]
    assert {"stt.deepgram", "stt.local", "tts.local", "llm.scripted"} <= set(names)
    assert len(names) == len(set(names))


# --- the machine ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("free", "verdict"), [(5 * GB, "ok"), (GB // 2, "warning"), (GB // 20, "wrong")]
)
def test_a_disk_is_judged_by_its_free_space(free: int, verdict: str) -> None:
    assert host.judge_disk(free).verdict == verdict


def test_a_disk_with_few_free_inodes_is_a_warning() -> None:
    assert host.judge_disk(5 * GB, few_files=True).verdict == "warning"


@pytest.mark.parametrize(("ms", "verdict"), [(4, "ok"), (80, "warning"), (1200, "wrong")])
def test_a_disk_is_judged_by_its_fsync_latency(ms: float, verdict: str) -> None:
    assert host.judge_fsync(ms).verdict == verdict


@pytest.mark.parametrize(
    ("soft", "hard", "verdict", "advice"),
    [
        (1024, 1024, "ok", ""),
        (150, 4096, "warning", "run ulimit -n 224 before"),
        (64, 64, "wrong", "raise the hard limit to 224"),
    ],
)
def test_the_open_file_limit_is_compared_with_the_number_of_processes(
    soft: int, hard: int, verdict: str, advice: str
) -> None:
    finding = host.judge_files(soft, hard, processes=6)
    assert finding.verdict == verdict
    assert finding.advice.startswith(advice)


def memory(
    limit_gb: float | None, *, total_gb: float = 8, free_gb: float = 6, slots: int = 4
) -> Any:
    limits = Limits(memory=None if limit_gb is None else int(limit_gb * GB), used=GB // 10)
    return host.judge_memory(limits, total=8 * GB, free=int(free_gb * GB), slots=4)


def test_enough_memory_is_ok() -> None:
    assert memory(None).verdict == "ok"
    assert memory(2).verdict == "ok"


def test_a_container_too_small_for_its_slots_is_wrong_and_the_advice_says_how_many_fit() -> None:
    finding = memory(0.8)
    assert finding.verdict == "wrong"
    assert "the container's limit is 0.8 GB" in finding.found
    fits = int((800 - BASE_MB) / JOB_MB)
    assert finding.advice.startswith(f"set INTERVIEW_SLOTS={fits}")


def test_a_container_too_small_for_one_slot_gets_matching_advice() -> None:
    assert "no slot fits" in memory(0.3).advice


def test_memory_used_by_other_processes_is_a_warning() -> None:
    assert memory(None, free_gb=0.2).verdict == "warning"
    assert memory(1.0).verdict == "warning"


@pytest.mark.parametrize(
    ("cpus", "slots", "verdict"), [(2, 4, "ok"), (0.5, 4, "warning"), (4, 9, "warning")]
)
def test_processors_are_compared_with_the_slots(cpus: float, slots: int, verdict: str) -> None:
    assert host.judge_cpus(cpus, slots).verdict == verdict


async def test_an_unwritable_data_folder_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    finding = await host.check_data_dir(CheckContext(settings_in(tmp_path / "file")))
    assert finding.verdict == "wrong"
    assert "INTERVIEW_DATA_DIR" in finding.advice


async def test_a_data_folder_in_an_unknown_home_is_wrong_and_is_not_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    finding = await host.check_data_dir(CheckContext(settings_in(Path("~no-such-user/data"))))
    assert finding.verdict == "wrong"
    assert "is in a home folder that is not known" in finding.found
    assert "INTERVIEW_DATA_DIR" in finding.advice
    assert os.listdir(tmp_path) == []


async def test_the_system_check_names_the_user_and_the_temporary_folder(tmp_path: Path) -> None:
    finding = await check_system(CheckContext(settings_in(tmp_path)))
    assert finding.verdict == "ok"
    assert finding.found == f"user {user_name()}; temporary files in {tempfile.gettempdir()}"


async def test_a_missing_user_name_that_the_database_needs_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.env.surroundings.user_name", lambda: None)
    for name in ("PGUSER", "PGSERVICE", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    settings = settings_in(tmp_path, DATABASE_URL="postgresql://db/interviews")
    finding = await check_system(CheckContext(settings))
    assert finding.verdict == "wrong"
    assert finding.found.startswith("DATABASE_URL names no user")
    assert finding.advice.startswith("write the user into DATABASE_URL")


async def test_the_disk_checks_leave_no_files_behind(tmp_path: Path) -> None:
    visit = CheckContext(settings_in(tmp_path))
    await host.check_data_dir(visit)
    assert (await host.check_disk(visit)).facts["free_bytes"] > 0
    assert (await host.check_fsync(visit)).facts["median_ms"] > 0
    assert list(visit.settings.journal_dir.iterdir()) == []


async def test_a_free_port_is_ok(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    visit = CheckContext(settings_in(tmp_path, INTERVIEW_HTTP_PORT=port))
    assert (await host.check_port(visit)).found == f"127.0.0.1:{port} is free"


async def test_an_address_of_another_machine_is_wrong(tmp_path: Path) -> None:
    settings = settings_in(
        tmp_path,
        INTERVIEW_HTTP_HOST="192.0.2.1",
        INTERVIEW_HTTP_TOKEN="t" * 16,
        INTERVIEW_HTTP_PORT=1,
    )
    assert "INTERVIEW_HTTP_HOST" in (await host.check_port(CheckContext(settings))).advice
