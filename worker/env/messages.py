"""Sentences for pydantic's errors about invalid settings. No sentence quotes a setting's value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_BOOLEAN: Final = "must be true or false, or 1 or 0"
_WHOLE_NUMBER: Final = "must be a whole number"
_NUMBER: Final = "must be a number"

#: Sentences by the type of the error (https://docs.pydantic.dev/latest/errors/validation_errors/).
#: `{name}` in a sentence stands for the value of the key `name` in the error's `ctx`.
_SENTENCES: Final[Mapping[str, str]] = {
    "bool_parsing": _BOOLEAN,
    "bool_type": _BOOLEAN,
    "int_parsing": _WHOLE_NUMBER,
    "int_parsing_size": _WHOLE_NUMBER,
    "int_from_float": _WHOLE_NUMBER,
    "int_type": _WHOLE_NUMBER,
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "finite_number": "must be a finite number",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be {ge:g} or more",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be {le:g} or less",
    "literal_error": "must be {expected}",
    "string_type": "must be text",
    "string_too_short": "must have {min_length} or more characters",
    "string_too_long": "must have {max_length} or fewer characters",
    "string_pattern_mismatch": "must match the pattern {pattern}",
}


def sentence_of(error: ErrorDetails) -> str:
    """Return what is wrong with a setting, as a sentence without its subject (the variable).

    If `_SENTENCES` has no sentence for the type of the error, return the error's own message,
    because this project's own validators write their messages as sentences without a subject.
    """
    sentence = _SENTENCES.get(error["type"])
    if sentence is None:
        return error["msg"].removeprefix("Value error, ")
    return sentence.format_map(error.get("ctx", {}))
