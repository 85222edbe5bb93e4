"""Reads the memory and CPU limits of this process from Linux control groups.

Sources: the kernel documents admin-guide/cgroup-v2.rst (memory.max, memory.current, cpu.max; the
limits of all parent groups apply too), cgroup-v1/memory.rst and scheduler/sched-bwc.rst.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

#: In cgroup version 1, a group without a limit reports at least this number of bytes as its limit.
_UNLIMITED_V1: Final = 2**62


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The smallest limits of all groups of a process; None if no group sets a limit.

    `memory` and `used` are in bytes. `used` is the memory in use of the group with the smallest
    memory limit.
    """

    memory: int | None = None
    used: int = 0
    cpus: float | None = None


def limits_of_this_process(
    mounted: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")
) -> Limits:
    """Return the limits of this process; no limits on a system without control groups.

    Blocks while it reads a few files.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return Limits()
    memory: tuple[int, int] | None = None
    cpus: float | None = None
    for line in lines:
        _, controllers, group = line.split(":", 2)
        for folder in _folders(mounted, controllers, group):
            if (found := _memory(folder)) is not None and (memory is None or found < memory):
                memory = found
            if (share := _cpus(folder)) is not None:
                cpus = share if cpus is None else min(cpus, share)
    most, used = memory if memory is not None else (None, 0)
    return Limits(memory=most, used=used, cpus=cpus)


def _folders(mounted: Path, controllers: str, group: str) -> Iterator[Path]:
    """Yield the folder of a group, and the folders of its parent groups.

    Inside a container, the container's own group is the root folder.
    """
    root = mounted / controllers if controllers else mounted
    path = PurePosixPath(group.lstrip("/"))
    if ".." in path.parts:
        path = PurePosixPath()
    for part in (path, *path.parents):
        yield root / part


def _memory(folder: Path) -> tuple[int, int] | None:
    for limit, use in (
        ("memory.max", "memory.current"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        most = _number(folder / limit)
        if most is not None and most < _UNLIMITED_V1:
            return int(most), int(_number(folder / use) or 0)
    return None


def _cpus(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
    except (OSError, ValueError):
        quota_us = _number(folder / "cpu.cfs_quota_us")
        period_us = _number(folder / "cpu.cfs_period_us")
        return quota_us / period_us if quota_us and period_us and quota_us > 0 else None
    return None if quota == "max" else int(quota) / int(period)


def _number(path: Path) -> float | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # the text "max" means that there is no limit
        return None
