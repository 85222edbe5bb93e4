"""Conditions: the status of each resource, its reason, and the time of the last status change."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """The status of a resource, as far as the job knows."""

    #: The resource is loaded and, as far as the job knows, works.
    READY = "ready"
    #: The resource is loading; its loader has not reported yet.
    PENDING = "pending"
    #: The resource failed to load, exceeded its load budget, or became unavailable later.
    LOST = "lost"


@dataclass(frozen=True, kw_only=True)
class Condition:
    """The status of one resource, and the reason for this status.

    `since` is the time of the last change of status, in seconds since the job was received.
    """

    resource: str
    status: Status
    #: The reason in one CamelCase word, for programs: "LoadTimeout", "Refused". No personal data.
    reason: str
    #: The reason in one sentence, for people. No personal data.
    message: str = ""
    #: True if the session cannot run without this resource.
    required: bool = False
    since: float = 0.0

    def as_record(self) -> dict[str, Any]:
        """Return the fields of the condition as the journal stores them."""
        return {
            "resource": self.resource,
            "status": self.status.value,
            "reason": self.reason,
            "message": self.message,
            "required": self.required,
            "since": round(self.since, 6),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Condition:
        """Parse the result of `as_record`.

        Raises KeyError if a field is missing, and ValueError, TypeError or OverflowError if a value
        is invalid.
        """
        for name in ("resource", "reason", "message"):
            if not isinstance(record.get(name, ""), str):
                raise ValueError(f"{name} is not text")
        since = float(record.get("since", 0.0))
        if not math.isfinite(since):
            raise ValueError("since is not a number of seconds")
        return cls(
            resource=record["resource"],
            status=Status(record["status"]),
            reason=record["reason"],
            message=record.get("message", ""),
            required=bool(record.get("required", False)),
            since=since,
        )


@dataclass(frozen=True)
class Conditions:
    """All conditions of one job, by resource.

    The object is immutable; `updated` returns a new one.
    """

    by_resource: Mapping[str, Condition] = field(default_factory=dict)

    @classmethod
    def of(cls, conditions: Iterable[Condition]) -> Conditions:
        """Index `conditions` by resource. Of several conditions of one resource, keep the last."""
        return cls({condition.resource: condition for condition in conditions})

    def updated(self, condition: Condition) -> Conditions:
        """Return a copy in which `condition` replaces the condition of the same resource.

        If the status stays the same, `since` keeps its earlier value.
        """
        before = self.by_resource.get(condition.resource)
        if before is not None and before.status is condition.status:
            condition = Condition(**{**vars(condition), "since": before.since})
        return Conditions({**self.by_resource, condition.resource: condition})

    def __iter__(self) -> Iterator[Condition]:
        return iter(self.by_resource.values())

    def __getitem__(self, resource: str) -> Condition:
        return self.by_resource[resource]

    def __contains__(self, resource: object) -> bool:
        return resource in self.by_resource

    def __len__(self) -> int:
        return len(self.by_resource)

    @property
    def missing(self) -> tuple[str, ...]:
        """The resources that are not ready, in the order in which they were first reported."""
        return tuple(c.resource for c in self if c.status is not Status.READY)

    @property
    def missing_required(self) -> tuple[str, ...]:
        """The missing resources that a session cannot run without."""
        return tuple(c.resource for c in self if c.required and c.status is not Status.READY)
