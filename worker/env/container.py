"""Processors and memory that this process may use, which in a container may be less than all.

In a container that may use only two processors, `os.cpu_count` still returns the number of
processors of the whole machine. All code of the worker that depends on processors or memory uses
this module instead.

Sources: the kernel documents admin-guide/cgroup-v2.rst (memory.max, memory.high, cpu.max,
cpuset.cpus.effective; the limits of all parent groups apply too), cgroup-v1/memory.rst,
cgroup-v1/cpusets.rst and scheduler/sched-bwc.rst, and proc_pid_mountinfo(5).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

#: In cgroup version 1, a group without a limit reports at least this number of bytes as its limit.
_UNLIMITED_V1: Final = 2**62
_MB: Final = 1_000_000

#: Memory of one job in MB of PSS. Measured: four interviews and four idle processes together took
#: 940 MB, and each interview took 119 MB of this.
JOB_MB: Final = 119
#: Memory of a worker without jobs in MB of PSS: the measured 940 MB, less four interviews.
BASE_MB: Final = 464
#: Interviews per processor with the local speech models. Measured: 2 cores ran 4 interviews.
SLOTS_A_CPU: Final = 2
#: Largest default number of slots: the largest value of INTERVIEW_SLOTS.
_MOST_SLOTS: Final = 1000
#: Default number of idle processes of a worker with more than one slot.
_IDLE_PROCESSES: Final = 2


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The smallest limits of all control groups of a process; None if no group sets a limit.

    `memory` and `used` are in bytes. `used` is the memory that the group with the smallest memory
    limit uses, without the file cache that the kernel can drop at once.
    """

    memory: int | None = None
    used: int = 0
    #: Processors that the groups allow; a fraction if a quota allows a part of one.
    cpus: float | None = None


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Processors and memory of the machine, without the limits of control groups."""

    #: Processors on which this process may run (its CPU affinity).
    cpus: int
    #: Bytes of memory; None if the system does not say.
    memory: int | None

    @classmethod
    def this(cls) -> Machine:
        """Return this machine, as this process sees it."""
        # macOS has no affinity.
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
        try:
            memory: int | None = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (ValueError, OSError):
            memory = None
        return cls(cpus=usable or os.cpu_count() or 1, memory=memory)


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """Processors and memory that this process may use."""

    #: Number of processors, greater than 0; a fraction if a quota allows a part of a processor.
    cpus: float
    #: Memory in bytes; None if the system does not say.
    memory: int | None

    @property
    def slots_by_cpus(self) -> int:
        """Number of interviews that the processors can run, rounded down; at least 1."""
        return max(1, int(self.cpus * SLOTS_A_CPU))

    @property
    def slots_by_memory(self) -> int | None:
        """Number of interviews that fit into the memory, possibly 0; None if memory is unknown."""
        if self.memory is None:
            return None
        return max(0, int((self.memory / _MB - BASE_MB) / JOB_MB))

    @property
    def slots(self) -> int:
        """Number of interviews that the processors and the memory allow.

        The number is at least 1, because a worker without a slot is useless.
        """
        by_memory = self.slots_by_memory
        most = self.slots_by_cpus if by_memory is None else min(self.slots_by_cpus, by_memory)
        return min(max(1, most), _MOST_SLOTS)

    @property
    def idle_processes(self) -> int:
        """Number of processes to keep ready: two, or one if there is one slot."""
        return min(_IDLE_PROCESSES, self.slots)

    @property
    def threads(self) -> int:
        """Number of threads for a library that starts one thread per processor; at least 1."""
        return max(1, int(self.cpus))


def capacity(root: Path = Path("/"), machine: Machine | None = None) -> Capacity:
    """Return the processors and the memory that this process may use.

    `root` is the folder with `proc` and `sys`. `machine` is None for this machine; tests pass
    another machine. Blocks while it reads a few files.
    """
    machine = machine or Machine.this()
    limits = limits_of_this_process(root)
    cpus = float(machine.cpus)
    if limits.cpus is not None:
        cpus = min(cpus, limits.cpus)
    memories = [each for each in (machine.memory, limits.memory) if each is not None]
    return Capacity(cpus=cpus, memory=min(memories, default=None))


def limits_of_this_process(root: Path = Path("/")) -> Limits:
    """Return the limits that control groups set; no limits on a system without control groups.

    `root` is the folder with `proc` and `sys`. Blocks while it reads a few files. A file that is
    missing, unreadable or damaged counts as no limit.
    """
    memory: tuple[int, int] | None = None
    cpus: float | None = None
    for folder in _groups(root):
        if (found := _memory(folder)) is not None and (memory is None or found < memory):
            memory = found
        for share in (_quota(folder), _set_of_cpus(folder)):
            if share is not None:
                cpus = share if cpus is None else min(cpus, share)
    most, used = memory if memory is not None else (None, 0)
    return Limits(memory=most, used=used, cpus=cpus)


# --- the groups of this process -------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Mount:
    """A mounted hierarchy of control groups."""

    #: Controllers of a hierarchy of version 1; empty for version 2.
    controllers: frozenset[str]
    #: The group whose folder is mounted. In a container it is normally the container's own group.
    group: PurePosixPath
    folder: Path


def _groups(root: Path) -> Iterator[Path]:
    """Yield the folders of this process's control groups and of their mounted parents.

    A line of `/proc/self/cgroup` is `number:controllers:group`; `controllers` is empty in version
    2.
    """
    mounts = list(_mounts(root)) or _usual_mounts(root)
    for line in _lines(root / "proc/self/cgroup"):
        _, _, rest = line.partition(":")
        names, _, group = rest.partition(":")
        controllers = frozenset(filter(None, names.split(",")))
        for mount in mounts:
            if controllers & mount.controllers or not (controllers or mount.controllers):
                yield from _folders(mount, PurePosixPath(group))


def _mounts(root: Path) -> Iterator[_Mount]:
    """Yield the mounted control group hierarchies that `/proc/self/mountinfo` lists."""
    for line in _lines(root / "proc/self/mountinfo"):
        mount, _, source = line.partition(" - ")
        fields, kind = mount.split(), source.split()
        if len(fields) < 5 or not kind or kind[0] not in ("cgroup", "cgroup2"):
            continue
        yield _Mount(
            controllers=frozenset(kind[-1].split(",") if kind[0] == "cgroup" else ()),
            group=PurePosixPath(_unescaped(fields[3])),
            folder=root / _unescaped(fields[4]).lstrip("/"),
        )


def _usual_mounts(root: Path) -> list[_Mount]:
    """Return the usual mounts of control groups, for a system that does not list its mounts."""
    top = root / "sys/fs/cgroup"
    by_name = ("memory", "cpu", "cpu,cpuacct", "cpuset")
    mounts = [
        _Mount(controllers=frozenset(name.split(",")), group=PurePosixPath("/"), folder=top / name)
        for name in by_name
    ]
    return [*mounts, _Mount(controllers=frozenset(), group=PurePosixPath("/"), folder=top)]


def _folders(mount: _Mount, group: PurePosixPath) -> Iterator[Path]:
    """Yield the folder of a control group, then of its parents, up to the mount point."""
    inside = PurePosixPath()
    # If the group is not below the mounted group, use the mounted group itself.
    if group.is_relative_to(mount.group) and ".." not in group.parts:
        inside = group.relative_to(mount.group)
    for part in (inside, *inside.parents):
        yield mount.folder / part


def _unescaped(field: str) -> str:
    """Replace the octal escapes of a space, a tab, a line break and a backslash."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)


