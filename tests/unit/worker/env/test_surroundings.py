"""What a system does not give a process, and what the process does about it."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path
from typing import Any

import pytest

from worker.env import surroundings
from worker.env.surroundings import (
    LONGEST_TEMP,
    ensure_home,
    ensure_temp_folder,
    loopback_host,
    unknown_home,
    unnamed_cluster_owner,
    unnamed_database_user,
)


@pytest.fixture
def nameless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run this process with a user id that has no name, and without HOME."""
    monkeypatch.setattr(os, "geteuid", lambda: 31_337)

    def unknown(uid: int) -> Any:
        raise KeyError(uid)

    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.setenv("HOME", "to be removed")  # so that the end of the test restores it
    monkeypatch.delenv("HOME")


@pytest.fixture
def no_temp_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no folder of the system take temporary files, as a read-only root does."""

    def candidates() -> list[str]:
        return [os.environ.get("TMPDIR", "/proc/1/none")]

    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", candidates)
    monkeypatch.setattr(tempfile, "tempdir", None)
    # Set and removed, so that the fixture's end restores whatever the code sets.
    monkeypatch.setenv("TMPDIR", "to be removed")
    monkeypatch.delenv("TMPDIR")


# --- the home -----------------------------------------------------------------------------------


def test_a_path_without_a_tilde_needs_no_home(nameless: None) -> None:
    assert unknown_home(Path("/data")) is None
    assert unknown_home(Path("data")) is None
    assert unknown_home(Path()) is None


def test_a_folder_in_an_unknown_home_is_named_with_the_user_id(nameless: None) -> None:
    problem = unknown_home(Path("~/.local/share/interview-worker"))
    assert problem is not None
    assert "HOME is not set, and user id 31337 has no home" in problem


def test_a_folder_in_the_home_of_nobody_names_the_unknown_user() -> None:
    assert str(unknown_home(Path("~someone/data"))).endswith("there is no user someone")


def test_libraries_get_a_home_if_there_is_none(nameless: None, tmp_path: Path) -> None:
    ensure_home(tmp_path)
    assert os.environ["HOME"] == str(tmp_path)
    assert Path.home() == tmp_path


def test_a_home_that_is_known_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    ensure_home(tmp_path)
    assert os.environ["HOME"] == "/home/ada"


# --- temporary files ----------------------------------------------------------------------------


def test_without_a_temporary_folder_the_spare_folder_is_used(
    no_temp_folder: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surroundings, "LONGEST_TEMP", 1000)  # pytest's folder has a long path
    spare = tmp_path / "data" / "tmp"
    assert ensure_temp_folder(spare) is None
    assert tempfile.gettempdir() == os.environ["TMPDIR"] == str(spare)
    assert spare.stat().st_mode & 0o777 == 0o700


def test_a_temporary_folder_that_cannot_be_made_is_named(
    no_temp_folder: None, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    problem = ensure_temp_folder(tmp_path / "file" / "tmp")
    assert problem is not None
    assert "temporary files can be written nowhere" in problem
    assert problem.endswith("(Not a directory): set TMPDIR to a folder that can be written")


@pytest.mark.parametrize(("length", "accepted"), [(LONGEST_TEMP, True), (LONGEST_TEMP + 1, False)])
def test_a_temporary_folder_has_room_for_the_path_of_a_socket(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, length: int, accepted: bool
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/" + "t" * (length - 1))
    problem = ensure_temp_folder(tmp_path)
    assert (problem is None) is accepted
    assert accepted or "too long for a socket" in str(problem)


def test_the_longest_temporary_folder_takes_a_socket_of_multiprocessing() -> None:
    """The names are those of `multiprocessing.util.get_temp_dir` and `arbitrary_address`."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as short:  # a short path
        folder = Path(short) / ("t" * (LONGEST_TEMP - len(short) - 1))
        inside = folder / "pymp-12345678"
        inside.mkdir(parents=True)
        assert len(str(folder)) == LONGEST_TEMP
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(inside / "listener-12345678"))


# --- the user's name ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "environment", "is_missing"),
    [
        ("postgresql://db/interviews", {}, True),
        ("postgresql:///interviews?host=/run/postgresql", {}, True),
        ("postgresql://db/interviews", {"PGUSER": "ada"}, False),
        ("postgresql://db/interviews", {"LOGNAME": "ada"}, False),
        ("postgresql://db/interviews", {"PGSERVICE": "interviews"}, False),
        ("postgresql://ada@db/interviews", {}, False),
        ("postgresql://db/interviews?user=ada", {}, False),
        ("postgresql://[::1/interviews", {}, False),
        ("", {}, False),
    ],
)
def test_a_database_url_without_a_user_needs_the_name_of_the_user_id(
    nameless: None, url: str, environment: dict[str, str], is_missing: bool
) -> None:
    assert (unnamed_database_user(url, environment) is not None) is is_missing


def test_a_user_with_a_name_needs_none_in_the_url() -> None:
    assert unnamed_database_user("postgresql://db/interviews", {}) is None


def test_only_the_creation_of_the_embedded_database_needs_a_name(
    nameless: None, tmp_path: Path
) -> None:
    problem = unnamed_cluster_owner(tmp_path)
    assert problem is not None
    assert "user id 31337 has no name" in problem
    (tmp_path / "PG_VERSION").write_text("16\n")
    assert unnamed_cluster_owner(tmp_path) is None


# --- addresses ----------------------------------------------------------------------------------


class WithoutIPv4:
    """A socket of a system whose loopback interface has no IPv4 address."""

    def __init__(self, family: int, kind: int) -> None:
        self._family = family

    def __enter__(self) -> WithoutIPv4:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""

    def bind(self, address: tuple[str, int]) -> None:
        if self._family == socket.AF_INET:
            raise OSError(99, "Cannot assign requested address")


def test_the_loopback_address_is_that_of_ipv4_if_the_system_has_one() -> None:
    assert loopback_host() == "127.0.0.1"


def test_without_ipv4_the_loopback_address_is_that_of_ipv6(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "socket", WithoutIPv4)
    assert loopback_host() == "::1"
