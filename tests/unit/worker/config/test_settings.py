"""The settings: their bounds, their sources, and their display."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from states import BUDGETS, State
from worker.config.settings import (
    Settings,
    dotenv_variables,
    origin_of,
    shown,
    variable_of,
)
from worker.config.silence import NUMBERED, Rung
from worker.env.container import capacity
from worker.env.group import SettingsInvalid, help_texts

VARIABLES = {variable_of(name): name for name in Settings.model_fields}
#: A token of the HTTP server with the least length.
TOKEN = "of-sixteen-chars"


def problem_of(variable: str, value: object) -> str:
    """Return the one line that reports a value."""
    with pytest.raises(SettingsInvalid) as refused:
        Settings.load(**{variable: value})
    (problem,) = refused.value.problems
    assert problem.startswith(f"{variable}: ")
    return problem


def value_of(variable: str, value: object) -> Any:
    return getattr(Settings.load(**{variable: value}), VARIABLES[variable])


# --- defaults -----------------------------------------------------------------------------------


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


# --- bounds -------------------------------------------------------------------------------------

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


# --- chains -------------------------------------------------------------------------------------

CHAINS = ("INTERVIEW_STT", "INTERVIEW_TTS", "INTERVIEW_LLM")


@pytest.mark.parametrize("variable", CHAINS)
def test_a_chain_is_split_at_commas_and_blanks_are_ignored(variable: str) -> None:
    (default,) = getattr(Settings.load(), VARIABLES[variable])[-1:]
    assert value_of(variable, f" {default} ,") == (default,)


@pytest.mark.parametrize("variable", CHAINS)
@pytest.mark.parametrize("value", ["", " , "])
def test_an_empty_chain_is_refused_with_the_known_providers(variable: str, value: str) -> None:
    assert "known are" in problem_of(variable, value)


@pytest.mark.parametrize("variable", CHAINS)
def test_an_unknown_provider_is_named_with_the_known_ones(variable: str) -> None:
    problem = problem_of(variable, "whisper")
    assert "'whisper' is not known; known are" in problem
    assert "Value error" not in problem


# --- sources ------------------------------------------------------------------------------------


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of settings, which INTERVIEW_ENV_FILE names."""
    monkeypatch.setenv("INTERVIEW_ENV_FILE", ".env")
    return tmp_path / ".env"


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file.write_text("INTERVIEW_SLOTS=3\nINTERVIEW_AGENT_NAME=ada\nSTRANGER=1\n")
    monkeypatch.setenv("INTERVIEW_SLOTS", "4")
    settings = Settings.load()
    assert (settings.slots, settings.agent_name, settings.idle_processes) == (4, "ada", 2)
    assert origin_of("slots", dotenv_variables()) == "environment"
    assert origin_of("agent_name", dotenv_variables()) == ".env"
    assert origin_of("idle_processes", dotenv_variables()) == "default"


def test_a_name_without_a_value_in_the_file_leaves_the_default(env_file: Path) -> None:
    env_file.write_text("INTERVIEW_SLOTS\n")
    assert Settings.load().slots == Settings.model_fields["slots"].default
    assert origin_of("slots", dotenv_variables()) == "default"


def test_a_chain_can_be_set_in_the_file(env_file: Path) -> None:
    env_file.write_text("INTERVIEW_STT=local\n")
    assert Settings.load().stt == ("local",)


def test_a_wrong_value_in_the_file_is_named_by_its_variable(env_file: Path) -> None:
    env_file.write_text("INTERVIEW_SLOTS=many\n")
    with pytest.raises(SettingsInvalid, match="INTERVIEW_SLOTS: "):
        Settings.load()


@pytest.mark.parametrize("key", ["k" * 31, "k" * 32 + ",k"], ids=["short", "comma"])
def test_a_key_of_dispatch_metadata_that_cannot_be_used_is_refused_without_quoting_it(
    key: str,
) -> None:
    problem = problem_of("INTERVIEW_METADATA_KEY", key)
    assert key not in problem
    assert "32 or more" in problem or "comma" in problem


@pytest.mark.parametrize("key", ["", "k" * 32])
def test_a_key_of_dispatch_metadata_may_be_empty_or_long(key: str) -> None:
    settings = Settings.load(INTERVIEW_METADATA_KEY=key)
    assert settings.metadata_key.get_secret_value() == key


def test_a_file_that_is_not_named_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("INTERVIEW_SLOTS=3\n")
    assert Settings.load().slots == Settings.model_fields["slots"].default
    assert origin_of("slots", dotenv_variables()) == "default"


