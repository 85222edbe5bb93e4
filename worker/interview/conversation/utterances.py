"""Recorder of the interviewer's utterances, each with the part that the candidate heard."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from worker.interview.conversation.endpointing import UNFINISHED_PAUSE_S
from worker.interview.conversation.heard_text import HeardTextEstimator, PlayoutTeller
from worker.interview.conversation.turn_log import TurnLog, latency_of

if TYPE_CHECKING:
    from livekit.agents.voice import SpeechHandle

    from worker.interview.turn import Move
    from worker.job.floor import TurnFloor

logger = logging.getLogger(__name__)

#: Maximum seconds to wait, before the candidate's turn is committed, until the earlier utterances
#: of the interviewer are recorded.
_RECORD_WAIT_S: Final = 2.0


class Utterances:
    """Recorder of the part of each utterance that the candidate heard.

    After an utterance, the recorder gives the candidate the turn to speak (`floor`).

    Args:
        book: The recorder of turns.
        floor: Tracks whether the interviewer or the candidate has the turn to speak.
        playout: Returns how much of the last utterance was played.
        kept: Called after each recorded utterance, to prepare for the candidate's answer; the
            argument is True if the whole utterance was spoken.
        unspoken: Called after each utterance that ended early although nothing interrupted it.
    """

    def __init__(
        self,
        book: TurnLog,
        floor: TurnFloor,
        playout: PlayoutTeller,
        *,
        kept: Callable[[bool], None],
        unspoken: Callable[[], None],
    ) -> None:
        self._book = book
        self._floor = floor
        self._heard = HeardTextEstimator(playout)
        self._kept = kept
        self._unspoken = unspoken
        #: Unfinished tasks that record an utterance.
        self.recording: set[asyncio.Task[None]] = set()

    def spoken(self, handle: SpeechHandle, move: Move, turn: int) -> None:
        """Start a task that records a finished speech of the interviewer."""
        record = self.record(handle, move, turn)
        task = asyncio.get_running_loop().create_task(record, name="record")
        self.recording.add(task)
        task.add_done_callback(self.recording.discard)

    async def recorded(self) -> None:
        """Wait for the records that are being written, at most `_RECORD_WAIT_S` seconds."""
        if self.recording:
            await asyncio.wait(self.recording, timeout=_RECORD_WAIT_S)

    async def written(self, move: Move, turn: int) -> None:
        """Record an utterance that was sent as text."""
        await self._book.utterance(move, move.text, heard="")
        self._kept(True)
        self._floor.give(turn)

    async def record(self, handle: SpeechHandle, move: Move, turn: int | None = None) -> None:
        """Record the part of an utterance that the candidate heard, unless that part is empty."""
        spoken = [item for item in handle.chat_items if item.type == "message"]
        heard = " ".join(item.text_content or "" for item in spoken).strip()
        # If text-to-speech stopped early, only the chat items are marked as interrupted, not the
        # handle.
        broke_off = not handle.interrupted and any(item.interrupted for item in spoken)
        cut_off = handle.interrupted or broke_off
        if heard and cut_off:
            heard = self._heard.part(move.text, heard, broke_off=broke_off)
        elif heard:
            self._heard.whole(heard)
        if heard:
            latency = latency_of(spoken[0])
            await self._book.utterance(
                move,
                heard,
                heard=heard,
                interrupted=cut_off,
                broke_off=broke_off,
                latency=latency,
            )
            self._kept(not cut_off)
            if not cut_off or self._floor.contested:
                self._floor.give(turn)
        elif handle.interrupted:
            logger.info(
                "an utterance was cut off before any of it was heard",
                extra={"event": "utterance_cut_off_unheard", "role": move.role},
            )
            if self._floor.contested:
                # The candidate is speaking, and the reply follows the candidate's speech.
                self._floor.begin_anew(UNFINISHED_PAUSE_S)
        if broke_off or not (heard or handle.interrupted):
            logger.error(
                "an utterance was not spoken to its end",
                extra={"event": "utterance_unfinished", "role": move.role},
            )
            self._unspoken()
