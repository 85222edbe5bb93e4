"""A chain of providers, first to last choice: which of them serves, and which one rests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from livekit.agents import APIConnectionError, APIError, APIStatusError, APITimeoutError

from states import Condition, Status

logger = logging.getLogger(__name__)

#: Seconds for which a provider that failed in passing is asked only where no other is left.
REST_S = 30.0

#: With these HTTP statuses, and one close code of websockets (RFC 6455, 7.4.1), asking again
#: changes nothing: a bad key, no credit, an unknown voice or model, a request that is not
#: understood. ElevenLabs takes the connection first and refuses key and voice with a 1008.
_FOR_GOOD = {
    400: "RequestRefused",
    401: "KeyRefused",
    402: "PaymentRequired",
    403: "KeyRefused",
    404: "NotFound",
    422: "RequestRefused",
    1008: "RequestRefused",
}
#: OpenAI says 429 both of haste and of an empty account; only its code tells them apart.
_NO_CREDIT = "insufficient_quota"


class Engine(Protocol):
    """What a provider gives: livekit's STT, TTS or LLM."""

    async def aclose(self) -> None: ...


E = TypeVar("E", bound=Engine)


class NoProviderLeft(APIConnectionError):
    """No member of the chain can serve now. Never quotes what was to be said."""

    def __init__(self, resource: str) -> None:
        super().__init__(f"no provider of {resource} is left")


@dataclass(frozen=True)
class Failure:
    """Why a provider failed: one word in CamelCase, and whether asking again is of no use."""

    reason: str
    for_good: bool = False


def failure_of(error: BaseException) -> Failure:
    """Sort what a plugin raised. Its message is not kept: it may quote a key or a candidate."""
    if isinstance(error, APIStatusError):
        if isinstance(error.body, dict) and error.body.get("code") == _NO_CREDIT:
            return Failure("PaymentRequired", for_good=True)
        if error.status_code in _FOR_GOOD:
            return Failure(_FOR_GOOD[error.status_code], for_good=True)
        return Failure("RateLimited" if error.status_code == 429 else "ProviderFailed")
    if isinstance(error, (APITimeoutError, TimeoutError)):
        return Failure("ProviderTimeout")
    if isinstance(error, APIConnectionError):
        return Failure("ProviderAway")
    if isinstance(error, APIError):
        return Failure("ProviderFailed")
    return Failure(type(error).__name__)


@dataclass(kw_only=True)
class _Member(Generic[E]):
    name: str
    make: Callable[[], E]
    engine: E | None = None
    failure: Failure | None = None
    #: The loop's time until which another one is asked first.
    rests_until: float = 0.0


class ProviderChain(Generic[E]):
    """Providers of one kind. Each is made when it is first needed, and kept.

    `on_change` is told the resource's condition whenever another provider serves, or none.
    """

    def __init__(self, resource: str, members: Sequence[tuple[str, Callable[[], E]]]) -> None:
        if not members:
            raise ValueError(f"a chain of {resource} needs a member")
        self.resource = resource
        self.on_change: Callable[[Condition], None] | None = None
        self._members = [_Member(name=name, make=make) for name, make in members]
        self._serving: _Member[E] | None = None
        self._lost = False

    @property
    def names(self) -> tuple[str, ...]:
        """The members, first to last choice."""
        return tuple(member.name for member in self._members)

    def is_fresh(self, name: str) -> bool:
        """Whether nothing bad is known of a member."""
        return self._named(name).failure is None

    @property
    def serving(self) -> str:
        """The name of the provider that served last; that of the first choice before."""
        return (self._serving or self._members[0]).name

    @property
    def engine(self) -> E | None:
        """The engine of that provider, if it is made."""
        return (self._serving or self._members[0]).engine

    def candidates(self) -> Iterator[tuple[str, E]]:
        """Whom to ask now, each once: the fresh in their order, then those that rest."""
        now = asyncio.get_running_loop().time()
        hopeful = [m for m in self._members if not (m.failure and m.failure.for_good)]
        for member in sorted(hopeful, key=lambda m: m.rests_until if m.rests_until > now else 0.0):
            if member.engine is None:
                try:
                    member.engine = member.make()
                except Exception as error:  # a provider's constructor raises what it likes
                    self.failed(member.name, error)
                    continue
            yield member.name, member.engine

    def failed(self, name: str, error: BaseException) -> None:
        """Leave a provider: for good, or for `REST_S` seconds."""
        member = self._named(name)
        member.failure = failure_of(error)
        member.rests_until = asyncio.get_running_loop().time() + REST_S
        logger.warning(
            "%s by %s failed: %s%s",
            self.resource,
            name,
            member.failure.reason,
            ", not asked again" if member.failure.for_good else "",
        )
        if not self._lost and all(other.failure for other in self._members):
            self._lost = True
            self._say(self.condition())

    def served(self, name: str) -> None:
        """A provider has delivered."""
        member = self._named(name)
        member.failure, member.rests_until = None, 0.0
        changed = self._lost or member.name != self.serving
        self._serving, self._lost = member, False
        if changed:
            logger.info("%s is served by %s", self.resource, name)
            self._say(self.condition())

    def condition(self) -> Condition:
        """The resource's condition, as far as it is known."""
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
        """Close every engine that was made. Raises the last error, once all are tried."""
        problem: Exception | None = None
        for member in reversed(self._members):
            engine, member.engine = member.engine, None
            if engine is None:
                continue
            try:
                await engine.aclose()
            except Exception as error:  # the other engines hold sockets too
                problem = error
        if problem is not None:
            raise problem

    def _named(self, name: str) -> _Member[E]:
        return next(member for member in self._members if member.name == name)

    def _failures(self) -> str:
        return "; ".join(f"{m.name}: {m.failure.reason}" for m in self._members if m.failure)

    def _say(self, condition: Condition) -> None:
        if self.on_change is not None:
            self.on_change(condition)
