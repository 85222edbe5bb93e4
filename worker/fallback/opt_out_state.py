"""The states of the opt-out, the request to a provider to keep no data, and all transitions."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, auto
from types import MappingProxyType
from typing import Final


class OptOutState(StrEnum):
    """What this job knows about the opt-out of one provider."""

    #: The requests have the opt-out, and the provider has not answered one yet.
    ASKED = auto()
    #: The provider has served a request with the opt-out.
    ACCEPTED = auto()
    #: The provider refused its first request, so the requests are made without the opt-out. The
    #: cause of the refusal may be the opt-out, or another fault, such as a wrong key.
    DROPPED = auto()
    #: The provider refused a request with the opt-out, and served one without it.
    REFUSED = auto()


class OptOutEvent(StrEnum):
    """What can change the state of an opt-out."""

    #: The provider has delivered a result.
    SERVED = auto()
    #: The provider has refused a request, which may be because of the opt-out.
    REQUEST_REFUSED = auto()
    #: Another job has stored that the provider refuses the opt-out.
    REFUSED_ELSEWHERE = auto()


_S, _E = OptOutState, OptOutEvent
#: The next state for each state and event. An event without a row changes nothing.
TRANSITIONS: Final[Mapping[tuple[OptOutState, OptOutEvent], OptOutState]] = MappingProxyType(
    {
        (_S.ASKED, _E.SERVED): _S.ACCEPTED,
        (_S.ASKED, _E.REQUEST_REFUSED): _S.DROPPED,
        (_S.ASKED, _E.REFUSED_ELSEWHERE): _S.REFUSED,
        (_S.DROPPED, _E.SERVED): _S.REFUSED,
    }
)
