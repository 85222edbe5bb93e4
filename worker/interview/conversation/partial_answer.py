"""The candidate's partial answer: the transcript since the last turn, journaled as it arrives."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Final

from livekit.agents import UserInputTranscribedEvent

#: Writes a piece of an answer to the journal: new final text, interim text, and question id.
#: Returns the record's seq, or None if it was not written. Never raises.
HearingKeeper = Callable[[str, str, str | None], int | None]

#: Seconds between two records of interim text. Final text is written immediately.
INTERIM_EVERY_S: Final = 1.0


def unwritten(final: str, interim: str, question_id: str | None) -> None:
    """Discard the piece: the default without a journal."""


class PartialAnswer:
    """The answer that the candidate is giving, before it becomes a turn.

    A session that ends before that drops it. Each final transcript is one record in the journal, so
    that a process that dies loses none. Of interim text, only the newest is written, at most
    once in `INTERIM_EVERY_S`.

    Args:
        keep: Writes a record.
        question: Returns the id of the open question. May raise.
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
        #: Seq of the last record; None if nothing was written.
        self.seq: int | None = None

    def hear(self, event: UserInputTranscribedEvent) -> None:
        """Take a transcript from the session."""
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
        """Number of final transcripts."""
        return len(self._finals)

    def taken(self, pieces: int) -> None:
        """Drop the first `pieces` final transcripts: they have become a turn.

        Later transcripts belong to the next turn.
        """
        del self._finals[:pieces]
        if not self._finals:
            self._interim = ""

    def drop(self) -> None:
        """Discard the partial answer."""
        self._finals.clear()
        self._interim = ""
        self.stop()

    def stop(self) -> None:
        """Cancel the pending record."""
        if self._due is not None:
            self._due.cancel()
            self._due = None

    @property
    def text(self) -> str:
        """The whole partial answer, interim text included."""
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
