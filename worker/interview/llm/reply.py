"""Requests to a language model for the interviewer's words, within time limits."""

from __future__ import annotations

import asyncio
from typing import Any

from livekit.agents import llm
from livekit.agents.types import APIConnectOptions

from worker.aio.timeouts import run_with_timeout
from worker.fallback.failure import failure_of
from worker.interview.llm.guardrails import Refusal
from worker.interview.llm.phrasing import WordsRefused, phrased
from worker.interview.llm.prompt import Prompt, prompt_for
from worker.interview.llm.vocabulary_en import vocabulary_of
from worker.interview.plan.plan import Plan
from worker.interview.turn import LlmAllowance, Move

#: Maximum number of characters that are read from a reply. The maximum is several times the usual
#: length of a text that may be spoken.
MAX_REPLY = 1000


class ModelWords:
    """Language model that phrases the interviewer's next utterance.

    `first_word_s` and `reply_s` are the time limits for the first word of a reply and for the whole
    reply, both in seconds from the request.
    """

    def __init__(self, model: llm.LLM[Any], *, first_word_s: float, reply_s: float) -> None:
        self.model = model
        self._first_word_s = first_word_s
        self._reply_s = reply_s

    async def find(self, plan: Plan, leeway: LlmAllowance) -> Move:
        """Return the interviewer's next utterance in the model's words.

        Raises WordsRefused if the model's words cannot be spoken. If there is no vocabulary for the
        plan's language, the exception's reason is LanguageUnknown, and the model gets no request.
        The exception's reason is FirstWordLate, ReplyLate or TooLong if the reply exceeds a limit.
        If the model failed, the exception's reason comes from `failure_of`. For a reply that must
        not be spoken, the exception's reason comes from `phrased`.
        """
        if vocabulary_of(plan.language) is None:
            raise WordsRefused(Refusal.LANGUAGE_UNKNOWN.value)
        try:
            reply = await run_with_timeout(self._reply(prompt_for(plan, leeway)), self._reply_s)
        except WordsRefused:
            raise
        except TimeoutError:
            raise WordsRefused("ReplyLate") from None
        except Exception as error:  # a plugin may raise any exception, with any text
            raise WordsRefused(failure_of(error).reason) from None
        return phrased(reply, plan, leeway)

    async def _reply(self, prompt: Prompt) -> str:
        context = llm.ChatContext.empty()
        context.add_message(role="system", content=prompt.system)
        context.add_message(role="user", content=prompt.user)
        # There is no time for a second attempt.
        once = APIConnectOptions(max_retry=0, timeout=self._reply_s)
        patience = asyncio.timeout(self._first_word_s)
        reply = ""
        try:
            async with patience, self.model.chat(chat_ctx=context, conn_options=once) as stream:
                async for chunk in stream:
                    reply += (chunk.delta and chunk.delta.content) or ""
                    if reply.strip():
                        patience.reschedule(None)
                    if len(reply) > MAX_REPLY:
                        raise WordsRefused(Refusal.TOO_LONG.value)
        except TimeoutError:
            if patience.expired():
                raise WordsRefused("FirstWordLate") from None
            raise
        return reply
