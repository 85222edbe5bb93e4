"""A machine of its own for a worker, as the network sees it: it can be cut off without a word."""

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

#: Everything is named by the process that made it, so that what a killed one left is known.
_NAMESPACE = re.compile(r"^interview-(?:far|switch)-(\d+)\b", re.MULTILINE)
_LINK = re.compile(r"^\d+: (iw(\d+))@", re.MULTILINE)
#: Networks of four addresses in 10.213.0.0/16.
_NETWORKS = 1 << 14


class FarMachine:
    """A network namespace, reached from here through a switch in another one.

    What is pulled is the switch, so that neither side is told: its link stays up, and there is
    no end, no reset and no unreachable host, as where a machine loses its power or its rack its
    uplink. Use it as a context manager.

    Skips the test where there is no `ip` (with CI=true it fails), and where no namespace can be
    made, which takes root.
    """

    def __init__(self) -> None:
        self._ip = debian_program("ip", package="iproute2")
        self._pid = os.getpid()
        self._far = f"interview-far-{self._pid}"
        self._switch = f"interview-switch-{self._pid}"
        #: This machine's end of the cable.
        self.link = f"iw{self._pid}"
        network = self._pid % _NETWORKS * 4
        here, there = (f"10.213.{network >> 8}.{(network & 255) + end}" for end in (1, 2))
        #: This machine, as the far one calls it.
        self.here = here
        self._there = there

    @property
    def inside(self) -> tuple[str, ...]:
        """The words of a command before a program that is to run there."""
        return str(self._ip), "netns", "exec", self._far

    @property
    def livekit_config(self) -> dict[str, Any]:
        """Of a LiveKit server here that the far machine reaches, in livekit-server's own words."""
        return {
            "bind_addresses": ["127.0.0.1", self.here],
            # The one address that both machines reach; of two the server would answer from either.
            "rtc": {"node_ip": self.here, "interfaces": {"includes": [self.link]}},
        }

    def pull(self) -> None:
        """Pull the cable: nothing that is sent arrives, in either direction."""
        self._run("-n", self._switch, "link", "set", "switch", "down")

    def plug(self) -> None:
        """Put it in again."""
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
        for kind, name in made:
            with contextlib.suppress(NotPermitted):
                self._run(kind, "del", name)

    def _build(self) -> None:
        far, switch = self._far, self._switch
        self._run("netns", "add", far)
        # A port is used at once; by default a bridge listens on it for 15 s first.
        self._run("-n", switch, "link", "add", "switch", "type", "bridge", "forward_delay", "0")
        self.plug()
        self._cable((), self.link, self.here, port="here")
        self._cable(("-n", far), "cable", self._there, port="there")
        self._run("-n", far, "link", "set", "lo", "up")

    def _cable(self, where: tuple[str, ...], end: str, address: str, *, port: str) -> None:
        """Lay a cable from a machine, where it has an address, to a port of the switch."""
        other_end = ("peer", "name", port, "netns", self._switch)
        self._run(*where, "link", "add", end, "type", "veth", *other_end)
        self._run(*where, "address", "add", f"{address}/30", "dev", end)
        self._run(*where, "link", "set", end, "up")
        self._run("-n", self._switch, "link", "set", port, "master", "switch", "up")

    def _run(self, *words: str) -> None:
        _run(self._ip, *words)


class NotPermitted(Exception):
    """`ip` did not do it; its own words."""


def _run(ip: Path, *words: str) -> str:
    done = subprocess.run([ip, *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotPermitted(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def _remove_what_is_left(ip: Path) -> None:
    """Remove what test runs have left that were killed; those that live keep theirs."""
    for found in _NAMESPACE.finditer(_run(ip, "netns", "list")):
        if _is_left(int(found[1])):
            _run(ip, "netns", "del", found[0])
    for found in _LINK.finditer(_run(ip, "-o", "link", "show")):
        if _is_left(int(found[2])):
            _run(ip, "link", "del", found[1])


def _is_left(pid: int) -> bool:
    """Whether who made it is gone; our own number, which is given anew, was somebody else's."""
    return pid == os.getpid() or not psutil.pid_exists(pid)
