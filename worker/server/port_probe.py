"""Tests whether this process can bind an address."""

from __future__ import annotations

import socket


def bind_once(host: str, port: int) -> None:
    """Bind the address as a server, and release it. Raises OSError if the address cannot be bound.

    An empty host stands for every address of this machine. The error number is EADDRINUSE if
    another socket listens at the address.
    """
    # Without AI_PASSIVE, the lookup of an empty host returns the loopback address.
    family, _, _, _, where = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # Set SO_REUSEADDR, as asyncio does. Otherwise connections of an earlier worker in the TCP
        # state TIME_WAIT would make the port look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(where)
        # With SO_REUSEADDR, Linux allows a second bind of a port while no socket listens on it.
        # Therefore call `listen` too, which fails if the port is taken.
        probe.listen(1)
