"""Makes the lock files of requirements/ from the version ranges of the two pyproject.toml.

`python -m scripts.lock` keeps each locked version that is still in its range. `--upgrade` takes the
newest version of everything, `--upgrade-package NAME` of one distribution. uv resolves the versions
for all platforms and all supported versions of Python, and writes the hash of each file.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from packaging.requirements import Requirement

from scripts.lockfile import constraint_lines, read_lock
from scripts.projects import WORKER, build_requirements, read_project, third_party

#: The oldest supported version of Python. The locks hold for it and for later ones.
PYTHON: Final = "3.11"


@dataclass(frozen=True, kw_only=True)
class Lock:
    """One lock file: what is locked, and for what it is installed."""

    path: str
    purpose: str
    requirements: Callable[[Path], list[Requirement]]
    #: The path of a lock file whose versions this one must have too.
    within: str | None = None


RUNTIME: Final = Lock(
    path="requirements/runtime.lock",
    purpose="What an installation of interview-worker needs, on a machine or in a container image.",
    requirements=third_party,
)
DEVELOPMENT: Final = Lock(
    path="requirements/development.lock",
    purpose="What `make setup` installs: runtime.lock, the tests, the linters and the build.",
    requirements=lambda repository: [
        *third_party(repository, "dev"),
        *build_requirements(repository),
    ],
    within=RUNTIME.path,
)
AUDIT: Final = Lock(
    path="requirements/audit.lock",
    purpose="What `make audit` installs, in an environment of its own.",
    requirements=lambda repository: list(read_project(repository, WORKER).groups["audit"]),
)
#: In the order in which they are made.
LOCKS: Final = (RUNTIME, DEVELOPMENT, AUDIT)


def head(lock: Lock) -> str:
    """Return the comment at the top of a lock file."""
    return (
        f"# {lock.purpose}\n"
        "# Made by `make lock` from pyproject.toml and states/pyproject.toml.\n"
        "# Install it with `pip install --require-hashes -r`.\n"
    )


def make(repository: Path, lock: Lock, options: Sequence[str], limits: Sequence[str]) -> str:
    """Return the text of a lock file.

    `options` are those of `uv pip compile` that choose what is upgraded; `limits` are lines of
    constraints. Raises CalledProcessError if uv finds no versions that fit.
    """
    if lock.within is not None:
        limits = [*limits, *constraint_lines(read_lock(repository / lock.within))]
    with TemporaryDirectory() as name:
        folder = Path(name)
        asked, limited, made = (folder / each for each in ("asked.in", "limits.txt", "made.txt"))
        asked.write_text(_lines(map(str, lock.requirements(repository))), encoding="utf-8")
        limited.write_text(_lines(limits), encoding="utf-8")
        if (repository / lock.path).exists():
            shutil.copy(repository / lock.path, made)  # uv keeps the versions of its output file
        command = _command(asked, limited, made, options)
        # In the folder, so that uv reads no configuration of the project.
        subprocess.run(command, cwd=folder, check=True)  # noqa: S603  # the uv of this environment
        return head(lock) + made.read_text(encoding="utf-8")


def _command(asked: Path, limited: Path, made: Path, options: Sequence[str]) -> list[str]:
    return [
        *(sys.executable, "-m", "uv", "pip", "compile", "--quiet"),
        *("--universal", "--python-version", PYTHON, "--generate-hashes"),
        # One version for all versions of Python, so that the tests on one hold for the others.
        *("--fork-strategy", "fewest"),
        # Without it uv runs the build of a package that has no wheel.
        *("--only-binary", ":all:"),
        # Neither the path of the temporary files nor the address of a registry is written.
        *("--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"),
        *options,
        *("--constraint", str(limited), "--output-file", str(made), str(asked)),
    ]


def _lines(texts: Iterable[str]) -> str:
    return "".join(f"{text}\n" for text in texts)


def make_all(repository: Path, options: Sequence[str], limits: Sequence[str]) -> None:
    """Make all lock files anew, or leave all as they were.

    Raises CalledProcessError if uv finds no versions that fit, and OSError if a file cannot be
    written.
    """
    before: dict[Path, str | None] = {}
    try:
        for lock in LOCKS:
            text = make(repository, lock, options, limits)
            path = repository / lock.path
            before[path] = path.read_text(encoding="utf-8") if path.exists() else None
            path.parent.mkdir(exist_ok=True)
            # Written before the next one is made, whose versions must be those of this one.
            path.write_text(text, encoding="utf-8", newline="\n")
    except BaseException:
        for path, text_before in before.items():
            if text_before is None:
                path.unlink(missing_ok=True)
            else:
                path.write_text(text_before, encoding="utf-8", newline="\n")
        raise


def main() -> None:
    """Make all lock files anew. Exits with 1 if one cannot be made, and then changes none."""
    parser = argparse.ArgumentParser(prog="python -m scripts.lock", description=main.__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions of all")
    parser.add_argument("--upgrade-package", metavar="NAME", action="append", default=[])
    parser.add_argument("--constraint", metavar="FILE", type=Path, help="limits of versions")
    given = parser.parse_args()
    options = ["--upgrade"] if given.upgrade else []
    options += [word for name in given.upgrade_package for word in ("--upgrade-package", name)]
    try:
        limited = given.constraint.read_text(encoding="utf-8") if given.constraint else ""
        make_all(Path(__file__).parents[1], options, limited.splitlines())
    except subprocess.CalledProcessError:
        sys.exit(1)  # uv has said why
    except OSError as error:
        sys.exit(str(error))
    print(*(lock.path for lock in LOCKS), sep="\n")


if __name__ == "__main__":
    main()
