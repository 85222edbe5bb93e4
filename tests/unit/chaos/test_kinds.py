"""The kinds of fault of a chaos run, in words and in groups."""

from __future__ import annotations

import pytest

from tests.chaos.kinds import DEADLY, OF_THE_DATABASE, Kind, in_words


def test_a_fault_is_described_in_words_with_its_name_and_its_target() -> None:
    assert in_words("kill-job", "0") == (
        "SIGKILL to the process of an interview (kill-job of interview 0)"
    )
    assert in_words("fill-disk", "1") == "a worker's disk is full (fill-disk of worker 1)"
    assert in_words("slow-provider", "stt").endswith("(slow-provider of provider stt)")


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_described_in_words(kind: Kind) -> None:
    assert in_words(kind) == f"{kind.what} ({kind})"


def test_a_name_that_is_no_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="earthquake"):
        in_words("earthquake")


def test_a_database_that_is_far_away_takes_writes_and_kills_nobody() -> None:
    assert Kind.DELAY_DATABASE not in OF_THE_DATABASE | DEADLY
