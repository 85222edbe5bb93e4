"""The address of a LiveKit server: different spellings of one address are the same."""

from __future__ import annotations

import pytest

from worker.livekit_api.address import normalised, same_server, server_name
from worker.livekit_api.errors import LiveKitUrlInvalid


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("ws://127.0.0.1:7880", "127.0.0.1:7880"),
        ("wss://example.livekit.cloud", "example.livekit.cloud:443"),
        ("https://EXAMPLE.livekit.Cloud:443/", "example.livekit.cloud:443"),
        ("http://host", "host:80"),
        ("WS://host:80//", "host:80"),
        ("wss://host.example.", "host.example:443"),
        ("wss://host/Base/livekit/", "host:443/Base/livekit"),
        ("wss://host?token=hunter2#part", "host:443"),
        ("ws://[0:0:0:0:0:0:0:1]:7880", "[::1]:7880"),
        ("ws://[FE80::1]", "[fe80::1]:80"),
        ("wss://b\u00fccher.example", "xn--bcher-kva.example:443"),
    ],
)
def test_an_address_has_one_form(url: str, address: str) -> None:
    assert normalised(url) == address


@pytest.mark.parametrize("scheme", ["ws", "wss", "http", "https"])
def test_the_scheme_makes_no_difference_if_the_port_is_named(scheme: str) -> None:
    assert same_server(f"{scheme}://host:7880", "ws://host:7880")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ws://host", "wss://host"),
        ("ws://host:7880", "ws://host:7881"),
        ("ws://host/a", "ws://host/A"),
        ("ws://localhost:7880", "ws://127.0.0.1:7880"),
    ],
)
def test_another_port_path_or_host_is_another_server(one: str, other: str) -> None:
    assert not same_server(one, other)


@pytest.mark.parametrize("url", ["", "host:7880", "ftp://host", "ws://a..b", "ws://user:pw@host"])
def test_a_text_that_is_no_url_of_a_server_has_no_address(url: str) -> None:
    with pytest.raises(LiveKitUrlInvalid):
        normalised(url)


def test_a_name_stands_for_servers_whose_addresses_differ() -> None:
    assert server_name("ws://10.0.0.1:7880", "frankfurt") == "frankfurt"
    assert server_name("wss://livekit.example", "frankfurt") == "frankfurt"
    assert server_name("wss://livekit.example") == "livekit.example:443"


def test_a_name_can_be_the_address_that_other_workers_use() -> None:
    theirs = server_name("wss://livekit.example")
    assert server_name("ws://10.0.0.1", "livekit.example:443") == theirs
