"""The interviews of a run: short, with answers whose words can be identified."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from tests.support.live.heard import place_of
from worker.interview.plan.plan import Plan, Question

#: Words that no question contains, and that the bundled recogniser always understands from the
#: bundled voice (each was tried in the sentence of `answer`).
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
    """The answers of one candidate: two words per question, each word once in an interview."""

    words: dict[str, tuple[str, str]]

    @classmethod
    def drawn(cls, source: random.Random) -> Script:
        """Return a script with newly drawn words."""
        chosen = iter(source.sample(WORDS, 2 * len(PLAN.questions)))
        return cls(words={each.id: (next(chosen), next(chosen)) for each in PLAN.questions})

    def answer(self, question_id: str) -> str:
        """Return the answer as text; its speech takes 2.5 s."""
        first, second = self.words[question_id]
        return f"I would choose the {first}, and after that the {second}."


def question_in(heard: str) -> str | None:
    """Return the id of the last complete question in the text; None if it contains none."""
    places = {each.id: place_of(each.text, heard) for each in PLAN.questions}
    ends = {name: place[1] for name, place in places.items() if place is not None}
    return max(ends, key=lambda name: ends[name]) if ends else None


def is_closing(heard: str) -> bool:
    """Return whether the text contains the plan's closing."""
    return place_of(PLAN.closing, heard) is not None
