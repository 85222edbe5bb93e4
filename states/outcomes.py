"""The end of a job, described by an outcome (the result) and a reason (the cause)."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from states.text_enum import TextEnum


class Outcome(StrEnum):
    """The result of the job. Only `FAILED` makes the job's process exit non-zero."""

    #: The interview was completed.
    COMPLETED = "completed"
    #: The interview was held to its end, but mandatory questions have no answer.
    INCOMPLETE = "incomplete"
    #: The candidate ended the interview.
    STOPPED = "stopped"
    #: The candidate asked for another time.
    POSTPONED = "postponed"
    #: The candidate did not give the consent without which there is no interview.
    REFUSED = "refused"
    #: The candidate took the consent back.
    WITHDRAWN = "withdrawn"
    #: The candidate asked for a person instead of the agent.
    HUMAN = "human"
    #: The candidate was silent or away until the agent said goodbye.
    MISSED = "missed"
    #: The candidate did not come, left, or stopped answering, and the agent said no goodbye.
    ABANDONED = "abandoned"
    #: The software failed, so an engineer should investigate.
    FAILED = "failed"
    #: The job was asked to end from outside, or the interview was already over.
    CANCELLED = "cancelled"
    #: Another job holds the lease of the interview.
    SUPERSEDED = "superseded"
    #: The interview continues in another job.
    HANDED_OVER = "handed_over"


class Reason(TextEnum):
    """The cause of the job's end, in one word. `meaning` describes the cause in one sentence."""

    @property
    def meaning(self) -> str:
        """The cause in one sentence."""
        return self.text

    INTERVIEW_COMPLETED = (
        "InterviewCompleted",
        "Every mandatory question was answered or declined, and goodbye said.",
    )
    WORK_DONE = "WorkDone", "The application finished without naming another end."
    TIME_LIMIT_REACHED = "TimeLimitReached", "The maximum duration of an interview was reached."
    CANDIDATE_LEFT = "CandidateLeft", "The candidate left and did not return in the grace period."
    CANDIDATE_NEVER_JOINED = "CandidateNeverJoined", "The candidate did not join in time."
    CANDIDATE_SILENT = "CandidateSilent", "The candidate was connected but stopped answering."
    # No edge of the table has this reason, because no job ends with it: the leader of the workers
    # ends the interview.
    WINDOW_CLOSED = "WindowClosed", "The window of the interview closed without an interviewer."
    HANDSHAKE_FAILED = "HandshakeFailed", "The room refused the connection or could not be reached."
    HANDSHAKE_TIMEOUT = "HandshakeTimeout", "The room did not connect within the budget."
    BOOTSTRAP_NEVER_STARTED = (
        "BootstrapNeverStarted",
        "The room connected, but loading never began.",
    )
    BOOTSTRAP_TIMEOUT = "BootstrapTimeout", "A required resource did not load within the budget."
    RESOURCE_FAILED = "ResourceFailed", "A required resource failed to load."
    ORCHESTRATOR_FAILED = "OrchestratorFailed", "The orchestrator of an interview failed to load."
    METADATA_INVALID = "MetadataInvalid", "The dispatch names no interview that the job may hold."
    INTERVIEW_UNKNOWN = "InterviewUnknown", "The database has no interview with this id."
    INTERVIEW_ALREADY_OVER = (
        "InterviewAlreadyOver",
        "The interview had ended before this job began.",
    )
    SESSION_FAILED = "SessionFailed", "The voice session could not start, or failed permanently."
    TURN_STUCK = "TurnStuck", "The interviewer could neither speak nor send text."
    SESSION_START_TIMEOUT = "SessionStartTimeout", "The session did not start within the budget."
    ROOM_LOST = "RoomLost", "The connection to the room was lost permanently."
    ROOM_DELETED = "RoomDeleted", "The room was deleted, or the interviewer removed, from outside."
    ROOM_CLOSED = "RoomClosed", "LiveKit closed the room while the candidate was not there."
    SHUTDOWN_REQUESTED = "ShutdownRequested", "The worker shut down and asked the job to end."
    CANCEL_REQUESTED = "CancelRequested", "The interview was cancelled with a command."
    WORKER_LOST = "WorkerLost", "The worker died or gave the job up, and no other took over."
    LEASE_LOST = "LeaseLost", "Another job holds the interview's lease."
    HANDOVER_REQUESTED = "HandoverRequested", "The interview was handed over to another worker."
    JOB_CRASHED = "JobCrashed", "The job's own code raised an unexpected exception."
    # No edge of the table has one of the two reasons below, because both mean that the process of
    # the job ended before the job was closed.
    PROCESS_KILLED = "ProcessKilled", "A signal ended the job's process before the job was closed."
    PROCESS_EXITED = "ProcessExited", "The job's process ended before the job was closed."


#: A reason of the lifecycle, or the reason of an end that the application declares
#: (`states.ends.End`), as one word in CamelCase.
EndReason: TypeAlias = Reason | str
