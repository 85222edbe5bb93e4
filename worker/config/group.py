"""Base class of the groups of settings: names of variables, and help texts from docstrings."""

from __future__ import annotations

from typing import Any

from pydantic import AliasGenerator
from pydantic_settings import BaseSettings, SettingsConfigDict


def _variable(field: str) -> str:
    return f"INTERVIEW_{field.upper()}"


class SettingsGroup(BaseSettings):
    """Group of settings whose variables are the fields' names after INTERVIEW_.

    A field with another variable names it as its `validation_alias`. The docstring below a field is
    its help text.
    """

    model_config = SettingsConfigDict(
        alias_generator=AliasGenerator(validation_alias=_variable), use_attribute_docstrings=True
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Put each help text on one line."""
        for field in cls.model_fields.values():
            field.description = " ".join((field.description or "").split())
