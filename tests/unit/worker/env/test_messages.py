"""Sentences for what pydantic finds wrong with a setting."""

from __future__ import annotations

from typing import Any, cast

import pytest
from pydantic_core import ErrorDetails

from worker.env.messages import sentence_of


def error(kind: str, message: str = "", **context: Any) -> ErrorDetails:
    details = {"type": kind, "loc": ("X",), "msg": message, "input": "hunter2", "ctx": context}
    return cast("ErrorDetails", details)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (error("bool_parsing"), "must be true or false, or 1 or 0"),
        (error("int_parsing"), "must be a whole number"),
        (error("float_parsing"), "must be a number"),
        (error("greater_than", gt=0.0), "must be more than 0"),
        (error("greater_than_equal", ge=1), "must be 1 or more"),
        (error("less_than_equal", le=86_400), "must be 86400 or less"),
        (error("literal_error", expected="'a' or 'b'"), "must be 'a' or 'b'"),
        (error("string_too_short", min_length=1), "must have 1 or more characters"),
        (error("string_pattern_mismatch", pattern="^a{2}$"), "must match the pattern ^a{2}$"),
    ],
)
def test_a_common_error_has_a_plain_sentence(found: ErrorDetails, sentence: str) -> None:
    assert sentence_of(found) == sentence


def test_other_messages_stay_without_their_prefix() -> None:
    assert sentence_of(error("value_error", "Value error, names no provider")) == (
        "names no provider"
    )
    assert sentence_of(error("new_kind", "Input should be new")) == "Input should be new"
