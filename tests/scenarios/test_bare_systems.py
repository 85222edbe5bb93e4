"""Systems that lack what a desktop has: a home, a user name, a writable root, a time zone, IPv4.

Each command runs as a process of its own in such a system, with an empty environment. The LiveKit
server of the settings does not exist: a worker that names it as the only problem found everything
else that it needs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.debian_programs import debian_program
from tests.support.folders import new_folder
from tests.support.paths import REPOSITORY
from worker.cli.common import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    Run = Callable[..., subprocess.CompletedProcess[str]]

#: A user id that has no name on any usual system.
NAMELESS: Final = 31_337
PYTHONPATH: Final = os.environ.get("PYTHONPATH", str(REPOSITORY))
SETTINGS: Final = {
    "LIVEKIT_URL": "ws://127.0.0.1:1",
    "LIVEKIT_API_KEY": "key",
    "LIVEKIT_API_SECRET": "a-secret-of-at-least-32-characters",
    "INTERVIEW_LIVEKIT_START_BUDGET_S": "0.1",
    "INTERVIEW_HTTP_PORT": "0",
    "DATABASE_URL": "postgresql://ada@127.0.0.1:1/interviews",
}
#: Makes the root and the folders of temporary files read-only; /mnt stays writable. `exec` replaces
#: the shell by the command of the test.
READ_ONLY_ROOT: Final = """
set -e
mount -t tmpfs tmpfs /mnt
for folder in /tmp /var/tmp; do
    mount --bind "$folder" "$folder"
    mount -o remount,bind,ro "$folder"
