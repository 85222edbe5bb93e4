"""The two wheels in empty environments, as a user of the plugin and an operator install them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement

from scripts.lock import DEVELOPMENT, RUNTIME
from scripts.lockfile import constraint_lines, read_lock
from scripts.projects import LIFECYCLE, WORKER
from tests.support.paths import REPOSITORY

pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("wheel"), pytest.mark.rotates]

#: What an installation of the lifecycle must not include: LiveKit, audio and PostgreSQL.
HEAVY = ("livekit", "av", "asyncpg", "numpy")

USERS_TEST = """
import asyncio

from states import Event
from states.testing import assert_entered, assert_outcome, assert_path, loaded, lost


async def test_a_job_without_its_vad_is_degraded(lifecycle):
    job = lifecycle()
    await job.fire(Event.ROOM_CONNECTED)
    await job.fire(Event.BOOTSTRAP_STARTED)
    await job.fire(Event.LOADER_REPORTED, loaded("orchestrator", required=True))
    await job.fire(Event.LOADER_REPORTED, lost("vad", "LoadTimeout"))
    await job.fire(Event.LOADERS_SETTLED)
    await job.fire(Event.SESSION_STARTED)
    assert_path(job, ..., "BOOTSTRAPPING", "DEGRADED", "RUNNING")
    await asyncio.sleep(3600)
    assert_outcome(job, "completed", "TimeLimitReached")


def test_a_handshake_has_ten_seconds(journey):
    assert_entered(journey(until_s=60), "CLOSING", within_s=10)


def test_a_path_that_was_not_taken(journey):
    assert_path(journey((0.1, Event.ROOM_CONNECTED)), "HANDSHAKE", "READY")
"""


class Wheels(NamedTuple):
    """The wheels that were built from this repository."""

    worker: Path
    lifecycle: Path


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "PYTHON"))}
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def must_run(*command: str | Path, cwd: Path) -> str:
    """Run a command and return what it printed. Fails the test if the command fails."""
    done = run(*command, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def empty_environment(folder: Path) -> Path:
    """Return the interpreter of a new environment in which nothing is installed, not even pip."""
    venv.create(folder, symlinks=True)
    return folder / "bin" / "python"


def pip(interpreter: Path, *arguments: str | Path) -> None:
    """Run the pip of this environment for another one, which saves the installation of pip."""
    must_run(
        *(sys.executable, "-m", "pip", "--python", interpreter, "--disable-pip-version-check"),
        *arguments,
        cwd=interpreter.parent,
    )


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Wheels:
    """Build both wheels with the setuptools of this environment."""
    folder = tmp_path_factory.mktemp("wheels")
    source = folder / "source"
    # Build from a copy: setuptools leaves a build folder beside the source, and would put the
    # files of an earlier build into the wheel.
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    for package in ("states", "worker"):
        shutil.copytree(REPOSITORY / package, source / package, ignore=ignored)
    for file in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(REPOSITORY / file, source)
    for project in (source / "states", source):
        must_run(
            *(sys.executable, "-m", "build", "--wheel", "--no-isolation"),
            *("--outdir", folder, project),
            cwd=folder,
        )
    (worker,) = folder.glob("interview_worker-*.whl")
    (lifecycle,) = folder.glob("interview_lifecycle-*.whl")
    return Wheels(worker, lifecycle)


@pytest.fixture(scope="module")
def lifecycle_alone(wheels: Wheels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of an environment with the lifecycle and its `testing` extra alone."""
    folder = tmp_path_factory.mktemp("lifecycle")
    interpreter = empty_environment(folder / "venv")
    tested = folder / "tested.txt"
    tested.write_text("\n".join(constraint_lines(read_lock(REPOSITORY / DEVELOPMENT.path))))
    pip(interpreter, "install", "-q", "-c", tested, f"{wheels.lifecycle}[testing]")
    return interpreter


