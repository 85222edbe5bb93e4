from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scripts.lockfile import LockInvalid, constraint_lines, read_lock

if TYPE_CHECKING:
    from pathlib import Path

A, B = "a" * 64, "b" * 64
LOCK = f"""# A comment.
aiohttp==3.14.5 \\
    --hash=sha256:{A} \\
    --hash=sha256:{B}
Colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:{A}
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "a.lock"


def test_a_pin_has_its_name_version_marker_and_hashes(lock: Path) -> None:
    lock.write_text(LOCK)
    first, second = read_lock(lock)
    assert (first.name, first.version, first.hashes) == ("aiohttp", "3.14.5", (A, B))
    assert (second.name, second.version, second.hashes) == ("colorama", "0.4.6", (A,))
    assert str(second.requirement.marker) == 'sys_platform == "win32"'


def test_a_constraint_is_the_pin_without_its_hashes(lock: Path) -> None:
    lock.write_text(LOCK)
    assert constraint_lines(read_lock(lock)) == [
        "aiohttp==3.14.5",
        'Colorama==0.4.6; sys_platform == "win32"',
    ]


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://registry.invalid/simple",
        "aiohttp>=3.14",
        "aiohttp",
        "aiohttp==3.14.5 --hash=md5:0",
        "aiohttp @ https://registry.invalid/aiohttp.whl",
    ],
)
def test_a_line_that_is_no_pin_is_refused(lock: Path, line: str) -> None:
    lock.write_text(f"{line}\n")
    with pytest.raises(LockInvalid, match="not a pinned requirement"):
        read_lock(lock)
