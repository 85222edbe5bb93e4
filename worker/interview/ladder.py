"""What is done about silence in a turn of the interviewer's, step by step until it is broken."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from livekit.agents import APITimeoutError

from worker.bounded import bounded
from worker.interview.clips import ClipName, load_clip
from worker.interview.orchestrator import Role

if TYPE_CHECKING:
    from worker.interview.interviewer import Interviewer
    from worker.providers.chain import ProviderChain
    from worker.speech.line import Line

logger = logging.getLogger(__name__)

#: Seconds before words are tried again that no voice has spoken.
_UNSPOKEN_PAUSE_S: Final = 0.5
#: Seconds after which a question is written to a candidate who is known to listen to nothing.
_DEAF_S: Final = 1.0
#: Seconds for the last steps, and for those whose next one comes sooner.
_LONGEST_STEP_S: Final = 10.0
_LEAST_STEP_S: Final = 1.0


class Rung(StrEnum):
    """A step of the ladder; the times of all of them are INTERVIEW_LADDER_S, in this order."""

    #: A recorded word.
    CLIP = "clip"
    #: What is stuck is cut off, and the same is said again.
    AGAIN = "again"
    #: The voice that serves is made anew, with connections of its own, and says it.
    REBUILD = "rebuild"
    #: It is left for the next of its chain, which says it.
    NEXT = "next"
    #: The plan's own words are said: no language model is waited for.
    PLAN = "plan"
    #: They are written.
    WRITE = "write"
    #: Nothing has helped: the job ends, with a spoken reason.
    CLOSE = "close"


RUNGS: Final = tuple(Rung)

#: Writes down a step: its name, one word in CamelCase for its cause, and the seconds of silence.
Recorder = Callable[[str, str, float], None]


class TurnLadder:
    """The ladder of one interview. A new turn, or speech that is heard, puts it at its foot.

    Where a voice has failed in this turn already sound promises nothing: the next time the words
    are written. To a candidate who has subscribed to nothing they are written at once.

    Args:
        interviewer: Whose turn it is.
        line: What the candidate hears of it.
        rungs_s: Seconds without speech at which each step is due.
        voices: The chain of the voices; None where there is none.
        record: Told of each step.
    """

    def __init__(
        self,
        interviewer: Interviewer,
        line: Line,
        rungs_s: Sequence[float],
        *,
        voices: Callable[[], ProviderChain[Any] | None],
        record: Recorder,
    ) -> None:
        self._interviewer = interviewer
        self._line = line
        self._due_s = dict(zip(RUNGS, rungs_s, strict=True))
        self._voices = voices
        self._record = record
        #: Nothing is left to be tried.
        self.spent = False
        self._left = list(RUNGS)
        self._turn = 0
        self._heard_at: float | None = None
        self._failures = 0
        self._words = 0
        # Whether a question was written because nobody listened.
        self._deaf = False
        # Whether the candidate was told aloud that there will be writing.
        self._announced = False

    # --- when ----------------------------------------------------------------------------------

    def due_in(self, silent_s: float) -> float:
        """Seconds until the next step is to be taken; infinite where none is left."""
        self._settle()
        if not self._left:
            return math.inf
        due_s = self._due_s[self._left[0]]
        if self._must_write:
            due_s = _DEAF_S if self._deaf else self._due_s[Rung.CLIP]
        return due_s - silent_s

    @property
    def _must_write(self) -> bool:
        return not self._line.subscribed and Rung.WRITE in self._left

    def _settle(self) -> None:
        turn, heard_at = self._interviewer.floor.turn, self._line.heard_at(speech=True)
        if turn != self._turn:
            self._turn, self._failures, self._words = turn, 0, 0
            self._left = list(RUNGS)
        elif heard_at != self._heard_at and not self._failures:
            self._left = list(RUNGS)
        self._heard_at = heard_at

    # --- what ----------------------------------------------------------------------------------

    async def climb(self, silent_s: float) -> None:
        """Take the next step, after so many seconds without speech. Never raises."""
        self._settle()
        if not self._left:
            return
        if self._must_write:
            self._deaf = True
            await self._take(Rung.WRITE, "NobodyListens", silent_s)
        else:
            await self._take(self._left[0], "SilentTurn", silent_s)

    async def unspoken(self) -> None:
        """No voice has spoken the utterance, or not to its end: do the next thing that may help.

        All voices were asked already, so it is said once more and then written.
        """
        self._settle()
        self._failures += 1
        again = self._failures == 1 and Rung.AGAIN in self._left
        turn = self._turn
        await asyncio.sleep(_UNSPOKEN_PAUSE_S * self._failures)
        if self._interviewer.floor.ours and self._interviewer.floor.turn == turn:
            rung = Rung.AGAIN if again else Rung.WRITE
            await self._take(rung, "UtteranceUnspoken", self._silent_s())

    def _silent_s(self) -> float:
        since = max(self._interviewer.floor.quiet_from, self._heard_at or 0.0)
        return max(0.0, asyncio.get_running_loop().time() - since)

    async def _take(self, rung: Rung, reason: str, silent_s: float) -> None:
        self._left = list(RUNGS[RUNGS.index(rung) + 1 :])
        self._record(rung, reason, silent_s)
        logger.warning("the turn is stuck: %s", rung, extra={"silent_s": round(silent_s, 1)})
        try:
            await bounded(self._steps[rung](), self._budget_s(rung))
        except Exception as error:
            logger.warning("%s did not help: %s", rung, type(error).__name__)

    def _budget_s(self, rung: Rung) -> float:
        """A step may last until the next one is due."""
        if rung in (Rung.WRITE, Rung.CLOSE):
            return _LONGEST_STEP_S
        following = RUNGS[RUNGS.index(rung) + 1]
        return max(_LEAST_STEP_S, self._due_s[following] - self._due_s[rung])

    @property
    def _steps(self) -> dict[Rung, Any]:
        return {
            Rung.CLIP: self.fill,
            Rung.AGAIN: self._say_again,
            Rung.REBUILD: self._rebuild,
            Rung.NEXT: self._leave_for_next,
            Rung.PLAN: self._say_plainly,
            Rung.WRITE: self._write,
            Rung.CLOSE: self._give_up,
        }

    async def fill(self) -> None:
        """Let the candidate hear that it goes on. Never raises."""
        try:
            clip = load_clip(self._next_word())
            await bounded(self._line.interject(clip), clip.duration_s + _LEAST_STEP_S)
        except Exception as error:
            logger.warning("silence was not filled: %s", type(error).__name__)

    def _next_word(self) -> ClipName:
        self._settle()
        begun = (self._line.heard_at(speech=True) or 0.0) > self._interviewer.floor.since
        self._words += 1
        if self._words == 1 and not begun:
            greeting = self._interviewer.next_role is Role.OPENING
            return ClipName.WELCOME if greeting else ClipName.LET_ME_SEE
        self._words = max(self._words, 2)
        return ClipName.PATIENCE if self._words % 2 else ClipName.ONE_MOMENT

    async def _say_again(self) -> None:
        await self._cut_off()
        await self._interviewer.speak_next()

    async def _rebuild(self) -> None:
        await self._cut_off()
        if (chain := self._voices()) is not None:
            chain.remake(chain.serving)
        await self._interviewer.speak_next()

    async def _leave_for_next(self) -> None:
        chain = self._voices()
        # One that was left already is not to blame twice.
        if chain is not None and chain.is_fresh(chain.serving):
            chain.failed(chain.serving, APITimeoutError("nothing of it was heard"))
        await self._say_again()

    async def _say_plainly(self) -> None:
        await self._cut_off()
        self._interviewer.speak_plainly()
        await self._interviewer.speak_next()

    async def _write(self) -> None:
        await self._cut_off()
        await self._interviewer.write_next()
        # Only now: whoever reads it may have answered before the clip is over.
        if not self._announced and self._line.listened:
            self._announced = True
            await self._line.play(load_clip(ClipName.TROUBLE_SPEAKING))

    async def _cut_off(self) -> None:
        if not await self._interviewer.cut_off():
            # The session does not answer: what it left on the line would hold up what comes.
            self._line.clear_buffer()

    async def _give_up(self) -> None:
        self.spent = True
