"""Scheduler for pytest-xdist: tests of one group run in one process, one after the other.

pytest-xdist 3.8 does this with `--dist loadgroup`: it adds a suffix to a test's id, which
pytest 9.2 does not allow. This scheduler reads the groups from the markers in the tests' source.
Remove it when a pytest-xdist release can group tests under this pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xdist.scheduler import LoadScopeScheduling

from scripts.marked_tests import marked_tests
from tests.support.paths import REPOSITORY

if TYPE_CHECKING:
    import pytest
    from xdist.remote import Producer


#: Folders whose tests share a fixture that takes seconds to create: a database with a full dump.
_ONE_GROUP: Final = ("tests/compat/",)


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types
    """Gives the tests of an `xdist_group` to one process, and every other test to any process."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        self._groups = {
            f"{test.module}::{test.name}": test.group
            for test in marked_tests(REPOSITORY)
            if test.group is not None
        }

    def _split_scope(self, nodeid: str) -> str:
        folder = next((each for each in _ONE_GROUP if nodeid.startswith(each)), nodeid)
        function, _, _ = nodeid.partition("[")
        return self._groups.get(function, folder)
