"""What the candidate has said since the last turn was taken, written down as it is understood."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Final

from livekit.agents import UserInputTranscribedEvent

#: Writes a piece of an answer into the journal: what has become final, what is not final yet,
#: and the question. Returns the record's seq; None where it is not written. Never raises.
HearingKeeper = Callable[[str, str, str | None], int | None]

#: Seconds between two records of words that are not final yet; what is final is written at once.
INTERIM_EVERY_S: Final = 1.0


def unwritten(final: str, interim: str, question_id: str | None) -> None:
    """Keep nothing, where there is no journal."""


class HalfAnswer:
    """An answer that is being given: the session drops it where it ends first.

    Every final piece is one record in the journal, so that a process that dies loses none; what
    is not final yet is written once in `INTERIM_EVERY_S`, the newest of it.

    Args:
        keep: Writes it.
        question: The question that is being answered; may raise.
    """

    def __init__(
        self,
        keep: HearingKeeper = unwritten,
        question: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._keep = keep
        self._question = question
        self._finals: list[str] = []
        self._interim = ""
        self._written_at = -math.inf
        self._due: asyncio.TimerHandle | None = None
        #: The last record of it; None where nothing was written.
        self.seq: int | None = None

    def hear(self, event: UserInputTranscribedEvent) -> None:
        """Take what was understood so far."""
        if event.is_final:
            self._finals.append(event.transcript)
            self._interim = ""
            if event.transcript.strip():
                self._write(event.transcript.strip())
        else:
            self._interim = event.transcript
            self._write_soon()

    @property
    def pieces(self) -> int:
        """How many pieces of it are final."""
        return len(self._finals)

    def taken(self, pieces: int) -> None:
        """So many pieces have become a turn; what came after them begins the next one."""
        del self._finals[:pieces]
        if not self._finals:
            self._interim = ""

    def drop(self) -> None:
        """Nothing is being said any more."""
        self._finals.clear()
        self._interim = ""
        self.stop()

    def stop(self) -> None:
        """Write nothing later."""
        if self._due is not None:
            self._due.cancel()
            self._due = None

    @property
    def text(self) -> str:
        """All of it, what is not final yet included."""
        return " ".join(part for text in (*self._finals, self._interim) if (part := text.strip()))

    def _write_soon(self) -> None:
        if self._due is None:
            loop = asyncio.get_running_loop()
            self._due = loop.call_at(self._written_at + INTERIM_EVERY_S, self._write_interim)

    def _write_interim(self) -> None:
        self._due = None
        if self._interim.strip():
            self._write("")

    def _write(self, final: str) -> None:
        self.stop()
        self._written_at = asyncio.get_running_loop().time()
        try:
            question_id = self._question()
        except Exception:  # there is no plan yet
            question_id = None
        seq = self._keep(final, self._interim.strip(), question_id)
        self.seq = self.seq if seq is None else seq
