"""Fixtures of the tests of continuity."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.support.virtual.memory_leases import MemoryLeases
from tests.support.virtual.redispatch_parts import Passes
from worker.continuity import candidate_check


@pytest.fixture
def stranded() -> MemoryLeases:
    """Return an interview whose interviewer's lease expired."""
    return MemoryLeases(token=1, job="AJ_1", last="AJ_1", expires=99.0, running=True)


@pytest.fixture
def passes(stranded: MemoryLeases, monkeypatch: pytest.MonkeyPatch) -> Passes:
    """Return a function that advances the clock of the database and of the rescuer."""
    monkeypatch.setattr(candidate_check, "time", SimpleNamespace(monotonic=lambda: stranded.now))

    def passes(seconds: float) -> None:
        stranded.now = stranded.seen = stranded.now + seconds

    return passes
