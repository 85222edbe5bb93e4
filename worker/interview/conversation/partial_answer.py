"""The partial answer: the transcript since the last turn, written to the journal on arrival."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Final

from livekit.agents import UserInputTranscribedEvent

#: Function that writes a piece of an answer to the journal. The arguments are the new final text,
#: the interim text, and the question id. The function returns the seq of the record, or None if no
#: record was written, and never raises.
HearingKeeper = Callable[[str, str, str | None], int | None]

#: Minimum seconds between two records of interim text. Final text is written immediately.
INTERIM_EVERY_S: Final = 1.0


def unwritten(final: str, interim: str, question_id: str | None) -> None:
    """Discard a piece of an answer. `PartialAnswer` calls this function if there is no journal."""


class PartialAnswer:
    """The answer that the candidate is giving, before the answer becomes a turn.

    When a livekit session ends, the session drops a partial answer. Therefore each final transcript
    is written to the journal as one record, and no transcript is lost if the process dies. Only the
    newest interim text is written, at most once in `INTERIM_EVERY_S` seconds.

    Args:
        keep: Writes a record to the journal.
        question: Returns the id of the open question. The function may raise an error.
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
        #: Sequence number of the last journal record of a partial answer; None before the first.
        self.seq: int | None = None
        #: Number of times that a partial answer was dropped.
        self.drops = 0

    def hear(self, event: UserInputTranscribedEvent) -> None:
        """Add a transcript from the session to the partial answer."""
        if event.is_final:
            self._finals.append(event.transcript)
            self._interim = ""
            if event.transcript.strip():
                self._write(event.transcript.strip())
        else:
            self._interim = event.transcript
            self._write_soon()

    @property
    def is_final(self) -> bool:
        """True if no part of the partial answer is interim text."""
        return not self._interim.strip()

    @property
    def has_final_words(self) -> bool:
        """True if a final transcript of the partial answer has words."""
        return any(text.strip() for text in self._finals)

    @property
    def pieces(self) -> int:
        """Number of final transcripts in the partial answer."""
        return len(self._finals)

    def taken(self, pieces: int) -> None:
        """Drop the first `pieces` final transcripts, which have become a turn.

        Later transcripts belong to the next turn.
        """
        del self._finals[:pieces]
        if not self._finals:
            self._interim = ""

    def drop(self) -> None:
        """Discard the partial answer."""
        self.drops += 1
        self._finals.clear()
        self._interim = ""
        self.stop()

    def forget_interim(self) -> None:
        """Discard the interim text, because its words become no turn of the candidate."""
        self._interim = ""
        self.stop()

    def stop(self) -> None:
        """Cancel the delayed writing of interim text to the journal."""
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
        except Exception:  # the plan has not loaded yet
            question_id = None
        seq = self._keep(final, self._interim.strip(), question_id)
        self.seq = self.seq if seq is None else seq
