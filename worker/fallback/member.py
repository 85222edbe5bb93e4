"""One member of a fallback chain and its health state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, Protocol, TypeVar

from worker.aio.tasks import cancel_and_wait
from worker.aio.timeouts import retrieve
from worker.fallback.backoff import Backoff
from worker.fallback.failure import REQUEST_REFUSED, Failure, failure_of
from worker.fallback.probe import Probe
from worker.fallback.shared_breaker import BreakerRecord


class Engine(Protocol):
    """A plugin instance of a provider: LiveKit's STT, TTS or LLM."""

    def aclose(self) -> Coroutine[Any, Any, None]: ...


E = TypeVar("E", bound=Engine)

#: Seconds within which an abandoned plugin instance must close once the job ends.
_CLOSING_S: Final = 0.3


@dataclass(kw_only=True)
class Member(Generic[E]):
    """The state of one provider within one chain; only the chain changes it."""

    name: str
    make: Callable[[], E]
    #: Health probe. Without a probe the member is healthy again after its cooldown.
    probe: Probe | None = None
    engine: E | None = None
    #: The last failure, until the member serves again.
    failure: Failure | None = None
    #: True if another job reported the failure and this job has not seen it itself.
    hearsay: bool = False
    #: True if the member is disabled, because this job itself saw a permanent failure.
    left: bool = False
    #: True if the last attempt to create the plugin instance failed.
    unmade: bool = False
    #: True while the member cools down. Other members are tried first, at least until `rests_until`
    #: (event loop time).
    resting: bool = False
    rests_until: float = 0.0
    #: When the member last delivered, in event loop time.
    served_at: float = float("-inf")
    rest: Backoff = field(default_factory=Backoff)
    timer: asyncio.TimerHandle | None = None
    probing: asyncio.Task[None] | None = None
    #: The last breaker record that this job read or wrote.
    record: BreakerRecord | None = None

    #: Tasks that close abandoned plugin instances.
    closing: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def is_lost(self) -> bool:
        """True if the member cannot serve, as far as this job knows."""
        return self.failure is not None and (self.failure.for_good or not self.hearsay)

    def judge(self, error: BaseException) -> Failure:
        """Classify an error of this provider.

        If the provider has served before, a rejected request is not a permanent failure, for two
        reasons. ElevenLabs closes with 1008 for too many concurrent contexts as well as for a wrong
        voice. A language model's server sends 400 if its filter rejects a single prompt.
        """
        failure = failure_of(error)
        if failure.reason == REQUEST_REFUSED and self.served_at > float("-inf"):
            return replace(failure, for_good=False)
        return failure

    def forgive(self) -> None:
        """Clear the failure."""
        self.failure, self.hearsay = None, False

    def stop_timer(self) -> None:
        """Cancel the timer that ends the cooldown."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def abandon_engine(self) -> None:
        """Drop the plugin instance and close it in the background.

        Closing an instance whose peer has disappeared may take seconds.
        """
        engine, self.engine = self.engine, None
        if engine is not None:
            task = asyncio.create_task(engine.aclose(), name=f"close-{self.name}")
            self.closing.add(task)
            task.add_done_callback(retrieve)
            task.add_done_callback(self.closing.discard)

    async def settle(self) -> None:
        """Stop the background work: timer, probe, and the closing of abandoned plugin instances."""
        self.stop_timer()
        if self.probing is not None:
            await cancel_and_wait(self.probing)
        if self.closing:
            _, late = await asyncio.wait(self.closing, timeout=_CLOSING_S)
            await cancel_and_wait(*late)
