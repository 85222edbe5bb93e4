"""Processors and memory of a container, read from captured files of /proc and /sys."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from worker.env.container import (
    BASE_MB,
    JOB_MB,
    Capacity,
    Limits,
    Machine,
    capacity,
    limits_of_this_process,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

GIB = 1 << 30
UNLIMITED_V1 = "9223372036854771712\n"
#: A host with 64 processors and 256 GiB.
HOST = Machine(cpus=64, memory=256 * GIB)

#: docker run --cpus=2.5 -m 4g --cpuset-cpus=0-7, cgroup version 1. The container sees the paths of
#: the host in /proc/self/cgroup, and only its own groups in /sys.
DOCKER_V1 = {
    "proc/self/cgroup": (
        "12:cpuset:/docker/7be92808767a\n"
        "11:memory:/docker/7be92808767a\n"
        "4:cpu,cpuacct:/docker/7be92808767a\n"
        "1:name=systemd:/docker/7be92808767a\n"
    ),
    "proc/self/mountinfo": (
        "1041 1036 0:48 / / rw,relatime master:432 - overlay overlay rw,lowerdir=/l/A:/l/B\n"
        "1054 1050 0:61 / /sys/fs/cgroup rw,nosuid - tmpfs tmpfs rw,mode=755\n"
        "1055 1054 0:29 /docker/7be92808767a /sys/fs/cgroup/systemd ro,nosuid master:11 - cgroup"
        " cgroup rw,xattr,name=systemd\n"
        "1059 1054 0:35 /docker/7be92808767a /sys/fs/cgroup/cpu,cpuacct ro,nosuid master:17"
        " - cgroup cgroup rw,cpu,cpuacct\n"
        "1060 1054 0:36 /docker/7be92808767a /sys/fs/cgroup/memory ro,nosuid master:18 - cgroup"
        " cgroup rw,memory\n"
        "1061 1054 0:37 /docker/7be92808767a /sys/fs/cgroup/cpuset ro,nosuid master:19 - cgroup"
        " cgroup rw,cpuset\n"
    ),
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "250000\n",
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "4294967296\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": "913408000\n",
    "sys/fs/cgroup/memory/memory.stat": (
        "cache 700000000\nhierarchical_memory_limit 4294967296\ntotal_inactive_file 600000000\n"
    ),
    "sys/fs/cgroup/cpuset/cpuset.cpus": "0-7\n",
    "sys/fs/cgroup/cpuset/cpuset.effective_cpus": "0-7\n",
}

#: docker run --cpus=1.5 -m 2g, cgroup version 2 with a namespace of its own (the default).
DOCKER_V2 = {
    "proc/self/cgroup": "0::/\n",
    "proc/self/mountinfo": (
        "2139 2138 0:29 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup"
        " rw,nsdelegate,memory_recursiveprot\n"
    ),
    "sys/fs/cgroup/cpu.max": "150000 100000\n",
    "sys/fs/cgroup/cpuset.cpus.effective": "0-63\n",
    "sys/fs/cgroup/memory.max": "2147483648\n",
    "sys/fs/cgroup/memory.high": "max\n",
    "sys/fs/cgroup/memory.current": "734003200\n",
    "sys/fs/cgroup/memory.stat": "anon 300000000\nfile 420000000\ninactive_file 234003200\n",
}

_POD = "/kubepods/burstable/pod3f6c/9c1d2e"

#: A Pod with limits {cpu: 500m, memory: 1Gi}, cgroup version 1.
KUBERNETES_V1 = {
    "proc/self/cgroup": f"9:memory:{_POD}\n6:cpu,cpuacct:{_POD}\n3:cpuset:{_POD}\n",
    "proc/self/mountinfo": (
        f"1850 1840 0:33 {_POD} /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
        f"1851 1840 0:30 {_POD} /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n"
    ),
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": "104857600\n",
}

#: The same Pod with cgroup version 2, whose process was moved to a group of its own. The limit is
#: that of the parent group.
KUBERNETES_V2 = {
    "proc/self/cgroup": "0::/init\n",
    "proc/self/mountinfo": "5210 5200 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
    "sys/fs/cgroup/cpu.max": "50000 100000\n",
    "sys/fs/cgroup/memory.max": "1073741824\n",
    "sys/fs/cgroup/memory.current": "104857600\n",
    "sys/fs/cgroup/init/cpu.max": "max 100000\n",
    "sys/fs/cgroup/init/memory.max": "max\n",
}

_SERVICE = "/system.slice/system-interview.slice/interview-worker@1.service"

#: A systemd service without limits, in a slice with CPUQuota=300% and MemoryHigh=3G. The service
#: has AllowedCPUs=2-3,8.
SYSTEMD_SLICE = {
    "proc/self/cgroup": f"0::{_SERVICE}\n",
    "proc/self/mountinfo": (
        "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
    ),
    "sys/fs/cgroup/system.slice/cpu.max": "max 100000\n",
    "sys/fs/cgroup/system.slice/memory.max": "max\n",
    "sys/fs/cgroup/system.slice/system-interview.slice/cpu.max": "300000 100000\n",
    "sys/fs/cgroup/system.slice/system-interview.slice/memory.high": "3221225472\n",
    "sys/fs/cgroup/system.slice/system-interview.slice/memory.max": "max\n",
    "sys/fs/cgroup/system.slice/system-interview.slice/memory.current": "524288000\n",
    f"sys/fs/cgroup{_SERVICE}/cpu.max": "max 100000\n",
    f"sys/fs/cgroup{_SERVICE}/cpuset.cpus.effective": "2-3,8\n",
}

#: A machine with both versions, and limits in the hierarchy of version 1.
HYBRID = {
    "proc/self/cgroup": "4:memory:/jobs/7\n3:cpuset:/\n1:cpu:/jobs/7\n0::/\n",
    "proc/self/mountinfo": (
        "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
        "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
        "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
    ),
    "sys/fs/cgroup/cpu/jobs/7/cpu.cfs_quota_us": "-1\n",
    "sys/fs/cgroup/cpu/jobs/7/cpu.cfs_period_us": "100000\n",
    "sys/fs/cgroup/cpu/jobs/cpu.cfs_quota_us": "400000\n",
    "sys/fs/cgroup/cpu/jobs/cpu.cfs_period_us": "100000\n",
    "sys/fs/cgroup/memory/jobs/7/memory.limit_in_bytes": UNLIMITED_V1,
    "sys/fs/cgroup/memory/jobs/7/memory.stat": "hierarchical_memory_limit 8589934592\n",
}

#: A system whose /proc hides the mounts.
HIDDEN_MOUNTS = {
    "proc/self/cgroup": "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n",
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "100000\n",
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
}

UNLIMITED = {
    "proc/self/cgroup": "5:memory:/\n2:cpu:/\n0::/\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": UNLIMITED_V1,
    "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
    "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    "sys/fs/cgroup/cpu.max": "max 100000\n",
    "sys/fs/cgroup/memory.max": "max\n",
}

#: Files with contents that no kernel writes.
DAMAGED = {
    "proc/self/cgroup": "0::/\nno colon\n\n:::\n",
    "proc/self/mountinfo": "1 2\n - cgroup2\n1 2 3 / /sys/fs/cgroup rw - cgroup2 c rw\n",
    "sys/fs/cgroup/cpu.max": "many\n",
    "sys/fs/cgroup/memory.max": "\n",
    "sys/fs/cgroup/memory.stat": "\n\n",
    "sys/fs/cgroup/cpuset.cpus.effective": "all\n",
}


def tree(root: Path, files: Mapping[str, str]) -> Path:
    """Write captured files below a root folder, and return it."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "limits"),
    [
        pytest.param(DOCKER_V1, Limits(memory=4 * GIB, used=313408000, cpus=2.5), id="docker v1"),
        pytest.param(DOCKER_V2, Limits(memory=2 * GIB, used=500000000, cpus=1.5), id="docker v2"),
        pytest.param(KUBERNETES_V1, Limits(memory=GIB, used=104857600, cpus=0.5), id="pod v1"),
        pytest.param(KUBERNETES_V2, Limits(memory=GIB, used=104857600, cpus=0.5), id="pod v2"),
        pytest.param(SYSTEMD_SLICE, Limits(memory=3 * GIB, used=524288000, cpus=3), id="slice"),
        pytest.param(HYBRID, Limits(memory=8 * GIB, cpus=4), id="both versions"),
        pytest.param(HIDDEN_MOUNTS, Limits(memory=GIB, cpus=1), id="hidden mounts"),
        pytest.param(UNLIMITED, Limits(), id="unlimited"),
        pytest.param(DAMAGED, Limits(), id="damaged"),
        pytest.param({}, Limits(), id="no cgroups, as on macOS"),
    ],
)
def test_the_smallest_limits_of_all_groups_apply(
    tmp_path: Path, files: Mapping[str, str], limits: Limits
) -> None:
    assert limits_of_this_process(tree(tmp_path, files)) == limits


