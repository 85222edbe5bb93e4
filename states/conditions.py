"""One condition per resource: is it there, why not, and since when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """What is known of a resource."""

    #: It is loaded and, as far as anybody knows, works.
    READY = "ready"
    #: It is being loaded and has not reported yet.
    PENDING = "pending"
    #: It failed to load, was late, or was lost since.
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
    #: Without a required resource there is no session at all.
    required: bool = False
    since: float = 0.0

    def as_record(self) -> dict[str, Any]:
        """The fields as they stand in the journal."""
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
        """Read `as_record` back. Raises KeyError or ValueError for anything else."""
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
    """All conditions of one job, by resource. Never changed: `updated` gives a new one."""

    by_resource: Mapping[str, Condition] = field(default_factory=dict)

    @classmethod
    def of(cls, conditions: Iterable[Condition]) -> Conditions:
        """The last word on each resource wins."""
        return cls({condition.resource: condition for condition in conditions})

    def updated(self, condition: Condition) -> Conditions:
        """These conditions with one more said. `since` stays while the status does."""
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
        """The resources that are not ready, in the order in which they were first named."""
        return tuple(c.resource for c in self if c.status is not Status.READY)

    @property
    def missing_required(self) -> tuple[str, ...]:
        """Those of the missing without which there is no session."""
        return tuple(c.resource for c in self if c.required and c.status is not Status.READY)
