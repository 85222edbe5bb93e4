"""The texts of a plan that are known before the interview, for synthesis in advance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from worker.interview.orchestrator import next_move
from worker.speech.tts.cache_warmup import Prepared, prepare_lines

if TYPE_CHECKING:
    from worker.interview.plan.plan import Plan
    from worker.speech.tts.fallback import ChainTTS


def planned_lines(plan: Plan) -> Iterator[str]:
    """Yield the plan's lines: the first utterance, each question with its follow-ups, the closing.

    A question that the interviewer repeats has the same text and is not yielded again. The words of
    a language model are not included, because such words are not known before the interview. What
    answers a request of the candidate, such as a fact of the plan, is not included either.
    """
    yield next_move(plan, ()).text
    for question in plan.questions:
        yield question.text.strip()
        for follow_up in question.follow_ups:
            yield follow_up.strip()
    yield plan.closing.strip()


async def prepare_plan(plan: Plan, engine: ChainTTS) -> Prepared:
    """Synthesize the plan's lines into the TTS cache of `engine`, with `prepare_lines`."""
    return await prepare_lines(planned_lines(plan), engine)
