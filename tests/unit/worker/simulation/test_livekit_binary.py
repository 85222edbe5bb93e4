"""The sources of the `livekit-server` program."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import filelock
import pytest

from worker.simulation.livekit_binary import (
    VERSION,
    LiveKitServerUnavailable,
    find_or_build,
    go_version,
)

if TYPE_CHECKING:
    from pathlib import Path

BUILT = f"livekit-server-{VERSION}"


def program(path: Path, script: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


@pytest.fixture
def path_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Prepend an empty folder to a PATH that has a shell, and neither Go nor livekit-server."""
    folder = tmp_path / "path"
    folder.mkdir()
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder), "/usr/bin", "/bin"]))
    return folder


def fake_go(folder: Path, install: str) -> None:
    """Create a recent `go` program that runs `install` when asked to install a module."""
    program(folder / "go", f'if [ "$1" = env ]; then echo go1.26.6; else {install}; fi')


def leftovers(cache: Path) -> list[Path]:
    return list(cache.glob("build-*"))


async def test_a_program_on_the_path_comes_first(path_folder: Path, cache: Path) -> None:
    program(cache / BUILT)
    on_path = program(path_folder / "livekit-server")
    assert await find_or_build(pytest.fail, cache=cache) == on_path


async def test_a_cached_build_is_used_without_messages(path_folder: Path, cache: Path) -> None:
    built = program(cache / BUILT)
    assert await find_or_build(pytest.fail, cache=cache) == built


async def test_a_build_leaves_the_program_and_nothing_else(path_folder: Path, cache: Path) -> None:
    fake_go(path_folder, 'mkdir -p "$GOBIN" && cp "$0" "$GOBIN/server"')
    (cache / "build-of-a-killed-process").mkdir()
    lines: list[str] = []
    built = await find_or_build(lines.append, cache=cache)
    assert os.access(built, os.X_OK)
    assert set(os.listdir(cache)) <= {BUILT, f"{BUILT}.lock"}
    assert len(lines) == 2
    assert VERSION in lines[0]


async def test_a_failed_build_gives_one_line_with_the_cause_and_the_remedy(
    path_folder: Path, cache: Path
) -> None:
    fake_go(path_folder, "echo first; echo the module is gone; exit 3")
    with pytest.raises(LiveKitServerUnavailable) as caught:
        await find_or_build(lambda _: None, cache=cache)
    message = str(caught.value)
    assert "go install failed (exit 3): the module is gone" in message
    assert "LIVEKIT_URL" in message
    assert "\n" not in message
    assert not leftovers(cache)


async def test_a_cancelled_build_kills_its_compiler_and_leaves_nothing(
    path_folder: Path, cache: Path, tmp_path: Path
) -> None:
    said = tmp_path / "pid"
    os.mkfifo(said)
    fake_go(path_folder, f'echo $$ > "{said}"; exec sleep 600')
    build = asyncio.create_task(find_or_build(lambda _: None, cache=cache))
    pid = int(await asyncio.to_thread(said.read_text))
    build.cancel()
    with pytest.raises(asyncio.CancelledError):
        await build
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not leftovers(cache)


async def test_a_second_builder_waits_for_the_first_ones_result(
    path_folder: Path, cache: Path
) -> None:
    waits = asyncio.Event()
    first = filelock.FileLock(cache / f"{BUILT}.lock")
    with first:
        second = asyncio.create_task(find_or_build(lambda _: waits.set(), cache=cache))
        await waits.wait()
        built = program(cache / BUILT)
    assert await second == built


async def test_an_unwritable_cache_is_one_clear_error(path_folder: Path, tmp_path: Path) -> None:
    no_folder = program(tmp_path / "a-file")
    with pytest.raises(LiveKitServerUnavailable, match="cannot build in"):
        await find_or_build(lambda _: None, cache=no_folder)


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ("go1.26.6\n", (1, 26)),
        ("go1.9", (1, 9)),
        ("devel +abc", (0, 0)),
        ("", (0, 0)),
    ],
)
def test_a_go_version_is_compared_as_numbers(answer: str, version: tuple[int, int]) -> None:
    assert go_version(answer) == version
