"""The words of the moves that say a question of the plan, a part of it, or help with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final, TypeAlias

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.moves import Move
from worker.interview.dialogue.phases import Phase, Status
from worker.interview.dialogue.wording.facts import clarification_for
from worker.interview.dialogue.wording.prompt import Part, WordsBy
from worker.interview.dialogue.wording.questions import (
    next_probe,
    open_sentence,
    probes_of,
    unheard_part,
)
from worker.interview.dialogue.wording.saying import Saying

#: Yields the parts of an utterance that a move gives.
Words: TypeAlias = Callable[[Saying, Move], Iterator[Part]]


def _full(say: Saying, move: Move) -> Iterator[Part]:
    """Yield the question or probe, after what is said before it."""
    prompt = say.prompt(move)
    if prompt is None:
        return
    repeated = _said_before(say, prompt.text) if say.request is Act.REPEAT else ""
    standing = say.after.standing(say.after.question)
    if repeated:
        yield Part(move=move, text=repeated, id="line:repeated", by=WordsBy.LINE)
    elif say.after.place.phase is Phase.ASKING and standing.status is Status.DEFERRED:
        yield say.line(move, "once_more" if standing.reason else "deferred")
    yield prompt


def _said_before(say: Saying, prompt: str) -> str:
    """Return what else was said since the candidate's last turn, if it is to be repeated.

    If the candidate names the question, only the question is repeated.
    """
    if not say.lines.question.isdisjoint(say.lines.words(say.words)):
        return ""
    rests: list[str] = []
    for text in say.spoken.since:
        rest = text
        for end in (prompt, open_sentence(prompt)):
            rest = rest.removesuffix(end).strip()
        if rest and rest not in rests:
            rests.append(rest)
    return " ".join(rests)


def _prompt(say: Saying, move: Move) -> Iterator[Part]:
    prompt = say.prompt(move)
    if prompt is not None:
        yield prompt


def _last(say: Saying, move: Move) -> Iterator[Part]:
    prompt = say.prompt(move)
    if prompt is not None:
        yield replace(prompt, text=open_sentence(prompt.text))


def _unheard_part(say: Saying, move: Move) -> Iterator[Part]:
    prompt = say.prompt(move)
    if prompt is not None:
        yield replace(prompt, text=unheard_part(prompt.text, say.given.share))


def _rephrased(say: Saying, move: Move) -> Iterator[Part]:
    question = say.question
    if question is None or not question.rephrased:
        yield from _prompt(say, move)
        return
    number = min(max(say.after.count("rephrased"), 1), len(question.rephrased))
    yield Part(
        move=move,
        text=question.rephrased[number - 1].strip(),
        id=f"rephrasing:{question.id}/{number}",
        by=WordsBy.PLAN,
    )


def _clarification(say: Saying, move: Move) -> Iterator[Part]:
    """Yield the clarification that fits the candidate's words, else a line."""
    question = say.question
    number = clarification_for(question, say.words, say.lines) if question else None
    if question is None or number is None:
        yield say.line(move, "as_you_understand")
        return
    yield Part(
        move=move,
        text=[*question.clarify.values()][number].strip(),
        id=f"clarification:{question.id}/{number + 1}",
        by=WordsBy.PLAN,
    )


def _probe(say: Saying, move: Move) -> Iterator[Part]:
    question = say.question
    probes = probes_of(question) if question else {}
    if question is None or not probes:
        yield say.line(move, "go_on")
        return
    counters = say.after.counters
    points = [point.id for point in question.points]
    met = [point for point in points if counters.get(f"point.{point}@{question.id}", 0) > 0]
    probe = next_probe(question, say.spoken.asked_before(say.after), met)
    yield Part(move=move, text=probes[probe], id=probe, by=WordsBy.PLAN)


def _skip_or_later(say: Saying, move: Move) -> Iterator[Part]:
    """Yield the offer to leave the question out; it names a later time only if there is one."""
    question = say.question
    first = say.after.visit(say.after.question) == 1
    may = question is not None and "come_back" in question.may
    yield say.line(move, "skip_or_later" if first and may else "skip_it")


#: The words of each move that is about a question of the plan.
QUESTION_WORDS: Final[Mapping[Move, Words]] = {
    Move.ASK: _full,
    Move.FULL: _full,
    Move.LAST: _last,
    Move.UNHEARD_PART: _unheard_part,
    Move.SLOWER: _prompt,
    Move.REPHRASED: _rephrased,
    Move.CLARIFICATION: _clarification,
    Move.PROBE: _probe,
    Move.SKIP_OR_LATER: _skip_or_later,
}
