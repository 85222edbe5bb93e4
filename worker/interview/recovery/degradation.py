"""Reactions to the loss of a resource in an interview, as the resource's `Consequence` declares."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from states import Phase, Status
from worker.clips.recordings import ClipName, clip_named, load_clip

if TYPE_CHECKING:
    from livekit.agents import AgentSession

    from states.transition import Transition
    from worker.job.handle import JobHandle
    from worker.resources.resource import Consequence, Resource

logger = logging.getLogger(__name__)

#: Minimum seconds between two announcements for the same resource. A later loss of the resource is
#: announced again, because otherwise the candidate would speak without being heard.
_AGAIN_S: Final = 30.0
#: Turn detection modes of the framework. Any other name in `turns_end_on` names a resource.
_MODES: Final = frozenset({"stt", "vad"})


class DegradationHandler:
    """Handler of the loss and the recovery of resources, as declared in `Resource.consequence`.

    A resource that is missing at the start of the interview counts as lost from the start. A
    recovery is not announced, because the next question is a sufficient sign of the recovery.
    `cannot_hear` is called when a resource with `Consequence.deafens` is lost, because without such
    a resource nothing that the candidate says is understood.
    """

    def __init__(
        self,
        job: JobHandle,
        session: AgentSession[Any],
        resources: Sequence[Resource],
        cannot_hear: Callable[[], None] = lambda: None,
    ) -> None:
        self._job = job
        self._session = session
        self._resources = resources
        self._cannot_hear = cannot_hear
        self._lost: set[str] = set()
        #: Event-loop time of the last announcement, by resource.
        self._told: dict[str, float] = {}
        self._telling: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """Handle the resources that are already missing, and subscribe to later changes."""
        self._job.life.subscribe(self._on_transition)
        self._look()

    def stop(self) -> None:
        """Cancel the announcements that are under way."""
        for task in self._telling:
            task.cancel()

    def _on_transition(self, transition: Transition) -> None:
        # Handle all changes now, because changes that came while the job could not speak were
        # ignored.
        state = transition.target
        if state.phase is Phase.SESSION and state.may_speak:
            self._look()

    def _look(self) -> None:
        conditions = self._job.life.conditions
        for resource in self._resources:
            name = resource.name
            if name not in conditions:
                continue
            status = conditions[name].status
            if status is Status.LOST and name not in self._lost:
                self._lost.add(name)
                self._meet(name, resource.consequence)
            elif status is Status.READY and name in self._lost:
                self._lost.discard(name)
                if resource.consequence.turns_end_on is not None:
                    self._end_turns()

    def _meet(self, name: str, loss: Consequence) -> None:
        if loss.turns_end_on is not None:
            self._end_turns()
        if loss.deafens:
            self._cannot_hear()
        now = asyncio.get_running_loop().time()
        if loss.told is not None and now - self._told.get(name, -math.inf) >= _AGAIN_S:
            self._told[name] = now
            task = asyncio.create_task(self._tell(clip_named(loss.told)), name=f"tell-{name}")
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    def _end_turns(self) -> None:
        """Let the best available detector end turns.

        A detector works only while all detectors that are declared before it are available.
        """
        best: str | None = None
        for resource in self._resources:
            ends_on = resource.consequence.turns_end_on
            if ends_on is None or resource.name not in self._job.life.conditions:
                continue
            without, best = ends_on
            if resource.name in self._lost:
                best = without
                break
        detection: Any = best if best is None or best in _MODES else self._job.resources.get(best)
        try:
            self._session.update_options(turn_detection=detection)
        except RuntimeError:  # the session is closing
            logger.debug(
                "turn detection was not changed, because the session is closing",
                extra={"event": "turn_detection_unchanged"},
            )

    async def _tell(self, name: ClipName) -> None:
        while not self._job.transport.candidate_is_here:
            await self._job.transport.candidate_moved()
        steps: tuple[Callable[[], Any], ...] = (
            lambda: self._job.transport.write(name.text),
            lambda: self._job.transport.line.play(load_clip(name)),
        )
        for step in steps:
            try:
                await step()
            except Exception as error:  # any error, because the other step also announces the loss
                logger.warning(
                    "announcing %s to the candidate failed: %s",
                    name,
                    type(error).__name__,
                    extra={"event": "announcement_failed"},
                )
