"""The proxy of a URL, by the variables of the environment."""

from __future__ import annotations

import os

import pytest

from worker.env.proxies import (
    any_proxy,
    proxy_for,
    registration_obstacle,
    sdk_obstacle,
    tell_sdk,
)

PROXY, OTHER = "http://proxy.example:3128", "http://user:hunter2@other.example:8080"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the proxies of this machine."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def test_without_a_variable_nothing_goes_through_a_proxy() -> None:
    assert not any_proxy()
    assert proxy_for("wss://livekit.example") is None


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://livekit.example", PROXY),
        ("wss://livekit.example/base", PROXY),
        ("http://livekit.example:7880", OTHER),
        ("ws://livekit.example:7880", OTHER),
        ("ftp://livekit.example", None),
        ("no URL", None),
    ],
)
def test_an_encrypted_url_has_the_proxy_of_https_and_another_that_of_http(
    url: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("http_proxy", OTHER)
    assert any_proxy()
    assert proxy_for(url) == proxy


@pytest.mark.parametrize(
    ("excluded", "url"),
    [
        ("livekit.example", "wss://livekit.example"),
        (".example", "https://a.livekit.example:7880"),
        ("10.0.0.7, livekit", "ws://livekit:7880"),
        ("*", "wss://anything.example"),
    ],
)
def test_a_host_of_no_proxy_is_reached_directly(
    excluded: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", excluded)
    assert proxy_for(url) is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "[::1]"])
def test_this_machine_is_reached_directly(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    assert proxy_for(f"ws://{host}:7880") is None


def test_a_proxy_without_a_scheme_is_one_of_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    assert proxy_for("wss://livekit.example") == PROXY


def test_a_proxy_of_another_scheme_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy.example:1080")
    assert proxy_for("wss://livekit.example") is None


# --- LiveKit's SDK ------------------------------------------------------------------------------


def told(livekit_url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the variables that LiveKit's SDK reads after `tell_sdk`."""
    variables = {"HTTPS_PROXY": "before", "http_proxy": "before"}
    with monkeypatch.context() as patch:
        patch.setattr(os, "putenv", variables.__setitem__)
        patch.setattr(os, "unsetenv", lambda name: variables.pop(name, None))
        tell_sdk(livekit_url)
    return variables


def test_the_sdk_sees_no_proxy_for_a_server_of_no_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The SDK reads the environment of the process, and does not know NO_PROXY."""
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", "livekit.example")
    assert told("wss://livekit.example", monkeypatch) == {}
    assert os.environ["HTTPS_PROXY"] == PROXY


@pytest.mark.parametrize(
    ("written", "as_told"),
    [
        ("proxy.example:3128", PROXY),
        (OTHER, OTHER),
        ("http://me:a%2Bb%7E%25@proxy.example:3128", "http://me:a+b~%@proxy.example:3128"),
        ("http://me:a%40b@[2001:db8::1]:3128", "http://me:a%40b@[2001:db8::1]:3128"),
    ],
)
def test_the_sdk_sees_the_proxy_of_the_server_as_the_sdk_reads_it(
    written: str, as_told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK needs a scheme, decodes no password, and prefers a variable in upper case."""
    monkeypatch.setenv("https_proxy", written)
    assert told("wss://livekit.example", monkeypatch) == {"HTTPS_PROXY": as_told}


@pytest.mark.parametrize(
    ("proxy", "why"),
    [
        ("https://proxy.example:3128", "no TLS to a proxy"),
        ("http://me@proxy.example:3128", "without a password"),
        ("http://me:a%40b@proxy.example:3128", "cannot send a character"),
        ("http://me:%C3%A4@proxy.example:3128", "cannot send a character"),
        ("http://me:a%2Bb%25%21@proxy.example:3128", ""),
        ("socks5://proxy.example:1080", ""),
        (PROXY, ""),
    ],
)
def test_a_proxy_that_the_sdk_cannot_use_has_an_obstacle(
    proxy: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sdk_obstacle("wss://livekit.example") == ""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    obstacle = sdk_obstacle("wss://livekit.example")
    assert why in obstacle
    assert bool(why) == bool(obstacle)


@pytest.mark.parametrize(
    ("url", "hindered"),
    [
        ("ws://livekit.example:7880", True),
        ("http://livekit.example:7880", True),
        ("ws://livekit.internal:7880", False),
        ("ws://127.0.0.1:7880", False),
        ("wss://livekit.example", False),
    ],
)
def test_an_unencrypted_registration_through_a_proxy_has_an_obstacle(
    url: str, hindered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, PROXY)
    monkeypatch.setenv("NO_PROXY", "livekit.internal")
    assert bool(registration_obstacle(url)) == hindered
