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
from worker.fallback.member_state import (
    COOLING,
    NOT_TRIED,
    REPORTED,
    TRANSITIONS,
    MemberEvent,
    MemberState,
)
from worker.fallback.opt_out_state import TRANSITIONS as OPT_OUT_TRANSITIONS
from worker.fallback.opt_out_state import OptOutEvent, OptOutState
from worker.fallback.probe import Probe
from worker.fallback.shared_breaker import BreakerRecord


class Engine(Protocol):
    """A plugin instance of a provider: LiveKit's STT, TTS or LLM."""

    def aclose(self) -> Coroutine[Any, Any, None]: ...


E = TypeVar("E", bound=Engine)

#: Maximum seconds to wait, at the end of the job, for abandoned plugin instances to close.
_CLOSING_S: Final = 0.3


@dataclass(kw_only=True)
class Member(Generic[E]):
    """One provider within one chain.

    The table `TRANSITIONS` in `member_state` tells what each event does to the state. Only the
    methods under the comment "events" change `state` and `failure`, and only the chain calls these
    methods. An event method returns False if the table has no row for the state and the event.
    """

    name: str
    make: Callable[[], E]
    #: Health probe after a cooldown; None if the member is tried again without a probe.
    probe: Probe | None = None
    #: Creates an instance without the opt-out, the request to the provider to keep no data; None if
    #: `make` sends no opt-out.
    make_without: Callable[[], E] | None = None
    #: What this job knows about the opt-out; valid only if there is `make_without`.
    opt_out: OptOutState = OptOutState.ASKED
    engine: E | None = None
    state: MemberState = MemberState.HEALTHY
    #: The last failure of the member; None if the member counts as working. It is None in the state
    #: HEALTHY, and in the state CREATION_DUE if the member has served since the failure or another
    #: job has reported the member's recovery. The failure is permanent exactly in the states of
    #: `NOT_TRIED`.
    failure: Failure | None = None
    #: When the cooldown ends, in event loop time; valid only while `is_cooling`.
    cools_until: float = 0.0
    #: When the member last delivered a result, in event loop time.
    served_at: float = float("-inf")
    backoff: Backoff = field(default_factory=Backoff)
    #: Timer that ends the cooldown. None if there is no cooldown, or if the cooldown has ended and
    #: the probe runs.
    timer: asyncio.TimerHandle | None = None
    probing: asyncio.Task[None] | None = None
    #: The newest record of this member that this job has read from, or written to, the
    #: `SharedBreaker`.
    record: BreakerRecord | None = None

    #: Tasks that close abandoned plugin instances.
    closing: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def is_cooling(self) -> bool:
        """True during a cooldown and the probe after it: other members are tried first."""
        return self.state in COOLING

    @property
    def is_tried(self) -> bool:
        """True unless a permanent failure is known."""
        return self.state not in NOT_TRIED

    @property
    def is_fresh(self) -> bool:
        """False if the member has failed in this job and has not served since."""
        return self.failure is None or self.state in REPORTED

    @property
    def is_lost(self) -> bool:
        """True if a failure is known, other than a temporary failure that another job reported."""
        return self.failure is not None and self.state is not MemberState.REPORTED_AWAY

    def judge(self, error: BaseException) -> Failure:
        """Classify an error of this provider.

        If the provider has served before, a rejected request is not a permanent failure, because
        the provider may accept later requests: ElevenLabs closes the connection with code 1008 for
        too many concurrent contexts as well as for a wrong voice, and a language model's server
        sends 400 if its filter rejects a single prompt.
        """
        failure = failure_of(error)
        if failure.reason == REQUEST_REFUSED and self.served_at > float("-inf"):
            return replace(failure, for_good=False)
        return failure

    # --- events -----------------------------------------------------------------------------------

    def failed(self, failure: Failure) -> bool:
        """Handle a failure that this job has seen.

        For a temporary failure of a probe, call `probe_failed` instead.
        """
        self.failure = failure
        event = MemberEvent.FAILED_FOR_GOOD if failure.for_good else MemberEvent.FAILED
        return self._enter(event)

    def not_created(self) -> bool:
        """Handle a failed creation of the plugin instance. Call `failed` first."""
        return self._enter(MemberEvent.NOT_CREATED)

    def created(self) -> bool:
        """Handle the creation of the plugin instance."""
        return self._enter(MemberEvent.CREATED)

    def served(self) -> bool:
        """Handle the delivery of a result."""
        self.failure = None
        return self._enter(MemberEvent.SERVED)

    def cooldown_over(self) -> bool:
        """Handle the end of the cooldown of a member without a probe."""
        return self._enter(MemberEvent.COOLDOWN_OVER)

    def probe_succeeded(self) -> bool:
        """Handle a probe that the provider answered."""
        return self._enter(MemberEvent.PROBE_SUCCEEDED)

    def probe_failed(self, failure: Failure) -> bool:
        """Handle a probe that failed temporarily."""
        if self.state in REPORTED:
            self.failure = failure
        return self._enter(MemberEvent.PROBE_FAILED)

    def failed_elsewhere(self, failure: Failure) -> bool:
        """Handle another job's report of a failure.

        The report does not replace a failure that this job saw itself.
        """
        if not self.is_fresh:
            return self._enter(MemberEvent.FAILED_ELSEWHERE_TOO)
        self.failure = failure
        refused, away = MemberEvent.REFUSED_ELSEWHERE, MemberEvent.AWAY_ELSEWHERE
        return self._enter(refused if failure.for_good else away)

    def ready_elsewhere(self) -> bool:
        """Handle another job's report that the provider works."""
        if not self.is_cooling:
            return False
        self.failure = None
        return self._enter(MemberEvent.READY_ELSEWHERE)

    def _enter(self, event: MemberEvent) -> bool:
        target = TRANSITIONS.get((self.state, event))
        if target is None:
            return False
        self.state = target
        if target is MemberState.HEALTHY:
            self.failure = None
        if not self.is_cooling:
            self.stop_timer()
        return True

    # --- the opt-out ------------------------------------------------------------------------------

    def opt_out_event(self, event: OptOutEvent) -> OptOutState | None:
        """Handle an event of the opt-out; return the opt-out's new state, or None if unchanged.

        If the opt-out (the request to keep no data) is dropped, the plugin instance is abandoned,
        and the next instance is made without the opt-out.
        """
        if self.make_without is None:
            return None
        target = OPT_OUT_TRANSITIONS.get((self.opt_out, event))
        if target is None:
            return None
        self.opt_out = target
        if target is OptOutState.DROPPED:
            self.abandon_engine()
        return target

    def new_engine(self) -> E:
        """Create a plugin instance, without the opt-out if the provider refused the opt-out."""
        dropped = self.opt_out in (OptOutState.DROPPED, OptOutState.REFUSED)
        return self.make_without() if dropped and self.make_without is not None else self.make()

    # --- the cooldown and the plugin instance -----------------------------------------------------

    def start_timer(self, seconds: float, then: Callable[[], None] | None) -> None:
        """Set the end of the cooldown, and call `then` at that time."""
        loop = asyncio.get_running_loop()
        self.stop_timer()
        self.cools_until = loop.time() + seconds
        if then is not None:
            self.timer = loop.call_later(seconds, then)

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
        """Stop the timer and the probe, and wait for the closing of abandoned plugin instances.

        Closing that takes longer than `_CLOSING_S` seconds is cancelled.
        """
        self.stop_timer()
        if self.probing is not None:
            await cancel_and_wait(self.probing)
        if self.closing:
            _, late = await asyncio.wait(self.closing, timeout=_CLOSING_S)
            await cancel_and_wait(*late)
