"""The utterances of an interview, computed again from its records.

A new interviewer thereby knows what the candidate has heard, and says the same question in the same
words. The records need the candidate's words (`text`, and `also_from` where a request begins).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from worker.interview.dialogue.decide import Step
from worker.interview.dialogue.fold import fold
from worker.interview.dialogue.records import Record
from worker.interview.dialogue.state import Dialogue
from worker.interview.dialogue.wording.prompt import Prompt
from worker.interview.dialogue.wording.spoken import Spoken
from worker.interview.dialogue.wording.wording import words_of
from worker.interview.plan.plan import Plan


def spoken_after(records: Iterable[Record], plan: Plan) -> Spoken:
    """Return `Spoken` after the records, which are given in order."""
    said = [spoken for _, spoken in prompts_of(records, plan)]
    return said[-1] if said else Spoken()


def prompts_of(records: Iterable[Record], plan: Plan) -> Iterator[tuple[Prompt, Spoken]]:
    """Yield for each record the utterance that followed it, and `Spoken` after it.

    A record that a job without the lease wrote, or an event that only a newer version knows, yields
    an utterance without parts.
    """
    state, spoken = Dialogue(), Spoken()
    for each in records:
        state = fold([each], state)
        given = each.given()
        prompt = Prompt()
        if given is not None and not each.late:
            words = request_in(str(each.more.get("text", "")), each.more.get("also_from"))
            prompt = words_of(
                step_of(each, state),
                state,
                plan,
                given=given,
                words=words,
                spoken=spoken,
                seq=each.seq,
            )
            spoken = spoken.then(given, prompt, state)
        yield prompt, spoken


def request_in(text: str, also_from: int | None) -> str:
    """Return the words of a turn from its request on; all words if it has no request."""
    return text if also_from is None else text[also_from:]


def step_of(record: Record, after: Dialogue) -> Step:
    """Return the step that a record stores; `after` is the state after the record."""
    return Step(
        rows=record.rows,
        moves=record.moves,
        to=after.place,
        standings=record.standings,
        counters=record.counters,
        facts=record.facts,
        words_of=record.question,
    )
