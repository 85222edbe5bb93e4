"""The proxy of a URL, by the variables of the environment."""

from __future__ import annotations

import os

import pytest

from worker.env.proxies import any_proxy, hide_from_sdk, proxy_for

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


@pytest.mark.parametrize(("excluded", "hidden"), [("livekit.example", True), ("else", False)])
def test_the_sdk_sees_no_proxy_for_a_server_of_no_proxy(
    excluded: str, hidden: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK reads the environment of the process, and does not know NO_PROXY."""
    removed: list[str] = []
    monkeypatch.setattr(os, "unsetenv", removed.append)
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("http_proxy", PROXY)
    monkeypatch.setenv("NO_PROXY", excluded)
    hide_from_sdk("wss://livekit.example")
    assert removed == (["HTTPS_PROXY", "http_proxy"] if hidden else [])
    assert os.environ["HTTPS_PROXY"] == PROXY
