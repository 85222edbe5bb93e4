"""The interview plan: its questions, their order, and their time limits.

A plan is written as a YAML file (`load_plan`) and travels with a dispatch as plain JSON
(`Plan.to_json`, `Plan.from_json`). The same rules check YAML and JSON, with one exception: only a
file is refused for markup, so that plans that an earlier version stored stay valid. All mistakes
are reported together. If the plan is a file, a mistake in the text has a line number.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from worker.interview.plan.markup import markup_in
from worker.interview.plan.validation import (
    REPEATED_ID,
    WRONG_VALUE,
    Language,
    PlanProblem,
    Slug,
    Text,
    entries,
    got,
    seconds,
    spoken,
    whole_number,
)
from worker.interview.plan.yaml_lines import (
    LONGEST_NAME,
    Document,
    Where,
    YamlMistake,
    read_yaml,
)

#: Maximum size of a plan file, in bytes. A plan of 500 questions with 80 words each takes half of
#: that size.
MAX_FILE_BYTES = 512 * 1024
#: Maximum number of questions in a plan. With texts like those of the sample plan, this number of
#: questions takes a third of `MAX_FILE_BYTES`.
MAX_QUESTIONS = 500
#: Maximum number of problems that are reported. A file of `MAX_FILE_BYTES` may have 100,000.
MAX_PROBLEMS = 1000
#: Default time limit of one question, in seconds.
LONGEST_TIME_S = 180.0
#: Default silence that ends an answer, in seconds. The default is longer than a thinking pause of
#: 1.5 s (measured).
THINKING_PAUSE_S = 1.8
#: Default number of words below which an answer gets a follow-up.
SHORT_ANSWER_WORDS = 8

#: The plan that ships with the package.
SAMPLE_PLAN = Path(__file__).with_name("sample_plan.yaml")


class PlanError(ValueError):
    """Raised for an invalid plan. The message has a line per problem: `plan.yaml:12: problem`.

    `path` is the file (or the name of another source), `problems` holds every `PlanProblem`.
    """

    def __init__(self, path: str, problems: tuple[PlanProblem, ...]) -> None:
        self.path = path
        self.problems = problems
        super().__init__("\n".join(problem.located(path) for problem in problems))


def _printable(key: object) -> str:
    # Escape lone surrogates: pydantic would report only the key with a lone surrogate, and no other
    # problem.
    return str(key).encode("utf-8", "backslashreplace").decode()


class _Checked:
    """Base class that makes pydantic check the data of `Plan` and `Question` strictly."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _given(cls, data: object) -> object:
        """Treat a known key without a value as absent. Refuse data other than a mapping."""
        known = cls.keys()
        if not isinstance(data, Mapping):
            sentence = f"must be a mapping with the keys {', '.join(known)}"
            raise PydanticCustomError(WRONG_VALUE, sentence)
        given = {k: value for k, value in data.items() if value is not None or k not in known}
        return {_printable(key): value for key, value in given.items()}

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """Return the keys that a mapping for this class (`Plan` or `Question`) may have."""
        return tuple(cls.__dataclass_fields__)  # type: ignore[attr-defined]  # of the subclasses


@dataclass(frozen=True, kw_only=True)
class Question(_Checked):
    """One planned question, with its limits in seconds."""

    #: Slug that is unique in the plan. Turns and metrics refer to the question by this slug.
    id: Slug
    text: Text
    #: Points that a good answer covers, for the interviewer and for readers of the transcript.
    good_answer: Annotated[tuple[Text, ...], entries(0, 20)] = ()
    #: The plan's own follow-up questions, asked in this order.
    follow_ups: Annotated[tuple[Text, ...], entries(0, 5)] = ()
    #: Maximum number of follow-ups, from the plan and from a language model together (0 to 5).
    follow_ups_allowed: Annotated[
        int,
        whole_number("follow-ups", 0, 5),
        Field(default_factory=lambda given: len(given["follow_ups"])),
    ]
    #: Time limit of the question and its follow-ups together (10 to 1800 s).
    longest_time_s: Annotated[float, seconds(10, 1800)] = LONGEST_TIME_S
    #: Silence that ends an answer (0.3 to 6 s).
    thinking_pause_s: Annotated[float, seconds(0.3, 6)] = THINKING_PAUSE_S


