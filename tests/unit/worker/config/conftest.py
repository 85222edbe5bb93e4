"""The settings of this machine stay out of the tests of settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.environment import OURS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove this machine's variables and settings file."""
    for name in list(os.environ):
        if name.startswith(OURS):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
