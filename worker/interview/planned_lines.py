"""Every line that a plan can make the interviewer say, known before the interview."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from worker.interview.orchestrator import next_move
from worker.speech.prepare import Prepared, prepare_lines

if TYPE_CHECKING:
    from worker.interview.plan import Plan
    from worker.speech.chain_tts import ChainTTS


def planned_lines(plan: Plan) -> Iterator[str]:
    """The plan's lines: the greeting first, then each question with its follow-ups, goodbye.

    What is said again is one of them. A language model's own words are none.
    """
    yield next_move(plan, ()).text
    for question in plan.questions:
        yield question.text.strip()
        for follow_up in question.follow_ups:
            yield follow_up.strip()
    yield plan.closing.strip()


async def prepare_plan(plan: Plan, engine: ChainTTS) -> Prepared:
    """Have the plan's lines spoken into the cache of `engine`: see `prepare_lines`."""
    return await prepare_lines(planned_lines(plan), engine)
