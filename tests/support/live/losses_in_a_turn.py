"""Interview of two questions in which one resource fails in a turn and becomes available again.

The tests assert on the result, the benchmark (benchmarks/resilience.py) measures it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from states import Condition, History, Status
from tests.support.live.chat import Chat, Message
from tests.support.live.heard import heard_by, times_in, words
from tests.support.live.one_question import ANSWER
from tests.support.live.one_question import PLAN as ONE_QUESTION
from tests.support.live.silences import OurTurn, spans_in
from tests.support.live.waiting import PATIENCE_S, eventually
from worker.clips.recordings import ClipName
from worker.interview.plan.plan import Question
from worker.simulation.voice import LocalVoice

if TYPE_CHECKING:
    from tests.support.live.breakable import Parts
    from tests.support.live.losses import Loss
    from tests.support.live.running_worker import RunningWorker
    from worker.simulation.room_candidate import Candidate
    from worker.store.interviews import Interview

FIRST = ONE_QUESTION.questions[0]
NEXT = Question(
    id="next",
    text="And what would you like to learn next week, if you had all the time in the world?",
    follow_ups_allowed=0,
    thinking_pause_s=FIRST.thinking_pause_s,
)
PLAN = replace(ONE_QUESTION, questions=(FIRST, NEXT))
ANSWERS = (ANSWER, "I would like to learn how to draw, so that I can explain my work to others.")

#: Seconds of silence after which the interviewer has finished.
_PAUSE_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Held:
    """The result of an interview."""

    job: History
    #: Transcript of the audio in the room, and the written messages.
    heard: str
    read: tuple[Message, ...]
    #: The interviewer's turns as the candidate perceived them, greeting first.
    turns: tuple[OurTurn, ...]
    #: When the resource failed, and when it was available again.
    lost_at: datetime | None = None
    mended_at: datetime | None = None
    #: When the resource failed, in seconds since the candidate joined.
    lost_s: float = 0.0
    #: Late frames of the candidate's microphone. With many of them the machine was too busy, and
    #: the result proves nothing.
    late_frames: int = 0

    @property
    def longest_silence_s(self) -> float:
        """The longest time, in seconds, without sound or text in a turn of the interviewer."""
        return max(turn.longest_silence_s for turn in self.turns)

    def changes(self, resource: str, status: Status) -> list[Condition]:
        """Return the changes of a resource's condition to this status since the failure."""
        since = self.lost_at or datetime.min.replace(tzinfo=UTC)
        return [
            change
            for change in self.job.condition_changes
            if change.resource == resource and change.status is status and self._at(change) >= since
        ]

    def recovered_s(self, resource: str) -> float | None:
        """Return the seconds from a resource's return to its READY condition; None if never."""
        back = [
            change
            for change in self.changes(resource, Status.READY)
            if change.reason != "Fallback"  # another provider serves
        ]
        if not back or self.mended_at is None:
            return None
        return (self._at(back[-1]) - self.mended_at).total_seconds()

    def told_s(self) -> float:
        """Return the seconds from the failure until the candidate read about it."""
        told = (ClipName.TROUBLE_HEARING.text, ClipName.TROUBLE_SPEAKING.text, NEXT.text)
        return min(each.at_s for each in self.read if each.text in told) - self.lost_s

    @property
    def lost(self) -> list[str]:
        """The answers that are in no turn, and plan lines not committed or not heard or read."""
        kept = self._kept("candidate")
        told, had = self._kept("interviewer"), self._had
        return [text for text in ANSWERS if not times_in(text, kept)] + [
            text for text in _LINES if not (times_in(text, told) and times_in(text, had))
        ]

    @property
    def doubled(self) -> list[str]:
        """The candidate's complete turns beyond the answers, and plan lines that came twice."""
        answers = [
            turn.text
            for turn in self.job.turns
            if turn.speaker == "candidate" and not turn.interrupted
        ]
        return answers[len(ANSWERS) :] + [text for text in _LINES if times_in(text, self._had) > 1]

    def _kept(self, speaker: str) -> str:
        return " ".join(turn.text for turn in self.job.turns if turn.speaker == speaker)

    @property
    def _had(self) -> str:
        """All text that the candidate heard or read."""
        return " ".join([self.heard, *(each.text for each in self.read)])

    def _at(self, change: Condition) -> datetime:
        received = datetime.fromisoformat(self.job.header["at"])
        return received + timedelta(seconds=change.since - float(self.job.header["t"]))


_LINES = (PLAN.opening, FIRST.text, NEXT.text, PLAN.closing)


