"""Validation rules for interview plans, and the problems that they report."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from worker.interview.plan.yaml_lines import Where

#: Maximum length of a text in a plan, in characters. This is about two minutes of speech.
MAX_TEXT = 2000

_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True, kw_only=True)
class PlanProblem:
    """One problem in a plan, with its line number (from 1) if known."""

    line: int | None
    message: str

    def located(self, path: str) -> str:
        """Return the problem as one line, in the format that editors and compilers use."""
        place = path if self.line is None else f"{path}:{self.line}"
        return _on_one_line(f"{place}: {self.message}")


def _on_one_line(text: str) -> str:
    """Escape the characters that would break a line, or change how a terminal shows the line.

    A value, a key, a tag or a file's name is untrusted and may contain any of them, for example
    U+0085 or U+2028.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class Checker:
    """Reader of values in untrusted data, which collects every broken rule in `problems`.

    Each method returns a value even for invalid data, so that one mistake does not hide the next.
    Use the values only if `problems` is empty.
    """

    def __init__(self, lines: Mapping[Where, int] | None = None) -> None:
        self._lines = lines or {}
        self.problems: list[PlanProblem] = []

    def report(self, where: Where, message: str, *, line: int | None = None) -> None:
        """Record a problem with the value at `where`.

        Without `line`, the problem gets the line of the value. If that line is unknown, the problem
        gets the line of the nearest parent.
        """
        nearest = where
        while line is None and (line := self._lines.get(nearest)) is None and nearest:
            nearest = nearest[:-1]
        name = _spoken(where)
        self.problems.append(PlanProblem(line=line, message=f"{name} {message}"))

    def in_order(self) -> tuple[PlanProblem, ...]:
        """Return the problems in the order of their lines."""
        return tuple(sorted(self.problems, key=lambda problem: problem.line or 0))

    def mapping(
        self, where: Where, value: object, known: Sequence[str]
    ) -> Mapping[str, object] | None:
        """Return `value` if it is a mapping, else None. Report a non-mapping and unknown keys."""
        if not isinstance(value, Mapping):
            self.report(where, f"must be a mapping with the keys {', '.join(known)}{_got(value)}")
            return None
        for key in value:
            if key in known:
                continue
            close = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"allowed keys are {', '.join(known)}"
            # An untrusted key may have any length and type.
            line = self._lines.get((*where, key))
            self.report((*where, str(key)[:64]), f"is unknown: {hint}", line=line)
        return cast(Mapping[str, object], value)

    def text(self, where: Where, fields: Mapping[str, object]) -> str:
        """Return a required text. Line breaks and runs of spaces become single spaces."""
        value = fields.get(_key(where))
        if value is None:
            self.report(where, "is missing")
            return ""
        return self._checked_text(where, value)

    def texts(self, where: Where, fields: Mapping[str, object], *, most: int) -> tuple[str, ...]:
        """Return an optional list of texts."""
        entries = self.entries(where, fields, least=0, most=most)
        return tuple(
            self._checked_text((*where, index), entry) for index, entry in enumerate(entries)
        )

    def entries(
        self, where: Where, fields: Mapping[str, object], *, least: int, most: int
    ) -> Sequence[object]:
        """Return a list of `least` to `most` entries. It may be absent only if `least` is 0."""
        value = fields.get(_key(where))
        if value is None and least == 0:
            return ()
        if value is None:
            self.report(where, "is missing")
        elif not isinstance(value, (list, tuple)):
            self.report(where, f"must be a list{_got(value)}")
        elif not least <= len(value) <= most:
            self.report(where, f"must have {least} to {most} entries (has {len(value)})")
        else:
            return value
        return ()

    def slug(self, where: Where, fields: Mapping[str, object]) -> str:
        """Return a required id of lowercase letters, digits, - and _."""
        value = fields.get(_key(where))
        if value is None:
            self.report(where, "is missing")
        elif not isinstance(value, str) or not _SLUG.fullmatch(value):
            rule = "must be 1 to 64 lowercase letters, digits, - or _, and not begin with - or _"
            self.report(where, f"{rule}{_got(value)}")
        else:
            return value
        return ""

    def language(self, where: Where, fields: Mapping[str, object], *, default: str) -> str:
        """Return an optional BCP 47 language tag."""
        value = fields.get(_key(where))
        if value is None:
            return default
        if isinstance(value, str) and len(value) <= 35 and _LANGUAGE.fullmatch(value):
            return value
        self.report(where, f"must be a language tag such as en or en-GB{_got(value)}")
        return default

    def seconds(
        self,
        where: Where,
        fields: Mapping[str, object],
        least: float,
        most: float,
        *,
        default: float,
    ) -> float:
        """Return an optional number of seconds."""
        value = fields.get(_key(where))
        if value is None:
            return default
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        # NaN compares false with both bounds, so NaN is refused too.
        if is_number and least <= cast(float, value) <= most:
            return float(cast(float, value))
        self.report(where, f"must be a number of seconds between {least} and {most}{_got(value)}")
        return default

    def whole_number(
        self,
        where: Where,
        fields: Mapping[str, object],
        of: str,
        least: int,
        most: int,
        *,
        default: int,
    ) -> int:
        """Return an optional whole number. Error messages name the unit `of`."""
        value = fields.get(_key(where))
        if value is None:
            return default
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self.report(where, f"must be a whole number of {of}, {least} to {most}{_got(value)}")
        return default

    def _checked_text(self, where: Where, value: object) -> str:
        if not isinstance(value, str):
            self.report(where, f"must be text{_got(value)}")
        elif "\0" in value:
            self.report(where, "must not contain a NUL character")
        elif any("\ud800" <= character <= "\udfff" for character in value):
            self.report(where, "must not contain a lone surrogate (half a character)")
        elif len(value) > MAX_TEXT:
            self.report(where, f"must be at most {MAX_TEXT} characters (has {len(value)})")
        elif not value.strip():
            self.report(where, "must not be empty")
        else:
            return " ".join(value.split())
        return ""


def _key(where: Where) -> str:
    return str(where[-1])


def _spoken(where: Where) -> str:
    """Return a path as text, such as `questions[2].longest_time_s`; `the plan` for the root."""
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where)
    return name.removeprefix(".") or "the plan"


def _got(value: object) -> str:
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
