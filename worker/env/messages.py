"""Sentences for what pydantic finds wrong with a setting. No sentence quotes the value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_BOOLEAN: Final = "must be true or false, or 1 or 0"
_WHOLE_NUMBER: Final = "must be a whole number"
_NUMBER: Final = "must be a number"

#: Sentences by the type of the error (https://docs.pydantic.dev/latest/errors/validation_errors/).
#: The names in braces are those of the error's context.
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
    """Return what is wrong, as a sentence without its subject.

    The message of a validator of this project, and of an error without a sentence of ours, stays as
    it is.
    """
    sentence = _SENTENCES.get(error["type"])
    if sentence is None:
        return error["msg"].removeprefix("Value error, ")
    return sentence.format_map(error.get("ctx", {}))
