"""The states of a member of a fallback chain, and the table of all transitions between them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, auto
from types import MappingProxyType
from typing import Final


class MemberState(StrEnum):
    """The health of one provider, as far as this job knows it. Every member begins as HEALTHY."""

    #: No failure is known. The member is tried in the order of the chain.
    HEALTHY = auto()
    #: This job saw a temporary failure of the member. The chain tries other members first.
    COOLING_DOWN = auto()
    #: The cooldown is over, but the member has not served since. The member is tried in the order
    #: of the chain.
    UNPROVEN = auto()
    #: The plugin instance of the member could not be created. The chain tries other members first.
    UNCREATED = auto()
    #: The plugin instance of the member is not created, but the cooldown is over or the provider is
    #: known to work. The chain tries the member in its order, and creates the plugin instance then.
    CREATION_DUE = auto()
    #: Another job reported a temporary failure of the member. The chain tries other members first.
    REPORTED_AWAY = auto()
    #: Another job reported a permanent failure of the member. The chain does not try the member.
    REPORTED_REFUSED = auto()
    #: This job saw a permanent failure of the member. The chain does not try the member.
    DISABLED = auto()


class MemberEvent(StrEnum):
    """What can change the state of a member."""

    FAILED = auto()
    FAILED_FOR_GOOD = auto()
    #: Creating the plugin instance failed. This event follows FAILED or FAILED_FOR_GOOD.
    NOT_CREATED = auto()
    CREATED = auto()
    SERVED = auto()
    #: The cooldown of a member without a probe is over.
    COOLDOWN_OVER = auto()
    PROBE_SUCCEEDED = auto()
    #: A probe of the member failed temporarily. A probe that fails permanently causes the event
    #: FAILED_FOR_GOOD.
    PROBE_FAILED = auto()
    #: Another job reports a temporary failure, and this job has seen no failure itself.
    AWAY_ELSEWHERE = auto()
    #: Another job reports a permanent failure, and this job has seen no failure itself.
    REFUSED_ELSEWHERE = auto()
    #: Another job reports a failure, and this job has seen a failure itself.
    FAILED_ELSEWHERE_TOO = auto()
    #: Another job reports that the member works.
    READY_ELSEWHERE = auto()


#: The states in which a cooldown runs, or a probe after the cooldown.
COOLING: Final = frozenset(
    {
        MemberState.COOLING_DOWN,
        MemberState.UNCREATED,
        MemberState.REPORTED_AWAY,
        MemberState.REPORTED_REFUSED,
    }
)
#: The states in which this job has seen no failure itself, but another job has.
REPORTED: Final = frozenset({MemberState.REPORTED_AWAY, MemberState.REPORTED_REFUSED})
#: The states in which the member is not tried at all.
NOT_TRIED: Final = frozenset({MemberState.REPORTED_REFUSED, MemberState.DISABLED})

_S, _E = MemberState, MemberEvent
_UNCREATED: Final = (_S.UNCREATED, _S.CREATION_DUE)

#: The next state for each state and event. An event without a row changes nothing.
TRANSITIONS: Final[Mapping[tuple[MemberState, MemberEvent], MemberState]] = MappingProxyType(
    {
        # Failures that this job sees. A member without a plugin instance stays UNCREATED after
        # further failures, and becomes healthy when its plugin instance is created.
        **{(state, _E.FAILED): _S.COOLING_DOWN for state in _S},
        **{(state, _E.FAILED): _S.UNCREATED for state in _UNCREATED},
        **{(state, _E.FAILED_FOR_GOOD): _S.DISABLED for state in _S},
        (_S.COOLING_DOWN, _E.NOT_CREATED): _S.UNCREATED,
        **{(state, _E.CREATED): _S.HEALTHY for state in _UNCREATED},
        # The member has delivered a result. A member without a plugin instance can do so only
        # through a stream of an earlier instance.
        **{(state, _E.SERVED): _S.HEALTHY for state in _S if state not in _UNCREATED},
        **{(state, _E.SERVED): _S.CREATION_DUE for state in _UNCREATED},
        # The end of a cooldown, and probes.
        (_S.COOLING_DOWN, _E.COOLDOWN_OVER): _S.UNPROVEN,
        (_S.UNCREATED, _E.COOLDOWN_OVER): _S.CREATION_DUE,
        (_S.COOLING_DOWN, _E.PROBE_SUCCEEDED): _S.UNPROVEN,
        (_S.UNCREATED, _E.PROBE_SUCCEEDED): _S.CREATION_DUE,
        **{(state, _E.PROBE_SUCCEEDED): _S.HEALTHY for state in REPORTED},
        (_S.COOLING_DOWN, _E.PROBE_FAILED): _S.COOLING_DOWN,
        (_S.UNCREATED, _E.PROBE_FAILED): _S.UNCREATED,
        **{(state, _E.PROBE_FAILED): _S.REPORTED_AWAY for state in REPORTED},
        # Reports of other jobs. A permanent failure that this job saw itself outweighs the reports.
        **{
            (state, event): target
            for state in (_S.HEALTHY, _S.REPORTED_AWAY, _S.REPORTED_REFUSED, _S.CREATION_DUE)
            for event, target in (
                (_E.AWAY_ELSEWHERE, _S.REPORTED_AWAY),
                (_E.REFUSED_ELSEWHERE, _S.REPORTED_REFUSED),
            )
        },
        **{(s, _E.FAILED_ELSEWHERE_TOO): _S.COOLING_DOWN for s in (_S.COOLING_DOWN, _S.UNPROVEN)},
        **{(state, _E.FAILED_ELSEWHERE_TOO): _S.UNCREATED for state in _UNCREATED},
        **{(state, _E.READY_ELSEWHERE): _S.HEALTHY for state in COOLING},
        (_S.UNCREATED, _E.READY_ELSEWHERE): _S.CREATION_DUE,
    }
)
