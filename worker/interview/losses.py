"""What the candidate hears or reads of a loss, and what is done about it, resource by resource."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from states import Event, State, Status
from worker.interview.clips import ClipName, load_clip

if TYPE_CHECKING:
    from livekit.agents import AgentSession

    from states.transition import Transition
    from worker.job import Job

logger = logging.getLogger(__name__)

_TELLING_EVENTS: Final = frozenset({Event.RESOURCE_LOST, Event.RESOURCE_RECOVERED})


@dataclass(frozen=True, kw_only=True)
class Consequence:
    """What a candidate meets who loses one resource in the middle of an interview."""

    #: One sentence for people: what is heard or read of it.
    noticed: str
    #: Said, and written, the first time that it is lost.
    clip: ClipName | None = None
    #: What ends a turn without it, and with it.
    turns_end_on: tuple[Literal["stt", "vad"], Literal["stt", "vad"]] | None = None


#: By resource, for every one that can be lost in the middle.
CONSEQUENCES: Final[Mapping[str, Consequence]] = {
    "database": Consequence(noticed="Nothing: what is said is kept on the worker's disk."),
    "vad": Consequence(
        noticed="Nothing but a turn that ends a little less exactly.",
        turns_end_on=("stt", "vad"),
    ),
    "stt": Consequence(
        noticed="A recorded voice that asks for typed answers, and the same in writing.",
        clip=ClipName.TROUBLE_HEARING,
    ),
    "tts": Consequence(
        noticed="A recorded voice that announces writing, then each question as text.",
    ),
    "llm": Consequence(noticed="Nothing: the plan's own words are spoken."),
}


class Losses:
    """Follows the conditions of a job while its interview runs, and does what the table says.

    What was missing before counts as lost at the beginning. A recovery is not announced: the
    next question says it better.
    """

    def __init__(self, job: Job, session: AgentSession[Any]) -> None:
        self._job = job
        self._session = session
        self._lost: set[str] = set()
        self._told: set[str] = set()
        self._telling: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """Look at what is missing already, and follow what comes."""
        self._job.life.subscribe(self._on_transition)
        self._look()

    def stop(self) -> None:
        """Tell nothing more."""
        for task in self._telling:
            task.cancel()

    def _on_transition(self, transition: Transition) -> None:
        if transition.target is State.RUNNING and transition.event in _TELLING_EVENTS:
            self._look()

    def _look(self) -> None:
        conditions = self._job.life.conditions
        for name, consequence in CONSEQUENCES.items():
            if name not in conditions:
                continue
            status = conditions[name].status
            if status is Status.LOST and name not in self._lost:
                self._lost.add(name)
                self._meet(name, consequence)
            elif status is Status.READY and name in self._lost:
                self._lost.discard(name)
                self._end_turns_on(consequence, there=True)

    def _meet(self, name: str, consequence: Consequence) -> None:
        self._end_turns_on(consequence, there=False)
        if consequence.clip is not None and name not in self._told:
            self._told.add(name)
            task = asyncio.create_task(self._tell(consequence.clip), name=f"tell-{name}")
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    def _end_turns_on(self, consequence: Consequence, *, there: bool) -> None:
        if consequence.turns_end_on is None or self._session.vad is None:
            return  # one that came late is attached by its own resource
        try:
            self._session.update_options(turn_detection=consequence.turns_end_on[there])
        except RuntimeError:  # it is closing
            logger.debug("a session that closes keeps its turn detection")

    async def _tell(self, name: ClipName) -> None:
        while not self._job.stage.candidate_is_here:
            await self._job.stage.candidate_moved()
        steps: tuple[Callable[[], Any], ...] = (
            lambda: self._job.stage.write(name.text),
            lambda: self._job.stage.line.play(load_clip(name)),
        )
        for step in steps:
            try:
                await step()
            except Exception as error:  # either of them says it
                logger.warning("%s was not told: %s", name, type(error).__name__)
