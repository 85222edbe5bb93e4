"""The ports and the configuration of a LiveKit server on this machine."""

from __future__ import annotations

import random
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from worker.simulation.livekit_binary import LiveKitServerUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The only address on which a server listens.
HOST: Final = "127.0.0.1"
_LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"
# Range of the ports of a server. The range is below the ephemeral ports of the kernel (32768 and
# above on Linux), so no outgoing connection can take a port of the server by chance between kill()
# and restart().
_PORT_RANGE = range(20_000, 30_000)
_PORT_TRIES = 100
# Random number generator for the choice of ports. The global generator of `random` is not used,
# because test runners seed the global generator identically in all processes.
_PORTS = random.SystemRandom()


@dataclass(frozen=True, kw_only=True)
class Ports:
    """The ports of one server: signalling (TCP) and media (UDP)."""

    signal: int
    rtc_udp: int

    @classmethod
    def free(cls) -> Ports:
        """Return two ports that are free at this moment.

        Raises:
            LiveKitServerUnavailable: No free ports were found in 100 tries (`_PORT_TRIES`).
        """
        tries = iter(_PORTS.sample(_PORT_RANGE, _PORT_TRIES))
        signal_port = next((port for port in tries if _is_free(port, socket.SOCK_STREAM)), None)
        media_port = next((port for port in tries if _is_free(port, socket.SOCK_DGRAM)), None)
        if signal_port is None or media_port is None:
            raise LiveKitServerUnavailable(
                f"no free ports between {_PORT_RANGE.start} and {_PORT_RANGE.stop}"
            )
        return cls(signal=signal_port, rtc_udp=media_port)


def _is_free(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            # The server sets this option too. Without SO_REUSEADDR, connections of an earlier
            # server in the TCP state TIME_WAIT would make the port look taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def server_config(
    ports: Ports, *, api_key: str, api_secret: str, extra: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the configuration of a server that works on one machine without a network.

    livekit-server's config-sample.yaml describes the keys. `extra` is merged into the
    configuration, section by section, and replaces values.
    """
    config: dict[str, Any] = {
        "port": ports.signal,
        "bind_addresses": [HOST],
        "rtc": {
            # Media over TCP is disabled, because it is only for networks that block UDP. The server
            # would bind this port on every interface, even if bind_addresses is set.
            "tcp_port": 0,
            "udp_port": ports.rtc_udp,
            "use_external_ip": False,
            "node_ip": HOST,
            "interfaces": {"includes": [_LOOPBACK]},
            "enable_loopback_candidate": True,
        },
        "keys": {api_key: api_secret},
    }
    return _overlay(config, extra or {})


def _overlay(base: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in extra.items():
        below = merged.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            merged[key] = _overlay(below, value)
        else:
            merged[key] = value
    return merged
