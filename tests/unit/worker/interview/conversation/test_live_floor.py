"""The floor of a session: what its decisions do to the speech, the audio output, the dialogue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from livekit.agents import LanguageCode, stt, vad

from worker.interview.conversation.live_floor import FloorEffects, LiveFloor
from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.events import Event
from worker.interview.dialogue.inputs import Happening
from worker.interview.turn import Role

pytestmark = pytest.mark.looptime

LINE = "Please tell me about a recent project and which part of the work was your own today."


class Output:
    """The audio output: `LINE` is played from `begin` until `end`."""

    def __init__(self) -> None:
        self.position_s: float | None = None
        self.paused = False
        self.on_clip: Callable[[str | None], None] = lambda _: None
        self._on: dict[str, Callable[..., Any]] = {}

    def on(self, event: str, callback: Callable[..., Any]) -> None:
        self._on[event] = callback

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def begin(self) -> None:
        self._on["playback_started"](None)

    def end(self, *, interrupted: bool = False) -> None:
        self._on["playback_finished"](SimpleNamespace(interrupted=interrupted))


class Talk:
    """A session with a floor, without audio."""

    def __init__(self, *, role: Role = Role.QUESTION, withdrawable: bool = True) -> None:
        self.output = Output()
        self.speech = SimpleNamespace(allow_interruptions=True)
        self.noted: list[Event] = []
        self.interrupted = self.given = self.spoken = self.no_turns = self.forgotten = 0
        tracker = SimpleNamespace(
            can_withdraw=withdrawable, has_due=False, act_of=lambda _: self.act
        )
        self.orchestrator = SimpleNamespace(tracker=tracker, has_due=True)
        self.act: Act | None = None
        self.awaits_turn = False
        session = SimpleNamespace(output=SimpleNamespace(audio=self.output), interrupt=self._cut)
        effects = FloorEffects(
            note=self._note,
            give_turn=self._give,
            speak=self._speak,
            forget_interim=self._forget,
            awaits_turn=lambda: self.awaits_turn,
        )
        self.floor = LiveFloor(lambda: cast(Any, session), cast(Any, self.orchestrator), effects)
        self.floor.attend(self.output)
        self.floor.on_no_turn = self._no_turn
        move = SimpleNamespace(text=LINE, role=role)
        self.floor.will_say(cast(Any, self.speech), cast(Any, SimpleNamespace(move=move)))

    def _cut(self, *, force: bool) -> None:
        self.interrupted += 1

    def _note(self, happening: Happening) -> None:
        self.noted.append(happening.event)

    def _give(self) -> None:
        self.given += 1

    def _no_turn(self) -> None:
        self.no_turns += 1

    async def _speak(self) -> None:
        self.spoken += 1

    def _forget(self) -> None:
        self.forgotten += 1

    async def hears(self, text: str) -> list[str]:
        """Let speech-to-text return a text; return what the session gets of it."""

        async def events() -> AsyncIterator[stt.SpeechEvent]:
            data = stt.SpeechData(language=LanguageCode("en"), text=text)
            yield stt.SpeechEvent(stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[data])

        return [event.alternatives[0].text async for event in self.floor.passing(events())]

    def sounds(self, kind: vad.VADEventType) -> None:
        self.floor.hear(
            vad.VADEvent(
                type=kind, samples_index=0, timestamp=0.0, speech_duration=0.1, silence_duration=0.0
            )
        )


async def test_a_line_that_is_played_is_interrupted_by_the_floor_alone() -> None:
    talk = Talk()
    talk.output.begin()

    assert not talk.speech.allow_interruptions
    assert not talk.interrupted


async def test_a_turn_that_ends_during_the_next_line_interrupts_the_line() -> None:
    """Otherwise the session would drop the turn."""
    talk = Talk()
    talk.awaits_turn = True
    talk.output.begin()

    assert talk.speech.allow_interruptions


async def test_a_short_word_over_a_line_does_not_reach_the_session() -> None:
    talk = Talk()
    talk.output.begin()
    await asyncio.sleep(3.0)

    assert await talk.hears("Yeah.") == []
    assert (talk.noted, talk.no_turns, talk.interrupted) == ([Event.OVERLAP], 1, 0)
    assert talk.forgotten == 1


async def test_words_that_interrupt_reach_the_session_after_the_line_has_stopped() -> None:
    talk = Talk()
    talk.output.begin()
    await asyncio.sleep(3.0)

    assert await talk.hears("But that was another project.") == ["But that was another project."]
    assert (talk.noted, talk.interrupted) == ([Event.GRAB], 1)


async def test_a_line_over_a_continued_answer_is_withdrawn_and_said_again_without_words() -> None:
    talk = Talk()
    await talk.hears("I built the search.")
    talk.output.begin()
    talk.sounds(vad.VADEventType.START_OF_SPEECH)
    assert (talk.noted, talk.interrupted, talk.given) == ([Event.WITHDRAWN], 1, 1)
    assert talk.output.paused

    talk.output.end(interrupted=True)
    talk.sounds(vad.VADEventType.END_OF_SPEECH)
    assert not talk.output.paused
    await asyncio.sleep(2.0)

    assert talk.noted == [Event.WITHDRAWN, Event.WITHDRAWN_IN_VAIN]
    assert (talk.forgotten, talk.spoken) == (1, 1)


async def test_a_request_about_a_withdrawn_line_does_not_continue_the_answer() -> None:
    talk = Talk()
    await talk.hears("I built the search.")
    talk.output.begin()
    talk.sounds(vad.VADEventType.START_OF_SPEECH)
    talk.output.end(interrupted=True)
    talk.act = Act.REPEAT

    assert await talk.hears("Sorry, what was that?") == ["Sorry, what was that?"]
    assert talk.noted == [Event.WITHDRAWN, Event.WITHDRAWN_IN_VAIN]
    assert not talk.spoken


async def test_late_words_of_an_answer_let_the_session_interrupt_the_line() -> None:
    """The sound was over before the line began, so that the floor does not decide."""
    talk = Talk(withdrawable=False)
    talk.sounds(vad.VADEventType.START_OF_SPEECH)
    talk.sounds(vad.VADEventType.END_OF_SPEECH)
    talk.output.begin()

    assert await talk.hears("and I wrote the tests.") == ["and I wrote the tests."]
    assert talk.speech.allow_interruptions


async def test_the_record_of_an_echo_waits_until_the_utterance_is_recorded() -> None:
    talk = Talk()
    talk.output.begin()
    await asyncio.sleep(3.0)
    assert await talk.hears("Please tell me about a recent project") == []
    assert talk.noted == []

    talk.orchestrator.has_due = False
    talk.floor.utterance_over()

    assert talk.noted == [Event.ECHO]


async def test_the_echo_of_a_clip_is_no_turn() -> None:
    talk = Talk()
    talk.output.on_clip("Are you still there? You can also type your answer.")
    await asyncio.sleep(3.0)

    assert await talk.hears("Are you still there?") == []
    assert not talk.interrupted
