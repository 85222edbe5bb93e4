"""The wheel in an empty environment, as a user of the plugin installs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY

pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("wheel"), pytest.mark.rotates]


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


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of a new environment with the wheel installed."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    # Build from a copy: setuptools leaves a build folder beside the source, and would put the
    # files of an earlier build into the wheel.
    for package in ("states", "worker"):
        shutil.copytree(
            REPOSITORY / package, source / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    for file in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        if (REPOSITORY / file).exists():
            shutil.copy(REPOSITORY / file, source)
    built = run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, source, cwd=folder)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=True)
    interpreter = folder / "venv" / "bin" / "python"
    installed = run(interpreter, "-m", "pip", "install", "-q", f"{wheel}[testing]", cwd=folder)
    assert installed.returncode == 0, installed.stdout + installed.stderr
    return interpreter


@pytest.mark.row("C7")
def test_a_users_own_tests_run_with_the_wheel_and_no_configuration(
    python: Path, tmp_path: Path
) -> None:
    (tmp_path / "test_mine.py").write_text(USERS_TEST)
    done = run(python, "-m", "pytest", "-p", "no:cacheprovider", "test_mine.py", cwd=tmp_path)
    assert "1 failed, 2 passed" in done.stdout, done.stdout + done.stderr
    assert "FAILED test_mine.py::test_a_path_that_was_not_taken" in done.stdout
    assert "E         expected   actual     t        on" in done.stdout
    assert "E       > READY      CONNECTED  0.100 s  room_connected" in done.stdout
    assert "HANDSHAKE was left by room_connected at 0.100 s." in done.stdout


@pytest.mark.row("C5", "B8")
def test_the_command_is_installed_with_its_data(python: Path, tmp_path: Path) -> None:
    helped = run(python.parent / "interview-worker", "--help", cwd=tmp_path)
    assert helped.returncode == 0, helped.stdout + helped.stderr


def test_the_wheel_contains_the_licence_and_the_notice(python: Path, tmp_path: Path) -> None:
    asked = (
        "from importlib.metadata import distribution; wheel = distribution('interview-worker');"
        "print(wheel.metadata['License-Expression'], *wheel.metadata.get_all('License-File'));"
        "print(*sorted(file.name for file in wheel.files if file.parent.name == 'licenses'))"
    )
    said = run(python, "-c", asked, cwd=tmp_path).stdout.splitlines()
    assert said == ["Apache-2.0 LICENSE NOTICE", "LICENSE NOTICE"]
