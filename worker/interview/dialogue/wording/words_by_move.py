"""The words of each move. A move gives one or more parts of an utterance."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final, TypeAlias

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.moves import Move
from worker.interview.dialogue.phases import Outcome, Phase, Status
from worker.interview.dialogue.state import Fact
from worker.interview.dialogue.wording.facts import clarification_for, fact_for
from worker.interview.dialogue.wording.prompt import Part, WordsBy
from worker.interview.dialogue.wording.questions import (
    next_probe,
    open_sentence,
    probes_of,
    unheard_part,
)
from worker.interview.dialogue.wording.saying import Saying
from worker.interview.plan.markup import markup_in

Words: TypeAlias = Callable[[Saying, Move], Iterator[Part]]

#: Most words of an answer that is read back.
_MOST_READ_BACK: Final = 25
#: Marks that are read aloud as words or that text to speech takes for markup.
_MARKS: Final = re.compile(r"[<>{}`*|~\[\]\\]+")


def _line(say: Saying, move: Move) -> Iterator[Part]:
    yield say.line(move)


def _greeting(say: Saying, move: Move) -> Iterator[Part]:
    yield say.planned(move, "opening", say.plan.opening)


def _disclosure(say: Saying, move: Move) -> Iterator[Part]:
    yield say.planned(move, "disclosure", say.plan.disclosure.say)


def _sound_check(say: Saying, move: Move) -> Iterator[Part]:
    yield say.planned(move, "sound_check", say.plan.sound_check)


def _consent(say: Saying, move: Move) -> Iterator[Part]:
    if say.plan.consent is not None:
        yield say.planned(move, "consent", say.plan.consent.ask)


def _offer_questions(say: Saying, move: Move) -> Iterator[Part]:
    if say.plan.candidate_questions is not None:
        yield say.planned(move, "candidate_questions", say.plan.candidate_questions.ask)


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


def _slower(say: Saying, move: Move) -> Iterator[Part]:
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
        yield from _slower(say, move)
        return
    number = min(max(say.after.count("rephrased"), 1), len(question.rephrased))
    yield Part(
        move=move,
        text=question.rephrased[number - 1].strip(),
        id=f"rephrasing:{question.id}/{number}",
        by=WordsBy.PLAN,
    )


def _clarification(say: Saying, move: Move) -> Iterator[Part]:
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


def _acknowledgement(say: Saying, move: Move) -> Iterator[Part]:
    """Yield an acknowledgement other than the last one, chosen by the number of the record."""
    lines = say.lines.acknowledgements
    number = say.seq % len(lines)
    if lines[number] == say.spoken.acknowledged:
        number = (number + 1) % len(lines)
    yield Part(move=move, text=lines[number], id=f"line:{move}", by=WordsBy.LINE)


def _fact(say: Saying, move: Move) -> Iterator[Part]:
    """Yield the fact that answers the candidate, else a line that says that there is none."""
    if say.request is Act.OBJECT_RECORDING:
        yield say.line(move, "objection_noted")
    fact = _known_fact(say, move)
    if fact is not None:
        yield fact
    elif say.request is Act.ABOUT_RESULT:
        yield say.line(move, "no_judgement")
    elif say.after.place.phase in (Phase.CANDIDATE_QUESTIONS, Phase.FAREWELL):
        yield say.line(move, "pass_on")
    else:
        yield say.line(move, "no_more_facts")


def _known_fact(say: Saying, move: Move) -> Part | None:
    name = fact_for(say.request, say.words, say.lines) if say.request else ""
    text = getattr(say.plan.facts, name) if name else None
    if text is None:
        return None
    return Part(move=move, text=text.strip(), id=f"fact:{name}", by=WordsBy.FACT)


def _at_the_end(say: Saying, move: Move) -> Iterator[Part]:
    """Yield that questions have their time later. In a plan without that time, yield the fact."""
    if say.plan.candidate_questions is not None:
        yield say.line(move)
    else:
        yield _known_fact(say, move) or say.line(move, "question_noted")


def _social(say: Saying, move: Move) -> Iterator[Part]:
    found = say.lines.found_in(say.words)
    key = next((each.name for each in say.lines.social_words if each.fit(found)), "other")
    yield Part(move=move, text=say.lines.social[key], id=f"line:social.{key}", by=WordsBy.LINE)


def _skip_or_later(say: Saying, move: Move) -> Iterator[Part]:
    """Yield the offer to leave the question out; it names a later time only if there is one."""
    question = say.question
    first = say.after.visit(say.after.question) == 1
    may = question is not None and "come_back" in question.may
    yield say.line(move, "skip_or_later" if first and may else "skip_it")


def _read_back(say: Saying, move: Move) -> Iterator[Part]:
    """Yield the answer and whether it is right; in the same words if it is asked again."""
    line = say.line(move)
    if say.step.rows[-1:] != (str(move),) and say.spoken.read_back:
        yield replace(line, text=say.spoken.read_back)
        return
    answer = " ".join(_MARKS.sub(" ", say.words).split()).rstrip(".,;:!?")
    speakable = answer and len(answer.split()) <= _MOST_READ_BACK and not markup_in(answer)
    if not speakable or say.request is not Act.ANSWER:
        yield say.line(move, "read_back_unclear")
        return
    asks = say.line(move, "read_back_question").text
    yield replace(line, text=f"{line.text} {answer}. {asks}")


def _confirm_end(say: Saying, move: Move) -> Iterator[Part]:
    yield say.line(move, f"confirm_{say.after.place.kind}")


def _goodbye(say: Saying, move: Move) -> Iterator[Part]:
    """Yield the closing of the plan, or the goodbye of the outcome."""
    plan, outcome = say.plan, say.after.facts.get(Fact.OUTCOME)
    if not outcome and not say.after.facts.get(Fact.QUESTIONS_OFFERED):
        # No other goodbye comes before the outcome is known, and before the candidate's questions.
        yield say.line(move, "goodbye_time")
        return
    planned = {
        Outcome.STOPPED: ("stopped", plan.stopped),
        Outcome.POSTPONED: ("postponed", plan.postponed),
        Outcome.MISSED: ("missed", plan.missed),
        Outcome.REFUSED: ("refused", plan.consent.refused if plan.consent else plan.stopped),
    }
    if outcome in (Outcome.WITHDRAWN, Outcome.HUMAN, Outcome.FAILED):
        yield say.line(move, f"goodbye_{outcome}")
        return
    key, text = ("closing", plan.closing)
    if outcome:
        key, text = planned.get(Outcome(str(outcome)), (key, text))
    yield say.planned(move, key, text)


#: The moves that give no words, each with its reason.
SILENT: Final[Mapping[Move, str]] = {
    Move.NEXT: "the decision replaces it by the move that asks what comes next",
    Move.SAME: "the decision replaces it by the interviewer's own question",
    Move.IN_WRITING: "it says how the utterance is delivered",
}

_OTHER_THAN_LINES: Final[Mapping[Move, Words]] = {
    Move.GREET: _greeting,
    Move.DISCLOSE: _disclosure,
    Move.CHECK_SOUND: _sound_check,
    Move.ASK_CONSENT: _consent,
    Move.ASK: _full,
    Move.FULL: _full,
    Move.LAST: _last,
    Move.UNHEARD_PART: _unheard_part,
    Move.SLOWER: _slower,
    Move.REPHRASED: _rephrased,
    Move.CLARIFICATION: _clarification,
    Move.PROBE: _probe,
    Move.ACKNOWLEDGE: _acknowledgement,
    Move.SOCIAL: _social,
    Move.FACT: _fact,
    Move.AT_THE_END: _at_the_end,
    Move.SKIP_OR_LATER: _skip_or_later,
    Move.READ_BACK: _read_back,
    Move.CONFIRM_END: _confirm_end,
    Move.OFFER_QUESTIONS: _offer_questions,
    Move.GOODBYE: _goodbye,
}
#: The moves whose words are the prepared line of their name.
PREPARED: Final = frozenset(
    {
        Move.HEARING_HELP,
        Move.MICROPHONE,
        Move.GO_ON,
        Move.GO_AHEAD,
        Move.TAKE_YOUR_TIME,
        Move.AS_YOU_UNDERSTAND,
        Move.LEAVE_OUT,
        Move.COME_BACK,
        Move.SIMILAR_CASE,
        Move.THAT_IS_FINE,
        Move.LEAVE_OPEN,
        Move.LET_ME_FINISH,
        Move.HEADPHONES,
        Move.BACKGROUND,
        Move.TYPING,
        Move.NOT_CAUGHT,
        Move.TIME_IS_UP,
        Move.WELCOME_BACK,
        Move.INTERRUPTED,
        Move.NO_MORE_FACTS,
        Move.NO_JUDGEMENT,
        Move.PASS_ON,
        Move.ADDED,
        Move.REPEAT_IT,
        Move.SKIP_ANYWAY,
        Move.SKIP_OR_TYPE,
        Move.ARE_YOU_THERE,
        Move.ARE_YOU_READY,
        Move.OFFER_BREAK,
        Move.OTHER_LANGUAGE,
        Move.ANYTHING_ELSE,
        Move.SHORT_GOODBYE,
    }
)
#: The words of each move that is spoken.
WORDS: Final[Mapping[Move, Words]] = {
    **dict.fromkeys(PREPARED, _line),
    **_OTHER_THAN_LINES,
}