@pytest.mark.parametrize(
    ("named", "problem"),
    [("missing.env", "does not exist"), (".", "is not a file")],
)
def test_a_named_file_that_is_none_is_an_error(
    named: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERVIEW_ENV_FILE", named)
    with pytest.raises(SettingsInvalid, match=f"INTERVIEW_ENV_FILE: {named} {problem}"):
        Settings.load()


def test_a_secret_of_a_file_has_the_variable_of_the_file_as_origin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("from-a-file\n")
    monkeypatch.setenv("LIVEKIT_API_SECRET_FILE", str(tmp_path / "secret"))
    assert Settings.load().livekit_api_secret.get_secret_value() == "from-a-file"
    assert origin_of("livekit_api_secret", dotenv_variables()) == "LIVEKIT_API_SECRET_FILE"


# --- HTTP servers and addresses -----------------------------------------------------------------


@pytest.mark.parametrize("token", ["x", "a" * 15, f"  {'a' * 15}\n"])
def test_a_token_of_fewer_than_16_characters_is_refused_without_being_quoted(token: str) -> None:
    problem = problem_of("INTERVIEW_HTTP_TOKEN", token)
    assert "fewer than 16 characters" in problem
    assert token.strip() not in problem or token == "x"


def test_a_token_of_16_characters_is_accepted_and_no_token_too() -> None:
    assert value_of("INTERVIEW_HTTP_TOKEN", TOKEN).get_secret_value() == TOKEN
    assert value_of("INTERVIEW_HTTP_TOKEN", "").get_secret_value() == ""


@pytest.mark.parametrize(("value", "port"), [("", None), ("0", 0), ("8082", 8082)])
def test_the_probes_have_a_port_of_their_own_if_one_is_set(value: str, port: int | None) -> None:
    assert value_of("INTERVIEW_HTTP_PROBE_PORT", value) == port


@pytest.mark.parametrize("value", ["-1", "65536", "many"])
def test_what_is_no_port_is_refused_as_port_of_the_probes(value: str) -> None:
    assert problem_of("INTERVIEW_HTTP_PROBE_PORT", value)


def test_the_probes_need_another_port_than_the_http_server() -> None:
    with pytest.raises(SettingsInvalid, match="give the probes another port"):
        Settings.load(INTERVIEW_HTTP_PORT="8081", INTERVIEW_HTTP_PROBE_PORT="8081")
    Settings.load(
        INTERVIEW_HTTP_PORT="8081",
        INTERVIEW_HTTP_PROBE_PORT="8081",
        INTERVIEW_HTTP_PROBE_HOST="10.0.0.1",
    )


def test_probes_that_other_machines_can_reach_need_no_token() -> None:
    settings = Settings.load(INTERVIEW_HTTP_PROBE_PORT="8082", INTERVIEW_HTTP_PROBE_HOST="::")
    assert settings.http_host == "127.0.0.1"


def test_candidates_get_the_public_url_or_else_that_of_the_worker() -> None:
    inside, outside = "ws://livekit:7880", "wss://livekit.example"
    assert Settings.load(LIVEKIT_URL=inside).candidates_livekit_url == inside
    settings = Settings.load(LIVEKIT_URL=inside, INTERVIEW_LIVEKIT_PUBLIC_URL=f" {outside}\n")
    assert (settings.livekit_url, settings.candidates_livekit_url) == (inside, outside)


@pytest.mark.parametrize("url", ["livekit.example", "ftp://livekit", "wss://user:hunter2@livekit"])
def test_a_public_url_that_is_none_of_livekit_is_refused_without_being_quoted(url: str) -> None:
    problem = problem_of("INTERVIEW_LIVEKIT_PUBLIC_URL", url)
    assert "is no LiveKit URL" in problem
    assert "hunter2" not in problem


@pytest.mark.parametrize(
    ("variable", "given", "value"),
    [
        ("LIVEKIT_URL", " wss://livekit.example\n", "wss://livekit.example"),
        ("LIVEKIT_API_KEY", "key\n", "key"),
        ("OPENAI_BASE_URL", "https://openai.example/v1/\n", "https://openai.example/v1"),
    ],
)
def test_white_space_around_an_address_or_a_key_is_removed(
    variable: str, given: str, value: str
) -> None:
    assert value_of(variable, given) == value


# --- display ------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["LIVEKIT_API_SECRET", "DATABASE_URL"])
def test_a_secret_is_never_shown(variable: str) -> None:
    secret = "postgresql://ada:hunter2@db/interviews"
    settings = Settings.load(**{variable: secret})
    value = getattr(settings, VARIABLES[variable])
    assert value.get_secret_value() == secret
    assert shown(value) == "********"
    assert "hunter2" not in repr(settings) + str(settings)


def test_a_secret_of_the_wrong_kind_is_not_quoted_in_the_problem() -> None:
    assert "hunter2" not in problem_of("LIVEKIT_API_SECRET", ["hunter2"])


@pytest.mark.parametrize(
    ("value", "text"),
    [(SecretStr(""), ""), (("deepgram", "local"), "deepgram,local"), (True, "True"), (5.0, "5.0")],
    ids=str,
)
def test_a_value_is_shown_as_it_is_written(value: object, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("wss://user:hunter2@host/p", "wss://********@host/p"),
        ("https://host/v1?key=hunter2", "https://host/v1?********"),
        ("https://a@b:hunter2@host:1", "https://********@host:1"),
        ("wss://host:7880", "wss://host:7880"),
        ("what?", "what?"),
        (("deepgram", "local"), "deepgram,local"),
    ],
)
def test_a_setting_is_shown_without_the_secrets_of_its_url(value: object, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(("given", "folder"), [("~/x", "{home}/x"), ("~no-such-user/x", "{given}")])
def test_a_tilde_in_the_data_folder_is_the_home_folder(given: str, folder: str) -> None:
    settings = Settings.load(_env_file=None, INTERVIEW_DATA_DIR=given)
    assert str(settings.data_dir) == folder.format(home=Path.home(), given=given)
