"""Helpers for tests of single settings."""

from __future__ import annotations

from typing import Any

import pytest

from worker.config.settings import Settings, variable_of
from worker.env.group import SettingsInvalid

VARIABLES = {variable_of(name): name for name in Settings.model_fields}


#: A token of the HTTP server with the least length.
TOKEN = "of-sixteen-chars"


def problem_of(variable: str, value: object) -> str:
    """Return the one line that reports a value."""
    with pytest.raises(SettingsInvalid) as refused:
        Settings.load(**{variable: value})
    (problem,) = refused.value.problems
    assert problem.startswith(f"{variable}: ")
    return problem


def value_of(variable: str, value: object) -> Any:
    return getattr(Settings.load(**{variable: value}), VARIABLES[variable])
