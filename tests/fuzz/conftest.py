"""A folder for the documents of one test module: examples share it, and replace each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty folder. Hypothesis allows no fixture of a single example."""
    return tmp_path_factory.mktemp("fuzz")
