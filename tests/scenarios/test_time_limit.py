"""The time limit in whole interviews on virtual time, reached while either side speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from states import Outcome, Reason, State
from states.testing import assert_entered, assert_outcome
from tests.support.virtual.whole_interview import WholeInterview
from worker.clips.recordings import ClipName

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.looptime

#: Seconds from the end of the limit to the end of the closing message: a sentence or an answer may
#: take 4 s, the steps of the closing and the message the rest.
_LATEST_S = 9.0


@pytest.mark.parametrize("limit_s", [4.0, 8.0, 9.0, 10.0, 10.5, 11.0, 12.0, 14.0])
async def test_at_the_time_limit_nobody_is_cut_off_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit_s: float
) -> None:
    held = await WholeInterview(tmp_path, monkeypatch).held(INTERVIEW_BUDGET_RUNNING_S=limit_s)

    assert_outcome(held.path, Outcome.COMPLETED, Reason.TIME_LIMIT_REACHED)
    assert assert_entered(held.path, State.CLOSING, since=State.RUNNING) == pytest.approx(
        limit_s, abs=0.01
    )
    assert assert_entered(held.path, State.CLOSED, since=State.CLOSING) < _LATEST_S
    assert held.transport.line.played[-1] == ClipName.GOODBYE
    spoken = [turn for turn in held.turns if turn["speaker"] == "interviewer"]
    assert not any(turn["interrupted"] for turn in spoken)
    assert held.words == list(range(1, len(held.words) + 1))
