"""The end conditions of a running interview, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from states import Event
from tests.support.virtual.interview_parts import WatchedJob, plan_of
from tests.support.virtual.job_parts import settings_in
from worker.audio.clip import ClipMissing
from worker.clips import recordings
from worker.clips.recordings import ClipName
from worker.interview.conversation.exclusive import Exclusive
from worker.interview.conversation.interviewer import Interviewer
from worker.interview.conversation.missed_onset import MissedOnset
from worker.interview.dialogue.phases import Outcome
from worker.interview.end_conditions import MICROPHONE_OFF, EndConditions
from worker.interview.orchestrator import Role
from worker.interview.recovery.stuck_turn_ladder import TurnLadder
from worker.job.floor import TurnFloor

if TYPE_CHECKING:
    from pathlib import Path

    from worker.job.job import Job

SNAPSHOT = plan_of().to_json()


# --- the events that end an interview ----------------------------------------------------------


class FakeInterviewer:
    """The interviewer's state that the watch reads."""

    def __init__(self) -> None:
        self.finished = asyncio.Event()
        self.last_sound = asyncio.get_running_loop().time()
        self.sounding = False
        self.hears_candidate = False
        self.floor = TurnFloor()
        self.exclusive = Exclusive()
        self.spoke = 0
        self.next_role = Role.REPEAT
        self.answers = SimpleNamespace(missed=MissedOnset(lambda: ""))
        self.outcome = Outcome.COMPLETED

    async def conclude(self) -> Outcome:
        return self.outcome

    async def speak_next(self) -> None:
        self.spoke += 1

    def sound(self) -> None:
        self.last_sound = asyncio.get_running_loop().time()


class Watched:
    """A watch, its interviewer and its transport."""

    def __init__(self, folder: Path, *, resumes: bool = False, follows: bool = False) -> None:
        settings = settings_in(
            folder,
            INTERVIEW_CANDIDATE_JOIN_S=60,
            INTERVIEW_CANDIDATE_GRACE_S=20,
            INTERVIEW_CANDIDATE_SILENCE_S=40,
        )
        self.job = WatchedJob()
        self.transport = self.job.transport
        self.interviewer = FakeInterviewer()
        interviewer = cast(Interviewer, self.interviewer)
        ladder = TurnLadder(
            interviewer,
            self.transport.line,
            settings.ladder_s,
            voices=lambda: None,
            record=lambda *_: None,
        )
        self.watch = EndConditions(
            cast("Job", self.job),
            interviewer,
            ladder,
            settings,
            resumes=resumes,
            follows=follows,
        )
        self.began = asyncio.get_running_loop().time()

    @property
    def elapsed(self) -> float:
        return asyncio.get_running_loop().time() - self.began


Watching = Callable[..., Awaitable[Watched]]


@pytest.fixture
async def watching(tmp_path: Path) -> AsyncIterator[Watching]:
    """Yield a function that begins a watch inside the test, where the clock is virtual."""
    begun: list[Watched] = []

    async def begin(*, resumes: bool = False, follows: bool = False) -> Watched:
        begun.append(Watched(tmp_path, resumes=resumes, follows=follows))
        await begun[-1].transport.open_line()
        return begun[-1]

    yield begin
    for watched in begun:
        await watched.transport.leave()


virtual = pytest.mark.looptime


@virtual
async def test_a_candidate_who_never_joins_ends_the_interview_without_speech(
    watching: Watching,
) -> None:
    watched = await watching()
    watched.transport.move(here=False)
    assert await watched.watch.until_it_ends() is Event.CANDIDATE_NEVER_JOINED
    assert watched.elapsed == pytest.approx(60)
    assert watched.interviewer.spoke == 0


@virtual
async def test_a_candidate_who_leaves_before_a_successor_is_there_has_the_grace_period(
    watching: Watching,
) -> None:
    """The candidate was in the room when this job was sent, so it left: it did not fail to join."""
    watched = await watching(follows=True)
    watched.transport.move(here=False)
    assert await watched.watch.until_it_ends() is Event.CANDIDATE_LEFT
    assert watched.elapsed == pytest.approx(20)
    assert watched.interviewer.spoke == 0


@virtual
async def test_an_interviewer_does_not_speak_first_if_a_typed_message_gets_a_reply(
    watching: Watching,
) -> None:
    watched = await watching()
    watched.interviewer.floor.take()
    ending = asyncio.create_task(watched.watch.until_it_ends())
    await asyncio.sleep(1)
    assert watched.interviewer.spoke == 0
    watched.interviewer.finished.set()
    assert await ending is Event.INTERVIEW_COMPLETED


