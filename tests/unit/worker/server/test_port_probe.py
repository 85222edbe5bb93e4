"""Whether an address can be bound."""

from __future__ import annotations

import errno
import socket

import pytest

from worker.server.observability import HostUnusable, PortTaken, unusable
from worker.server.port_probe import bind_once


def test_a_free_port_stays_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port: int = somebody.getsockname()[1]
    bind_once("127.0.0.1", port)
    bind_once("127.0.0.1", port)


def test_a_port_at_which_somebody_listens_is_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port: int = somebody.getsockname()[1]
        with pytest.raises(OSError, match="in use") as refused:
            bind_once("127.0.0.1", port)
    assert refused.value.errno == errno.EADDRINUSE
    assert isinstance(unusable("127.0.0.1", port, refused.value), PortTaken)


def test_an_address_of_another_machine_is_unusable() -> None:
    with pytest.raises(OSError, match="assign") as refused:
        bind_once("192.0.2.1", 0)
    problem = unusable("192.0.2.1", 0, refused.value)
    assert isinstance(problem, HostUnusable)
    assert "INTERVIEW_HTTP_HOST=192.0.2.1" in str(problem)


def test_an_empty_host_stands_for_every_address_of_this_machine() -> None:
    with socket.create_server(("127.0.0.2", 0)) as somebody:
        port: int = somebody.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            bind_once("", port)
