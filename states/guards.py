"""Guards of the lifecycle's table: they choose the edge by the conditions of all resources."""

from __future__ import annotations

from collections.abc import Callable

from states.conditions import Conditions

Guard = Callable[[Conditions], bool]


def nothing_missing(conditions: Conditions) -> bool:
    """Return True if every resource is ready."""
    return not conditions.missing


def something_missing(conditions: Conditions) -> bool:
    """Return True if at least one resource is not ready."""
    return bool(conditions.missing)


def only_optional_missing(conditions: Conditions) -> bool:
    """Return True if at least one resource is missing, and all missing resources are optional."""
    return bool(conditions.missing) and not conditions.missing_required


def required_missing(conditions: Conditions) -> bool:
    """Return True if a required resource is missing."""
    return bool(conditions.missing_required)