done
mount -o remount,bind,ro /
cd /
exec "$@"
"""
EMPTY_LOCALTIME: Final = """
set -e
[ -e /etc/localtime ] || { echo "no /etc/localtime" >&2; exit 1; }
mount --bind /dev/null /etc/localtime
exec "$@"
"""
#: A loopback interface with an IPv6 address alone. Exit code 77: this kernel has no IPv6.
IPV6_ONLY: Final = """
set -e
ip link set lo up
ip addr del 127.0.0.1/8 dev lo
ip -6 addr show dev lo | grep -q ::1 || exit 77
exec "$@"
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder that every user may write, outside of pytest's own folder."""
    made = new_folder("interview-bare-")
    made.chmod(0o777)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def run(folder: Path) -> Run:
    """Return a function that runs a command in a system, with nothing but settings around it."""

    def run(
        *arguments: str, inside: Sequence[str] = (), **settings: str
    ) -> subprocess.CompletedProcess[str]:
        given = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": PYTHONPATH,
            "PYTHONDONTWRITEBYTECODE": "1",
            **SETTINGS,
            **settings,
        }
        return subprocess.run(
            [*inside, sys.executable, "-m", "worker", *arguments],
            env={name: value for name, value in given.items() if value},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    return run


def nameless() -> tuple[str, ...]:
    """Return the prefix of a command of a user id without a name, or skip the test."""
    setpriv = debian_program("setpriv", package="util-linux")
    ids = (f"--reuid={NAMELESS}", f"--regid={NAMELESS}", "--clear-groups")
    prefix = (str(setpriv), *ids, "--")
    can_import = (*prefix, sys.executable, "-c", "import worker, states")
    _skip_unless_possible(can_import, "run the code as a user without a name")
    return prefix


def unshared(script: str, *namespaces: str) -> tuple[str, ...]:
    """Return the prefix of a command in namespaces that a script prepares, or skip the test."""
    unshare = debian_program("unshare", package="util-linux")
    prefix = (str(unshare), *namespaces, "sh", "-c", script, "sh")
    _skip_unless_possible((*prefix, "true"), "prepare such a system")
    return prefix


def _skip_unless_possible(command: Sequence[str], what: str) -> None:
    env = {**os.environ, "PYTHONPATH": PYTHONPATH}
    tried = subprocess.run(command, capture_output=True, text=True, cwd="/", env=env, check=False)
    if tried.returncode == 77:
        pytest.skip("this kernel has no IPv6")
    if tried.returncode != 0:
        last = (tried.stderr.splitlines() or ["no message"])[-1]
        pytest.skip(f"this test cannot {what} here, which takes root: {last}")


def problems(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return what a command printed about itself: a line for each problem, and no traceback."""
    assert "Traceback" not in done.stderr
    prefix = "interview-worker: "
    lines = done.stderr.splitlines()
    return [line.removeprefix(prefix) for line in lines if line.startswith(prefix)]


def finds_everything_but_livekit(done: subprocess.CompletedProcess[str]) -> bool:
    (problem,) = problems(done)
    return done.returncode == ExitCode.UNAVAILABLE and problem.startswith("no LiveKit server")


def doctor(run: Run, *, inside: Sequence[str] = (), **settings: str) -> Mapping[str, str]:
    """Return verdict, finding and advice of each check of the doctor, as one text by name."""
    done = run("doctor", "--json", inside=inside, **settings)
    assert "Traceback" not in done.stderr
    checks = json.loads(done.stdout)["checks"]
    return {each["check"]: f"{each['verdict']} {each['found']} {each['advice']}" for each in checks}


# --- no home, no user name ----------------------------------------------------------------------


def test_without_home_a_worker_starts_in_the_home_of_its_user(run: Run, folder: Path) -> None:
    assert finds_everything_but_livekit(run("start", INTERVIEW_DATA_DIR=str(folder / "data")))
    shown = run("config", "--json")
    assert shown.returncode == 0, shown.stderr


def test_without_a_home_the_data_folder_is_asked_for_in_one_line(run: Run, folder: Path) -> None:
    inside = nameless()
    done = run("start", inside=inside)
    assert done.returncode == ExitCode.TAKEN
    (problem,) = problems(done)
    assert "HOME is not set, and user id 31337 has no home on this system" in problem
    assert problem.endswith("set INTERVIEW_DATA_DIR to a folder that can be written")
    found = doctor(run, inside=inside)["machine.data_dir"]
    assert found.startswith("wrong ~/.local/share/interview-worker is in a home folder that is not")
    assert list(folder.iterdir()) == []  # not a folder that is called "~"


@pytest.mark.parametrize("arguments", [("config",), ("--version",), ("faults",), ("jobs", "list")])
def test_without_a_home_other_commands_work(run: Run, arguments: tuple[str, ...]) -> None:
    done = run(*arguments, inside=nameless())
    assert "Traceback" not in done.stderr
    assert done.returncode in (ExitCode.OK, ExitCode.UNAVAILABLE)


def test_a_user_id_without_a_name_can_run_a_worker(run: Run, folder: Path) -> None:
    inside, data_dir = nameless(), str(folder / "data")
    assert finds_everything_but_livekit(run("start", inside=inside, INTERVIEW_DATA_DIR=data_dir))
    found = doctor(run, inside=inside, INTERVIEW_DATA_DIR=data_dir)
    assert found["machine.system"].startswith("ok user id 31337, without a name;")
    assert found["machine.data_dir"].startswith("ok ")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (
            {"DATABASE_URL": "postgresql://127.0.0.1:1/interviews"},
            "DATABASE_URL names no user, and user id 31337 has no name on this system",
        ),
        (
            {"DATABASE_URL": "", "INTERVIEW_EMBEDDED": "1"},
            "user id 31337 has no name on this system, which the embedded PostgreSQL needs",
        ),
    ],
)
def test_a_database_that_needs_the_name_of_the_user_is_named_in_one_line(
    run: Run, folder: Path, settings: dict[str, str], named: str
) -> None:
    inside, settings = nameless(), {**settings, "INTERVIEW_DATA_DIR": str(folder / "data")}
    done = run("start", inside=inside, **settings)
    assert done.returncode == ExitCode.USAGE
    (problem,) = problems(done)
    assert problem.startswith(named)
    assert named in doctor(run, inside=inside, **settings)["machine.system"]


# --- a read-only root ---------------------------------------------------------------------------


def test_with_a_read_only_root_temporary_files_are_in_the_data_folder(run: Run) -> None:
    inside = unshared(READ_ONLY_ROOT, "--mount")
    done = run("start", inside=inside, INTERVIEW_DATA_DIR="/mnt/data")
    assert finds_everything_but_livekit(done)
    found = doctor(run, inside=inside, INTERVIEW_DATA_DIR="/mnt/data")
    assert found["machine.system"].endswith("temporary files in /mnt/data/tmp ")


def test_with_a_read_only_root_a_data_folder_on_it_is_named_in_one_line(run: Run) -> None:
    done = run("start", inside=unshared(READ_ONLY_ROOT, "--mount"), INTERVIEW_DATA_DIR="/srv/data")
    assert done.returncode == ExitCode.TAKEN
    (problem,) = problems(done)
    assert "cannot write to /srv/data/journals (Read-only file system)" in problem


# --- no time zone -------------------------------------------------------------------------------


def test_with_an_empty_localtime_commands_and_the_embedded_database_work(
    run: Run, folder: Path
) -> None:
    settings = {"DATABASE_URL": "", "INTERVIEW_EMBEDDED": "1", "INTERVIEW_DATA_DIR": str(folder)}
    done = run("interviews", "list", "--json", **settings, inside=unshared(EMPTY_LOCALTIME, "-m"))
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


# --- IPv6 alone ---------------------------------------------------------------------------------


def test_without_ipv4_the_default_address_of_the_http_server_is_named(
    run: Run, folder: Path
) -> None:
    inside = unshared(IPV6_ONLY, "--net")
    done = run("start", inside=inside, INTERVIEW_DATA_DIR=str(folder / "data"))
    assert done.returncode == ExitCode.USAGE
    (problem,) = problems(done)
    assert problem.startswith("cannot bind INTERVIEW_HTTP_HOST=127.0.0.1: ")


def test_without_ipv4_a_worker_starts_on_ipv6(run: Run, folder: Path) -> None:
    done = run(
        "start",
        inside=unshared(IPV6_ONLY, "--net"),
        INTERVIEW_DATA_DIR=str(folder / "data"),
        INTERVIEW_HTTP_HOST="::1",
        LIVEKIT_URL="ws://[::1]:1",
        DATABASE_URL="postgresql://ada@[::1]:1/interviews",
    )
    assert finds_everything_but_livekit(done)
    assert "[::1]:1" in done.stderr
