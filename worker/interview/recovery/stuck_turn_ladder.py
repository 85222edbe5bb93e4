"""Stuck-turn recovery: escalating steps while the interviewer is silent in its own turn."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from livekit.agents import APITimeoutError

from worker.aio.timeouts import run_with_timeout
from worker.clips.recordings import ClipName, load_clip
from worker.config.silence import Rung as Rung
from worker.interview.turn import Role

if TYPE_CHECKING:
    from worker.audio.output import MixedAudioOutput
    from worker.fallback.chain import ProviderChain
    from worker.interview.conversation.interviewer import Interviewer

logger = logging.getLogger(__name__)

#: Seconds to wait before an utterance that was not spoken to its end is spoken again or sent as
#: text. The wait is multiplied by the number of such failures in the turn.
_UNSPOKEN_PAUSE_S: Final = 0.5
#: Seconds of silence after which a question is sent as text, if the audio has no subscriber and an
#: earlier question was already sent as text for that reason.
_DEAF_S: Final = 1.0
#: Time limit of each of the recovery steps WRITE and CLOSE, in seconds.
_LONGEST_STEP_S: Final = 10.0
#: Minimum time limit of every other recovery step, in seconds.
_LEAST_STEP_S: Final = 1.0

RUNGS: Final = tuple(Rung)
#: The steps that do not make the session speak.
_SILENT: Final = frozenset({Rung.CLIP, Rung.CLOSE})

#: Function that records the name of a step, the cause as one CamelCase word, and the seconds of
#: silence.
Recorder = Callable[[str, str, float], None]


class TurnLadder:
    """Stuck-turn recovery of one interview. A new turn or audible speech restarts the recovery.

    If an utterance was not spoken to its end, audible speech no longer restarts the recovery in
    that turn. If the agent fails twice in one turn to finish an utterance, the candidate gets the
    utterance as text. While the audio has no subscriber, the first step is to send the utterance as
    text. The text is due when the clip (`Rung.CLIP`) would be due, or after 1 s (`_DEAF_S`) if an
    earlier utterance was already sent as text for this reason.

    Args:
        interviewer: The interviewer.
        line: The audio output to the candidate.
        rungs_s: Seconds without speech at which each step is due, in the order of `Rung`.
        voices: Returns the fallback chain of text-to-speech providers; None if there is none.
        record: Called with each recovery step that is taken.
    """

    def __init__(
        self,
        interviewer: Interviewer,
        line: MixedAudioOutput,
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
        #: True once the last step was taken.
        self.spent = False
        self._left = list(RUNGS)
        self._turn = 0
        self._heard_at: float | None = None
        self._failures = 0
        self._words = 0
        # True once a question was sent as text because the audio had no subscriber.
        self._deaf = False
        # True once the clip that announces questions as text was started.
        self._announced = False

    # --- timing --------------------------------------------------------------------------------

    def due_in(self, silent_s: float) -> float:
        """Return the seconds until the next step is due; infinite if no step is left.

        `silent_s` is the number of seconds without speech so far.
        """
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

    # --- steps ---------------------------------------------------------------------------------

    async def climb(self, silent_s: float) -> None:
        """Take the next recovery step, after `silent_s` seconds without speech. Never raises."""
        self._settle()
        if not self._left:
            return
        if self._must_write:
            self._deaf = True
            await self._take(Rung.WRITE, "NobodyListens", silent_s)
        else:
            await self._take(self._left[0], "SilentTurn", silent_s)

    async def unspoken(self) -> None:
        """Handle an utterance that text-to-speech did not speak to its end.

        The fallback chain has already tried every provider. The utterance is retried after the
        first failure, and sent as text after the second failure.
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
        logger.warning(
            "the interviewer's turn is stuck, taking recovery step %s",
            rung,
            extra={"event": "turn_stuck", "silent_s": round(silent_s, 1)},
        )
        try:
            await run_with_timeout(self._run(rung), self._budget_s(rung))
        except Exception as error:
            logger.warning(
                "recovery step %s failed: %s",
                rung,
                type(error).__name__,
                extra={"event": "recovery_step_failed"},
            )

    async def _run(self, rung: Rung) -> None:
        """Run a step.

        A step that makes the session speak is skipped if another turn of the interviewer has begun
        in the meantime, because the interviewer speaks in the new turn anyway.
        """
        if rung in _SILENT:
            await self._steps[rung]()
            return
        floor = self._interviewer.floor
        turn = floor.turn
        async with self._interviewer.exclusive.held():
            if floor.turn != turn:
                return
            await self._steps[rung]()
        if rung is Rung.WRITE:
            await self._announce_writing()

    def _budget_s(self, rung: Rung) -> float:
        """Return the time limit of a step in seconds. Most steps end when the next step is due."""
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
        """Play a clip to show the candidate that the interview continues. Never raises."""
        try:
            clip = load_clip(self._next_word())
            await run_with_timeout(self._line.interject(clip), clip.duration_s + _LEAST_STEP_S)
        except Exception as error:
            logger.warning(
                "playing a filler clip failed: %s",
                type(error).__name__,
                extra={"event": "filler_clip_failed"},
            )

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
        # Do not report a provider as failed twice.
        if chain is not None and chain.is_fresh(chain.serving):
            chain.failed(chain.serving, APITimeoutError("no audio of the utterance was heard"))
        await self._say_again()

    async def _say_plainly(self) -> None:
        await self._cut_off()
        self._interviewer.speak_plainly()
        await self._interviewer.speak_next()

    async def _write(self) -> None:
        await self._cut_off()
        await self._interviewer.write_next()

    async def _announce_writing(self) -> None:
        """Play, at most once, the clip that says that questions are sent as text."""
        if not self._announced and self._line.listened:
            self._announced = True
            await self._line.play(load_clip(ClipName.TROUBLE_SPEAKING))

    async def _cut_off(self) -> None:
        if not await self._interviewer.cut_off():
            # If the session does not respond, drop its queued audio, which would delay other
            # speech.
            self._line.clear_buffer()

    async def _give_up(self) -> None:
        self.spent = True
