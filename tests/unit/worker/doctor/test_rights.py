"""The doctor's finding on the key that encrypts dispatches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.virtual.job_parts import settings_in
from worker.doctor.context import CheckContext
from worker.doctor.finding import Verdict
from worker.doctor.rights import check_dispatch_key

if TYPE_CHECKING:
    from pathlib import Path

KEY = "a-key-of-the-workers-with-enough-characters"


@pytest.mark.parametrize(
    ("variables", "verdict", "found"),
    [
        ({}, Verdict.OK, "derived from LIVEKIT_API_SECRET"),
        ({"INTERVIEW_METADATA_KEY": KEY}, Verdict.OK, "with INTERVIEW_METADATA_KEY"),
        ({"LIVEKIT_API_SECRET": "hunter2"}, Verdict.WARNING, "fewer than 32 bytes"),
    ],
    ids=["derived", "own", "short"],
)
async def test_the_key_of_dispatches_is_named_and_a_short_secret_causes_a_warning(
    tmp_path: Path, variables: dict[str, str], verdict: Verdict, found: str
) -> None:
    given = {"LIVEKIT_API_SECRET": "s" * 32, "INTERVIEW_METADATA_OLD_KEYS": "a, b,", **variables}
    finding = await check_dispatch_key(CheckContext(settings_in(tmp_path, **given)))
    assert finding.verdict is verdict
    assert found in finding.found
    assert finding.facts["former_keys"] == 2
    assert "hunter2" not in finding.found + finding.advice
