"""The settings: defaults, bounds, and one line for each problem."""

from __future__ import annotations

from pathlib import Path

import pytest

from states import BUDGETS, State
from tests.support.setting_values import TOKEN, VARIABLES, problem_of, value_of
from worker.config.settings import Settings, dotenv_variables, shown
from worker.config.silence import NUMBERED, Rung
from worker.env.container import capacity
from worker.env.group import SettingsInvalid, help_texts


@pytest.mark.row("S9", "S10")
def test_the_defaults_are_the_required_ones() -> None:
    settings = Settings.load()
    assert settings.idle_processes == 2
    assert settings.cleanup_s == 5.0
    assert (settings.database_pool_size, settings.database_pool_overflow) == (5, 5)
    assert settings.http_host == "127.0.0.1"
    assert settings.embedded is False
    assert settings.slots == capacity().slots


def test_the_default_budgets_are_those_of_the_lifecycle_table() -> None:
    assert Settings.load().budgets == BUDGETS


@pytest.mark.row("C2")
def test_a_configured_budget_applies_to_the_lifecycle() -> None:
    settings = Settings.load(INTERVIEW_BUDGET_HANDSHAKE_S="0.3", INTERVIEW_BUDGET_READY_S="7")
    assert settings.budgets[State.HANDSHAKE] == 0.3
    assert settings.budgets[State.READY] == settings.budgets[State.DEGRADED] == 7


def test_the_journals_lie_in_the_data_folder(tmp_path: Path) -> None:
    settings = Settings.load(INTERVIEW_DATA_DIR=str(tmp_path))
    assert settings.journal_dir == tmp_path / "journals"


def test_every_setting_has_its_own_variable_and_a_help_line() -> None:
    assert len(VARIABLES) == len(Settings.model_fields)
    helps = help_texts(Settings)
    assert list(helps) == list(Settings.model_fields)
    for text in helps.values():
        assert text.endswith(".")
        assert "\n" not in text


@pytest.mark.parametrize("value", ["a\0b", "a\udcffb"])
@pytest.mark.parametrize(
    "variable",
    [
        *("LIVEKIT_URL", "INTERVIEW_DATA_DIR", "INTERVIEW_SLOTS"),
        *("INTERVIEW_STT", "INTERVIEW_LADDER_S", "INTERVIEW_HTTP_TOKEN"),
    ],
)
def test_a_value_that_is_not_text_is_refused_without_being_quoted(
    variable: str, value: str
) -> None:
    assert problem_of(variable, value) == f"{variable}: contains a character that is not text"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("INTERVIEW_LADDER_S", "clip=1\n2"),
        ("INTERVIEW_LADDER_S", "clip=\x1b[2J"),
        ("INTERVIEW_LADDER_S", "x" * 100_000 + "=1"),
        ("INTERVIEW_STT", "\u202e" * 100_000),
    ],
    ids=range(4),
)
def test_a_problem_that_quotes_a_value_is_one_short_line(variable: str, value: str) -> None:
    problem = problem_of(variable, value)
    assert problem.isprintable()
    assert len(problem) < 600


def test_an_env_file_that_is_not_utf_8_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INTERVIEW_ENV_FILE", ".env")
    (tmp_path / ".env").write_bytes(b"INTERVIEW_SLOTS=3\xff\n")
    with pytest.raises(SettingsInvalid, match=r"^\.env is not UTF-8 text \(byte 18\)$"):
        Settings.load()


def test_an_env_file_with_a_line_break_in_its_name_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a\nb"
    path.write_bytes(b"\xff\n")
    monkeypatch.setenv("INTERVIEW_ENV_FILE", str(path))
    with pytest.raises(SettingsInvalid) as caught:
        Settings.load()
    (problem,) = caught.value.problems
    assert problem == f"{tmp_path}/a\\nb is not UTF-8 text (byte 1)"


def test_a_byte_order_mark_at_the_start_of_an_env_file_is_no_part_of_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "worker.env"
    path.write_text("INTERVIEW_SLOTS=3\n", encoding="utf-8-sig")
    monkeypatch.setenv("INTERVIEW_ENV_FILE", str(path))
    assert Settings.load().slots == 3
    assert dotenv_variables() == {"INTERVIEW_SLOTS": "3"}


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "::1", "fe80::1%eth0", "worker-1.example.com", "a.b.", "a" * 63, ""]
)
def test_an_address_or_a_host_name_is_accepted_as_http_host(host: str) -> None:
    assert Settings.load(INTERVIEW_HTTP_HOST=host, INTERVIEW_HTTP_TOKEN=TOKEN).http_host == host


@pytest.mark.parametrize(
    "host",
    ["two words", "http://worker", "worker/path", "wörker", "a@b", "a..b", ".a", f"{'a' * 64}.b"],
)
def test_what_is_no_host_is_refused_as_http_host(host: str) -> None:
    assert problem_of("INTERVIEW_HTTP_HOST", host).endswith("must be an IP address or a host name")


