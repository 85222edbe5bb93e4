"""Tests that share a worker run in one process of pytest-xdist, one after the other.

pytest-xdist 3.8 does so with `--dist loadgroup` by a suffix that it gives to a test's id, which
pytest 9.2 does not let it do. Here the groups are read from the markers in the tests' source. To be
removed with the first pytest-xdist that groups under this pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xdist.scheduler import LoadScopeScheduling

from scripts.marked_tests import marked_tests
from tests.support.paths import REPOSITORY

if TYPE_CHECKING:
    import pytest
    from xdist.remote import Producer


#: Folders whose tests share what takes seconds to make: a database with a whole dump in it.
_ONE_GROUP: Final = ("tests/compat/",)


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types
    """Gives the tests of an `xdist_group` to one process, and every other test to any."""

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
