"""The configuration and the ports of a local LiveKit server."""

from __future__ import annotations

import socket

from worker.simulation import livekit_config
from worker.simulation.livekit_config import Ports, server_config

PORTS = Ports(signal=20_001, rtc_udp=20_002)


def test_the_server_listens_on_the_loopback_address_only() -> None:
    config = server_config(PORTS, api_key="key", api_secret="secret")
    assert config["bind_addresses"] == ["127.0.0.1"]
    assert config["rtc"]["node_ip"] == "127.0.0.1"
    assert config["rtc"]["use_external_ip"] is False
    assert config["rtc"]["tcp_port"] == 0


def test_extra_settings_are_merged_section_by_section() -> None:
    extra = {"rtc": {"allow_tcp_fallback": True}, "room": {"auto_create": False}, "port": 7}
    config = server_config(PORTS, api_key="key", api_secret="secret", extra=extra)
    assert config["rtc"]["allow_tcp_fallback"] is True
    assert config["rtc"]["udp_port"] == PORTS.rtc_udp
    assert config["room"] == {"auto_create": False}
    assert config["port"] == 7


def test_free_ports_are_two_different_ones_below_the_ephemeral_range() -> None:
    ports = Ports.free()
    chosen = {ports.signal, ports.rtc_udp}
    assert len(chosen) == 2
    assert all(20_000 <= port < 30_000 for port in chosen)


def test_a_port_with_a_listener_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert not livekit_config._is_free(port, socket.SOCK_STREAM)
    assert livekit_config._is_free(port, socket.SOCK_STREAM)