@pytest.fixture(scope="module")
def worker(wheels: Wheels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of an environment with runtime.lock and both wheels, as in an image.

    pip resolves nothing. `pip check` then says whether the lock has everything that is required
    without an extra.
    """
    interpreter = empty_environment(tmp_path_factory.mktemp("worker") / "venv")
    locked = ("--require-hashes", "--only-binary", ":all:", "-r", REPOSITORY / RUNTIME.path)
    pip(interpreter, "install", "-q", "--no-deps", *locked)
    pip(interpreter, "install", "-q", "--no-deps", "--no-index", *wheels)
    pip(interpreter, "check")
    return interpreter


def test_no_file_is_in_both_wheels_and_none_is_a_file_of_the_build(wheels: Wheels) -> None:
    first, second = map(files_in, wheels)
    assert first & second == set()
    assert {name.split("/")[0] for name in first if ".dist-info/" not in name} == {"worker"}
    assert {name.split("/")[0] for name in second if ".dist-info/" not in name} == {"states"}
    ours = {name for name in second if ".dist-info/" not in name and not name.endswith(".py")}
    assert ours == {
        "states/py.typed",
        "states/render/fonts/DejaVuSansCondensed-Bold.ttf",
        "states/render/fonts/DejaVuSansCondensed.ttf",
        "states/render/fonts/LICENSE.txt",
    }


def test_every_module_is_in_its_wheel(wheels: Wheels) -> None:
    packed = files_in(wheels.worker) | files_in(wheels.lifecycle)
    written = {
        str(path.relative_to(REPOSITORY))
        for package in ("states", "worker")
        for path in (REPOSITORY / package).rglob("*.py")
        if "build" not in path.relative_to(REPOSITORY).parts[:2]
    }
    assert written - packed == set()


@pytest.mark.row("C7")
def test_a_users_own_tests_run_with_the_wheel_and_no_configuration(
    lifecycle_alone: Path, tmp_path: Path
) -> None:
    (tmp_path / "test_mine.py").write_text(USERS_TEST)
    tests = ("-m", "pytest", "-p", "no:cacheprovider", "test_mine.py")
    done = run(lifecycle_alone, *tests, cwd=tmp_path)
    assert "1 failed, 2 passed" in done.stdout, done.stdout + done.stderr
    assert "FAILED test_mine.py::test_a_path_that_was_not_taken" in done.stdout
    assert "E         expected   actual     t        on" in done.stdout
    assert "E       > READY      CONNECTED  0.100 s  room_connected" in done.stdout
    assert "HANDSHAKE was left by room_connected at 0.100 s." in done.stdout


def test_the_lifecycle_installs_without_livekit_audio_and_postgresql(
    lifecycle_alone: Path, tmp_path: Path
) -> None:
    code = (
        "import importlib.util, states, states.render, states.testing, states.timeline;"
        f"print([name for name in {HEAVY!r} if importlib.util.find_spec(name)])"
    )
    assert must_run(lifecycle_alone, "-c", code, cwd=tmp_path) == "[]\n"


@pytest.mark.row("C5", "B8")
def test_the_command_is_installed_with_its_data(worker: Path, tmp_path: Path) -> None:
    command = worker.parent / "interview-worker"
    assert "Usage: interview-worker" in must_run(command, "--help", cwd=tmp_path)
    assert must_run(command, "--version", cwd=tmp_path).startswith("interview-worker ")
    # The extra `png`, and the fonts of the other wheel.
    must_run(command, "diagram", "--format", "png", "-o", "drawn.png", cwd=tmp_path)
    assert (tmp_path / "drawn.png").read_bytes().startswith(b"\x89PNG")


def test_the_worker_requires_the_lifecycle_and_leaves_its_plugin_to_it(
    worker: Path, tmp_path: Path
) -> None:
    asked = (
        "from importlib.metadata import distribution;"
        f"print(*distribution({WORKER!r}).requires, sep='\\n')"
    )
    lines = must_run(worker, "-c", asked, cwd=tmp_path).splitlines()
    required = [each for line in lines if (each := Requirement(line)).name == LIFECYCLE]
    assert [sorted(each.extras) for each in required] == [["png"], ["testing"]]
    plugins = (
        "from importlib.metadata import entry_points;"
        "[print(each.dist.name, each.value) for each in entry_points(group='pytest11')]"
    )
    found = must_run(worker, "-c", plugins, cwd=tmp_path).splitlines()
    assert [line for line in found if "states" in line or line.startswith(WORKER)] == [
        f"{LIFECYCLE} states.pytest_plugin"
    ]


@pytest.mark.parametrize("name", [WORKER, LIFECYCLE])
def test_the_wheel_contains_the_licence_and_the_notice(
    worker: Path, tmp_path: Path, name: str
) -> None:
    asked = (
        f"from importlib.metadata import distribution; wheel = distribution({name!r});"
        "print(wheel.metadata['License-Expression'], *wheel.metadata.get_all('License-File'));"
        "print(*sorted(file.name for file in wheel.files if file.parent.name == 'licenses'))"
    )
    said = must_run(worker, "-c", asked, cwd=tmp_path).splitlines()
    assert said == ["Apache-2.0 LICENSE NOTICE", "LICENSE NOTICE"]
