"""The number of examples of a property, in each of the two profiles."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.examples import ALL, FEW, examples


@pytest.fixture(autouse=True)
def same_profile() -> Iterator[None]:
    """Load the profile of this run again after the test."""
    before = settings.get_current_profile_name()
    yield
    settings.load_profile(before)


def test_all_examples_are_tried_unless_few_are_asked_for() -> None:
    settings.load_profile(ALL)
    assert (examples(1000), settings().max_examples, settings().deadline) == (1000, 100, None)


def test_a_quarter_of_the_examples_is_tried_in_the_profile_of_make_unit() -> None:
    settings.load_profile(FEW)
    assert (examples(1000), settings().max_examples, settings().deadline) == (250, 25, None)
    assert examples(1) == 1
