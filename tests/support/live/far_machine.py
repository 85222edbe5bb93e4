"""Separate network machine for a worker that a test can disconnect without any notification."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from typing import TYPE_CHECKING, Any, Self

import psutil
import pytest

from tests.support.debian_programs import debian_program

if TYPE_CHECKING:
    from pathlib import Path

#: Names contain the id of the process that created them, so that leftovers can be identified.
_NAMESPACE = re.compile(r"^interview-(?:far|switch)-(\d+)\b", re.MULTILINE)
_LINK = re.compile(r"^\d+: (iw(\d+))@", re.MULTILINE)
#: Number of networks of four addresses in 10.213.0.0/16.
_NETWORKS = 1 << 14


class FarMachine:
    """A network namespace, reached from here through a switch in a second namespace.

    `pull` takes the switch down, so that neither side notices: its own link stays up, and it
    sees no FIN, no RST and no unreachable host. The same happens when a machine loses its power,
    or its rack the uplink. Use it as a context manager.

    Skips the test if `ip` is missing (with CI=true it fails), or if no namespace can be created,
    which needs root.
    """

    def __init__(self) -> None:
        self._ip = debian_program("ip", package="iproute2")
        self._pid = os.getpid()
        self._far = f"interview-far-{self._pid}"
        self._switch = f"interview-switch-{self._pid}"
        #: This machine's interface of the cable.
        self.link = f"iw{self._pid}"
        network = self._pid % _NETWORKS * 4
        here, there = (f"10.213.{network >> 8}.{(network & 255) + end}" for end in (1, 2))
        #: This machine's address for the far machine.
        self.here = here
        self._there = there
        #: An address of this machine to which the far machine has no route.
        self.beyond = here.replace("10.213.", "10.214.", 1)

    @property
    def inside(self) -> tuple[str, ...]:
        """The command prefix that runs a program on the far machine."""
        return str(self._ip), "netns", "exec", self._far

    @property
    def livekit_config(self) -> dict[str, Any]:
        """Configuration (livekit-server's keys) of a local server that the far machine reaches."""
        return {
            "bind_addresses": ["127.0.0.1", self.here],
            # The only address that both machines reach. With two, the server would use either.
            "rtc": {"node_ip": self.here, "interfaces": {"includes": [self.link]}},
        }

    @property
    def livekit_config_beyond(self) -> dict[str, Any]:
        """The same, but the far machine reaches the media ports only."""
        return {**self.livekit_config, "bind_addresses": ["127.0.0.1", self.beyond]}

    def pull(self) -> None:
        """Pull the cable: no packet arrives, in either direction."""
        self._run("-n", self._switch, "link", "set", "switch", "down")

    def plug(self) -> None:
        """Plug the cable in again."""
        self._run("-n", self._switch, "link", "set", "switch", "up")

    def __enter__(self) -> Self:
        try:
            _remove_what_is_left(self._ip)
            self._run("netns", "add", self._switch)
        except NotPermitted as error:
            pytest.skip(f"no machine can be cut off here, which takes root: {error}")
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        made = (("link", self.link), ("netns", self._far), ("netns", self._switch))
        with contextlib.suppress(NotPermitted):
            self._run("address", "del", f"{self.beyond}/32", "dev", "lo")
        for kind, name in made:
            with contextlib.suppress(NotPermitted):
                self._run(kind, "del", name)

    def _build(self) -> None:
        far, switch = self._far, self._switch
        self._run("netns", "add", far)
        # Forward at once. By default a bridge only listens on a new port for 15 s.
        self._run("-n", switch, "link", "add", "switch", "type", "bridge", "forward_delay", "0")
        self.plug()
        self._cable((), self.link, self.here, port="here")
        self._run("address", "add", f"{self.beyond}/32", "dev", "lo")
        self._cable(("-n", far), "cable", self._there, port="there")
        self._run("-n", far, "link", "set", "lo", "up")

    def _cable(self, where: tuple[str, ...], end: str, address: str, *, port: str) -> None:
        """Connect a machine's interface, with an address, to a port of the switch."""
        other_end = ("peer", "name", port, "netns", self._switch)
        self._run(*where, "link", "add", end, "type", "veth", *other_end)
        self._run(*where, "address", "add", f"{address}/30", "dev", end)
        self._run(*where, "link", "set", end, "up")
        self._run("-n", self._switch, "link", "set", port, "master", "switch", "up")

    def _run(self, *words: str) -> None:
        _run(self._ip, *words)


class NotPermitted(Exception):
    """Raised when `ip` fails; contains its error output."""


def _run(ip: Path, *words: str) -> str:
    done = subprocess.run([ip, *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotPermitted(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def _remove_what_is_left(ip: Path) -> None:
    """Remove the leftovers of killed test runs, but nothing of running ones."""
    for found in _NAMESPACE.finditer(_run(ip, "netns", "list")):
        if _is_left(int(found[1])):
            _run(ip, "netns", "del", found[0])
    for found in _LINK.finditer(_run(ip, "-o", "link", "show")):
        if _is_left(int(found[2])):
            _run(ip, "link", "del", found[1])


def _is_left(pid: int) -> bool:
    """Return whether the creator has ended; with our own pid it was an earlier process."""
    return pid == os.getpid() or not psutil.pid_exists(pid)
