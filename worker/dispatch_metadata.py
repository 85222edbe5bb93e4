"""What a job is sent with: written by whoever dispatches it, read by the job."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from worker.store.interviews import InterviewIdInvalid, check_interview_id

if TYPE_CHECKING:
    from worker.store.interviews import Interview

#: Largest metadata of a dispatch, in bytes: what livekit-server takes unless its
#: `limits.max_metadata_size` says less (since 1.13; measured: one byte more is refused).
MAX_METADATA_BYTES = 512 * 1024


def dispatch_metadata(interview: Interview, **more: Any) -> str:
    """Whose interview it is, the plan's snapshot if it fits in, and `more`."""
    whole = _with_plan(interview, **more)
    return whole if _fits(whole) else without_plan(interview, **more)


def metadata_after(
    interview: Interview, *, job_id: str | None, why: str, turns: Sequence[Mapping[str, Any]]
) -> str:
    """What an interviewer is sent with who follows upon a job: the turns so far, if they fit in.

    With them it goes on at the right question where its own database is away.
    """
    follows = {"job_id": job_id, "why": why}
    whole = _with_plan(interview, follows=follows | {"turns": turns})
    return whole if _fits(whole) else dispatch_metadata(interview, follows=follows)


def _with_plan(interview: Interview, **more: Any) -> str:
    data = {"interview_id": interview.interview_id, "plan": interview.plan, **more}
    return json.dumps(data, ensure_ascii=False)


def _fits(metadata: str) -> bool:
    return len(metadata.encode()) <= MAX_METADATA_BYTES


def without_plan(interview: Interview, **more: Any) -> str:
    """The same without the plan, which is then read from the database alone."""
    return json.dumps({"interview_id": interview.interview_id, **more})


class MetadataInvalid(ValueError):
    """The dispatch's metadata is not a JSON object that names an interview."""


def read_metadata(metadata: str) -> tuple[str, Mapping[str, Any] | None]:
    """The interview's id and the plan's snapshot, if it came along. Raises MetadataInvalid."""
    try:
        data = json.loads(metadata)
    except (ValueError, RecursionError) as error:
        raise MetadataInvalid("the dispatch's metadata is not JSON") from error
    interview_id = data.get("interview_id") if isinstance(data, dict) else None
    if not isinstance(interview_id, str) or not interview_id:
        raise MetadataInvalid("the dispatch's metadata names no interview_id")
    try:
        # It is about to stand in a journal, in logs and in an identity.
        check_interview_id(interview_id)
    except InterviewIdInvalid as error:
        raise MetadataInvalid(
            "the interview_id in the dispatch's metadata cannot be one"
        ) from error
    plan = data.get("plan")
    return interview_id, plan if isinstance(plan, dict) else None


def read_turns(metadata: str) -> list[Any]:
    """The turns that came along with an interviewer who follows upon another one, unchecked."""
    follows = json.loads(metadata).get("follows")
    turns = follows.get("turns") if isinstance(follows, dict) else None
    return turns if isinstance(turns, list) else []


def read_follows(metadata: str) -> Mapping[str, str]:
    """Of an interviewer who was sent after another one: after which job, and why."""
    follows = json.loads(metadata).get("follows")
    if not isinstance(follows, dict):
        return {}
    said = {"follows_job": follows.get("job_id"), "follows_why": follows.get("why")}
    return {name: each for name, each in said.items() if isinstance(each, str) and each.isascii()}
