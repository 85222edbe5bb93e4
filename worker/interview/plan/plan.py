"""The interview plan: its questions, their order, and what else the interviewer says.

A plan is written as a YAML file (`load_plan`) and travels with a dispatch as plain JSON
(`Plan.to_json`, `Plan.from_json`). The same rules check YAML and JSON, with one exception: only a
file is refused for markup, so that plans that an earlier version stored stay valid. All mistakes
are reported together. If the plan is a file, a mistake in the text has a line number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, TypeAdapter, ValidationError

from worker.interview.plan.checked import PROTOCOL_2, Checked
from worker.interview.plan.facts import Facts
from worker.interview.plan.lines import (
    MISSED,
    POSTPONED,
    SOUND_CHECK,
    STOPPED,
    CandidateQuestions,
    Consent,
    Disclosure,
)
from worker.interview.plan.problems import (
    MAX_PROBLEMS,
    PlanError,
    errors_of,
    markup_problems,
    problem_of,
    repeated_keys,
)
from worker.interview.plan.question import Question
from worker.interview.plan.validation import (
    Ids,
    Language,
    PlanProblem,
    Text,
    entries,
    rising,
    seconds,
    whole_number,
)
from worker.interview.plan.yaml_lines import Document, YamlMistake, read_yaml

__all__ = [
    "MAX_FILE_BYTES",
    "MAX_PROBLEMS",
    "MAX_QUESTIONS",
    "SAMPLE_PLAN",
    "SILENCE_S",
    "Plan",
    "PlanError",
    "PlanFile",
    "Question",
    "load_plan",
    "read_plan",
]

#: Maximum size of a plan file, in bytes. A plan of 500 questions with 80 words each takes half of
#: that size.
MAX_FILE_BYTES = 512 * 1024
#: Maximum number of questions in a plan. With texts like those of the sample plan, this number of
#: questions takes a third of `MAX_FILE_BYTES`.
MAX_QUESTIONS = 500
#: Default number of words below which an answer gets a follow-up.
SHORT_ANSWER_WORDS = 8
#: Default times of the candidate's silence, in seconds.
SILENCE_S: Final = (15.0, 30.0, 50.0, 80.0, 120.0)

#: The plan that ships with the package.
SAMPLE_PLAN = Path(__file__).with_name("sample_plan.yaml")


@dataclass(frozen=True, kw_only=True)
class Plan(Checked):
    """A checked interview plan: opening, 1 to 500 questions, closing."""

    title: Text
    opening: Text
    questions: Annotated[tuple[Question, ...], entries(1, MAX_QUESTIONS)]
    closing: Text
    #: A BCP 47 language tag, such as `en` or `en-GB`.
    language: Language = "en"
    #: Number of words below which an answer gets a follow-up, if a follow-up is allowed.
    short_answer_words: Annotated[int, whole_number("words", 0, 100)] = SHORT_ANSWER_WORDS

    disclosure: Disclosure = field(default=Disclosure(), metadata=PROTOCOL_2)
    #: None for an interview that asks for no consent.
    consent: Consent | None = field(default=None, metadata=PROTOCOL_2)
    facts: Facts = field(default=Facts(), metadata=PROTOCOL_2)
    #: None for an interview without this part.
    candidate_questions: CandidateQuestions | None = field(default=None, metadata=PROTOCOL_2)
    #: Times of the candidate's silence (1 to 900 s). Each has a sentence of its own; the last ends
    #: the interview.
    silence: Annotated[
        tuple[Annotated[float, seconds(1, 900)], ...],
        entries(len(SILENCE_S), len(SILENCE_S)),
        AfterValidator(rising),
    ] = field(default=SILENCE_S, metadata=PROTOCOL_2)
    #: The question before the first question, whose answer shows that the sound works.
    sound_check: Text = field(default=SOUND_CHECK, metadata=PROTOCOL_2)
    #: Last words to a candidate who ends the interview.
    stopped: Text = field(default=STOPPED, metadata=PROTOCOL_2)
    #: Last words to a candidate who wants to continue at another time.
    postponed: Text = field(default=POSTPONED, metadata=PROTOCOL_2)
    #: Last words to a candidate who is silent for too long.
    missed: Text = field(default=MISSED, metadata=PROTOCOL_2)

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON data, which `from_json` reads.

        Keys that version 0.1.0 knows are included even with their default values. A key of a later
        version is left out if it has its default value.
        """
        return self.as_data()

    @classmethod
    def from_json(cls, data: object, *, source: str = "plan") -> Plan:
        """Return the plan from JSON data, checked as strictly as a plan file.

        Raises `PlanError` with every problem if the plan is invalid. The error message names
        `source`.
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
    plan = _checked(document, str(path), markup_problems(document))
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

    Raises `PlanError` with every problem, in line order. `more` are problems of the document that
    the caller has already found. If there are more than `MAX_PROBLEMS`, the last reported problem
    says how many are left out.
    """
    problems = list(more)
    found = len(problems) + len(document.repeated)
    problems += repeated_keys(document)
    try:
        plan = _PLAN.validate_python(document.value, context=Ids())
    except ValidationError as invalid:
        errors = errors_of(invalid, Plan.keys())
        found += len(errors)
        problems += [problem_of(each, document, Plan.keys()) for each in errors[:MAX_PROBLEMS]]
    else:
        if not problems:
            return plan
    problems = sorted(problems, key=lambda problem: problem.line or 0)[:MAX_PROBLEMS]
    if left_out := found - len(problems):
        message = f"has {left_out} further problems, which are not listed"
        problems.append(PlanProblem(line=None, message=message))
    raise PlanError(source, tuple(problems))
