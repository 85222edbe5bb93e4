"""A provider and a step of the recovery, added to a copy of the tree by a small patch each."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.environment import environment
from tests.support.paths import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

PATCHES: Final = REPOSITORY / "tests/support/additions"
#: What the tests in the copy read.
COPIED: Final = ("states", "worker", "tests", "scripts", "pyproject.toml")
#: The tests of the code that the patches extend, and those in the patches.
TESTS: Final = (
    "tests/unit/worker/providers",
    "tests/unit/worker/config",
    "tests/unit/worker/resources/test_chains.py",
    "tests/unit/worker/cli/test_faults.py",
    "tests/unit/worker/cli/test_providers.py",
    "tests/unit/worker/interview/recovery/test_stuck_turn_ladder.py",
    "tests/unit/worker/interview/recovery/test_stuck_turn_ladder_wait.py",
    "tests/compat/test_declared.py",
)

EACH: Final = pytest.mark.parametrize("name", ["provider", "rung"])

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git applies the patches")


def git_apply(name: str, folder: Path, *options: str) -> str:
    """Run `git apply` on a patch in a folder, and return its output. Fails the test if git fails.

    One line of context is enough, so that a change beside a patch does not stop it.
    """
    outside = {"GIT_CEILING_DIRECTORIES": str(folder.parent)}  # the copy is no repository
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    done = subprocess.run(
        ["git", "apply", "-C1", *options, str(PATCHES / f"{name}.patch")],
        cwd=folder,
        env=kept | outside,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(
            f"tests/support/additions/{name}.patch no longer applies, because the lines around an "
            f"addition have changed. Make the same addition again, and store it with "
            f"`git diff --cached -U2 > tests/support/additions/{name}.patch`.\n{done.stderr}",
            pytrace=False,
        )
    return done.stdout


def copy_of_tree(folder: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", ".*_cache")
    for name in COPIED:
        source, target = REPOSITORY / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=ignored)
        else:
            shutil.copy(source, target)
    return folder


@EACH
def test_an_addition_is_small_and_in_one_place(name: str, tmp_path: Path) -> None:
    rows = [line.split("\t") for line in git_apply(name, tmp_path, "--numstat").splitlines()]
    code = {path: (int(added), int(gone)) for added, gone, path in rows if path[:6] != "tests/"}
    elsewhere = {path: n for path, n in code.items() if "/providers/example/" not in path}
    assert (
        elsewhere
        == {
            "provider": {"worker/providers/registry.py": (1, 0)},
            "rung": {
                "worker/config/silence.py": (2, 0),
                "worker/interview/recovery/stuck_turn_ladder.py": (4, 0),
            },
        }[name]
    )


@pytest.mark.timeout(400)  # one process for both additions, a minute of a busy processor
def test_the_tests_pass_after_both_additions(tmp_path: Path) -> None:
    copy = copy_of_tree(tmp_path)
    for name in ("provider", "rung"):
        git_apply(name, copy)
    inherited = {
        key: value for key, value in environment({}).items() if not key.startswith("PYTEST_")
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS],
        cwd=copy,
        env=inherited | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
