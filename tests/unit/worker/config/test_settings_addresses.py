"""Settings of the HTTP server and of addresses."""

from __future__ import annotations

import pytest

from tests.support.setting_values import TOKEN, problem_of, value_of
from worker.config.settings import Settings
from worker.env.group import SettingsInvalid


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
