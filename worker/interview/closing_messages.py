"""The recorded clip that closes an interview, by the reason for the end of the job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from states import Reason
from worker.clips.recordings import ClipName

#: Clip of the closing message, by the reason for the end of the job. A reason without an entry
#: needs no message: the plan's closing was spoken, no candidate can hear a message, or another
#: interviewer holds the interview.
CLOSING_MESSAGES: Final[Mapping[str, ClipName]] = {
    Reason.INTERVIEW_ALREADY_OVER: ClipName.ALREADY_OVER,
    Reason.TIME_LIMIT_REACHED: ClipName.GOODBYE,
    Reason.CANDIDATE_SILENT: ClipName.GOODBYE,
    Reason.CANCEL_REQUESTED: ClipName.GOODBYE,
    Reason.SHUTDOWN_REQUESTED: ClipName.CANNOT_GO_ON,
    Reason.HANDOVER_REQUESTED: ClipName.ONE_MOMENT,
    Reason.WORKER_LOST: ClipName.CANNOT_GO_ON,
    Reason.BOOTSTRAP_NEVER_STARTED: ClipName.CANNOT_GO_ON,
    Reason.BOOTSTRAP_TIMEOUT: ClipName.CANNOT_GO_ON,
    Reason.RESOURCE_FAILED: ClipName.CANNOT_GO_ON,
    Reason.ORCHESTRATOR_FAILED: ClipName.CANNOT_GO_ON,
    Reason.METADATA_INVALID: ClipName.CANNOT_GO_ON,
    Reason.INTERVIEW_UNKNOWN: ClipName.CANNOT_GO_ON,
    Reason.SESSION_FAILED: ClipName.CANNOT_GO_ON,
    Reason.TURN_STUCK: ClipName.CANNOT_GO_ON,
    Reason.SESSION_START_TIMEOUT: ClipName.CANNOT_GO_ON,
    Reason.JOB_CRASHED: ClipName.CANNOT_GO_ON,
}
