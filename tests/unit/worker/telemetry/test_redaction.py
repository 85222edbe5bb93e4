"""Error text in the log: its type and origin, and none of the spoken words."""

from __future__ import annotations

import contextlib
import json
from typing import TypeVar

import pydantic
import pytest
from livekit.agents import APIError, llm

from worker.telemetry.redaction import exception_text

E = TypeVar("E", bound=Exception)

SPOKEN = "I worked with Ada on the payroll"


class Answer(pydantic.BaseModel):
    """A validated model whose errors quote the invalid value."""

    count: int


def raised(error: E) -> E:
    """Return the error with a traceback, as if it was raised."""
    with contextlib.suppress(type(error)):
        raise error
    return error


def text_of(error: BaseException, *, logger: str = "worker.job") -> str:
    return exception_text(error, logger=logger)


def test_an_error_of_the_worker_keeps_its_message() -> None:
    text = text_of(raised(ValueError("no such state")))
    assert text.startswith("Traceback (most recent call last):\n")
    assert "raise error" in text
    assert text.endswith("ValueError: no such state")


def test_an_error_that_was_never_raised_has_no_traceback() -> None:
    assert text_of(KeyError("state")) == "KeyError: 'state'"


@pytest.mark.parametrize("error", [APIError(SPOKEN), llm.ToolError(SPOKEN)])
def test_a_framework_error_keeps_only_its_type_and_stack(error: Exception) -> None:
    text = text_of(raised(error))
    assert SPOKEN not in text
    assert "raise error" in text
    assert text.endswith(f"{type(error).__name__}: (redacted)")


def test_an_error_that_quotes_the_invalid_value_is_redacted() -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        Answer.model_validate({"count": SPOKEN})
    assert SPOKEN not in text_of(caught.value)


def test_a_plain_error_raised_by_the_framework_is_redacted() -> None:
    image = llm.ImageContent(image=f"data:{SPOKEN};base64,AAAA")
    with pytest.raises(ValueError, match=SPOKEN) as caught:
        llm.utils.serialize_image(image)
    assert text_of(caught.value).endswith("ValueError: (redacted)")


def test_every_error_logged_by_the_framework_is_redacted() -> None:
    text = text_of(raised(ValueError(SPOKEN)), logger="livekit.plugins.x")
    assert text.endswith("ValueError: (redacted)")


def test_causes_are_printed_in_order_and_redacted_individually() -> None:
    foreign = APIError(SPOKEN)
    with pytest.raises(ValueError, match="Expecting") as caught:
        json.loads("{")
    foreign.__cause__ = caught.value
    last = LookupError("and then this")
    last.__context__ = foreign
    text = text_of(last)
    assert SPOKEN not in text
    kept = ["Expecting property name", "direct cause", "APIError: (redacted)", "During handling"]
    places = [text.index(words) for words in [*kept, "LookupError: and then this"]]
    assert places == sorted(places)


def test_a_suppressed_context_is_omitted() -> None:
    error = ValueError("no such state")
    error.__context__ = KeyError("state")
    error.__suppress_context__ = True
    assert "KeyError" not in text_of(error)


def test_the_errors_of_a_group_are_printed_below_it() -> None:
    group = ExceptionGroup("two failed", [ValueError("no such state"), raised(APIError(SPOKEN))])
    text = text_of(raised(group))
    assert SPOKEN not in text
    assert "ExceptionGroup: two failed" in text
    assert "  | ValueError: no such state" in text
    assert "APIError: (redacted)" in text


def test_errors_that_cause_each_other_are_printed_once() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert text_of(first).count("ValueError") == 2
