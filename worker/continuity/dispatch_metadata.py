"""Dispatch metadata: encoded by the sender of a dispatch, decoded by the job."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeGuard

from worker.store.interviews import InterviewIdInvalid, check_interview_id
from worker.store.scope import PROTOCOL

if TYPE_CHECKING:
    from worker.store.interviews import Interview

#: Maximum size of a dispatch's metadata, in bytes. livekit-server 1.13 and later accept this size
#: unless `limits.max_metadata_size` in the server's configuration is lower. The server refuses
#: longer metadata (measured).
MAX_METADATA_BYTES = 512 * 1024
#: Encrypts the metadata of one interview (`worker.continuity.metadata_cipher`).
Seal: TypeAlias = "Callable[[str], str]"
#: Maximum time in seconds that a dispatch may name as used by earlier jobs. No interview lasts a
#: year.
_MOST_SPENT_S: Final = 365 * 86_400.0
#: Maximum number of digits of a protocol that an error shows.
_LONGEST_PROTOCOL: Final = 20
#: Maximum length of a job's id, and of the reason for a new job, in characters.
_LONGEST_WORD: Final = 100


def unsealed(metadata: str) -> str:
    """Return the metadata unchanged. Used in place of a function that encrypts the metadata."""
    return metadata


@dataclass(frozen=True, kw_only=True)
class DispatchMetadata:
    """The metadata of a dispatch, ready to be sent."""

    text: str
    #: False if the plan was left out, because the metadata would be too large.
    carries_plan: bool


def dispatch_metadata(interview: Interview, *, seal: Seal = unsealed, **more: Any) -> str:
    """Return the metadata that `compose` returns, as text."""
    return compose(interview, seal=seal, **more).text


def compose(interview: Interview, *, seal: Seal = unsealed, **more: Any) -> DispatchMetadata:
    """Encode the interview's id, the fields of `more`, and the plan snapshot if the size allows.

    All metadata that this module encodes contains the interview's protocol version, so that a
    worker can decline an interview that a later version has created.
    """
    whole = _sealed(_with_plan(interview, **more), seal)
    if whole is not None:
        return DispatchMetadata(text=whole, carries_plan=True)
    return DispatchMetadata(text=seal(without_plan(interview, **more)), carries_plan=False)


def metadata_after(
    interview: Interview,
    *,
    job_id: str | None,
    why: str,
    turns: Sequence[Mapping[str, Any]],
    spent_s: float | None = None,
    seal: Seal = unsealed,
) -> str:
    """Encode metadata for an interviewer that follows another job.

    The turns so far are included if the size allows. With the turns in the metadata, the new
    interviewer continues at the right question even if its database is unavailable.
    `spent_s` is the seconds that earlier jobs have used of the interview's time limit; None if they
    are not known.
    """
    follows: dict[str, Any] = {"job_id": job_id, "why": why}
    if spent_s is not None:
        follows["spent_s"] = round(spent_s, 3)
    whole = _sealed(_with_plan(interview, follows=follows | {"turns": turns}), seal)
    return whole or dispatch_metadata(interview, seal=seal, follows=follows)


def _with_plan(interview: Interview, **more: Any) -> str:
    data = {**_named(interview), "plan": interview.plan, **more}
    return json.dumps(data, ensure_ascii=False)


def _named(interview: Interview) -> dict[str, Any]:
    named: dict[str, Any] = {
        "interview_id": interview.interview_id,
        "protocol": interview.protocol,
    }
    if interview.candidate_identity == _identity_of(interview.interview_id):
        return named
    # Include the candidate's identity, because a job without its database could not tell the
    # candidate from other participants.
    return named | {"candidate_identity": interview.candidate_identity}


def _identity_of(interview_id: str) -> str:
    return f"candidate-{interview_id}"


def _sealed(metadata: str, seal: Seal) -> str | None:
    """Return the encrypted metadata; None if the plain or the encrypted metadata is too large."""
    if not _fits(metadata):
        return None
    sealed = seal(metadata)
    return sealed if _fits(sealed) else None


def _fits(metadata: str) -> bool:
    return len(metadata.encode()) <= MAX_METADATA_BYTES


def without_plan(interview: Interview, **more: Any) -> str:
    """Encode the interview's id and `more` only; the job reads the plan from the database."""
    return json.dumps({**_named(interview), **more})