# --- the files of a group -------------------------------------------------------------------------


def _memory(folder: Path) -> tuple[int, int] | None:
    """Return the memory limit of a group and its memory in use, in bytes; None without a limit."""
    parts = (line.partition(" ") for line in _lines(folder / "memory.stat"))
    statistics = {name: value for name, _, value in parts}
    limits = [
        _number(folder / "memory.max"),
        # memory.high counts as a limit too: above it, the kernel slows processes down until they
        # are useless for speech.
        _number(folder / "memory.high"),
        _number(folder / "memory.limit_in_bytes"),
        # In version 1, hierarchical_memory_limit is the smallest limit of the group and the groups
        # above it.
        _whole(statistics.get("hierarchical_memory_limit", "")),
    ]
    found = [limit for limit in limits if limit is not None and limit < _UNLIMITED_V1]
    if not found:
        return None
    used = _number(folder / "memory.current") or _number(folder / "memory.usage_in_bytes") or 0
    cache = statistics.get("total_inactive_file") or statistics.get("inactive_file", "")
    return min(found), max(0, used - (_whole(cache) or 0))


def _quota(folder: Path) -> float | None:
    """Return the number of processors that a group's CPU quota allows; None without a quota."""
    words = next(iter(_lines(folder / "cpu.max")), "").split()
    if words:
        quota = _whole(words[0])
        period = _whole(words[1]) if len(words) > 1 else 100_000
    else:
        quota = _number(folder / "cpu.cfs_quota_us")
        period = _number(folder / "cpu.cfs_period_us")
    return quota / period if quota and period else None


def _set_of_cpus(folder: Path) -> float | None:
    """Return the number of processors that a group's cpuset names; None without a cpuset."""
    for name in ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus"):
        text = next(iter(_lines(folder / name)), "").strip()
        if re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", text):
            spans = (part.partition("-") for part in text.split(","))
            return float(sum(int(last or first) - int(first) + 1 for first, _, last in spans))
    return None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []


def _number(path: Path) -> int | None:
    return _whole(next(iter(_lines(path)), ""))


def _whole(text: str) -> int | None:
    """Return the whole number in `text`, or None, for example for "max" and "-1" (no limit)."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 30 else None