async def hold(worker: RunningWorker, parts: Parts, loss: Loss | None = None) -> Held:
    """Hold the interview; trigger `loss` in the middle and end it before the last answer."""
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        sitting = _Sitting(worker, interview, candidate, parts, loss)
        await sitting.hold()
        heard = await heard_by(candidate)
        spans = spans_in(candidate.recording())
    read = tuple(sitting.chat.messages)
    texts_s = [message.at_s for message in read]
    return Held(
        job=await worker.ended_job(interview.room),
        heard=heard,
        read=read,
        turns=tuple(turn.with_sounds(spans, texts_s) for turn in sitting.turns),
        lost_at=sitting.lost_at,
        mended_at=sitting.mended_at,
        lost_s=sitting.lost_s,
        late_frames=candidate.late_frames,
    )


class _Sitting:
    """The candidate's side of the interview."""

    def __init__(
        self,
        worker: RunningWorker,
        interview: Interview,
        candidate: Candidate,
        parts: Parts,
        loss: Loss | None,
    ) -> None:
        self.chat = Chat(candidate)
        self.turns: list[OurTurn] = []
        self.lost_at: datetime | None = None
        self.mended_at: datetime | None = None
        self.lost_s = 0.0
        self._worker = worker
        self._interview = interview
        self._candidate = candidate
        self._parts = parts
        self._loss = loss

    async def hold(self) -> None:
        in_question = self._loss if self._loss is not None and self._loss.in_question else None
        await self._worker.send_interviewer(self._interview)
        await self._asked(FIRST.text, self._candidate.now_s)
        since_s = await self._answer(ANSWERS[0], struck=in_question is None)
        if in_question is not None:
            await self._candidate.wait_for_sound(since_s=since_s, timeout_s=PATIENCE_S)
            await asyncio.sleep(in_question.into_s)
            self._strike()
        await self._asked(NEXT.text, since_s)
        await self._mend()
        since_s = await self._answer(ANSWERS[1])
        await self._candidate.wait_until_alone(timeout_s=PATIENCE_S)
        self.turns.append(OurTurn(began_s=since_s, ended_s=self._candidate.now_s))

    async def _asked(self, text: str, since_s: float) -> float:
        """Hear or read a turn of the interviewer that ends with this question."""
        await eventually(lambda: self._has(text), "a question")
        read_s = self.chat.read_at(text)
        # A spoken announcement follows a written question.
        paused_s = await self._candidate.wait_until_interviewer_paused(
            quiet_s=_PAUSE_S, since_s=since_s if read_s is None else read_s, timeout_s=PATIENCE_S
        )
        self.turns.append(OurTurn(began_s=since_s, ended_s=paused_s))
        return paused_s

    def _has(self, text: str) -> bool:
        captions = self._candidate.captions.others(self._candidate.identity)
        heard = words(" ".join(caption.text for caption in captions))
        return self.chat.read_at(text) is not None or " ".join(words(text)) in " ".join(heard)

    async def _answer(self, text: str, *, struck: bool = False) -> float:
        """Speak the answer, or type it if asked to; return when the interviewer's turn begins."""
        loss = self._loss if struck else None
        saying = asyncio.create_task(self._candidate.say(*await LocalVoice().render(text)))
        if loss is not None:
            await asyncio.sleep(loss.into_s)
            self._strike()
        spoken = await saying
        ours_s = spoken.end_s + FIRST.thinking_pause_s
        if loss is None or not (loss.types or loss.soon_back):
            return ours_s
        if loss.unnoticed:
            await self._mend()
            return ours_s
        asked = ClipName.TROUBLE_HEARING.text
        await eventually(lambda: self.chat.read_at(asked) is not None, "to be asked to type")
        if loss.soon_back:
            await self._mend()
            return ours_s
        paused_s = await self._candidate.wait_until_interviewer_paused(
            quiet_s=_PAUSE_S, since_s=self.lost_s, timeout_s=PATIENCE_S
        )
        if paused_s > ours_s:
            self.turns.append(OurTurn(began_s=ours_s, ended_s=paused_s))
        await self._candidate.send_text(text)
        return self._candidate.now_s

    def _strike(self) -> None:
        assert self._loss is not None
        self.lost_at, self.lost_s = datetime.now(UTC), self._candidate.now_s
        if self._loss.strike is not None:
            self._loss.strike(self._parts)

    async def _mend(self) -> None:
        """Make the resource available again; wait for READY unless that needs its next use."""
        if self._loss is None or self.mended_at is not None:
            return
        await self._parts.heal()
        self.mended_at = datetime.now(UTC)
        if not self._loss.judged_when_used:
            resource = self._loss.resource
            await self._worker.job(
                self._interview.room,
                until=lambda job: job.conditions[resource].status is Status.READY,
            )