class MetadataInvalid(ValueError):
    """Raised if the metadata of a dispatch names no interview that this version can conduct."""


def read_metadata(metadata: str) -> tuple[str, Mapping[str, Any] | None]:
    """Return the interview's id, and the plan snapshot or None.

    Raises MetadataInvalid if the metadata is not a JSON object with a valid interview id, or if its
    protocol is too new for this version.
    """
    try:
        data = json.loads(metadata)
    except (ValueError, RecursionError) as error:
        raise MetadataInvalid("the dispatch's metadata is not JSON") from error
    interview_id = data.get("interview_id") if isinstance(data, dict) else None
    if not isinstance(interview_id, str) or not interview_id:
        raise MetadataInvalid("the dispatch's metadata has no interview_id")
    try:
        # The id is checked because it will appear in a journal, in logs and in an identity.
        check_interview_id(interview_id)
    except InterviewIdInvalid as error:
        raise MetadataInvalid("the interview_id in the dispatch's metadata is not valid") from error
    if (protocol := _protocol_of(data)) > PROTOCOL:
        raise MetadataInvalid(
            f"the dispatch has protocol {str(protocol)[:_LONGEST_PROTOCOL]}, "
            f"and this version understands {PROTOCOL}"
        )
    plan = data.get("plan")
    return interview_id, plan if isinstance(plan, dict) else None


def has_newer_protocol(metadata: str) -> bool:
    """Return whether a dispatch names an interview that only a later version can conduct."""
    try:
        data = json.loads(metadata)
    except (ValueError, RecursionError):
        return False
    return isinstance(data, dict) and "interview_id" in data and _protocol_of(data) > PROTOCOL


def _protocol_of(data: Mapping[str, Any]) -> int:
    """Return the protocol of a dispatch; 1 if it has none, as in version 0.1.0."""
    protocol = data.get("protocol")
    return protocol if isinstance(protocol, int) and not isinstance(protocol, bool) else 1


def read_candidate(metadata: str, interview_id: str) -> str:
    """Return the identity of the interview's candidate."""
    try:
        data = json.loads(metadata)
    except (ValueError, RecursionError):
        data = None
    identity = data.get("candidate_identity") if isinstance(data, dict) else None
    return identity if isinstance(identity, str) and identity else _identity_of(interview_id)


def _follows(metadata: str) -> Mapping[str, Any]:
    """Return what a dispatch says about earlier jobs (its field `follows`); empty if missing."""
    try:
        data = json.loads(metadata)
    except (ValueError, RecursionError):
        return {}
    follows = data.get("follows") if isinstance(data, dict) else None
    return follows if isinstance(follows, dict) else {}


def read_turns(metadata: str) -> list[Any]:
    """Return the turns of the earlier jobs from the metadata, each a JSON object.

    The fields of the objects are not checked. If one of the turns is not a JSON object, return an
    empty list.
    """
    turns = _follows(metadata).get("turns")
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        return []
    return turns


def read_spent_s(metadata: str) -> float:
    """Return the seconds of the time limit that earlier jobs have used; 0 if not known."""
    spent_s = _follows(metadata).get("spent_s")
    if isinstance(spent_s, bool) or not isinstance(spent_s, int | float):
        return 0.0
    # Refuse integers that are too large for a float, and NaN and Infinity, which Python's JSON
    # reader accepts.
    return float(spent_s) if 0 <= spent_s < _MOST_SPENT_S else 0.0


def read_follows(metadata: str) -> Mapping[str, str]:
    """Return the id of the job that a dispatch replaces, and the reason, as `follows_*` fields."""
    follows = _follows(metadata)
    said = {"follows_job": follows.get("job_id"), "follows_why": follows.get("why")}
    return {name: each for name, each in said.items() if _is_word(each)}


def _is_word(value: object) -> TypeGuard[str]:
    """Return whether a value is a short text that is safe in a journal and in a log line."""
    if not isinstance(value, str) or len(value) > _LONGEST_WORD:
        return False
    return value.isascii() and value.isprintable()
