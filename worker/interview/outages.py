"""What is done when the room was away: what nobody heard is said again, in order and once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from worker.interview.clips import ClipName, load_clip
from worker.speech.clip import ClipMissing

if TYPE_CHECKING:
    from worker.interview.interviewer import Interviewer
    from worker.reach import Reach
    from worker.speech.line import Line

#: Seconds that a candidate takes for a hiccup: after those the line goes on where it stopped.
HICCUP_S: Final = 1.0


async def say_back(line: Line) -> None:
    """Say that we were interrupted; where it cannot be said the question comes all the same."""
    with contextlib.suppress(ClipMissing):
        await line.play(load_clip(ClipName.BACK))


class Outages:
    """Takes up the interview where the room was lost.

    An utterance that was cut off is said again from its beginning. Where the candidate was
    speaking, or is when the room is back, the half of it that was heard is kept and the question
    is asked once more, and so it is where nobody knows whether there was an answer. An answer
    that was over before is answered, and not asked for again.

    Args:
        interviewer: Whose interview it is.
        line: What the candidate hears of it.
        record: Told how long the room was away, in seconds.
    """

    def __init__(
        self, interviewer: Interviewer, line: Line, record: Callable[[float], None]
    ) -> None:
        self._interviewer = interviewer
        self._line = line
        self._record = record
        self._saying_back: asyncio.Task[None] | None = None

    def attend(self, reach: Reach) -> None:
        """Take care of the outages of this room from now on."""
        reach.on_lost = self.lost
        reach.before_return = self.before_return
        reach.on_person_back = self.take_up

    def lost(self) -> None:
        """The room is away: what the candidate is saying does not come to its end here."""
        if self._interviewer.hears_candidate:
            self._interviewer.answers.is_cut = True

    async def before_return(self, away_s: float) -> None:
        """Prepare what is heard once the candidate hears something again.

        Raises OrchestratorNotReady and RuntimeError (the session is closing).
        """
        self._record(away_s)
        await self.take_up(away_s)

    async def take_up(self, away_s: float) -> None:
        """Go on with somebody who has heard nothing for so many seconds. Raises the same."""
        interviewer = self._interviewer
        answers = interviewer.answers
        was_cut, answers.is_cut = answers.is_cut, False
        interviewer.last_sound = asyncio.get_running_loop().time()
        if away_s < HICCUP_S or interviewer.finished.is_set():
            return
        if was_cut:
            await interviewer.let_go_of_answer()
        answers.missed.came(self._line, away_s)
        if interviewer.answer_is_over and not answers.missed.cut:
            return
        await interviewer.cut_off()
        if self._saying_back is None or self._saying_back.done():
            self._saying_back = asyncio.create_task(say_back(self._line), name="say-back")
            await asyncio.sleep(0)  # it is the first on the line
        await interviewer.speak_next()