@dataclass(frozen=True, kw_only=True)
class Plan(_Checked):
    """A checked interview plan: opening, 1 to 500 questions, closing."""

    title: Text
    opening: Text
    questions: Annotated[tuple[Question, ...], entries(1, MAX_QUESTIONS)]
    closing: Text
    #: A BCP 47 language tag, such as `en` or `en-GB`.
    language: Language = "en"
    #: Number of words below which an answer gets a follow-up, if a follow-up is allowed.
    short_answer_words: Annotated[int, whole_number("words", 0, 100)] = SHORT_ANSWER_WORDS

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON data, including defaults. `from_json` reads this data."""
        plain: dict[str, Any] = _PLAN.dump_python(self, mode="json")
        return plain

    @classmethod
    def from_json(cls, data: object, *, source: str = "plan") -> Plan:
        """Return the plan from JSON data, checked as strictly as a plan file.

        Raises `PlanError` with every problem if the plan is invalid. The message names `source`.
        """
        return _checked(Document(value=data), source)


@dataclass(frozen=True, kw_only=True)
class PlanFile:
    """A checked plan file."""

    path: str
    plan: Plan
    #: Line of the plan's language; of the plan itself if the language is not given.
    language_line: int | None


_PLAN = TypeAdapter(Plan)
#: pydantic's error type for a field whose default cannot be computed, because another field is
#: invalid.
_FOLLOWS_FROM_OTHERS = "default_factory_not_called"
#: Position of each key when the problems of a plan are sorted. Unknown keys come first.
_ORDER = {key: number for number, key in enumerate((*Plan.keys(), *Question.keys()))}


def load_plan(path: str | Path) -> Plan:
    """Return the plan in a file. Raises `PlanError` as `read_plan` does."""
    return read_plan(path).plan


def read_plan(path: str | Path) -> PlanFile:
    """Read and check a plan file.

    Raises `PlanError` if the file cannot be read, is not UTF-8, is not YAML, breaks a rule for
    plans, or has markup in a text that is spoken. The error has the line of every problem whose
    line is known.
    """
    try:
        document = read_yaml(_text_of(Path(path)))
    except YamlMistake as mistake:
        problem = PlanProblem(line=mistake.line, message=mistake.problem)
        raise PlanError(str(path), (problem,)) from None
    plan = _checked(document, str(path), _markup_problems(document))
    line = document.lines.get(("language",), document.lines.get(()))
    return PlanFile(path=str(path), plan=plan, language_line=line)


def _text_of(path: Path) -> str:
    """Return the text of the plan file.

    Raises `YamlMistake` if the file is unreadable, too large, or not UTF-8.
    """
    try:
        if path.exists() and not path.is_file():
            raise YamlMistake(None, "is not a file")
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise YamlMistake(None, "there is no such file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise YamlMistake(None, f"cannot be read ({reason})") from None
    if len(content) > MAX_FILE_BYTES:
        raise YamlMistake(None, f"is larger than {MAX_FILE_BYTES // 1024} KiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise YamlMistake(line, "is not UTF-8 text") from None


def _checked(document: Document, source: str, more: Iterable[PlanProblem] = ()) -> Plan:
    """Return the plan in a document.

    Raises `PlanError` with every problem, in line order. `more` are problems that were found
    before. If there are more than `MAX_PROBLEMS`, the last reported problem says how many are left
    out.
    """
    problems = list(more)
    found = len(problems) + len(document.repeated)
    problems += [
        PlanProblem(line=line, message=f"{spoken(where)} is given twice")
        for where, line in document.repeated[:MAX_PROBLEMS]
    ]
    try:
        plan = _PLAN.validate_python(document.value, context=set())
    except ValidationError as invalid:
        errors = [
            each
            for each in sorted(invalid.errors(include_url=False), key=_position)
            if each["type"] != _FOLLOWS_FROM_OTHERS
        ]
        found += len(errors)
        problems += [_problem(each, document) for each in errors[:MAX_PROBLEMS]]
    else:
        if not problems:
            return plan
    problems = sorted(problems, key=lambda problem: problem.line or 0)[:MAX_PROBLEMS]
    if left_out := found - len(problems):
        message = f"has {left_out} further problems, which are not listed"
        problems.append(PlanProblem(line=None, message=message))
    raise PlanError(source, tuple(problems))


def _markup_problems(document: Document) -> Iterator[PlanProblem]:
    """Yield the markup in the texts of a plan file that are spoken, each with its line."""
    for where, text in _spoken_texts(document.value):
        for markup in markup_in(text):
            line = document.line_of(where, markup.found)
            yield PlanProblem(line=line, message=f"{spoken(where)} {markup.message}")


def _spoken_texts(plan: object) -> Iterator[tuple[Where, str]]:
    """Yield the spoken texts of a plan that is not checked yet, with their paths."""
    if not isinstance(plan, Mapping):
        return
    found: list[tuple[Where, object]] = [((key,), plan.get(key)) for key in ("opening", "closing")]
    questions = plan.get("questions")
    for n, each in enumerate(questions if isinstance(questions, list) else ()):
        if not isinstance(each, Mapping):
            continue
        found.append((("questions", n, "text"), each.get("text")))
        follow_ups = each.get("follow_ups")
        texts = follow_ups if isinstance(follow_ups, list) else ()
        found += [(("questions", n, "follow_ups", m), text) for m, text in enumerate(texts)]
    for where, text in found:
        if isinstance(text, str):
            yield where, text


def _position(error: ErrorDetails) -> list[int]:
    return [part if isinstance(part, int) else _ORDER.get(part, -1) for part in error["loc"]]


def _problem(error: ErrorDetails, document: Document) -> PlanProblem:
    """Convert an error of pydantic to a `PlanProblem` at the line of the value or its parent."""
    where, value, message = error["loc"], error["input"], error["msg"]
    lines = (document.lines.get(where[:length]) for length in range(len(where), -1, -1))
    line = next((each for each in lines if each is not None), None)
    if error["type"] == "missing":
        message = "is missing"
    elif error["type"] == "unexpected_keyword_argument":
        message = f"is unknown: {_hint(where)}"
        # Shorten the key, which may have any length.
        where = (*where[:-1], str(where[-1])[:LONGEST_NAME])
    elif error["type"] == WRONG_VALUE:
        message += got(value)
    elif error["type"] == REPEATED_ID:
        message += f": questions[{_first_with(value, document.value)}] has the same id"
    return PlanProblem(line=line, message=f"{spoken(where)} {message}")


def _hint(where: Where) -> str:
    known = Plan.keys() if len(where) == 1 else Question.keys()
    close = difflib.get_close_matches(str(where[-1]), known, n=1)
    return f"did you mean {close[0]}?" if close else f"allowed keys are {', '.join(known)}"


def _first_with(slug: str, plan: Any) -> int:
    """Return the index of the first question with the id `slug`."""
    questions = enumerate(plan["questions"])
    return next(n for n, each in questions if isinstance(each, Mapping) and each.get("id") == slug)
