"""The URLs that are accepted as those of a LiveKit server, and the parts that errors show."""

from __future__ import annotations

import pytest

from worker.livekit_api.errors import LiveKitUrlInvalid, check_url, shown_url


@pytest.mark.parametrize(
    "url",
    ["ws://127.0.0.1:7880", "wss://example.livekit.cloud", "http://host", "https://h:1/path"],
)
def test_a_url_of_a_server_is_accepted(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:7880",
        "localhost",
        "ftp://host",
        "ws://",
        "ws://host:port",
        "ws://[::1",
        "ws://a..b",
        f"ws://{'a' * 64}",
        f"ftp://{'a' * 50_000}",
        "ws://ho\x1bst",
        "ws://ho\u202est:7880",
    ],
    ids=range(12),
)
def test_an_invalid_server_url_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(LiveKitUrlInvalid, match=r"ws://127\.0\.0\.1:7880") as refused:
        check_url(url)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("wss://user:hunter2@host:443/p?token=hunter2", "wss://host:443"),
        ("ws://[::1]:7880", "ws://[::1]:7880"),
        ("hunter2", "(no scheme or no host)"),
        ("ws://host:hunter2", "(unreadable)"),
    ],
)
def test_a_url_is_shown_without_possible_secrets(url: str, shown: str) -> None:
    assert shown_url(url) == shown
    assert "hunter2" not in str(LiveKitUrlInvalid(url))


@pytest.mark.parametrize("url", ["ws://user:hunter2@127.0.0.1:7880", "wss://user@example.org"])
def test_a_url_with_credentials_is_refused_without_showing_them(url: str) -> None:
    with pytest.raises(LiveKitUrlInvalid) as refused:
        check_url(url)
    assert "hunter2" not in str(refused.value)
