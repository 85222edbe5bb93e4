"""Path of the checkout, for tests that read its files or start its programs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

#: The folder that contains pyproject.toml.
REPOSITORY: Final = Path(__file__).parents[2]
