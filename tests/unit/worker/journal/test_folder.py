"""The folder of the journals: whether it is still the same, and what is in it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from worker.journal.folder import FolderIdentity, age_of, journals_in, remove_older

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_is_the_same_until_another_one_takes_its_place(tmp_path: Path) -> None:
    folder = tmp_path / "journals"
    identity = FolderIdentity(folder)
    identity.note()
    assert identity.problem() is None, "no folder is known yet"
    folder.mkdir()
    identity.note()
    assert identity.problem() is None

    folder.rename(tmp_path / "removed")
    assert identity.problem() == f"{folder} was removed while the worker ran"
    folder.mkdir()
    identity.note()
    assert "is another folder or volume" in str(identity.problem())

    folder.rmdir()
    (tmp_path / "removed").rename(folder)
    assert identity.problem() is None


def test_a_folder_that_cannot_be_found_is_a_problem(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "journals"
    folder.mkdir(parents=True)
    identity = FolderIdentity(folder)
    identity.note()
    folder.rmdir()
    (tmp_path / "data").rmdir()
    (tmp_path / "data").write_text("a file")
    assert identity.problem() == f"cannot find {folder} (Not a directory)"


def test_only_journals_are_listed_with_their_ages(tmp_path: Path) -> None:
    for name in ("AJ_1.jsonl", "AJ_2.jsonl", ".probe-7", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "shipped").mkdir()
    an_hour_ago, in_an_hour = time.time() - 3600, time.time() + 3600
    os.utime(tmp_path / "AJ_1.jsonl", (an_hour_ago, an_hour_ago))
    os.utime(tmp_path / "AJ_2.jsonl", (in_an_hour, in_an_hour))
    ages = {each.job_id: each.age_s for each in journals_in(tmp_path)}
    assert ages == {"AJ_1": pytest.approx(3600, abs=60), "AJ_2": 0.0}
    assert age_of(tmp_path / "AJ_1.jsonl") == pytest.approx(3600, abs=60)


def test_a_missing_folder_has_no_journals_and_an_unreadable_one_is_an_error(tmp_path: Path) -> None:
    assert list(journals_in(tmp_path / "none")) == []
    assert age_of(tmp_path / "none") is None
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        list(journals_in(tmp_path / "file"))


def test_only_journals_past_the_age_are_removed(tmp_path: Path) -> None:
    for name, age_s in (("old.jsonl", 100), ("young.jsonl", 10), ("old.txt", 100)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age_s,) * 2)
    assert remove_older(tmp_path, 60.0) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.txt", "young.jsonl"]
