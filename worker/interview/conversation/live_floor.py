"""`LiveFloor`: gives the events of a running session to the floor, and carries its decisions out.

While a line of the interviewer is played, the session does not interrupt it: the speech disallows
interruptions, and the floor decides. Before its first sound and after its last one, the session
interrupts a speech as usual.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from livekit.agents import stt, vad

from worker.interview.conversation.voiced_sound import VoicedSound
from worker.interview.dialogue.events import Event
from worker.interview.dialogue.floor.decisions import Decision, Kind, Verdict
from worker.interview.dialogue.floor.floor import Floor
from worker.interview.dialogue.floor.floor_state import FloorState
from worker.interview.dialogue.floor.inputs import (
    Input,
    LineBegins,
    LineEnds,
    Position,
    Tick,
    Words,
)
from worker.interview.dialogue.inputs import Happening
from worker.interview.turn import Role

if TYPE_CHECKING:
    from livekit.agents import AgentSession
    from livekit.agents.voice import SpeechHandle

    from worker.interview.orchestrator_llm import OrchestratorLLM
    from worker.interview.utterance_stream import Utterance

logger = logging.getLogger(__name__)

#: Events of speech-to-text that have text of the candidate.
_INTERIM: Final = (
    stt.SpeechEventType.INTERIM_TRANSCRIPT,
    stt.SpeechEventType.PREFLIGHT_TRANSCRIPT,
)
#: Decisions whose text is no turn of the candidate.
_NO_TURN: Final = (Kind.OVERLAP, Kind.ECHO)
#: Words over a withdrawn line that do not continue an answer, such as "Sorry, what was that?".
_ABOUT_THE_LINE: Final = (Verdict.HOTWORD, Verdict.STOP_WORD)


class PlayedLine(Protocol):
    """The part of the audio output that this module uses."""

    #: Called with the text of a clip that begins, and with None when the clip is over.
    on_clip: Callable[[str | None], None]

    @property
    def position_s(self) -> float | None:
        """Seconds that were played of the utterance or clip; None if nothing is played."""

    def on(self, event: Any, callback: Callable[..., Any]) -> Any:
        """Call `callback` at each `event`."""


@dataclass(frozen=True, kw_only=True)
class FloorEffects:
    """What the decisions of the floor do besides the audio output."""

    #: Records an event in the dialogue.
    note: Callable[[Happening], None]
    #: Gives the turn to the candidate.
    give_turn: Callable[[], None]
    #: Says the utterance that is due, unless somebody speaks.
    speak: Callable[[], Coroutine[Any, Any, None]]
    #: Discards interim words of the candidate, whose final words are no turn or never came.
    forget_interim: Callable[[], None]
    #: Tells whether final words of the candidate wait for the end of their turn.
    awaits_turn: Callable[[], bool]


class LiveFloor:
    """The floor of a running session.

    Args:
        session: Returns the session.
        orchestrator: Provides the dialogue and the acts of the candidate's words.
        effects: What the decisions do besides the audio output.
    """

    def __init__(
        self,
        session: Callable[[], AgentSession[Any]],
        orchestrator: OrchestratorLLM,
        effects: FloorEffects,
    ) -> None:
        self._session = session
        self._orchestrator = orchestrator
        self._effects = effects
        self._floor = Floor()
        self._sound = VoicedSound(self._give)
        self._line: PlayedLine | None = None
        #: The speech that is played or will be played next, with its words.
        self._next: tuple[SpeechHandle, Utterance] | None = None
        #: The speech that is being played; None while nothing or a clip is played.
        self._playing: SpeechHandle | None = None
        #: True while the floor has paused the speech.
        self._paused = False
        #: Set unless the line is about to stop at the end of a word.
        self._settled = asyncio.Event()
        self._settled.set()
        self._timer: asyncio.TimerHandle | None = None
        #: Number of echoes that are recorded once the utterance is over.
        self._echoes = 0
        self._tasks: set[asyncio.Task[None]] = set()
        #: Called after words of the candidate that became no turn.
        self.on_no_turn: Callable[[], None] = lambda: None

    # --- inputs -------------------------------------------------------------------------------

    def attend(self, line: PlayedLine) -> None:
        """Follow the lines that are played on an audio output."""
        self._line = line
        line.on("playback_started", lambda _: self._speech_begins())
        line.on("playback_finished", lambda event: self._line_ends(complete=not event.interrupted))
        line.on_clip = self._clip

    def will_say(self, handle: SpeechHandle, utterance: Utterance) -> None:
        """Note the speech that is played next."""
        self._next = handle, utterance

    def hear(self, event: vad.VADEvent) -> None:
        """Take an event of the VAD."""
        if self._line is not None and (played_s := self._line.position_s) is not None:
            self._give(Position(at=_now(), played_s=played_s))
        self._sound.hear(event)

    async def passing(self, events: AsyncIterable[stt.SpeechEvent]) -> AsyncIterator[Any]:
        """Yield the events of speech-to-text, without the words that are no turn."""
        async for event in events:
            try:
                passed = await self._passed(event)
            except Exception as error:  # any error, because it would end the transcription
                logger.error(
                    "the floor could not take a transcript: %s",
                    type(error).__name__,
                    extra={"event": "floor_failed"},
                )
                passed = event
            if passed is not None:
                yield passed

    def utterance_over(self) -> None:
        """Record the echoes of an utterance, after the utterance itself was recorded."""
        while self._echoes:
            self._echoes -= 1
            self._note_echo()

    def stop(self) -> None:
        """Cancel the timer and the utterances that would be said."""
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()

    def _speech_begins(self) -> None:
        self._resume()
        if self._next is None:
            return
        self._playing, utterance = self._next
        with contextlib.suppress(RuntimeError):  # the speech is already interrupted
            # The session drops a turn that ends during a speech that disallows interruptions.
            self._playing.allow_interruptions = self._effects.awaits_turn()
        self._give(
            LineBegins(
                at=_now(),
                text=utterance.move.text,
                hotword=utterance.move.role is Role.CLOSING,
                withdrawable=self._orchestrator.tracker.can_withdraw,
            )
        )

    def _clip(self, text: str | None) -> None:
        if text is None:
            self._line_ends(complete=True)
        else:
            self._playing = None
            self._give(LineBegins(at=_now(), text=text, withdrawable=False))

    def _line_ends(self, *, complete: bool) -> None:
        self._give(LineEnds(at=_now(), complete=complete))
        self._playing = None
        self._resume()

    async def _passed(self, event: stt.SpeechEvent) -> stt.SpeechEvent | None:
        """Return the event of speech-to-text that the session gets; None for no event."""
        final = event.type is stt.SpeechEventType.FINAL_TRANSCRIPT
        text = event.alternatives[0].text if event.alternatives else ""
        if not text.strip() or not (final or event.type in _INTERIM):
            return event
        act = self._orchestrator.tracker.act_of(text)
        decisions = self._give(Words(at=_now(), text=text, final=final, act=act))
        if not final:
            return event if self._playing is None else None
        rest = _rest(text, decisions)
        if not rest:
            self._effects.forget_interim()
            self.on_no_turn()
            return None
        await self._settled.wait()
        if self._playing is not None:
            # The words belong to a turn. The session interrupts the speech at the turn's end.
            self._playing.allow_interruptions = True
        if rest != text:
            data = replace(event.alternatives[0], text=rest)
            event = replace(event, alternatives=[data, *event.alternatives[1:]])
        return event

    # --- decisions ----------------------------------------------------------------------------

    def _give(self, given: Input) -> tuple[Decision, ...]:
        decisions = self._floor.give(given)
        for decision in decisions:
            self._carry_out(decision)
        if self._floor.state is FloorState.YIELDING:
            self._settled.clear()
        else:
            self._settled.set()
        self._set_timer()
        return decisions

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (due := self._floor.due) is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(due, lambda: self._give(Tick(at=max(due, _now()))))

    def _carry_out(self, decision: Decision) -> None:
        match decision.kind:
            case Kind.PAUSE:
                self._pause()
            case Kind.RESUME:
                self._resume()
            case Kind.STOP if self._playing is not None:
                self._effects.note(Happening(event=Event.GRAB, share=decision.share))
                self._interrupt()
            case Kind.WITHDRAW:
                self._pause()
                self._effects.note(Happening(event=Event.WITHDRAWN))
                self._interrupt()
                self._effects.give_turn()
            case Kind.JOIN if decision.verdict in _ABOUT_THE_LINE:
                # The turn that follows is about the line, and no part of the answer before it.
                self._effects.note(Happening(event=Event.WITHDRAWN_IN_VAIN))
            case Kind.SAY_AGAIN:
                self._effects.note(Happening(event=Event.WITHDRAWN_IN_VAIN))
                self._effects.forget_interim()
                self._speak()
            case Kind.OVERLAP:
                self._effects.note(Happening(event=Event.OVERLAP))
            case Kind.ECHO if self._orchestrator.has_due or decision.rest:
                # The second echo is followed by a hint. It must not replace the utterance that is
                # being said, or the reply to the words that follow the echo.
                self._echoes += 1
            case Kind.ECHO:
                self._note_echo()
            case _:
                pass

    def _note_echo(self) -> None:
        self._effects.note(Happening(event=Event.ECHO))
        if self._orchestrator.tracker.has_due:
            self._speak()

    def _pause(self) -> None:
        if self._playing is None:
            return
        with contextlib.suppress(RuntimeError):  # the session is closing
            if (output := self._session().output.audio) is not None:
                self._paused = True
                output.pause()

    def _resume(self) -> None:
        if not self._paused:
            return
        self._paused = False
        with contextlib.suppress(RuntimeError):  # the session is closing
            if (output := self._session().output.audio) is not None:
                output.resume()

    def _interrupt(self) -> None:
        with contextlib.suppress(RuntimeError):  # the session is closing
            self._session().interrupt(force=True)

    def _speak(self) -> None:
        task = asyncio.get_running_loop().create_task(self._effects.speak(), name="speak-due")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _rest(text: str, decisions: Sequence[Decision]) -> str:
    """Return the part of a final transcript that belongs to a turn of the candidate."""
    for decision in decisions:
        if decision.kind in _NO_TURN and decision.text:
            text = decision.rest
    return text


def _now() -> float:
    return asyncio.get_running_loop().time()
