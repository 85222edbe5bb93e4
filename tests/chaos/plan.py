"""The interviews of a run: short, and with answers whose words can be told apart."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from tests.support.live.heard import place_of
from worker.interview.plan import Plan, Question

#: Words that the bundled recogniser understands from the bundled voice every time (all of them
#: were tried in the sentence of `answer`), and that no question contains.
_WORDS: Final = (
    "tiger piano river mountain guitar castle garden bridge window kitchen blanket hammer"
    " umbrella elephant island butter candle basket forest mirror pencil rabbit camel lemon"
    " orange banana tomato potato pepper sugar coffee dragon monkey spider turtle eagle pigeon"
    " violin trumpet hospital museum library airport station engine rocket planet"
    " village desert ocean summer winter thunder silver golden marble cotton leather"
)
WORDS: Final = tuple(_WORDS.split())

PLAN: Final = Plan(
    title="Three choices",
    opening="Hello, and welcome. I have three short questions.",
    questions=tuple(
        Question(id=name, text=text, follow_ups_allowed=0, thinking_pause_s=1.0)
        for name, text in (
            ("work", "Which two things would you take to work with you?"),
            ("travel", "What would you like to see on your next journey?"),
            ("present", "Which gifts would you buy for an old friend?"),
        )
    ),
    closing="Thank you, that was all. Goodbye.",
)


@dataclass(frozen=True, kw_only=True)
class Script:
    """What one candidate answers: two words a question, each of them once in an interview."""

    words: dict[str, tuple[str, str]]

    @classmethod
    def drawn(cls, source: random.Random) -> Script:
        """One with other words than the last."""
        chosen = iter(source.sample(WORDS, 2 * len(PLAN.questions)))
        return cls(words={each.id: (next(chosen), next(chosen)) for each in PLAN.questions})

    def answer(self, question_id: str) -> str:
        """The answer as it is spoken: 2.5 s."""
        first, second = self.words[question_id]
        return f"I would choose the {first}, and after that the {second}."


def question_in(heard: str) -> str | None:
    """The last of the plan's questions that these words hold, whole."""
    places = {each.id: place_of(each.text, heard) for each in PLAN.questions}
    ends = {name: place[1] for name, place in places.items() if place is not None}
    return max(ends, key=lambda name: ends[name]) if ends else None


def is_closing(heard: str) -> bool:
    """Whether the plan's last words are among these."""
    return place_of(PLAN.closing, heard) is not None
