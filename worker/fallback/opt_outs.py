"""The opt-outs of one fallback chain: its requests to the providers to keep no data.

Some accounts and servers refuse every request that contains the opt-out. A provider that refuses
the opt-out is used without the opt-out, because holding the interview matters more. The refusal is
logged, and stored for the other jobs.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from worker.fallback.failure import REQUEST_REFUSED, Failure
from worker.fallback.member import Member
from worker.fallback.opt_out_state import OptOutEvent, OptOutState
from worker.fallback.shared_breaker import BreakerRecord, SharedBreaker

logger = logging.getLogger(__name__)

#: Failure reasons behind which a refusal of the opt-out may be hidden.
REFUSALS: Final = frozenset({"KeyRefused", REQUEST_REFUSED})
#: Reason of the stored record that a provider refuses the opt-out.
_REFUSED: Final = "OptOutRefused"
#: Reason of the stored record that a provider accepts the opt-out.
_ACCEPTED: Final = "OptOutAccepted"
#: Seconds for which a refusal of the opt-out is remembered. The next job then asks for the opt-out
#: again, because the account may have changed. Asking again costs one refused request.
_REMEMBERED_S: Final = 86_400.0


class OptOutRecords:
    """What the jobs of a worker found out about the opt-outs of one chain, in files.

    Without a breaker, nothing is read or written.
    """

    def __init__(self, resource: str, breaker: SharedBreaker | None) -> None:
        self._resource = f"opt_out.{resource}"
        self._breaker = breaker

    def is_refused(self, member: str) -> bool:
        """Return whether the provider has refused the opt-out, at most `_REMEMBERED_S` ago."""
        if self._breaker is None:
            return False
        record = self._breaker.read(self._resource, member)
        if record is None or record.reason != _REFUSED:
            return False
        return 0 <= self._breaker.clock() - record.since < _REMEMBERED_S

    def tell(self, member: str, *, refused: bool) -> None:
        """Publish that the provider refused or accepted the opt-out."""
        if self._breaker is not None:
            reason = _REFUSED if refused else _ACCEPTED
            record = BreakerRecord(reason=reason, since=self._breaker.clock())
            self._breaker.write(self._resource, member, record)


class OptOuts:
    """Decides for which members of one chain the requests contain the opt-out."""

    def __init__(self, resource: str, breaker: SharedBreaker | None) -> None:
        self._resource = resource
        self._records = OptOutRecords(resource, breaker)

    def begin(self, member: Member[Any]) -> None:
        """Use the member without the opt-out if the provider is known to refuse the opt-out."""
        if member.make_without is not None and self._records.is_refused(member.name):
            member.opt_out_event(OptOutEvent.REFUSED_ELSEWHERE)

    def explains(self, failure: Failure, member: Member[Any], engine: object) -> bool:
        """Return whether a failure may come from the opt-out, so that a request without it helps.

        When a member refuses a request for the first time, the opt-out is dropped for the member. A
        refusal changes nothing if `engine`, which made the request, is no longer the member's
        plugin instance.
        """
        if failure.reason not in REFUSALS:
            return False
        if member.opt_out is OptOutState.DROPPED and engine not in (None, member.engine):
            return True
        if member.opt_out_event(OptOutEvent.REQUEST_REFUSED) is None:
            return False
        logger.info(
            "%s provider %s refused the first request; the worker asks again, without the "
            "request to keep no data",
            self._resource,
            member.name,
            extra={"event": "provider_opt_out_dropped"},
        )
        return True

    def served(self, member: Member[Any]) -> None:
        """Record that a member has delivered a result, with or without the opt-out."""
        state = member.opt_out_event(OptOutEvent.SERVED)
        if state is None:
            return
        if state is OptOutState.REFUSED:
            logger.warning(
                "%s provider %s refuses the request to keep no data, and is used without this "
                "request",
                self._resource,
                member.name,
                extra={"event": "provider_opt_out_refused"},
            )
        self._records.tell(member.name, refused=state is OptOutState.REFUSED)
