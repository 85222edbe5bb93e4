"""The problems of a plan, as they are reported: each with its line and its field."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from worker.interview.plan.facts import Facts
from worker.interview.plan.lines import CandidateQuestions, Consent, Disclosure
from worker.interview.plan.markup import markup_in
from worker.interview.plan.question import Point, Question, TimeLimits
from worker.interview.plan.spoken_texts import spoken_texts
from worker.interview.plan.validation import (
    REPEATED_ID,
    WRONG_VALUE,
    PlanProblem,
    got,
    spoken,
)
from worker.interview.plan.yaml_lines import LONGEST_NAME, Document, Where

#: Maximum number of problems that are reported. A file of 512 KiB may have 100,000.
MAX_PROBLEMS: Final = 1000

#: Error type of a field whose default pydantic cannot compute, because another field is invalid.
_FOLLOWS_FROM_OTHERS: Final = "default_factory_not_called"
#: Least similarity of an unknown key and the key that its author may have meant (0 to 1).
_ALIKE: Final = 0.65
#: Last part of the path of an error in the key of a mapping.
_KEY: Final = "[key]"
#: The keys of each mapping in a plan, by the key under which the mapping is.
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "questions": Question.keys(),
    "points": Point.keys(),
    "time": TimeLimits.keys(),
    "disclosure": Disclosure.keys(),
    "consent": Consent.keys(),
    "facts": Facts.keys(),
    "candidate_questions": CandidateQuestions.keys(),
}


class PlanError(ValueError):
    """Raised for an invalid plan. The message has a line per problem: `plan.yaml:12: problem`.

    `path` is the file (or the name of another source), `problems` holds every `PlanProblem`.
    """

    def __init__(self, path: str, problems: tuple[PlanProblem, ...]) -> None:
        self.path = path
        self.problems = problems
        super().__init__("\n".join(problem.located(path) for problem in problems))


def errors_of(invalid: ValidationError, plan_keys: tuple[str, ...]) -> list[ErrorDetails]:
    """Return the errors in the order of the keys, without errors that follow from other errors.

    `plan_keys` are the top-level keys of a plan.
    """
    names = dict.fromkeys((*plan_keys, *(key for keys in _KEYS.values() for key in keys)))
    # The position of each key when the errors are sorted. Unknown keys come first.
    order = {name: number for number, name in enumerate(names)}

    def position(error: ErrorDetails) -> list[int]:
        return [part if isinstance(part, int) else order.get(part, -1) for part in error["loc"]]

    errors = sorted(invalid.errors(include_url=False), key=position)
    return [each for each in errors if each["type"] != _FOLLOWS_FROM_OTHERS]


def problem_of(error: ErrorDetails, document: Document, plan_keys: tuple[str, ...]) -> PlanProblem:
    """Convert an error of pydantic to a `PlanProblem` at the line of the value or its parent."""
    where, value, message = error["loc"], error["input"], error["msg"]
    if where and where[-1] == _KEY:
        where, message = where[:-1], f"has a wrong name: it {message}"
    lines = (document.lines.get(where[:length]) for length in range(len(where), -1, -1))
    line = next((each for each in lines if each is not None), None)
    if error["type"] == "missing":
        message = "is missing"
    elif error["type"] == "unexpected_keyword_argument":
        message = f"is unknown: {_hint(where, plan_keys)}"
        where = (*where[:-1], str(where[-1])[:LONGEST_NAME])  # untrusted, of any length
    elif error["type"] == WRONG_VALUE:
        message += got(value)
    elif error["type"] == REPEATED_ID:
        message += f": questions[{_first_with(value, document.value)}] has the same id"
    return PlanProblem(line=line, message=f"{spoken(where)} {message}")


def _hint(where: Where, plan_keys: tuple[str, ...]) -> str:
    parent = next((part for part in reversed(where[:-1]) if isinstance(part, str)), None)
    known = plan_keys if parent is None else _KEYS[parent]
    close = difflib.get_close_matches(str(where[-1]), known, n=1, cutoff=_ALIKE)
    return f"did you mean {close[0]}?" if close else f"allowed keys are {', '.join(known)}"


def _first_with(slug: str, plan: Any) -> int:
    """Return the index of the first question with the id `slug`."""
    questions = enumerate(plan["questions"])
    return next(n for n, each in questions if isinstance(each, Mapping) and each.get("id") == slug)


def repeated_keys(document: Document) -> list[PlanProblem]:
    """Return the first `MAX_PROBLEMS` keys that are given twice."""
    return [
        PlanProblem(line=line, message=f"{spoken(where)} is given twice")
        for where, line in document.repeated[:MAX_PROBLEMS]
    ]


def markup_problems(document: Document) -> Iterator[PlanProblem]:
    """Yield the markup in the texts of a plan file that are spoken, each with its line."""
    for where, text in spoken_texts(document.value):
        for markup in markup_in(text):
            line = document.line_of(where, markup.found)
            yield PlanProblem(line=line, message=f"{spoken(where)} {markup.message}")
