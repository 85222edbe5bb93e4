"""Folders that other users of the machine may enter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.doctor.private_files import open_folders

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_of_journals_that_others_may_enter_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    journals = tmp_path / "journals"
    journals.mkdir()
    journals.chmod(0o755)
    assert open_folders(tmp_path) == [journals]
    journals.chmod(0o700)
    assert open_folders(tmp_path) == []


def test_nothing_is_open_below_a_closed_data_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "journals").mkdir(mode=0o755)
    assert open_folders(tmp_path) == []
