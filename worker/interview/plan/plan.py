"""The interview plan: its questions, their order, and their time limits.

A plan is written as a YAML file (`load_plan`) and travels with a dispatch as plain JSON
(`Plan.to_json`, `Plan.from_json`). The same rules check both forms. All mistakes are reported
together. If the plan is a file, each mistake has a line number.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worker.interview.plan.validation import Checker, PlanProblem
from worker.interview.plan.yaml_lines import YamlMistake, read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Maximum size of a plan file, in bytes. A plan of 500 questions with 80 words each takes half of
#: that size.
MAX_FILE_BYTES = 512 * 1024
#: Maximum number of questions in a plan. With texts like those of the sample plan, this number of
#: questions takes a third of `MAX_FILE_BYTES`.
MAX_QUESTIONS = 500
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


@dataclass(frozen=True, kw_only=True)
class Question:
    """One planned question, with its limits in seconds."""

    #: Slug that is unique in the plan. Turns and metrics refer to the question by this slug.
    id: str
    text: str
    #: Points that a good answer covers, for the interviewer and for readers of the transcript.
    good_answer: tuple[str, ...] = ()
    #: The plan's own follow-up questions, asked in this order.
    follow_ups: tuple[str, ...] = ()
    #: Maximum number of follow-ups, from the plan and from a language model together (0 to 5).
    follow_ups_allowed: int
    #: Time limit of the question and its follow-ups together (10 to 1800 s).
    longest_time_s: float = LONGEST_TIME_S
    #: Silence that ends an answer (0.3 to 6 s).
    thinking_pause_s: float = THINKING_PAUSE_S


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A checked interview plan: opening, 1 to 500 questions, closing."""

    title: str
    opening: str
    questions: tuple[Question, ...]
    closing: str
    #: A BCP 47 language tag, such as `en` or `en-GB`.
    language: str = "en"
    #: Number of words below which an answer gets a follow-up, if a follow-up is allowed.
    short_answer_words: int = SHORT_ANSWER_WORDS

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON data, including defaults. `from_json` reads this data."""
        plain = asdict(self)
        plain["questions"] = [
            question
            | {
                "good_answer": list(question["good_answer"]),
                "follow_ups": list(question["follow_ups"]),
            }
            for question in plain["questions"]
        ]
        return plain

    @classmethod
    def from_json(cls, data: object, *, source: str = "plan") -> Plan:
        """Return the plan from JSON data, checked as strictly as a plan file.

        Raises `PlanError` with every problem if the plan is invalid. The message names `source`.
        """
        checker = Checker()
        plan = _plan(checker, data)
        if plan is None or checker.problems:
            raise PlanError(source, tuple(checker.problems))
        return plan


def load_plan(path: str | Path) -> Plan:
    """Read and check a plan file.

    Raises `PlanError` if the file cannot be read, is not UTF-8, is not YAML, or breaks a rule for
    plans. The error has the line of every problem.
    """
    shown = str(path)
    try:
        document = read_yaml(_text_of(Path(path)))
    except YamlMistake as mistake:
        problem = PlanProblem(line=mistake.line, message=mistake.problem)
        raise PlanError(shown, (problem,)) from None
    checker = Checker(document.lines)
    for where, line in document.repeated:
        checker.report(where, "is given twice", line=line)
    plan = _plan(checker, document.value)
    if plan is None or checker.problems:
        raise PlanError(shown, checker.in_order())
    return plan


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


_PLAN_KEYS = ("title", "opening", "questions", "closing", "language", "short_answer_words")
_QUESTION_KEYS = tuple(Question.__dataclass_fields__)


def _plan(checker: Checker, data: object) -> Plan | None:
    top = checker.mapping((), data, _PLAN_KEYS)
    if top is None:
        return None
    return Plan(
        title=checker.text(("title",), top),
        opening=checker.text(("opening",), top),
        questions=_questions(checker, top),
        closing=checker.text(("closing",), top),
        language=checker.language(("language",), top, default="en"),
        short_answer_words=checker.whole_number(
            ("short_answer_words",), top, "words", 0, 100, default=SHORT_ANSWER_WORDS
        ),
    )


def _questions(checker: Checker, top: Mapping[str, object]) -> tuple[Question, ...]:
    first_with: dict[str, int] = {}
    questions = []
    for index, entry in enumerate(
        checker.entries(("questions",), top, least=1, most=MAX_QUESTIONS)
    ):
        fields = checker.mapping(("questions", index), entry, _QUESTION_KEYS)
        if fields is None:
            continue
        question = _question(checker, index, fields)
        if question.id and question.id in first_with:
            other = f"questions[{first_with[question.id]}]"
            checker.report(("questions", index, "id"), f"must be unique: {other} has the same id")
        first_with.setdefault(question.id, index)
        questions.append(question)
    return tuple(questions)


def _question(checker: Checker, index: int, fields: Mapping[str, object]) -> Question:
    at = ("questions", index)
    follow_ups = checker.texts((*at, "follow_ups"), fields, most=5)
    return Question(
        id=checker.slug((*at, "id"), fields),
        text=checker.text((*at, "text"), fields),
        good_answer=checker.texts((*at, "good_answer"), fields, most=20),
        follow_ups=follow_ups,
        follow_ups_allowed=checker.whole_number(
            (*at, "follow_ups_allowed"), fields, "follow-ups", 0, 5, default=len(follow_ups)
        ),
        longest_time_s=checker.seconds(
            (*at, "longest_time_s"), fields, 10, 1800, default=LONGEST_TIME_S
        ),
        thinking_pause_s=checker.seconds(
            (*at, "thinking_pause_s"), fields, 0.3, 6, default=THINKING_PAUSE_S
        ),
    )
