"""Base class of all groups of settings: names of variables, and help texts from docstrings.

The module is in a layer below `worker.config`, because vendors declare settings too.
"""

from __future__ import annotations

import ast
import inspect
from itertools import pairwise

from pydantic import AliasGenerator
from pydantic_settings import BaseSettings, SettingsConfigDict


def _variable(field: str) -> str:
    return f"INTERVIEW_{field.upper()}"


class SettingsGroup(BaseSettings):
    """Group of settings whose variables are the fields' names after INTERVIEW_.

    A field with another variable names it as its `validation_alias`. The docstring below a field is
    its help text (`help_texts`); a text that is computed is the field's `description` instead.
    """

    # The validator of a group is never needed: only `Settings`, which joins the groups, is created.
    model_config = SettingsConfigDict(
        alias_generator=AliasGenerator(validation_alias=_variable), defer_build=True
    )


def help_texts(settings: type[BaseSettings]) -> dict[str, str]:
    """Return the help text of each field of `settings`, on one line, in the order of the fields.

    The text is empty if the sources of the worker are not installed. Reading the sources takes
    50 ms of processor time, so only code that prints help texts calls this function.
    """
    written: dict[str, str] = {}
    for group in settings.__mro__:
        if issubclass(group, SettingsGroup) and "__annotations__" in vars(group):
            written |= _docstrings(group)
    return {
        name: " ".join((field.description or written.get(name, "")).split())
        for name, field in settings.model_fields.items()
    }


def _docstrings(group: type) -> dict[str, str]:
    """Return the docstring below each annotated field of a class."""
    try:
        source = inspect.getsource(group)
    except OSError:
        return {}
    # The classes are at the top level of their modules: their source is not indented.
    (tree,) = ast.parse(source).body
    assert isinstance(tree, ast.ClassDef)  # noqa: S101  # the source of a class
    return {
        field.target.id: text.value.value
        for field, text in pairwise(tree.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
