"""Conditions: one per resource, with status, reason and time of the last change of status."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """The known status of a resource."""

    #: Loaded and, as far as known, working.
    READY = "ready"
    #: Loading; the loader has not reported yet.
    PENDING = "pending"
    #: Failed to load, exceeded its budget, or became unavailable later.
    LOST = "lost"


@dataclass(frozen=True, kw_only=True)
class Condition:
    """The state of one resource. `since` is in seconds since the job was received."""

    resource: str
    status: Status
    #: One word in CamelCase, for machines: "LoadTimeout", "Refused". Never personal data.
    reason: str
    #: One sentence for people. Never personal data.
    message: str = ""
    #: A session cannot run without a required resource.
    required: bool = False
    since: float = 0.0

    def as_record(self) -> dict[str, Any]:
        """Return the fields as the journal stores them."""
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
        """Parse the result of `as_record`. Raises KeyError or ValueError for anything else."""
        return cls(
            resource=record["resource"],
            status=Status(record["status"]),
            reason=record["reason"],
            message=record.get("message", ""),
            required=bool(record.get("required", False)),
            since=float(record.get("since", 0.0)),
        )


@dataclass(frozen=True)
class Conditions:
    """All conditions of one job, by resource. Immutable: `updated` returns a new object."""

    by_resource: Mapping[str, Condition] = field(default_factory=dict)

    @classmethod
    def of(cls, conditions: Iterable[Condition]) -> Conditions:
        """Build from `conditions`; the last one of each resource wins."""
        return cls({condition.resource: condition for condition in conditions})

    def updated(self, condition: Condition) -> Conditions:
        """Return a copy with one condition set. `since` changes only with the status."""
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
        """The resources that are not ready, in the order of their first report."""
        return tuple(c.resource for c in self if c.status is not Status.READY)

    @property
    def missing_required(self) -> tuple[str, ...]:
        """The missing resources that a session cannot run without."""
        return tuple(c.resource for c in self if c.required and c.status is not Status.READY)
