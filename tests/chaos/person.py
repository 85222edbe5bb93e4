"""A candidate that answers all questions, can leave and come back, and writes a log."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from typing import TYPE_CHECKING, Final

from livekit import rtc
from livekit.rtc.participant import PublishTrackError

from tests.chaos.diary import Answer, Asked, Diary
from tests.chaos.plan import is_closing, question_in
from tests.chaos.spans import Span
from tests.support.live.heard import heard_by
from worker.simulation.voice import LocalVoice, Voice

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.chaos.plan import Script
    from worker.simulation.room_candidate import Candidate

#: Seconds of silence after which it is the candidate's turn, as in
#: `worker.simulation.conversation`.
_PAUSE_S: Final = 1.0
_LOOK_S: Final = 0.1
#: Seconds of silence after which the candidate transcribes the audio itself, if the captions
#: contain no question.
_PUZZLED_S: Final = 1.6
#: Seconds of audio to transcribe: the duration of the plan's longest line, twice.
_REMEMBERED_S: Final = 14.0
#: Seconds until the candidate leaves after the closing, or after the interview's end in the
#: database.
_LINGERS_S: Final = 3.0
_TRIES_AGAIN_S: Final = 0.5
#: Errors of a candidate that LiveKit does not let in, or whose microphone it does not take.
JOIN_ERRORS: Final = (rtc.ConnectError, PublishTrackError)
#: Nice value that precedes all processes with the default value (nice(1)).
_FIRST: Final = -5


def come_first() -> None:
    """Raise the priority of this thread, which runs the candidates, if that is permitted.

    The headsets of the candidates simulate hardware: a run with stuttering audio proves nothing.
    """
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _FIRST)


def _is_complete(heard: str) -> bool:
    """Return whether the text contains a complete question, or the closing."""
    return question_in(heard) is not None or is_closing(heard)


def voices_of(candidate: Candidate, now_s: float) -> dict[str, list[Span]]:
    """Return when each audible participant was audible, in seconds since the epoch.

    `now_s` is the time now.
    """
    since_s = now_s - candidate.now_s
    return {
        identity: [
            Span(start_s=since_s + span.start_s, end_s=since_s + span.end_s) for span in meter.spans
        ]
        for identity, meter in candidate.meters.items()
        if meter.spans
    }


class Person:
    """One candidate, from the first visit to the last.

    Args:
        join: Creates a connection to the room, a new one for each visit.
        script: The answers.
        diary: The log to write.
        recordings: The folder for a WAV file of each visit.
        patience_s: Seconds after which the candidate gives up and leaves permanently.
    """

    def __init__(
        self,
        join: Callable[[], Candidate],
        script: Script,
        diary: Diary,
        *,
        recordings: Path,
        patience_s: float,
        voice: Voice | None = None,
    ) -> None:
        self.diary = diary
        self._join = join
        self._script = script
        self._recordings = recordings
        self._give_up_s = diary.began_s + patience_s
        self._voice = voice or LocalVoice()
        self._away_s = 0.0
        self._leave = asyncio.Event()
        self._over_s: float | None = None

    def drop(self, for_s: float) -> bool:
        """Leave, and come back `for_s` seconds later; return False if it has left permanently."""
        if self._done:
            return False
        self._away_s = for_s
        self._leave.set()
        return True

    def told_it_is_over(self) -> None:
        """Note that the interview has ended according to the database."""
        if self._over_s is None:
            self._over_s = time.time()

    async def run(self) -> None:
        """Take part in the interview until its end."""
        while not self._done:
            self._leave.clear()
            self._away_s = _TRIES_AGAIN_S
            candidate = self._join()
            try:
                await candidate.join()
            except JOIN_ERRORS:
                await candidate.leave()
            else:
                await self._visit(candidate)
            if not self._done:
                await asyncio.sleep(self._away_s)
        self.diary.ended_s = time.time()
        self.diary.gave_up = self.diary.ended_s >= self._give_up_s

    @property
    def _done(self) -> bool:
        last_words_s = self.diary.closing_s or self._over_s
        over = last_words_s is not None and time.time() - last_words_s > _LINGERS_S
        return over or time.time() > self._give_up_s

    async def _visit(self, candidate: Candidate) -> None:
        joined_s = time.time()
        talking = asyncio.create_task(self._talk(candidate), name="candidate")
        leaving = asyncio.create_task(self._leave.wait())
        try:
            await asyncio.wait({talking, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (talking, leaving):
                task.cancel()
            await asyncio.gather(talking, leaving, return_exceptions=True)
            self._write_down(candidate, joined_s)
            await candidate.leave()
            # In a thread, because other candidates are speaking.
            name = f"{self.diary.interview_id}-{len(self.diary.visits)}.wav"
            path = self._recordings / name
            await asyncio.to_thread(candidate.save_recording, path, own_voice=True)

    async def _talk(self, candidate: Candidate) -> None:
        """Answer all questions until the interview is over or the room is disconnected."""
        read, since_s, listened_s = 0, 0.0, 0.0
        while not (self._done or candidate.disconnected):
            await asyncio.sleep(_LOOK_S)
            heard_s = candidate.meter.last_audible_s
            # The captions may be ahead of the audio.
            if heard_s is None or candidate.now_s - heard_s < _PAUSE_S:
                continue
            captions = candidate.captions.others(candidate.identity)
            heard = " ".join(caption.text for caption in captions[read:])
            if not _is_complete(heard) and heard_s > listened_s:
                if candidate.now_s - heard_s < _PUZZLED_S:
                    continue
                # A reconnection can lose captions although the audio arrives.
                listened_s = heard_s
                since_s = max(since_s, heard_s - _REMEMBERED_S)
                heard = await heard_by(candidate, since_s=since_s)
            if not _is_complete(heard):
                continue
            read, listened_s = len(captions), heard_s
            asked_s = time.time() - (candidate.now_s - heard_s)
            if is_closing(heard):
                self.diary.closing_s = asked_s
            elif asked := question_in(heard):
                self.diary.asked.append(Asked(question_id=asked, at_s=asked_s))
                await self._answer(candidate, asked)
            since_s = candidate.now_s

    async def _answer(self, candidate: Candidate, question_id: str) -> None:
        samples, rate = await self._voice.render(self._script.answer(question_id))
        start_s, late_before = time.time(), candidate.late_frames
        complete = False
        try:
            with contextlib.suppress(RuntimeError):  # the room was lost
                await candidate.say(samples, rate)
                complete = True
        finally:
            self.diary.answers.append(
                Answer(
                    question_id=question_id,
                    words=self._script.words[question_id],
                    start_s=start_s,
                    end_s=time.time(),
                    complete=complete,
                    late_frames=candidate.late_frames - late_before,
                )
            )

    def _write_down(self, candidate: Candidate, joined_s: float) -> None:
        """Add the visit and the voices heard in it to the diary, on the diary's clock."""
        diary, now_s = self.diary, time.time()
        diary.visits.append(Span(start_s=joined_s, end_s=now_s))
        diary.late_frames += candidate.late_frames
        for identity, spans in voices_of(candidate, now_s).items():
            diary.voices.setdefault(identity, []).extend(spans)