@pytest.mark.parametrize(
    "name", ["", "frankfurt-1", "Example_2", "livekit.example:443/base", "[::1]:7880", "a" * 255]
)
def test_a_name_or_an_address_is_accepted_as_name_of_the_livekit_server(name: str) -> None:
    assert Settings.load(INTERVIEW_LIVEKIT_NAME=name).livekit_name == name


@pytest.mark.parametrize("name", ["two words", "frankfürt", "user@host", "a;b", "a\n", "a" * 256])
def test_what_is_no_name_is_refused_as_name_of_the_livekit_server(name: str) -> None:
    assert "must" in problem_of("INTERVIEW_LIVEKIT_NAME", name)


def test_settings_are_immutable() -> None:
    with pytest.raises(Exception, match="frozen"):
        Settings.load().slots = 3


#: Variable, smallest and largest accepted value, and their rejected neighbours.
BOUNDS: tuple[tuple[str, str, str, str, str], ...] = (
    ("INTERVIEW_LIVEKIT_START_BUDGET_S", "0.001", "3600", "0", "3600.1"),
    ("INTERVIEW_DATABASE_POOL_SIZE", "1", "100", "0", "101"),
    ("INTERVIEW_DATABASE_POOL_OVERFLOW", "0", "100", "-1", "101"),
    ("INTERVIEW_DATABASE_OVERFLOW_IDLE_S", "0.001", "3600", "0", "3600.1"),
    ("INTERVIEW_DATABASE_CONNECT_TIMEOUT_S", "0.001", "300", "0", "300.1"),
    ("INTERVIEW_DATABASE_ACQUIRE_TIMEOUT_S", "0.001", "300", "0", "300.1"),
    ("INTERVIEW_DATABASE_STATEMENT_TIMEOUT_S", "0.001", "3600", "0", "3600.1"),
    ("INTERVIEW_DATABASE_VERIFY_AFTER_IDLE_S", "0", "3600", "-0.1", "3600.1"),
    ("INTERVIEW_JOURNAL_KEEP_DAYS", "0", "3650", "-1", "3651"),
    ("INTERVIEW_SLOTS", "1", "1000", "0", "1001"),
    ("INTERVIEW_IDLE_PROCESSES", "0", "100", "-1", "101"),
    ("INTERVIEW_CLEANUP_S", "0.001", "300", "0", "300.1"),
    ("INTERVIEW_DRAIN_S", "0", "86400", "-1", "86401"),
    ("INTERVIEW_HTTP_PORT", "0", "65535", "-1", "65536"),
    ("INTERVIEW_CANDIDATE_JOIN_S", "0.001", "86400", "0", "86401"),
    ("INTERVIEW_CANDIDATE_GRACE_S", "0.001", "3600", "0", "3601"),
    ("INTERVIEW_CANDIDATE_SILENCE_S", "1.001", "3600", "1", "3601"),
    ("INTERVIEW_SILENCE_FILLER_S", "0.001", "60", "0", "60.1"),
    ("INTERVIEW_LEASE_S", "3", "300", "2.9", "301"),
    ("INTERVIEW_LEASE_RENEW_S", "0.1", "0.75", "0", "0.8"),
    ("INTERVIEW_WATCH_S", "0.1", "60", "0", "61"),
    ("INTERVIEW_JOIN_DEADLINE_S", "1", "600", "0.9", "601"),
    ("INTERVIEW_REDISPATCH_TRIES", "0", "100", "-1", "101"),
    ("INTERVIEW_REDISPATCH_DELAY_S", "0", "600", "-0.1", "601"),
    ("INTERVIEW_BUDGET_HANDSHAKE_S", "0.001", "86400", "0", "86401"),
    ("INTERVIEW_BUDGET_CONNECTED_S", "0.001", "86400", "0", "86401"),
    ("INTERVIEW_BUDGET_BOOTSTRAPPING_S", "0.001", "86400", "0", "86401"),
    ("INTERVIEW_BUDGET_READY_S", "0.001", "86400", "0", "86401"),
    ("INTERVIEW_BUDGET_RUNNING_S", "0.001", "86400", "0", "86401"),
    # Above this bound livekit-agents would cancel the entrypoint first.
    ("INTERVIEW_BUDGET_CLOSING_S", "0.001", "14", "0", "14.1"),
    ("INTERVIEW_HURRIED_CLOSING_S", "0.001", "14", "0", "14.1"),
    ("INTERVIEW_DEEPGRAM_ENDPOINTING_MS", "10", "5000", "9", "5001"),
    ("INTERVIEW_LLM_FIRST_WORD_S", "0.001", "30", "0", "30.1"),
    ("INTERVIEW_STT_PATIENCE_S", "0.001", "30", "0", "30.1"),
    ("INTERVIEW_TTS_PATIENCE_S", "0.001", "30", "0", "30.1"),
    ("INTERVIEW_SPEECH_CACHE_MB", "1", "100000", "0", "100001"),
    ("INTERVIEW_LLM_REPLY_S", "0.001", "30", "0", "30.1"),
)


