"""The interview plan: what is asked, in which order, and for how long.

A plan is written as a YAML file (`load_plan`) and travels with a dispatch as plain JSON
(`Plan.to_json`, `Plan.from_json`). Both ways in are checked by the same rules, and every mistake
is reported at once, with its line where there is a file.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worker.interview.plan_rules import Checker, PlanProblem
from worker.interview.yaml_lines import YamlMistake, read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Largest plan file that is read, in bytes: 500 questions of 80 words each are half of it.
MAX_FILE_BYTES = 512 * 1024
#: Most questions of a plan; so many with the sample's texts are a third of the largest file.
MAX_QUESTIONS = 500
#: Default end of one question, in seconds.
LONGEST_TIME_S = 180.0
#: Default silence, in seconds, that ends an answer: holds a thinking pause of 1.5 s (measured).
THINKING_PAUSE_S = 1.8
#: Default number of words below which an answer gets a follow-up.
SHORT_ANSWER_WORDS = 8

#: The plan that ships with the package.
SAMPLE_PLAN = Path(__file__).with_name("sample_plan.yaml")


class PlanError(ValueError):
    """The interview plan cannot be used; one line per problem, `plan.yaml:12: what is wrong`.

    `path` is the file (or the name of another source), `problems` every `PlanProblem` found.
    """

    def __init__(self, path: str, problems: tuple[PlanProblem, ...]) -> None:
        self.path = path
        self.problems = problems
        super().__init__("\n".join(problem.located(path) for problem in problems))


@dataclass(frozen=True, kw_only=True)
class Question:
    """One planned question, with its limits in seconds."""

    #: A slug, unique in its plan: what turns and metrics refer to.
    id: str
    text: str
    #: What a good answer covers, for the interviewer and for whoever reads the transcript.
    good_answer: tuple[str, ...] = ()
    #: The plan's own follow-up questions, asked in this order.
    follow_ups: tuple[str, ...] = ()
    #: How many follow-ups the interviewer may ask, of the plan's or of its own (0 to 5).
    follow_ups_allowed: int
    #: The question and its follow-ups end after this long (10 to 1800 s).
    longest_time_s: float = LONGEST_TIME_S
    #: So much silence ends an answer (0.3 to 6 s).
    thinking_pause_s: float = THINKING_PAUSE_S


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A checked interview plan: opening, 1 to 500 questions, closing."""

    title: str
    opening: str
    questions: tuple[Question, ...]
    closing: str
    #: A BCP 47 language tag, as `en` or `en-GB`.
    language: str = "en"
    #: An answer of fewer words gets a follow-up while one is allowed.
    short_answer_words: int = SHORT_ANSWER_WORDS

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON data, complete with its defaults; `from_json` reads it back."""
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
        """Check JSON data as strictly as a file; `source` names it in messages.

        Raises `PlanError` with every problem found.
        """
        checker = Checker()
        plan = _plan(checker, data)
        if plan is None or checker.problems:
            raise PlanError(source, tuple(checker.problems))
        return plan


def load_plan(path: str | Path) -> Plan:
    """Read and check a plan file.

    Raises `PlanError`, with the line of every problem: for a file that cannot be read, is no
    UTF-8 or no YAML, and for every rule of a plan that it breaks.
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
    """The file's text; `YamlMistake` for one that cannot be read, is too large, or is no UTF-8."""
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
            checker.report(("questions", index, "id"), f"is the same as that of {other}")
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