def test_a_nested_group_of_a_container_is_read_below_its_mount(tmp_path: Path) -> None:
    """A process in a group below the container's own group, cgroup version 1."""
    nested = {
        "proc/self/cgroup": "11:memory:/docker/abc/batch\n",
        "proc/self/mountinfo": (
            "60 54 0:36 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
        ),
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "4294967296\n",
        "sys/fs/cgroup/memory/batch/memory.limit_in_bytes": "1073741824\n",
    }
    assert limits_of_this_process(tree(tmp_path, nested)) == Limits(memory=GIB)


def test_a_group_outside_of_the_namespace_is_seen_as_the_mounted_group(tmp_path: Path) -> None:
    outside = {**DOCKER_V2, "proc/self/cgroup": "0::/../../elsewhere\n"}
    assert limits_of_this_process(tree(tmp_path, outside)).cpus == 1.5


def test_a_mount_point_with_a_space_is_found(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/\n",
        "proc/self/mountinfo": "1 2 0:3 / /my\\040groups rw - cgroup2 cgroup2 rw\n",
        "my groups/cpu.max": "200000 100000\n",
    }
    assert limits_of_this_process(tree(tmp_path, files)).cpus == 2


@pytest.mark.parametrize(
    ("files", "machine", "slots", "idle", "threads"),
    [
        pytest.param(DOCKER_V1, HOST, 5, 2, 2, id="2.5 of 64 processors"),
        pytest.param(DOCKER_V2, HOST, 3, 2, 1, id="1.5 of 64 processors"),
        pytest.param(KUBERNETES_V1, HOST, 1, 1, 1, id="half a processor"),
        pytest.param(SYSTEMD_SLICE, HOST, 6, 2, 3, id="three processors by a set and a quota"),
        pytest.param({}, HOST, 128, 2, 64, id="a machine without limits"),
        pytest.param({}, Machine(cpus=1, memory=16 * GIB), 2, 2, 1, id="taskset -c 0"),
        pytest.param({}, Machine(cpus=8, memory=GIB), 5, 2, 8, id="little memory"),
        pytest.param({}, Machine(cpus=8, memory=GIB // 4), 1, 1, 8, id="too little memory"),
        pytest.param({}, Machine(cpus=8, memory=None), 16, 2, 8, id="unknown memory"),
        pytest.param({}, Machine(cpus=4096, memory=None), 1000, 2, 4096, id="very large"),
    ],
)
def test_slots_idle_processes_and_threads_follow_the_container(
    tmp_path: Path, files: Mapping[str, str], machine: Machine, slots: int, idle: int, threads: int
) -> None:
    found = capacity(tree(tmp_path, files), machine)
    assert (found.slots, found.idle_processes, found.threads) == (slots, idle, threads)


@pytest.mark.parametrize(
    ("cpus", "slots"), [(0.1, 1), (0.5, 1), (0.99, 1), (1, 2), (1.49, 2), (1.5, 3), (2, 4)]
)
def test_a_fraction_of_a_processor_is_rounded_down_to_whole_slots(cpus: float, slots: int) -> None:
    assert Capacity(cpus=cpus, memory=None).slots == slots


def test_no_more_slots_than_fit_into_the_memory() -> None:
    megabytes = 1_000_000
    fits_three = Capacity(cpus=8, memory=(BASE_MB + 3 * JOB_MB) * megabytes)
    assert (fits_three.slots, fits_three.slots_by_memory) == (3, 3)
    assert Capacity(cpus=8, memory=(BASE_MB + 3 * JOB_MB) * megabytes - 1).slots == 2


def test_this_process_may_use_the_processors_of_its_affinity() -> None:
    machine = Machine.this()
    assert machine.cpus == len(os.sched_getaffinity(0))
    assert machine.memory is None or machine.memory > 0


def test_a_system_without_an_affinity_has_all_its_processors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert Machine.this().cpus == 6