@pytest.mark.row("S9")
@pytest.mark.parametrize(("variable", "least", "most", "below", "above"), BOUNDS)
def test_a_number_is_accepted_only_within_its_bounds(
    variable: str, least: str, most: str, below: str, above: str
) -> None:
    assert value_of(variable, least) == float(least)
    assert value_of(variable, most) == float(most)
    assert "more" in problem_of(variable, below)
    assert "less" in problem_of(variable, above)


@pytest.mark.parametrize("value", ["", "soon", "nan", "inf", "-inf", "1e999"])
@pytest.mark.parametrize("variable", [row[0] for row in BOUNDS])
def test_a_value_that_is_no_finite_number_is_refused(variable: str, value: str) -> None:
    assert problem_of(variable, value)


def test_every_number_has_bounds() -> None:
    numbers = {
        variable
        for variable, name in VARIABLES.items()
        if Settings.model_fields[name].annotation in (int, float)
    }
    assert numbers == {row[0] for row in BOUNDS}


def test_the_ladder_is_seven_increasing_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERVIEW_LADDER_S", "0.5, 1,2,3,4,5,599")
    settings = Settings.load(_env_file=None)
    given = dict(zip(Rung, settings.ladder_s, strict=True))
    assert [given[rung] for rung in NUMBERED] == [0.5, 1, 2, 3, 4, 5, 599]
    assert value_of("INTERVIEW_LADDER_S", shown(settings.ladder_s)) == settings.ladder_s


def ladder(value: str) -> dict[Rung, float]:
    return dict(zip(Rung, value_of("INTERVIEW_LADDER_S", value), strict=True))


def test_each_step_has_its_default_time() -> None:
    assert Settings.load().ladder_s == tuple(rung.default_s for rung in Rung)


def test_a_named_step_gets_its_time_and_the_others_keep_their_defaults() -> None:
    defaults = {rung: rung.default_s for rung in Rung}
    assert ladder("clip=4") == {**defaults, Rung.CLIP: 4}
    assert ladder(" close = 40.5 , again=7, ") == {**defaults, Rung.AGAIN: 7, Rung.CLOSE: 40.5}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("clap=5", "has no step 'clap': name one of clip, again, "),
        ("=5", "has no step '': name one of "),
        ("clip=4,clip=5", "names clip twice: give each step one time"),
        ("clip=6,again=6", "has again=6, which is not after clip=6: give again a later time"),
        ("clip=9", "has again=8, which is not after clip=9: give again a later time"),
        ("clip=soon", "clip=soon is no number of seconds: write one like clip=5"),
        ("clip=", "clip= is no number of seconds: write one like clip=5"),
        ("clip=0", "clip=0 is not between 0 and 600 seconds: write one like clip=5"),
        ("clip=-1", "clip=-1 is not between 0 and 600 seconds"),
        ("clip=nan", "clip=nan is not between 0 and 600 seconds"),
        ("close=600", "close=600 is not between 0 and 600 seconds: write one like close=30"),
        ("close=inf", "close=inf is not between 0 and 600 seconds"),
        ("5,again=8", "gives '5' no name: name every time, as in clip=5,again=8, or none, as in 5"),
    ],
)
def test_an_invalid_named_step_is_refused_in_one_line(value: str, problem: str) -> None:
    found = problem_of("INTERVIEW_LADDER_S", value)
    assert found.startswith(f"INTERVIEW_LADDER_S: {problem}")
    assert "\n" not in found


@pytest.mark.parametrize(
    "value",
    [
        "",
        "soon",
        "1,2,3,4,5,6",
        ",".join(str(n) for n in range(1, len(Rung) + 2)),
        "0,1,2,3,4,5,6",
        "1,2,2,3,4,5,6",
        "1,2,3,4,5,6,600",
    ],
)
def test_an_invalid_ladder_is_refused_with_a_valid_example(value: str) -> None:
    assert problem_of("INTERVIEW_LADDER_S", value).endswith("5,8,11,14,17,20,30")


@pytest.mark.parametrize("name", ["", "x" * 101])
def test_an_agent_name_has_1_to_100_characters(name: str) -> None:
    assert "character" in problem_of("INTERVIEW_AGENT_NAME", name)


@pytest.mark.parametrize("variable", ["INTERVIEW_LOG_FORMAT", "INTERVIEW_LOG_LEVEL"])
def test_an_unknown_choice_is_refused_with_the_valid_ones(variable: str) -> None:
    assert "'" in problem_of(variable, "loud")


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(SettingsInvalid) as refused:
        Settings.load(INTERVIEW_SLOTS="0", INTERVIEW_STT="unknown")
    assert len(refused.value.problems) == 2
    assert str(refused.value).count("\n") == 1
