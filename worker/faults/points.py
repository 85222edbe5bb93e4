"""The table of injection points and of the kinds of fault that each allows."""

from __future__ import annotations

from dataclasses import dataclass

from states.text_enum import TextEnum


class Kind(TextEnum):
    """Kind of a fault. `text` explains the kind in one line."""

    RAISE = "raise", "raises an error; for a provider an HTTP status, for the database an SQLSTATE"
    HANG = "hang", "never returns and raises nothing"
    SLOW = "slow", "takes the given number of seconds longer"
    CLOSE = "close", "breaks the connection; the operation may be retried"
    EMPTY = "empty", "ends without an error and delivers nothing"
    GARBAGE = "garbage", "delivers useless data: silence for speech, noise for text"
    KILL = "kill", "kills the process here (SIGKILL)"


_STEP = (Kind.RAISE, Kind.HANG, Kind.SLOW, Kind.KILL)
_DELIVERY = tuple(Kind)


@dataclass(frozen=True, kw_only=True)
class Point:
    """One injection point, or a family of injection points, at which a fault can be set."""

    point: str
    #: Description of the operation in which the fault occurs, in one line.
    what: str
    kinds: tuple[Kind, ...]
    #: Built-in members of a family of points, such as `vad` in `load.vad`; empty if the point is no
    #: family. `add_members` adds further members.
    names: tuple[str, ...] = ()
    #: True if INTERVIEW_FAULTS may name members that are not listed here, for the resources of a
    #: custom application.
    open_names: bool = False
    #: The argument that a fault of kind raise accepts, as a description for error messages and a
    #: regular expression; None if the fault accepts no argument.
    raises: tuple[str, str] | None = None
    #: True if a fault may be limited to one state of the job, as in `stt=hang@running`, because the
    #: point may be reached in more than one state.
    in_states: bool = False
    #: True if a fault may be limited to the n-th pass through the point: `stt=hang@2` triggers only
    #: on the second pass.
    counted: bool = True

    @property
    def members(self) -> tuple[str, ...]:
        """The members of a family, including those from `add_members`; empty for a single point."""
        return (*self.names, *_ADDED.get(self.point, ()))

    @property
    def places(self) -> tuple[str, ...]:
        """All names of the point that INTERVIEW_FAULTS accepts."""
        return (self.point, *(f"{self.point}.{name}" for name in self.members))


_ADDED: dict[str, tuple[str, ...]] = {}


def add_members(point: str, names: tuple[str, ...]) -> None:
    """Add members to a family of points.

    The package that knows the names of the members calls this function. Adding the same names again
    changes nothing.
    """
    known = _ADDED.get(point, ())
    _ADDED[point] = (*known, *(name for name in names if name not in known))


_HTTP_STATUS = ("an HTTP status, 4xx or 5xx,", r"[45]\d\d")
_SQLSTATE = ("an SQLSTATE", r"[0-9A-Z]{5}")

#: Database operations of jobs and of the main process. Operations that only commands use have no
#: injection points.
OPERATIONS = (
    "can_be_followed",
    "check_schema",
    "claim_dispatch",
    "drop_duties",
    "drop_stale_workers",
    "drop_worker",
    "end_closed",
    "end_without_candidate",
    "find_stranded",
    "get_interview",
    "give_back_dispatch",
    "hold_duty",
    "job_role",
    "keep_lease",
    "last_seq",
    "migrate",
    "note_contact",
    "note_dispatch",
    "ping",
    "record_looks",
    "renew_leases",
    "reserve_slots",
    "ship",
    "store_end",
    "take_lease",
    "talk_seconds",
    "turns_of",
)
#: Names of earlier versions for operations that are part of another operation now, with the name of
#: this operation. The old names are still accepted in this version.
OLD_OPERATIONS = {"note_worker": "renew_leases", "other_workers": "reserve_slots"}
#: Names of the resources of an interview. `worker.interview.resources` declares the resources, but
#: imports LiveKit, which takes seconds. The settings need the names without LiveKit, for example in
#: a probe of a container. A test compares the names with those of `worker.interview.resources`.
INTERVIEW_RESOURCES = ("vad", "turn_detector", "stt", "tts", "llm", "database", "orchestrator")
#: The closing steps that run only for work that another job can continue.
SUCCESSION_STEPS = (
    "look_for_successor",
    "finish_sentence",
    "ship",
    "release_lease",
    "send_successor",
)
#: Names of all steps that a job runs in the state CLOSING, in the order in which the steps begin.
CLOSING_STEPS = (
    "look_for_successor",
    "stop_work",
    "finish_sentence",
    "stop_session",
    "last_records",
    "last_words",
    "sync_journal",
    "ship",
    "release_lease",
    "leave_room",
    "send_successor",
    "close_resources",
)

POINTS = (
    Point(point="set_up", what="preparing a process for a job", kinds=_STEP, counted=False),
    Point(
        point="process",
        what="the job's process, when the job enters a state (running, unless @ names another)",
        kinds=(Kind.KILL, Kind.HANG, Kind.SLOW),
        in_states=True,
        counted=False,
    ),
    Point(
        point="loop",
        what="the event loop, blocked when a turn of the interviewer begins",
        kinds=(Kind.HANG, Kind.SLOW, Kind.KILL),
        in_states=True,
    ),
    Point(point="connect", what="joining the room", kinds=_STEP),
    Point(point="open_line", what="publishing the interviewer's audio output", kinds=_STEP),
    Point(
        point="load",
        what="loading a resource",
        names=INTERVIEW_RESOURCES,
        open_names=True,
        kinds=(Kind.RAISE, Kind.CLOSE, Kind.HANG, Kind.SLOW, Kind.KILL),
    ),
    Point(point="silero", what="reading the VAD's model", kinds=(Kind.RAISE, Kind.SLOW)),
    Point(point="start_session", what="starting the session", kinds=_STEP),
    Point(point="vad", what="a stream of the session's VAD", kinds=_STEP, in_states=True),
    Point(
        point="turn_detector",
        what="a prediction of the end-of-turn model",
        kinds=_STEP,
        in_states=True,
    ),
    Point(
        point="stt",
        what="a stream of speech to text",
        kinds=_DELIVERY,
        raises=_HTTP_STATUS,
        in_states=True,
    ),
    Point(
        point="tts",
        what="a sentence of text to speech",
        kinds=_DELIVERY,
        raises=_HTTP_STATUS,
        in_states=True,
    ),
    Point(
        point="llm",
        what="a reply of the language model",
        kinds=_DELIVERY,
        raises=_HTTP_STATUS,
        in_states=True,
    ),
    Point(
        point="database",
        what="an attempt of an operation, in jobs and in the worker itself",
        names=(*OPERATIONS, *OLD_OPERATIONS),
        kinds=(Kind.RAISE, Kind.CLOSE, Kind.HANG, Kind.SLOW),
        raises=_SQLSTATE,
        in_states=True,
    ),
    Point(point="journal.open", what="opening a job's journal", kinds=(Kind.RAISE, Kind.KILL)),
    Point(
        point="journal.write",
        what="writing a record",
        kinds=(Kind.RAISE, Kind.KILL),
        in_states=True,
    ),
    Point(
        point="journal.sync",
        what="waiting until the records are on the disk",
        kinds=_STEP,
        in_states=True,
    ),
    Point(
        point="write", what="sending a text message to the candidate", kinds=_STEP, in_states=True
    ),
    Point(point="close", what="a closing step", names=CLOSING_STEPS, kinds=_STEP),
)
