"""The checks of `interview-worker start` before a worker runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.virtual.job_parts import settings_in
from worker.cli.common import CommandError, ExitCode
from worker.cli.start import _check_data_dir

if TYPE_CHECKING:
    from pathlib import Path


def test_a_data_folder_that_cannot_be_written_is_refused_with_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = settings_in(tmp_path / "file" / "data")
    with pytest.raises(
        CommandError, match=r"cannot write to .*; set INTERVIEW_DATA_DIR"
    ) as refused:
        _check_data_dir(settings)
    assert refused.value.code is ExitCode.TAKEN
    assert "(Not a directory)" in str(refused.value)


def test_the_check_of_a_writable_data_folder_leaves_no_file(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    _check_data_dir(settings)
    assert list(settings.journal_dir.iterdir()) == []
