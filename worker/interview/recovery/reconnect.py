"""Recovery after an outage of the room: the interviewer repeats the speech that was missed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from worker.audio.clip import ClipMissing
from worker.clips.recordings import ClipName, load_clip
from worker.interview.dialogue.events import Detail, Event
from worker.interview.dialogue.inputs import Happening
from worker.interview.dialogue.wording.lines import has_lines

if TYPE_CHECKING:
    from worker.audio.output import MixedAudioOutput
    from worker.interview.conversation.interviewer import Interviewer
    from worker.transport.outbound_monitor import OutboundMonitor

#: Minimum length, in seconds, of an outage after which missed speech is repeated. After a shorter
#: outage, the audio output continues at the position at which the outage stopped the audio.
HICCUP_S: Final = 1.0


async def say_back(line: MixedAudioOutput) -> None:
    """Play the clip that apologises for the interruption, unless the clip is missing."""
    with contextlib.suppress(ClipMissing):
        await line.play(load_clip(ClipName.BACK))


class Outages:
    """Handler that continues the interview after an outage of the room.

    An utterance that was cut off is spoken again from its start. If the candidate was speaking
    when the room was lost, or speaks when the room is connected again, the partial answer is kept
    and the question is asked again. The question is also asked again if an answer may have been
    missed. An answer that was complete before the outage gets a reply, and the question is not
    repeated.

    Args:
        interviewer: The interviewer.
        line: The audio output to the candidate.
        record: Called with the length of each room outage, in seconds.
    """

    def __init__(
        self, interviewer: Interviewer, line: MixedAudioOutput, record: Callable[[float], None]
    ) -> None:
        self._interviewer = interviewer
        self._line = line
        self._record = record
        self._saying_back: asyncio.Task[None] | None = None

    def attend(self, reach: OutboundMonitor) -> None:
        """Register callbacks for outages of the room."""
        reach.on_lost = self.lost
        reach.before_return = self.before_return
        reach.on_person_back = self.person_back

    def lost(self) -> None:
        """Mark an answer that is being spoken as cut off, because its end will not arrive."""
        if self._interviewer.hears_candidate:
            self._interviewer.answers.is_cut = True

    async def before_return(self, away_s: float) -> None:
        """Record an outage of `away_s` seconds, and continue the interview as `take_up` does.

        Raises OrchestratorNotReady if the plan has not loaded, and RuntimeError if the session is
        closing.
        """
        self._record(away_s)
        await self.take_up(away_s)

    async def person_back(self, away_s: float) -> None:
        """Continue the interview with a candidate who left and joined again.

        The candidate often joins again with another client, such as a second tab of the browser, in
        which nothing was heard yet. Therefore the question is asked again even after a very short
        absence, unless the candidate is answering. Raises the same exceptions as `before_return`.
        """
        interviewer = self._interviewer
        answering = interviewer.answers.is_cut or interviewer.hears_candidate
        await self.take_up(away_s if answering else max(away_s, HICCUP_S), left=True)

    async def take_up(self, away_s: float, *, left: bool = False) -> None:
        """Continue the interview with a candidate who heard nothing for `away_s` seconds.

        A candidate who has `left` the room is welcomed back; otherwise a clip apologises for the
        interruption. Raises the same exceptions as `before_return`.
        """
        interviewer = self._interviewer
        answers = interviewer.answers
        was_cut, answers.is_cut = answers.is_cut, False
        interviewer.last_sound = asyncio.get_running_loop().time()
        if away_s < HICCUP_S or interviewer.finished.is_set():
            return
        async with interviewer.exclusive.held():  # wait for an answer that is being taken
            if was_cut:
                await interviewer.let_go_of_answer()
            answers.missed.came(self._line, away_s)
            if interviewer.answer_is_over and not answers.missed.cut:
                return
            await interviewer.cut_off()
            if left and await self._welcome_back():
                return
            if self._saying_back is None or self._saying_back.done():
                self._saying_back = asyncio.create_task(say_back(self._line), name="say-back")
                await asyncio.sleep(0)  # queue the clip before the next speech
            interviewer.continues_after(Detail.ABSENCE if left else Detail.OUTAGE)
            await interviewer.speak_next()

    async def _welcome_back(self) -> bool:
        """Record that the candidate has returned, and say so. Return False if nothing is said."""
        interviewer = self._interviewer
        if not has_lines(interviewer.dialogue.plan.language) or not interviewer.dialogue.has_begun:
            return False
        if not interviewer.dialogue.is_absent:
            interviewer.noted(Happening(event=Event.LEFT))
        await interviewer.happened(Happening(event=Event.RETURNED))
        return interviewer.dialogue.has_due
