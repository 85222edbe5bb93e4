"""Requests to a language model before the answer of the candidate is over.

An answer is over only after a silence, during which the model would do nothing. Therefore the
words of the reply are requested as soon as the candidate is silent, for the answer so far. They
are used only if the committed answer leads to the same request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from worker.interview.llm.phrasing import WordsRefused
from worker.interview.turn import LlmAllowance, Move

#: Function that asks the language model for its words. Raises WordsRefused if there are none.
Find = Callable[[LlmAllowance], Coroutine[Any, Any, Move]]
#: Maximum number of requests ahead for one answer, in which the candidate may pause often.
MOST_FOR_ONE_ANSWER: Final = 3


@dataclass(frozen=True)
class _Request:
    scope: LlmAllowance
    reply: asyncio.Task[Move | WordsRefused]


class WordsAhead:
    """The one request that was made ahead, if any."""

    def __init__(self) -> None:
        self._request: _Request | None = None
        self._made = 0

    def request(self, scope: LlmAllowance, find: Find) -> None:
        """Ask for the words of a reply, instead of those of an earlier request.

        Nothing is done if the same words were requested already, or if the answer so far had
        `MOST_FOR_ONE_ANSWER` requests.
        """
        if self._request is not None and self._request.scope == scope:
            return
        self.cancel()
        if self._made < MOST_FOR_ONE_ANSWER:
            self._made += 1
            reply = asyncio.get_running_loop().create_task(_found(find(scope)), name="words-ahead")
            self._request = _Request(scope, reply)

    def cancel(self) -> None:
        """Cancel the request, because the candidate goes on or the reply is not needed."""
        request, self._request = self._request, None
        if request is not None:
            request.reply.cancel()

    def begin_answer(self) -> None:
        """Allow `MOST_FOR_ONE_ANSWER` requests again, because an answer was committed."""
        self._made = 0

    def take(self, scope: LlmAllowance) -> Awaitable[Move | WordsRefused] | None:
        """Return the reply to the request that was made ahead; None if it does not fit `scope`.

        A request that does not fit is cancelled.
        """
        request = self._request
        if request is None or request.scope != scope:
            self.cancel()
            return None
        self._request = None
        return request.reply


async def _found(words: Coroutine[Any, Any, Move]) -> Move | WordsRefused:
    try:
        return await words
    except WordsRefused as refused:  # an error is not reported unless the reply is needed
        return refused
