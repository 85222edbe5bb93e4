"""The announcements to the candidate for each loss in the middle of an interview."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from states import Conditions, Event, State
from states.testing import loaded, lost
from tests.support.virtual.interview_parts import WatchedJob
from worker.clips.recordings import ClipName, clip_named, load_clip
from worker.config.settings import Settings
from worker.interview.recovery.degradation import DegradationHandler
from worker.interview.resources import interview_meanings, interview_resources
from worker.journal import resilient
from worker.resources.consequences import JOURNAL_CONSEQUENCE, JOURNAL_LOSS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from livekit.agents import AgentSession

    from states import Condition
    from worker.job.job import Job

pytestmark = pytest.mark.looptime

#: Every resource of an interview, the optional ones included.
RESOURCES = interview_resources(Settings.model_construct(turn_detector="local"), None)


class Losing:
    """A running job whose resources become unavailable and available again."""

    def __init__(self) -> None:
        self.job = WatchedJob()
        self.transport = self.job.transport
        self.turns_end_on: list[str] = []
        self.session: Any = SimpleNamespace(
            update_options=lambda *, turn_detection: self.turns_end_on.append(turn_detection),
        )
        self.deafened = 0
        self.losses = DegradationHandler(
            cast("Job", self.job), cast("AgentSession[Any]", self.session), RESOURCES, self._deafen
        )

    def _deafen(self) -> None:
        self.deafened += 1

    async def say(
        self,
        condition: Condition,
        event: Event = Event.RESOURCE_LOST,
        state: State = State.RUNNING,
    ) -> None:
        """Report a condition as the lifecycle does in `state`, and wait for its effects."""
        life = self.job.life
        life.conditions = life.conditions.updated(condition)
        for listener in self.job.listeners:
            listener(SimpleNamespace(target=state, event=event))
        await asyncio.sleep(10)


@pytest.fixture
async def begin() -> AsyncIterator[Any]:
    """Yield a function that follows a job inside the test, where the clock is virtual."""
    begun: list[Losing] = []

    async def one(*missing: Condition) -> Losing:
        losing = Losing()
        begun.append(losing)
        losing.job.life.conditions = Conditions.of(missing)
        await losing.transport.open_line()
        losing.losses.begin()
        await asyncio.sleep(10)
        return losing

    yield one
    for losing in begun:
        losing.losses.stop()
        await losing.transport.leave()


@pytest.mark.row("B1")
def test_every_resource_and_the_journal_declare_their_loss() -> None:
    losses = {resource.name: resource.loss for resource in RESOURCES}
    assert interview_meanings() == {**losses, resilient.RESOURCE: JOURNAL_LOSS}
    assert all(loss.endswith(".") for loss in interview_meanings().values())
    consequences = [*(resource.consequence for resource in RESOURCES), JOURNAL_CONSEQUENCE]
    assert all(each.noticed.endswith(".") for each in consequences)


@pytest.mark.row("B1")
def test_every_announcement_of_a_loss_has_a_clip() -> None:
    for resource in RESOURCES:
        told = resource.consequence.told
        assert told is None or load_clip(clip_named(told)).duration_s > 1


@pytest.mark.row("B1")
async def test_a_loss_of_speech_to_text_is_announced_once_as_audio_and_text(begin: Any) -> None:
    losing = await begin()
    await losing.say(lost("stt"))
    await losing.say(loaded("stt"), Event.RESOURCE_RECOVERED)
    await losing.say(lost("stt"))

    assert losing.transport.line.played == [ClipName.TROUBLE_HEARING]
    assert losing.transport.written == [ClipName.TROUBLE_HEARING.text]
    assert losing.deafened == 2


async def test_a_loss_is_announced_only_while_the_session_runs(begin: Any) -> None:
    losing = await begin()
    for state in (State.READY, State.CLOSING):
        await losing.say(lost("stt"), state=state)
    assert losing.transport.line.played == []


async def test_a_loss_while_the_job_may_not_speak_is_announced_when_it_may_again(
    begin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    losing = await begin()
    with monkeypatch.context() as silent:
        silent.setattr(State.RUNNING, "may_speak", False)
        await losing.say(lost("stt"))
        assert losing.transport.line.played == []

    await losing.say(lost("stt"))
    assert losing.transport.line.played == [ClipName.TROUBLE_HEARING]


async def test_a_later_repeated_loss_is_announced_again(begin: Any) -> None:
    losing = await begin()
    await losing.say(lost("stt"))
    await losing.say(loaded("stt"), Event.RESOURCE_RECOVERED)
    await asyncio.sleep(60)
    await losing.say(lost("stt"))

    assert losing.transport.line.played == [ClipName.TROUBLE_HEARING] * 2


async def test_a_resource_missing_at_the_start_is_announced_at_the_start(begin: Any) -> None:
    losing = await begin(lost("stt"))

    assert losing.transport.line.played == [ClipName.TROUBLE_HEARING]


async def test_an_absent_candidate_hears_the_announcement_on_return(begin: Any) -> None:
    losing = await begin()
    losing.transport.move(here=False)
    await losing.say(lost("stt"))
    assert losing.transport.line.played == []

    losing.transport.move(here=True)
    await asyncio.sleep(10)
    assert losing.transport.line.played == [ClipName.TROUBLE_HEARING]


async def test_the_announcement_is_played_if_the_text_cannot_be_sent(begin: Any) -> None:
    losing = await begin()

    async def refuse(_: str) -> None:
        raise OSError("no chat")

    losing.transport.write = refuse
    await losing.say(lost("stt"))

    assert losing.transport.line.played == [ClipName.TROUBLE_HEARING]


@pytest.mark.parametrize("resource", ["llm", "database", "tts", "vad"])
async def test_a_loss_that_needs_no_announcement_is_not_announced(
    begin: Any, resource: str
) -> None:
    losing = await begin()
    await losing.say(lost(resource))

    assert losing.transport.line.played == []
    assert losing.transport.written == []
    assert losing.deafened == 0


async def test_speech_to_text_ends_turns_until_the_vad_is_available_again(begin: Any) -> None:
    losing = await begin()
    await losing.say(lost("vad"))
    await losing.say(loaded("vad"), Event.RESOURCE_RECOVERED)

    assert losing.turns_end_on == ["stt", "vad"]


@pytest.mark.row("S1", "S6")
async def test_a_session_without_a_vad_from_the_start_uses_speech_to_text(begin: Any) -> None:
    losing = await begin(lost("vad"))

    assert losing.turns_end_on == ["stt"]


async def test_a_loss_while_closing_is_not_announced(begin: Any) -> None:
    losing = await begin()
    life = losing.job.life
    life.conditions = life.conditions.updated(lost("stt"))
    for listener in losing.job.listeners:
        listener(SimpleNamespace(target=State.CLOSING, event=Event.RESOURCE_LOST))
    await asyncio.sleep(10)

    assert losing.transport.line.played == []