@pytest.mark.row("B5")
@virtual
@pytest.mark.parametrize(("next_role", "said"), [(Role.REPEAT, [ClipName.BACK]), (Role.DONE, [])])
async def test_a_successor_says_that_it_is_back_before_anything_else(
    watching: Watching, next_role: Role, said: list[ClipName]
) -> None:
    watched = await watching(resumes=True)
    watched.interviewer.next_role = next_role
    watched.transport.move(here=False)
    ending = asyncio.create_task(watched.watch.until_it_ends())
    await asyncio.sleep(5)
    assert watched.transport.line.played == []  # the candidate is not there yet
    watched.transport.move(here=True)
    await asyncio.sleep(1)
    assert watched.transport.line.played == said
    assert watched.interviewer.spoke == 1
    watched.interviewer.finished.set()
    assert await ending is Event.INTERVIEW_COMPLETED


@virtual
async def test_a_candidate_who_joins_in_time_is_greeted(watching: Watching) -> None:
    watched = await watching()
    watched.transport.move(here=False)
    ending = asyncio.create_task(watched.watch.until_it_ends())
    await asyncio.sleep(59)
    watched.transport.move(here=True)
    await asyncio.sleep(1)
    assert watched.interviewer.spoke == 1
    assert watched.transport.line.played == []
    watched.interviewer.finished.set()
    assert await ending is Event.INTERVIEW_COMPLETED


@virtual
@pytest.mark.parametrize(
    ("outcome", "end"),
    [(Outcome.STOPPED, "candidate_stopped"), (Outcome.INCOMPLETE, "questions_open")],
)
async def test_a_goodbye_ends_the_interview_as_the_dialogue_says(
    watching: Watching, outcome: Outcome, end: str
) -> None:
    watched = await watching()
    watched.interviewer.outcome = outcome
    watched.interviewer.finished.set()
    assert await watched.watch.until_it_ends() == end


@virtual
async def test_a_candidate_who_leaves_has_a_grace_period_to_return(watching: Watching) -> None:
    watched = await watching()
    watched.interviewer.sounding = True
    ending = asyncio.create_task(watched.watch.until_it_ends())
    for here in (False, True, False):
        await asyncio.sleep(15)
        watched.transport.move(here=here)
    assert await ending is Event.CANDIDATE_LEFT
    assert watched.elapsed == pytest.approx(15 * 3 + 20)


@virtual
async def test_time_without_the_candidate_does_not_count_as_silence(watching: Watching) -> None:
    watched = await watching()
    ending = asyncio.create_task(watched.watch.until_it_ends())
    await asyncio.sleep(15)
    watched.transport.move(here=False)
    await asyncio.sleep(19)
    watched.transport.move(here=True)
    await asyncio.sleep(19)
    assert watched.transport.line.played == []
    assert await ending is Event.CANDIDATE_SILENT
    assert watched.elapsed == pytest.approx(15 + 19 + 40)


@virtual
async def test_a_silent_candidate_is_asked_once_before_the_interview_ends(
    watching: Watching,
) -> None:
    watched = await watching()
    ending = asyncio.create_task(watched.watch.until_it_ends())
    await asyncio.sleep(21)
    assert watched.transport.line.played == [ClipName.STILL_THERE]
    assert await ending is Event.CANDIDATE_SILENT
    assert watched.elapsed == pytest.approx(40)
    assert watched.transport.line.played == [ClipName.STILL_THERE]


