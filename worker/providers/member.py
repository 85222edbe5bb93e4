"""One member of a chain of providers, and what is known of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, Protocol, TypeVar

from livekit.agents.utils import aio

from worker.bounded import retrieve
from worker.providers.breaker import BreakerRecord
from worker.providers.failure import REQUEST_REFUSED, Failure, failure_of
from worker.providers.probes import Probe
from worker.providers.rest import Rest


class Engine(Protocol):
    """What a provider gives: livekit's STT, TTS or LLM."""

    def aclose(self) -> Coroutine[Any, Any, None]: ...


E = TypeVar("E", bound=Engine)

#: Seconds that an engine which was given up has to close, once the job ends.
_CLOSING_S: Final = 0.3


@dataclass(kw_only=True)
class Member(Generic[E]):
    """The state of one provider within one chain; the chain alone changes it."""

    name: str
    make: Callable[[], E]
    #: Asks whether it is back; None of one that is fresh again after its rest.
    probe: Probe | None = None
    engine: E | None = None
    #: Why it failed last, until it has served again.
    failure: Failure | None = None
    #: The failure is another job's: this one has not met it.
    hearsay: bool = False
    #: It failed for good, and this job has seen that itself.
    left: bool = False
    #: It could not be made when it was last tried.
    unmade: bool = False
    #: Another one is asked first, until `rests_until` (the loop's time) at the least.
    resting: bool = False
    rests_until: float = 0.0
    #: When it last delivered, by the loop's time.
    served_at: float = float("-inf")
    rest: Rest = field(default_factory=Rest)
    timer: asyncio.TimerHandle | None = None
    probing: asyncio.Task[None] | None = None
    #: What all jobs last said of it.
    record: BreakerRecord | None = None

    #: Engines that were given up and are being closed.
    closing: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def is_lost(self) -> bool:
        """Whether it cannot serve, for all that this job knows."""
        return self.failure is not None and (self.failure.for_good or not self.hearsay)

    def judge(self, error: BaseException) -> Failure:
        """What an error of this provider's means.

        One that has delivered before refuses a single request, not all there are: ElevenLabs
        closes with 1008 for too many contexts at once as well as for a wrong voice, and a
        language model's server says 400 to one prompt that its filter dislikes.
        """
        failure = failure_of(error)
        if failure.reason == REQUEST_REFUSED and self.served_at > float("-inf"):
            return replace(failure, for_good=False)
        return failure

    def forgive(self) -> None:
        """Another job has seen it work: nothing is held against it any more."""
        self.failure, self.hearsay = None, False

    def stop_timer(self) -> None:
        """Let no rest end by itself any more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def abandon_engine(self) -> None:
        """Give its engine up, and close it aside: one whose other end is gone may take seconds."""
        engine, self.engine = self.engine, None
        if engine is not None:
            task = asyncio.create_task(engine.aclose(), name=f"close-{self.name}")
            self.closing.add(task)
            task.add_done_callback(retrieve)
            task.add_done_callback(self.closing.discard)

    async def settle(self) -> None:
        """End what goes on aside: its timer, its probe, the closing of engines given up."""
        self.stop_timer()
        if self.probing is not None:
            await aio.cancel_and_wait(self.probing)
        if self.closing:
            _, late = await asyncio.wait(self.closing, timeout=_CLOSING_S)
            await aio.cancel_and_wait(*late)
