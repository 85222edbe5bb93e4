"""The lock files of the repository, and the command that makes them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest
from packaging.utils import canonicalize_name

from scripts.lock import DEVELOPMENT, LOCKS, RUNTIME, Lock, head, main, make, make_all
from scripts.lockfile import Pin, read_lock
from scripts.projects import FOLDERS
from tests.support.paths import REPOSITORY

EACH: Final = pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: Path(lock.path).stem)
MADE: Final = f"asyncpg==0.32.0 \\\n    --hash=sha256:{'a' * 64}\n"


def pins(lock: Lock) -> list[Pin]:
    return read_lock(REPOSITORY / lock.path)


@EACH
def test_every_requirement_is_locked_within_its_range(lock: Lock) -> None:
    locked: dict[str, list[str]] = {}
    for pin in pins(lock):
        locked.setdefault(pin.name, []).append(pin.version)
    outside = {
        str(asked): locked.get(canonicalize_name(asked.name), [])
        for asked in lock.requirements(REPOSITORY)
        if not (versions := locked.get(canonicalize_name(asked.name)))
        or not all(asked.specifier.contains(each, prereleases=True) for each in versions)
    }
    assert outside == {}, "run `make lock`"


@EACH
def test_every_pin_has_a_hash(lock: Lock) -> None:
    assert [pin.name for pin in pins(lock) if not pin.hashes] == []


@EACH
def test_a_lock_names_no_registry_no_path_and_none_of_our_own_projects(lock: Lock) -> None:
    text = (REPOSITORY / lock.path).read_text(encoding="utf-8")
    assert re.findall(r"\w+://\S*|--(?:extra-)?index-url|--find-links|/tmp/", text) == []
    assert {pin.name for pin in pins(lock)} & set(FOLDERS) == set()


@EACH
def test_a_lock_begins_with_its_purpose(lock: Lock) -> None:
    assert (REPOSITORY / lock.path).read_text(encoding="utf-8").startswith(head(lock))


def test_development_has_the_versions_of_an_installation() -> None:
    installed = {(pin.name, pin.version) for pin in pins(RUNTIME)}
    assert installed <= {(pin.name, pin.version) for pin in pins(DEVELOPMENT)}


def test_the_build_of_both_projects_needs_nothing_that_is_not_locked() -> None:
    assert "setuptools" in {pin.name for pin in pins(DEVELOPMENT)}


class Uv:
    """Stands in for uv: keeps its command and what it was given, and writes a lock file."""

    def __init__(self) -> None:
        self.command: list[str] = []
        self.asked = self.limits = ""
        self.before: str | None = None

    def run(self, command: list[str], *, cwd: Path, check: bool) -> None:
        self.command = command
        made, asked = Path(command[-2]), Path(command[-1])
        limits = Path(command[command.index("--constraint") + 1])
        self.asked, self.limits = asked.read_text(), limits.read_text()
        self.before = made.read_text() if made.exists() else None
        made.write_text(MADE)


@pytest.fixture
def uv(monkeypatch: pytest.MonkeyPatch) -> Uv:
    uv = Uv()
    monkeypatch.setattr(subprocess, "run", uv.run)
    return uv


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository with both projects, and without lock files."""
    for folder in FOLDERS.values():
        (tmp_path / folder).mkdir(exist_ok=True)
        text = (REPOSITORY / folder / "pyproject.toml").read_text(encoding="utf-8")
        (tmp_path / folder / "pyproject.toml").write_text(text, encoding="utf-8")
    (tmp_path / "requirements").mkdir()
    return tmp_path


def test_uv_gets_the_ranges_of_both_projects_and_the_versions_to_keep(
    uv: Uv, repository: Path
) -> None:
    (repository / RUNTIME.path).write_text(MADE)

    assert make(repository, RUNTIME, ["--upgrade"], ["numpy==2.4.6"]) == head(RUNTIME) + MADE
    assert uv.asked.splitlines() == [str(each) for each in RUNTIME.requirements(REPOSITORY)]
    assert (uv.before, uv.limits) == (MADE, "numpy==2.4.6\n")
    assert {"--universal", "--generate-hashes", "--upgrade"} <= set(uv.command)

    make(repository, DEVELOPMENT, [], [])
    assert (uv.before, uv.limits) == (None, "asyncpg==0.32.0\n")


def test_the_command_ends_with_1_where_no_versions_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(command: list[str], **_: object) -> None:
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(subprocess, "run", fail)
    monkeypatch.setattr("sys.argv", ["scripts.lock"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1


def test_a_file_of_constraints_that_is_missing_is_an_error_of_one_line(
    uv: Uv, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    missing = tmp_path / "limits.txt"
    monkeypatch.setattr("sys.argv", ["scripts.lock", "--constraint", str(missing)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == f"[Errno 2] No such file or directory: '{missing}'"
    assert uv.command == []


def test_locks_stay_as_they_were_where_uv_fails_after_the_first(
    uv: Uv, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_after_the_first(command: list[str], *, cwd: Path, check: bool) -> None:
        if uv.command:
            raise subprocess.CalledProcessError(1, command)
        uv.run(command, cwd=cwd, check=check)

    (repository / RUNTIME.path).write_text("# as it was\n")
    monkeypatch.setattr(subprocess, "run", fail_after_the_first)
    with pytest.raises(subprocess.CalledProcessError):
        make_all(repository, [], [])
    assert (repository / RUNTIME.path).read_text() == "# as it was\n"
    assert not (repository / DEVELOPMENT.path).exists()


def test_all_locks_are_written_where_uv_finds_versions(uv: Uv, repository: Path) -> None:
    make_all(repository, [], [])
    for lock in LOCKS:
        assert (repository / lock.path).read_text() == head(lock) + MADE