@virtual
async def test_a_missing_clip_does_not_end_the_interview(
    watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(recordings._found, ClipName.STILL_THERE, ClipMissing(ClipName.STILL_THERE))
    watched = await watching()
    assert await watched.watch.until_it_ends() is Event.CANDIDATE_SILENT
    assert watched.elapsed == pytest.approx(40)
    assert watched.transport.line.played == []


@virtual
async def test_a_silent_candidate_whose_microphone_is_off_reads_that_it_is(
    watching: Watching,
) -> None:
    watched = await watching()
    watched.transport.microphone_is_on = False
    refused: list[tuple[str, str]] = []
    watched.job.recorder.refusal = lambda *fault: refused.append(fault)
    ending = asyncio.create_task(watched.watch.until_it_ends())
    await asyncio.sleep(21)
    assert watched.transport.written == [MICROPHONE_OFF]
    assert watched.transport.line.played == [ClipName.STILL_THERE]
    assert await ending is Event.CANDIDATE_SILENT
    assert watched.transport.written == [MICROPHONE_OFF]
    assert refused == [("candidate_audio", "MicrophoneOff")]


@virtual
async def test_a_silent_candidate_with_a_microphone_reads_nothing(watching: Watching) -> None:
    watched = await watching()
    assert await watched.watch.until_it_ends() is Event.CANDIDATE_SILENT
    assert watched.transport.written == []


@virtual
async def test_a_notice_that_cannot_be_sent_does_not_end_the_interview(
    watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = await watching()
    watched.transport.microphone_is_on = False

    async def write(_: str) -> None:
        raise RuntimeError

    monkeypatch.setattr(watched.transport, "write", write)
    assert await watched.watch.until_it_ends() is Event.CANDIDATE_SILENT
    assert watched.transport.line.played == [ClipName.STILL_THERE]


@virtual
@pytest.mark.parametrize("observed", [True, False])
async def test_a_greeting_waits_until_a_candidate_hears_what_an_observer_heard_before(
    watching: Watching, monkeypatch: pytest.MonkeyPatch, *, observed: bool
) -> None:
    watched = await watching()
    line = type(watched.transport.line)
    monkeypatch.setattr(line, "subscribed", property(lambda _: observed))
    watched.transport.move(here=False)
    ending = asyncio.create_task(watched.watch.until_it_ends())
    await asyncio.sleep(5)
    watched.transport.move(here=True)
    await asyncio.sleep(0.4)
    assert watched.interviewer.spoke == (0 if observed else 1)
    await asyncio.sleep(0.2)
    assert watched.interviewer.spoke == 1
    watched.interviewer.finished.set()
    assert await ending is Event.INTERVIEW_COMPLETED


@virtual
async def test_a_greeting_waits_if_an_observer_joined_while_the_job_waited_for_the_candidate(
    watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = await watching()
    line, observers = type(watched.transport.line), list[str]()
    monkeypatch.setattr(line, "subscribed", property(lambda _: bool(observers)))
    watched.transport.move(here=False)
    ending = asyncio.create_task(watched.watch.until_it_ends())
    await asyncio.sleep(5)
    observers.append("recorder")
    await asyncio.sleep(5)
    watched.transport.move(here=True)
    await asyncio.sleep(0.4)
    assert watched.interviewer.spoke == 0
    await asyncio.sleep(0.2)
    assert watched.interviewer.spoke == 1
    watched.interviewer.finished.set()
    assert await ending is Event.INTERVIEW_COMPLETED


@virtual
async def test_a_message_about_the_microphone_that_is_never_sent_does_not_stop_the_silence_limit(
    watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = await watching()
    watched.transport.microphone_is_on = False

    async def write(_: str) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(watched.transport, "write", write)
    assert await watched.watch.until_it_ends() is Event.CANDIDATE_SILENT
    assert watched.transport.line.played == [ClipName.STILL_THERE]


@virtual
async def test_each_new_silence_is_asked_about(watching: Watching) -> None:
    """Each silence counts separately, even if speech came between two checks of the clock."""
    watched = await watching()
    ending = asyncio.create_task(watched.watch.until_it_ends())
    await asyncio.sleep(30)
    watched.interviewer.sound()
    assert await ending is Event.CANDIDATE_SILENT
    assert watched.elapsed == pytest.approx(70)
    assert watched.transport.line.played == [ClipName.STILL_THERE] * 2


@virtual
@pytest.mark.timeout(30)
async def test_a_wait_below_the_resolution_of_the_clock_ends(watching: Watching) -> None:
    """Without a shortest wait, the clock would stand still and the watch would ask it for ever."""
    watched = await watching()
    watched.interviewer.last_sound += 1e-9
    assert await watched.watch.until_it_ends() is Event.CANDIDATE_SILENT
    assert watched.elapsed == pytest.approx(40, abs=0.1)


@virtual
async def test_speech_does_not_count_as_silence(watching: Watching) -> None:
    watched = await watching()
    watched.interviewer.sounding = True
    ending = asyncio.create_task(watched.watch.until_it_ends())
    await asyncio.sleep(1000)
    assert not ending.done()
    assert watched.transport.line.played == []
    watched.interviewer.finished.set()
    assert await ending is Event.INTERVIEW_COMPLETED


@virtual
async def test_the_end_waits_for_the_audio_to_play_out(
    watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = await watching()
    played_out = asyncio.Event()
    monkeypatch.setattr(watched.transport.line, "drain", played_out.wait)
    watched.interviewer.sounding = True
    ending = asyncio.create_task(watched.watch.until_it_ends())
    watched.interviewer.finished.set()
    await asyncio.sleep(5)
    assert not ending.done()
    played_out.set()
    assert await ending is Event.INTERVIEW_COMPLETED


@virtual
async def test_a_cancelled_watch_leaves_no_task(watching: Watching) -> None:
    watched = await watching()
    others = asyncio.all_tasks()
    ending = asyncio.create_task(watched.watch.until_it_ends())
    await asyncio.sleep(1)
    ending.cancel()
    await asyncio.wait({ending})
    await asyncio.sleep(0)
    assert asyncio.all_tasks() <= others
