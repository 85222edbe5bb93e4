"""The end conditions of a running interview, on virtual time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from states import Event
from tests.support.virtual.interview_parts import LONG, START, WatchedJob, plan_of
from tests.support.virtual.job_parts import settings_in
from worker.audio.clip import ClipMissing
from worker.clips import recordings
from worker.clips.recordings import ClipName
from worker.interview.conversation.exclusive import Exclusive
from worker.interview.conversation.interviewer import Interviewer
from worker.interview.conversation.missed_onset import MissedOnset
from worker.interview.dialogue.events import Event as Told
from worker.interview.dialogue.inputs import Happening
from worker.interview.dialogue.phases import Kind, Outcome, Phase
from worker.interview.dialogue.wording.lines import lines_of
from worker.interview.end_conditions import EndConditions
from worker.interview.orchestrator import Role
from worker.interview.plan.lines import MISSED
from worker.interview.recovery.silence_ladder import MICROPHONE_OFF
from worker.interview.recovery.stuck_turn_ladder import TurnLadder
from worker.interview.tracker import DialogueTracker
from worker.interview.turn import CommittedTurn
from worker.job.floor import TurnFloor

if TYPE_CHECKING:
    from pathlib import Path

    from worker.job.job import Job

SNAPSHOT = plan_of().to_json()


# --- the events that end an interview ----------------------------------------------------------


#: A language without prepared lines.
OTHER = "fi"


class FakeInterviewer:
    """The interviewer as far as the watch uses it. Its utterances are heard at once."""

    def __init__(self, language: str) -> None:
        self.dialogue = DialogueTracker(plan_of(language=language))
        self.said: list[str] = []
        self.has_typed = False
        self.outcome = Outcome.COMPLETED
        self.finished = asyncio.Event()
        #: Not set while an utterance is being recorded.
        self.written = asyncio.Event()
        self.written.set()
        self.last_sound = asyncio.get_running_loop().time()
        self.sounding = False
        self.hears_candidate = False
        self.floor = TurnFloor()
        self.exclusive = Exclusive()
        self.spoke = 0
        self.next_role = Role.REPEAT
        self.answers = SimpleNamespace(
            missed=MissedOnset(lambda: ""), half=SimpleNamespace(text="")
        )

    @property
    def events(self) -> list[str]:
        """The recorded events, without the ends of utterances."""
        return [each.name for each in self.dialogue.records if each.name != "prompt_done"]

    async def recorded(self) -> None:
        await self.written.wait()

    def noted(self, given: Happening) -> None:
        self.dialogue.apply([self.dialogue.happened(given)])

    async def happened(self, given: Happening) -> None:
        self.noted(given)
        if self.dialogue.has_due or self.dialogue.is_over:
            await self.speak_next()

    async def conclude(self) -> Outcome:
        if self.dialogue.state.place.phase is Phase.FAREWELL:
            self.noted(Happening(event=Told.QUIET))
        return self.dialogue.outcome if self.dialogue.has_ended else self.outcome

    async def speak_next(self) -> None:
        self.spoke += 1
        move = self.dialogue.next_move()
        if move.text:
            self.said.append(move.text)
            self.dialogue.apply(self.dialogue.heard(move, 1.0))
            self.sound()
        if self.dialogue.is_over:
            self.finished.set()

    def sound(self) -> None:
        self.last_sound = asyncio.get_running_loop().time()


class Watched:
    """A watch, its interviewer and its transport."""

    def __init__(
        self,
        folder: Path,
        *,
        resumes: bool = False,
        follows: bool = False,
        language: str = "en",
        silence_s: float = 40,
    ) -> None:
        #: Event-loop time since which the microphone gives only digital silence; None for sound.
        self.silent_since: float | None = None
        self.deaf = False
        settings = settings_in(
            folder,
            INTERVIEW_CANDIDATE_JOIN_S=60,
            INTERVIEW_CANDIDATE_GRACE_S=20,
            INTERVIEW_CANDIDATE_SILENCE_S=silence_s,
        )
        self.job = WatchedJob()
        self.transport = self.job.transport
        self.interviewer = FakeInterviewer(language)
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
            silent_since=lambda: self.silent_since,
            is_deaf=lambda: self.deaf,
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

    async def begin(**options: Any) -> Watched:
        begun.append(Watched(tmp_path, **options))
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
    watched = await watching(language=OTHER)
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
async def test_without_lines_a_silent_candidate_is_asked_once_before_the_interview_ends(
    watching: Watching,
) -> None:
    watched = await watching(language=OTHER)
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
    watched = await watching(language=OTHER)
    assert await watched.watch.until_it_ends() is Event.CANDIDATE_SILENT
    assert watched.elapsed == pytest.approx(40)
    assert watched.transport.line.played == []


@virtual
async def test_a_silent_candidate_whose_microphone_is_off_reads_that_it_is(
    watching: Watching,
) -> None:
    watched = await watching(language=OTHER)
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
    watched = await watching(language=OTHER)
    assert await watched.watch.until_it_ends() is Event.CANDIDATE_SILENT
    assert watched.transport.written == []


@virtual
async def test_a_notice_that_cannot_be_sent_does_not_end_the_interview(
    watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = await watching(language=OTHER)
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
    watched = await watching(language=OTHER)
    watched.transport.microphone_is_on = False

    async def write(_: str) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(watched.transport, "write", write)
    assert await watched.watch.until_it_ends() is Event.CANDIDATE_SILENT
    assert watched.transport.line.played == [ClipName.STILL_THERE]


@virtual
async def test_without_lines_each_new_silence_is_asked_about(watching: Watching) -> None:
    """Each silence counts separately, even if speech came between two checks of the clock."""
    watched = await watching(language=OTHER)
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
    watched = await watching(language=OTHER)
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


# --- the silence of the candidate --------------------------------------------------------------

LINES = lines_of("en").lines
#: The levels that the plan has by default, at 40 s of 120 s.
LEVELS_S = (5, 10, 50 / 3, 80 / 3, 40)


async def greeted(watched: Watched) -> asyncio.Task[Event | str]:
    """Begin the watch; return its task after the greeting, whose words are then forgotten."""
    ending = asyncio.create_task(watched.watch.until_it_ends())
    await asyncio.sleep(0.01)
    watched.interviewer.said.clear()
    return ending


def says(watched: Watched, text: str) -> None:
    """Let the candidate say something, to which the interviewer replies."""
    dialogue = watched.interviewer.dialogue
    turn = CommittedTurn(speaker="candidate", text=text, at=START)
    dialogue.apply(dialogue.answered(turn), turn)
    watched.interviewer.sound()
    if dialogue.has_due:
        dialogue.apply(dialogue.heard(dialogue.next_move(), 1.0))


@virtual
async def test_a_silent_candidate_hears_a_sentence_at_each_level_and_then_the_goodbye(
    watching: Watching,
) -> None:
    watched = await watching()
    ending = await greeted(watched)
    keys = ("take_your_time", "repeat_it", "skip_or_type", "are_you_there")
    expected = [*(LINES[key] for key in keys), MISSED]
    for number, level_s in enumerate(LEVELS_S):
        await asyncio.sleep(max(0.0, level_s - watched.elapsed - 0.5))
        assert watched.interviewer.said == expected[:number]
        await asyncio.sleep(1.0)
        assert watched.interviewer.said == expected[: number + 1]
    assert await ending == "candidate_missed"
    assert watched.transport.line.played == []
    assert watched.interviewer.events == ["present", *["noinput"] * 5, "quiet"]
    assert watched.interviewer.dialogue.state.place.kind == Outcome.MISSED


@virtual
async def test_the_levels_of_the_plan_are_those_of_the_setting_at_its_default(
    watching: Watching,
) -> None:
    levels = plan_of().silence
    watched = await watching(silence_s=levels[-1])
    ending = await greeted(watched)
    await asyncio.sleep(levels[0] - 0.5)
    assert watched.interviewer.said == []
    assert await ending == "candidate_missed"
    assert watched.elapsed == pytest.approx(levels[-1], abs=0.5)


@virtual
async def test_a_turn_of_the_candidate_begins_the_levels_anew(watching: Watching) -> None:
    watched = await watching()
    ending = await greeted(watched)
    await asyncio.sleep(12)  # two levels
    says(watched, "No, thank you.")
    watched.interviewer.said.clear()
    await asyncio.sleep(6)
    assert watched.interviewer.said == [LINES["take_your_time"]]
    ending.cancel()


@virtual
async def test_a_sound_of_the_candidate_delays_the_next_level(watching: Watching) -> None:
    watched = await watching()
    ending = await greeted(watched)
    await asyncio.sleep(4)
    watched.interviewer.sound()
    await asyncio.sleep(4)
    assert watched.interviewer.said == []
    await asyncio.sleep(1.5)
    assert watched.interviewer.said == [LINES["take_your_time"]]
    ending.cancel()


@virtual
async def test_an_answer_that_is_not_committed_yet_delays_the_next_level(
    watching: Watching,
) -> None:
    watched = await watching()
    ending = await greeted(watched)
    watched.interviewer.answers.half.text = "I rebuilt"
    await asyncio.sleep(7)
    assert watched.interviewer.said == []
    ending.cancel()


@virtual
@pytest.mark.parametrize(
    ("words", "kind", "patience_s"),
    [("Give me a minute to think.", Kind.THINK, 60), ("Yes.", Kind.BREAK, 180)],
)
async def test_a_candidate_who_asked_for_time_is_asked_later_whether_they_are_ready(
    watching: Watching, words: str, kind: Kind, patience_s: float
) -> None:
    watched = await watching()
    ending = await greeted(watched)
    if kind is Kind.BREAK:
        says(watched, "I need a break.")
    says(watched, words)
    place = watched.interviewer.dialogue.state.place
    assert (place.phase, place.kind) == (Phase.WAITING, kind)
    await asyncio.sleep(patience_s - 1)
    assert watched.interviewer.said == []
    await asyncio.sleep(2)
    assert watched.interviewer.said == [LINES["are_you_ready"]]
    ending.cancel()


@virtual
async def test_silence_has_no_levels_while_nobody_transcribes(watching: Watching) -> None:
    watched = await watching()
    ending = await greeted(watched)
    watched.deaf = True
    assert await ending is Event.CANDIDATE_SILENT
    assert watched.interviewer.said == []
    assert watched.transport.line.played == [ClipName.STILL_THERE]


# --- the microphone of the candidate -----------------------------------------------------------


@virtual
@pytest.mark.parametrize("on", [True, False])
async def test_a_candidate_without_sound_is_told_so_before_the_greeting(
    watching: Watching, *, on: bool
) -> None:
    watched = await watching()
    watched.transport.microphone_is_on = on
    watched.silent_since = -math.inf
    refused: list[tuple[str, str]] = []
    watched.job.recorder.refusal = lambda *fault: refused.append(fault)
    ending = asyncio.create_task(watched.watch.until_it_ends())
    await asyncio.sleep(5.5)
    assert watched.interviewer.said == []
    await asyncio.sleep(1)
    assert watched.interviewer.said == [LINES["microphone"]]
    assert refused == [("candidate_audio", "MicrophoneOff")]
    watched.silent_since, watched.transport.microphone_is_on = None, True
    await asyncio.sleep(1)
    assert watched.interviewer.events == ["noaudio", "present"]
    assert len(watched.interviewer.said) == 2
    ending.cancel()


@virtual
async def test_the_greeting_follows_the_words_about_a_microphone_that_gives_sound_again(
    watching: Watching,
) -> None:
    watched = await watching()
    watched.silent_since = -math.inf
    ending = asyncio.create_task(watched.watch.until_it_ends())
    await asyncio.sleep(6.5)
    watched.interviewer.floor.take()
    watched.silent_since = None
    await asyncio.sleep(3)
    assert watched.interviewer.events == ["noaudio"]
    watched.interviewer.floor.give()
    await asyncio.sleep(1)
    assert watched.interviewer.events == ["noaudio", "present"]
    ending.cancel()


@virtual
async def test_a_greeting_that_was_the_reply_to_a_typed_message_is_not_said_again(
    watching: Watching,
) -> None:
    watched = await watching()
    watched.transport.microphone_is_on = False
    ending = asyncio.create_task(watched.watch.until_it_ends())
    await asyncio.sleep(1)
    await watched.interviewer.speak_next()
    await asyncio.sleep(4)
    assert watched.interviewer.events == ["present"]
    assert watched.interviewer.spoke == 1
    ending.cancel()


@virtual
async def test_a_candidate_without_a_microphone_is_told_so_three_times_and_then_greeted_in_writing(
    watching: Watching,
) -> None:
    watched = await watching()
    watched.transport.microphone_is_on = False
    ending = asyncio.create_task(watched.watch.until_it_ends())
    await asyncio.sleep(6 + 3 * 20 + 2)
    assert watched.interviewer.said[:3] == [LINES["microphone"]] * 3
    assert watched.interviewer.said[3].startswith(plan_of().opening)
    assert watched.interviewer.dialogue.state.place.phase is Phase.SOUND_CHECK
    ending.cancel()


@virtual
async def test_digital_silence_delays_the_greeting_only_until_the_candidate_was_told(
    watching: Watching,
) -> None:
    """Some clients send nothing but digital silence while the candidate is quiet."""
    watched = await watching()
    watched.silent_since = -math.inf
    ending = asyncio.create_task(watched.watch.until_it_ends())
    await asyncio.sleep(12)
    assert watched.interviewer.events == ["noaudio", "present"]
    ending.cancel()


@virtual
async def test_a_candidate_who_mutes_the_microphone_is_told_so_after_6_s_and_every_20_s(
    watching: Watching,
) -> None:
    watched = await watching(silence_s=3600)
    ending = await greeted(watched)
    watched.transport.microphone_is_on = False
    for told, seconds in ((0, 5.5), (1, 1), (1, 19), (2, 2), (3, 20), (3, 60)):
        await asyncio.sleep(seconds)
        assert watched.interviewer.said == [LINES["microphone"]] * told
    ending.cancel()


@virtual
@pytest.mark.parametrize("why", ["sounding", "has_typed", "deaf", "absent", "unmuted"])
async def test_nothing_is_said_about_a_microphone_that_is_not_needed_now(
    watching: Watching, why: str
) -> None:
    watched = await watching(silence_s=3600)
    ending = await greeted(watched)
    watched.transport.microphone_is_on = why == "unmuted"
    watched.deaf = why == "deaf"
    if why == "absent":
        watched.transport.move(here=False)
    elif why in ("sounding", "has_typed"):
        setattr(watched.interviewer, why, True)
    await asyncio.sleep(15)
    assert watched.interviewer.said == []
    ending.cancel()


# --- candidates who leave and return -----------------------------------------------------------


@virtual
async def test_an_absence_and_its_end_are_events_of_the_dialogue(watching: Watching) -> None:
    watched = await watching()
    ending = await greeted(watched)
    watched.transport.move(here=False)
    await asyncio.sleep(1)
    assert watched.interviewer.dialogue.is_absent
    assert await ending is Event.CANDIDATE_LEFT
    assert watched.interviewer.events == ["present", "left", "grace_over"]
    assert watched.interviewer.dialogue.state.place.kind == Outcome.MISSED


@virtual
async def test_an_absence_is_recorded_after_the_utterance_that_is_being_recorded(
    watching: Watching,
) -> None:
    watched = await watching()
    ending = await greeted(watched)
    watched.interviewer.written.clear()
    watched.transport.move(here=False)
    await asyncio.sleep(1)
    assert watched.interviewer.events == ["present"]
    watched.interviewer.written.set()
    await asyncio.sleep(1)
    assert watched.interviewer.events == ["present", "left"]
    ending.cancel()


@virtual
async def test_a_candidate_who_leaves_after_the_goodbye_ends_the_interview(
    watching: Watching,
) -> None:
    watched = await watching()
    ending = await greeted(watched)
    for _ in watched.interviewer.dialogue.plan.questions:
        says(watched, LONG)
    assert watched.interviewer.dialogue.state.place.phase is Phase.FAREWELL
    watched.transport.move(here=False)
    assert await ending is Event.INTERVIEW_COMPLETED


@virtual
@pytest.mark.parametrize("silent", [True, False])
async def test_a_candidate_who_comes_after_the_interview_was_missed_is_welcomed_back(
    watching: Watching, *, silent: bool
) -> None:
    watched = await watching()
    ending = await greeted(watched)
    if not silent:
        watched.transport.move(here=False)
    await ending
    later = await watching(resumes=True)
    later.interviewer.dialogue.restore(watched.interviewer.dialogue.records, None)
    ending = asyncio.create_task(later.watch.until_it_ends())
    await asyncio.sleep(1)
    (said,) = later.interviewer.said
    assert said.startswith(LINES["welcome_back"])
    assert said.endswith(plan_of().questions[0].text)
    assert later.transport.line.played == []
    assert not later.interviewer.dialogue.is_over
    ending.cancel()


@virtual
async def test_an_answer_before_the_welcome_back_reopens_an_interview_that_was_missed(
    watching: Watching,
) -> None:
    watched = await watching()
    ending = await greeted(watched)
    watched.transport.move(here=False)
    await ending
    dialogue = DialogueTracker(plan_of())
    dialogue.restore(watched.interviewer.dialogue.records, None)
    assert not dialogue.is_over
    turn = CommittedTurn(speaker="candidate", text=LONG, at=START)
    dialogue.apply(dialogue.answered(turn), turn)
    assert not dialogue.is_over
    assert dialogue.has_due


async def test_a_message_that_is_typed_before_the_greeting_is_followed_by_the_greeting() -> None:
    dialogue = DialogueTracker(plan_of())
    dialogue.apply([dialogue.happened(Happening(event=Told.NOAUDIO))])
    assert dialogue.next_move().text == LINES["microphone"]
    turn = CommittedTurn(speaker="candidate", text="Hello.", at=START)
    dialogue.apply(dialogue.answered(turn), turn)
    assert dialogue.next_move().role is Role.OPENING
