"""Validation rules for interview plans, as pydantic types, and the problems that they report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any, NoReturn

from pydantic import (
    AfterValidator,
    BeforeValidator,
    GetCoreSchemaHandler,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from worker.env.shown import on_one_line, shortened
from worker.interview.plan.yaml_lines import LONGEST_NAME

#: Maximum length of a text in a plan, in characters: about two minutes of speech.
MAX_TEXT = 2000

#: Error type of an invalid value. The value follows the error message (`got`).
WRONG_VALUE = "wrong_value"
#: Error type of a text or list whose content is invalid. The message does not show the content.
WRONG_CONTENT = "wrong_content"
#: Error type of a question id that an earlier question of the plan has.
REPEATED_ID = "repeated_id"


@dataclass
class Ids:
    """The ids found so far in one validation, passed to pydantic as the validation context."""

    of_questions: set[str] = field(default_factory=set)
    #: Ids of the points of the current question.
    of_points: set[str] = field(default_factory=set)


@dataclass(frozen=True, kw_only=True)
class PlanProblem:
    """One problem in a plan, with its line number (from 1) if known."""

    line: int | None
    message: str

    def located(self, path: str) -> str:
        """Return the problem as one line, in the format that editors and compilers use."""
        place = path if self.line is None else f"{path}:{self.line}"
        return on_one_line(f"{place}: {self.message}")


@dataclass(frozen=True)
class _Rule:
    """Annotation of a field: the schema of valid values, and the error message for other values."""

    schema: CoreSchema
    sentence: str

    def __get_pydantic_core_schema__(self, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.custom_error_schema(
            self.schema, custom_error_type=WRONG_VALUE, custom_error_message=self.sentence
        )


def seconds(least: float, most: float) -> _Rule:
    """Return the rule for a number of seconds. NaN is refused."""
    return _Rule(
        core_schema.float_schema(strict=True, ge=least, le=most),
        f"must be a number of seconds between {least} and {most}",
    )


def whole_number(of: str, least: int, most: int) -> _Rule:
    """Return the rule for a whole number. The error message names the unit `of`."""
    return _Rule(
        core_schema.int_schema(strict=True, ge=least, le=most),
        f"must be a whole number of {of}, {least} to {most}",
    )


def entries(least: int, most: int) -> BeforeValidator:
    """Return the rule for a list of `least` to `most` entries."""

    def check(value: object) -> object:
        if not isinstance(value, (list, tuple)):
            raise PydanticCustomError(WRONG_VALUE, "must be a list")
        if not least <= len(value) <= most:
            number = f"{least}" if least == most else f"{least} to {most}"
            raise PydanticCustomError(
                WRONG_CONTENT, f"must have {number} entries (has {len(value)})"
            )
        return value

    return BeforeValidator(check)


def text_entries(most: int) -> WrapValidator:
    """Return the rule for a mapping of at most `most` texts. The keys must be texts as well."""

    def check(value: object, texts: ValidatorFunctionWrapHandler) -> object:
        if not isinstance(value, Mapping):
            raise PydanticCustomError(WRONG_VALUE, "must be a mapping of texts")
        if len(value) > most:
            raise PydanticCustomError(
                WRONG_CONTENT, f"must have 0 to {most} entries (has {len(value)})"
            )
        result = texts({printable_key(key): each for key, each in value.items()})
        found: set[str] = set()
        for key in map(printable_key, value):
            if (name := " ".join(key.split())) in found:
                mistake_at((key,), "is the same text as another key")
            found.add(name)
        return result

    return WrapValidator(check)


def choice(*allowed: str) -> _Rule:
    """Return the rule for one of several words."""
    return _Rule(core_schema.literal_schema(list(allowed)), f"must be one of {', '.join(allowed)}")


def once_each(allowed: Sequence[str]) -> AfterValidator:
    """Return the rule for a list of choices without repetition.

    Validation sorts the list in the order of `allowed`.
    """

    def check(value: tuple[str, ...]) -> tuple[str, ...]:
        for number, each in enumerate(value):
            if each in value[:number]:
                mistake_at((number,), f"is given twice ({each})")
        return tuple(sorted(value, key=allowed.index))

    return AfterValidator(check)


def rising(value: tuple[float, ...]) -> tuple[float, ...]:
    """Refuse a sequence in which a number is not greater than the number before it."""
    for number, (before, each) in enumerate(pairwise(value), start=1):
        if each <= before:
            mistake_at((number,), f"must be above {before:g}, the number before it", each)
    return value


def mistake_at(where: tuple[str | int, ...], message: str, value: object = None) -> NoReturn:
    """Raise the error for a mistake at a path below the value that is checked.

    The report of the error shows `value` after the message, if `value` is not None.
    """
    kind = WRONG_CONTENT if value is None else WRONG_VALUE
    error = InitErrorDetails(type=PydanticCustomError(kind, message), loc=where, input=value)
    raise ValidationError.from_exception_data("plan", [error])


def printable_key(key: object) -> str:
    """Return a key as text with its lone surrogates escaped.

    If a key contained a lone surrogate, pydantic would report only this key, and no other problem.
    """
    return str(key).encode("utf-8", "backslashreplace").decode()


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise PydanticCustomError(WRONG_VALUE, "must be text")
    if "\0" in value:
        wrong = "must not contain a NUL character"
    elif any("\ud800" <= character <= "\udfff" for character in value):
        wrong = "must not contain a lone surrogate (half a character)"
    elif len(value) > MAX_TEXT:
        wrong = f"must be at most {MAX_TEXT} characters (has {len(value)})"
    elif not value.strip():
        wrong = "must not be empty"
    else:
        return " ".join(value.split())
    raise PydanticCustomError(WRONG_CONTENT, wrong)


def _ids_of(info: ValidationInfo) -> Ids:
    context: Any = info.context
    ids: Ids = context
    return ids


def _unique(value: str, info: ValidationInfo) -> str:
    """Refuse an id that another question of the plan has."""
    ids = _ids_of(info).of_questions
    if value in ids:
        raise PydanticCustomError(REPEATED_ID, "must be unique")
    ids.add(value)
    return value


def _unique_point(value: str, info: ValidationInfo) -> str:
    """Refuse an id that another point of the question has."""
    ids = _ids_of(info).of_points
    if value in ids:
        raise PydanticCustomError(WRONG_VALUE, "must be unique among the points of the question")
    ids.add(value)
    return value


def new_point_ids() -> BeforeValidator:
    """Return the rule that the ids of points must be unique only within one question."""

    def check(value: object, info: ValidationInfo) -> object:
        _ids_of(info).of_points.clear()
        return value

    return BeforeValidator(check)


#: A text in a plan, of 1 to `MAX_TEXT` characters. Line breaks and runs of spaces become single
#: spaces.
Text = Annotated[str, PlainValidator(_text)]

_ID = _Rule(
    core_schema.str_schema(strict=True, pattern="^[a-z0-9][a-z0-9_-]{0,63}$"),
    "must be 1 to 64 lowercase letters, digits, - or _, and not begin with - or _",
)

#: An id that no other question of the plan has: lowercase letters, digits, - and _.
Slug = Annotated[str, _ID, AfterValidator(_unique)]

#: An id that no other point of the question has, of the same characters.
PointId = Annotated[str, _ID, AfterValidator(_unique_point)]

#: A value that is true or false.
Flag = Annotated[bool, _Rule(core_schema.bool_schema(strict=True), "must be true or false")]

#: A BCP 47 language tag.
Language = Annotated[
    str,
    _Rule(
        core_schema.str_schema(
            strict=True, max_length=35, pattern="^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$"
        ),
        "must be a language tag such as en or en-GB",
    ),
]


def spoken(where: tuple[str | int, ...]) -> str:
    """Return a path as text, such as `questions[2].longest_time_s`; `the plan` for the root."""
    names = (part if isinstance(part, int) else shortened(part, LONGEST_NAME) for part in where)
    name = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in names)
    return name.removeprefix(".") or "the plan"


def got(value: object) -> str:
    """Return a short note on the value that was found, such as ` (got "ten")`."""
    match value:
        case None:
            shown = "nothing"
        case Mapping():
            shown = "a mapping"
        case list() | tuple():
            shown = "a list"
        case str() if len(value) > 40:
            shown = json.dumps(value[:40] + "…", ensure_ascii=False)
        case str() | bool():
            shown = json.dumps(value, ensure_ascii=False)
        case _:
            shown = str(value) if isinstance(value, float) else repr(value)[:40]
    return f" (got {shown})"
