"""The candidate's typed messages: limited in number and length, and joined into answers."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Final

from worker.aio.timeouts import retrieve, run_with_timeout
from worker.aio.token_bucket import TokenBucket
from worker.transport.typed_text import clean_text

logger = logging.getLogger(__name__)

#: Maximum length of a typed message, in characters. The rest of a longer message is dropped. An
#: answer of this length would take more than ten minutes to speak.
LONGEST_TYPED: Final = 20_000
#: Number of messages that are allowed at once, and number of further messages per second. A person
#: who sends each sentence as a separate message stays below these limits.
MESSAGES: Final = (10.0, 0.5)
#: Number of characters that are allowed at once (twice the longest message), and number of further
#: characters per second (about twenty times the speed of a typist). At this rate a day has 17
#: million characters, which fit into a journal (`states.journal.MAX_BYTES`).
CHARACTERS: Final = (2.0 * LONGEST_TYPED, 200.0)
#: Minimum seconds between two notices to the candidate that messages were refused, and between two
#: records of the refusals.
NOTICE_EVERY_S: Final = 5.0
#: Maximum seconds to send a notice.
_NOTICE_S: Final = 10.0

#: Text that the candidate reads after a message was refused.
REFUSED: Final = (
    "That was too much text at once, and your last message was not read. "
    "Please wait a few seconds, then send it again."
)

#: Text that the candidate reads after losing the right to write.
NO_MORE: Final = (
    "You have sent too much, so you cannot write here any more. "
    "Please answer aloud; the interview continues."
)

#: Function that sends a text to the candidate. The function may raise.
Writer = Callable[[str], Awaitable[None]]


class TypedMessages:
    """The typed messages that wait to become an answer.

    A message is cleaned first (`clean_text`): it becomes one line without control characters.
    Messages that wait at the same time are joined to one answer. A message beyond the limits is
    refused: the candidate reads a notice, and the journal gets the number of refused messages
    without a text.

    Args:
        write: Sends a text to the candidate; None if no text can be sent.
        refused: Records how many messages were refused since the last call.
    """

    def __init__(self, write: Writer | None, refused: Callable[[int], None]) -> None:
        self._write = write
        self._record = refused
        self._messages = TokenBucket(burst=MESSAGES[0], per_second=MESSAGES[1])
        self._characters = TokenBucket(burst=CHARACTERS[0], per_second=CHARACTERS[1])
        self._waiting: list[str] = []
        #: Refused messages that are not recorded yet.
        self._refused = 0
        self._noticed_at = -math.inf
        self._telling: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> bool:
        """True if a message waits to become an answer."""
        return bool(self._waiting)

    def admit(self, text: str) -> bool:
        """Add a message. Return False if the message has no words or is refused."""
        text = clean_text(text)[:LONGEST_TYPED].rstrip()
        if not text:
            return False
        now_s = asyncio.get_running_loop().time()
        if self._messages.wait_s(now_s) or self._characters.wait_s(now_s, len(text)):
            self.refuse()
            return False
        self._messages.take()
        self._characters.take(len(text))
        self._note_refused()
        self._waiting.append(text)
        return True

    def take(self) -> str:
        """Return the waiting messages as one answer of one line; empty if none waits."""
        taken, self._waiting = self._waiting, []
        return " ".join(taken)

    def stop(self) -> None:
        """Record the refused messages, and cancel a notice that is being sent."""
        self._note_refused()
        if self._telling is not None:
            self._telling.cancel()

    def refuse(self, *, for_good: bool = False) -> None:
        """Count a refused message, and tell the candidate, at most every `NOTICE_EVERY_S` seconds.

        Args:
            for_good: True if the candidate can write no more.
        """
        self._refused += 1
        now = asyncio.get_running_loop().time()
        if now - self._noticed_at < NOTICE_EVERY_S and not for_good:
            return
        self._noticed_at = now
        self._note_refused()
        logger.warning(
            "the candidate types too much at once, so messages are refused",
            extra={"event": "typed_message_refused"},
        )
        if self._write is not None:
            notice = NO_MORE if for_good else REFUSED
            telling = self._tell(self._write, notice)
            self._telling = asyncio.create_task(telling, name="tell-refused")
            self._telling.add_done_callback(retrieve)

    def _note_refused(self) -> None:
        if self._refused:
            self._record(self._refused)
            self._refused = 0

    async def _tell(self, write: Writer, notice: str) -> None:
        async def send() -> None:
            await write(notice)

        try:
            await run_with_timeout(send(), _NOTICE_S)
        except Exception as error:
            logger.warning(
                "the notice to the candidate that a message was refused could not be sent: %s",
                type(error).__name__,
                extra={"event": "typed_refusal_not_shown"},
            )
