"""Fallback chain of providers: selects the member that serves and tracks cooldowns."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic

from states import Condition, Status
from worker.fallback.cooldowns import Cooldowns
from worker.fallback.failure import Failure
from worker.fallback.member import E, Member
from worker.fallback.opt_out_state import OptOutState
from worker.fallback.opt_outs import OptOuts
from worker.fallback.probe import Probe
from worker.fallback.shared_breaker import SharedBreaker
from worker.fallback.sharing import Sharing

logger = logging.getLogger(__name__)

#: For this many seconds after one job reported a permanent failure of a provider, such as a refused
#: key, the other jobs do not call the provider.
_SHARED_FOR_GOOD_S = 60.0


class ProviderChain(Generic[E]):
    """Ordered fallback chain of providers of one kind.

    The chain creates each member at its first use and keeps it. A member that failed permanently
    (`Failure.for_good`) is disabled for the rest of the interview. A member that failed temporarily
    cools down, for `FIRST_REST_S` seconds at first. During the cooldown the member is tried only if
    no healthy member is left. A member with a probe cools down until its probe succeeds. A member
    without a probe cools down for the time of its back-off. With a `breaker`, all jobs of a worker
    share the state of the members that have a probe.

    `without_opt_out` has a factory for each member whose instances ask the provider to keep no data
    (the opt-out). An instance from the factory sends no opt-out to the provider. If a member
    refuses its first request, the chain asks the member again at once with an instance from
    `without_opt_out`.

    The chain calls `on_change` with the resource's condition when a different member starts to
    serve and when no member can serve. The chain calls `on_fault` with a member's name and the
    reason of each new failure.
    """

    def __init__(
        self,
        resource: str,
        members: Sequence[tuple[str, Callable[[], E]]],
        *,
        probes: Mapping[str, Probe] | None = None,
        breaker: SharedBreaker | None = None,
        without_opt_out: Mapping[str, Callable[[], E]] | None = None,
    ) -> None:
        if not members:
            raise ValueError(f"the {resource} chain needs at least one provider")
        self.resource = resource
        self.on_change: Callable[[Condition], None] | None = None
        self.on_fault: Callable[[str, str], None] | None = None
        #: Functions that are called when a member may serve again. Each STT stream adds a function.
        self.on_recovered: set[Callable[[], None]] = set()
        self._members = [
            Member(
                name=name,
                make=make,
                probe=(probes or {}).get(name),
                make_without=(without_opt_out or {}).get(name),
            )
            for name, make in members
        ]
        self._sharing = Sharing(resource, breaker)
        self._opt_outs = OptOuts(resource, breaker)
        for member in self._members:
            self._opt_outs.begin(member)
        self._serving: Member[E] | None = None
        self._lost = False
        self._cooldowns = Cooldowns(
            self._sharing, on_recovered=self._recovered, on_refused=self._record
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the members in order of preference."""
        return tuple(member.name for member in self._members)

    def is_fresh(self, name: str) -> bool:
        """Return False if the member has failed in this job and has not served since."""
        return self._named(name).is_fresh

    @property
    def serving(self) -> str:
        """The name of the member that served last, or of the first member if none has served."""
        return (self._serving or self._members[0]).name

    @property
    def engine(self) -> E | None:
        """The plugin instance of the serving member; None if it is not created."""
        return (self._serving or self._members[0]).engine

    def candidates(self, *, resting: bool = True) -> Iterator[tuple[str, E]]:
        """Yield each member to try now: the healthy ones in order, then those that cool down.

        Members with a permanent failure are skipped. `resting=False` also skips the members that
        cool down.
        """
        self._look()
        tried = [m for m in self._members if m.is_tried and (resting or not m.is_cooling)]
        for member in sorted(tried, key=lambda m: m.cools_until if m.is_cooling else 0.0):
            if (engine := self._engine_of(member)) is None:
                continue
            known = member.opt_out
            yield member.name, engine
            dropped = member.opt_out is OptOutState.DROPPED and known is OptOutState.ASKED
            if dropped and (engine := self._engine_of(member)) is not None:
                yield member.name, engine

    def _engine_of(self, member: Member[E]) -> E | None:
        """Return the plugin instance of a member, created if needed; None if that fails."""
        if member.engine is None:
            try:
                member.engine = member.new_engine()
            except Exception as error:  # a plugin's constructor may raise any error
                self.failed(member.name, error)
                member.not_created()
                return None
            if member.created():
                self._recovered(member)
            self._end_loss(member)
        return member.engine

    def _end_loss(self, member: Member[E]) -> None:
        """If the resource was lost and `member` can serve again, report the recovery."""
        if self._lost and not member.is_lost:
            self._lost = False
            self._say(self.condition())

    def remake(self, name: str) -> None:
        """Close a member's plugin instance; the member's next use creates a new instance."""
        self._named(name).abandon_engine()

    def has_better(self, name: str) -> bool:
        """Return whether a member preferred to `name` could serve now."""
        self._look()
        before = self._members[: self.names.index(name)]
        return any(m.is_tried and not m.is_cooling for m in before)

    def failed(
        self,
        name: str,
        error: BaseException,
        *,
        served_by: str | None = None,
        engine: E | None = None,
    ) -> bool:
        """Record a failure: disable the member permanently, or start its cooldown.

        Return True if nothing was recorded, because the member may work without the opt-out (the
        request to keep no data). If another member has just served instead, `served_by` is its
        name, and the chain's resource is not reported as lost. `engine` is the plugin instance that
        failed; None for the current one.
        """
        member = self._named(name)
        failure = member.judge(error)
        if self._opt_outs.explains(failure, member, engine):
            return True
        self._record(member, failure, served_by)
        return False

    def _record(self, member: Member[E], failure: Failure, served_by: str | None = None) -> None:
        before, was_cooling = member.failure, member.is_cooling
        member.failed(failure)
        logger.warning(
            "%s provider %s failed: %s%s",
            self.resource,
            member.name,
            failure.reason,
            ", not asked again" if failure.for_good else "",
            extra={"event": "provider_failed"},
        )
        if failure.for_good:
            self._sharing.tell_failure(member, _SHARED_FOR_GOOD_S)
        else:
            now = asyncio.get_running_loop().time()
            seconds = member.backoff.after_failure(now, was_resting=was_cooling)
            self._cooldowns.begin(member, max(seconds, failure.retry_after_s or 0.0))
        if before is None or before.reason != failure.reason:
            self.fault(member.name, failure.reason)
        if served_by is None:
            self._judge()

    def fault(self, name: str, reason: str) -> None:
        """Pass a problem with a member to `on_fault`. The member's state does not change."""
        if self.on_fault is not None:
            self.on_fault(name, reason)

    def served(self, name: str) -> None:
        """Record that a member has delivered a result."""
        member = self._named(name)
        member.served_at = asyncio.get_running_loop().time()
        self._opt_outs.served(member)
        if member.failure is not None:
            member.served()
            self._recovered(member)
            self._sharing.tell_recovery(member)
        changed = self._lost or member.name != self.serving
        self._serving, self._lost = member, False
        if changed:
            logger.info(
                "%s is now served by provider %s",
                self.resource,
                name,
                extra={"event": "provider_now_serving"},
            )
            self._say(self.condition())

    def delivered(self, name: str) -> None:
        """Record that a member has delivered a result that was no longer needed.

        The member does not become the serving member.
        """
        self._opt_outs.served(self._named(name))

    def condition(self) -> Condition:
        """Return the resource's condition, as far as this job knows it."""
        if self._lost:
            return Condition(
                resource=self.resource,
                status=Status.LOST,
                reason="NoProviderLeft",
                message=self._failures(),
            )
        fallback = self.serving != self._members[0].name
        return Condition(
            resource=self.resource,
            status=Status.READY,
            reason="Fallback" if fallback else "Loaded",
            message=f"{self.serving} serves; {self._failures()}" if fallback else "",
        )

    async def aclose(self) -> None:
        """Close all created plugin instances. If some fail to close, raise the last error."""
        self._cooldowns.close()
        problem: Exception | None = None
        for member in reversed(self._members):
            await member.settle()
            engine, member.engine = member.engine, None
            if engine is None:
                continue
            try:
                await engine.aclose()
            except Exception as error:  # close the other instances as well
                problem = error
        if problem is not None:
            raise problem

    def _recovered(self, member: Member[E]) -> None:
        member.backoff.came_back(asyncio.get_running_loop().time())
        logger.info(
            "%s provider %s is available again",
            self.resource,
            member.name,
            extra={"event": "provider_recovered"},
        )
        for listener in tuple(self.on_recovered):
            listener()

    def _look(self) -> None:
        """Update the members' states from the records that other jobs wrote since the last call."""
        for member in self._members:
            self._cooldowns.look_at(member)
        self._judge()

    # --- reporting --------------------------------------------------------------------------------

    def _judge(self) -> None:
        if not self._lost and all(member.is_lost for member in self._members):
            self._lost = True
            self._say(self.condition())

    def _named(self, name: str) -> Member[E]:
        return next(member for member in self._members if member.name == name)

    def _failures(self) -> str:
        return "; ".join(f"{m.name}: {m.failure.reason}" for m in self._members if m.failure)

    def _say(self, condition: Condition) -> None:
        if self.on_change is not None:
            self.on_change(condition)
