"""Dispatch metadata of interviews that are too large for a dispatch: made, and not sent."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.compat.capture.talks import PLAN
from worker.continuity.dispatch_metadata import (
    MAX_METADATA_BYTES,
    dispatch_metadata,
    metadata_after,
)
from worker.store.interviews import Interview, InterviewStatus

if TYPE_CHECKING:
    from tests.compat.capture.world import World


def more_metadata(world: World) -> None:
    """Add the forms in which something was left out, since it did not fit in."""
    interview = _interview(json.loads(world.metadata["created"])["interview_id"])
    long = "x" * MAX_METADATA_BYTES
    turns = json.loads(world.metadata["redispatch_with_turns"])["follows"]["turns"]
    too_long = [{**turns[0], "text": long}]
    large = replace(interview, plan={**interview.plan, "opening": long})
    world.metadata |= {
        "created_plan_left_out": dispatch_metadata(large),
        "redispatch_turns_left_out": metadata_after(
            interview, job_id="AJ_before", why="ProcessKilled", turns=too_long
        ),
        "redispatch_all_left_out": metadata_after(
            large, job_id="AJ_before", why="ProcessKilled", turns=too_long
        ),
        "redispatch_after_no_job": metadata_after(interview, job_id=None, why="NotTaken", turns=[]),
    }


def _interview(interview_id: str) -> Interview:
    names = Interview.__dataclass_fields__
    known = {"interview_id": interview_id, "plan": PLAN.to_json(), "protocol": 1}
    row = dict.fromkeys(names) | known | {"status": InterviewStatus.CREATED}
    return Interview(**row)  # type: ignore[arg-type]
