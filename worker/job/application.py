"""Interface between a job's lifecycle and its agent. The interface knows nothing of interviews."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, cast, runtime_checkable

from states.ends import End, EndsInvalid, check_ends

if TYPE_CHECKING:
    from livekit.agents import Agent, AgentSession

    from states import EndReason, Outcome
    from worker.audio.clip import Clip
    from worker.config.settings import Settings
    from worker.job.handle import JobHandle
    from worker.livekit_api.job_access import JobAccess
    from worker.resources.bootstrap import AgentResources
    from worker.resources.resource import Resource


logger = logging.getLogger(__name__)

#: Maximum length of the prefix of an identity, and of the name of an agent, in characters.
_LONGEST: Final = 100


@dataclass(frozen=True, kw_only=True)
class Dispatch:
    """Data of the dispatch that created a job."""

    job_id: str
    room: str
    #: Metadata of the dispatch, as the sender wrote it before its encryption: any text, often JSON.
    metadata: str
    #: Access of the job to LiveKit's API; None outside a worker, for example in a test.
    access: JobAccess | None = None


class Application(Protocol):
    """The agent of a job: its resources, its session, and its work in the state RUNNING.

    One instance is created for each job before the job connects to anything, so the constructor
    must be cheap. A subclass need not define the class attributes, the class methods, `header`,
    `last_words` and `waiting_words`.
    """

    #: Prefix of the agent's identity in a room. The id of the job follows the prefix.
    identity_prefix: ClassVar[str] = "agent-"
    #: Name of the agent that the other participants see.
    display_name: ClassVar[str] = "Agent"
    #: Further ends of a job, by name, beside those in states/table.py. To end a job with one of
    #: these ends, call `await job.end(name)`.
    ends: ClassVar[Mapping[str, End]] = MappingProxyType({})

    @classmethod
    def preload(cls, settings: Settings) -> None:
        """Load data that every job needs and none modifies, once, before job processes are forked.

        Runs in the process that all job processes are forked from. The method must not start a
        thread or an event loop. An error is only logged.
        """
        return

    @classmethod
    def failed_words(cls) -> Clip | None:
        """Return the closing message of a job whose application could not be created.

        Return None to play no message. The default is the built-in apology (worker/job/apology.py).
        """
        # Import here and not at the top, because commands import this module and need no audio
        # decoder.
        from worker.job.apology import load_apology

        return load_apology()

    def header(self) -> Mapping[str, Any]:
        """Return fields for the journal's header and all log lines, without personal data."""
        return {}

    def resources(self) -> Sequence[Resource]:
        """Return the resources that the job needs."""
        ...

    def start_session(
        self, job: JobHandle, held: AgentResources
    ) -> tuple[AgentSession[Any], Agent]:
        """Build, but do not start, the session and its agent from the loaded resources."""
        ...

    async def run(self, job: JobHandle) -> None:
        """Do the work while the job is RUNNING, and fire the event that ends the job.

        The events that lead from RUNNING to CLOSING are in states/table.py. To end the job, fire an
        event that leads to CLOSING, for example with `await job.life.fire(Event.CANDIDATE_LEFT)`,
        or call `job.end` with the name of an end that `ends` declares, for example `await
        job.end("appointment_booked")`. If `run` returns without firing an event, the job is
        completed with reason WorkDone. If `run` raises an error, the job has failed with reason
        JobCrashed. `run` is cancelled when the job ends for another reason, at the latest when the
        budget of RUNNING is spent (INTERVIEW_BUDGET_RUNNING_S). An application may stop the clock
        of the RUNNING budget with the event CLOCK_STOPPED, and start the clock again with
        CLOCK_RESUMED.
        """
        ...

    def last_words(self, reason: EndReason) -> Clip | None:
        """Return the closing message for `reason`, or None to play no message.

        Load a custom clip with `worker.audio.clip.read_clip`. When the worker shuts down, the whole
        CLOSING state has INTERVIEW_HURRIED_CLOSING_S seconds (by default 7), so a message of up to
        5 s fits.
        """
        return None

    def waiting_words(self) -> Clip | None:
        """Return the message for a candidate who waits for the session, or None for silence."""
        return None


class HandoverHooks(Protocol):
    """Handover steps of an application whose work another job can continue.

    All members except `almost_done` are steps of the state CLOSING. `expects_successor` is also
    called when the job has lost its worker. If a step raises an error, the journal records the
    step's name, and CLOSING continues.
    """

    @property
    def almost_done(self) -> bool:
        """True if the work is about to end, so that a handover is not worthwhile."""
        ...

    async def expects_successor(self, failure: EndReason | None) -> bool | None:
        """Return whether another job will continue the work; None if that is not known.

        `failure` is the reason why this job failed, or None if the job has lost its worker.
        """
        ...

    async def finish_sentence(self, *, at_once: bool) -> None:
        """Start no new speech, and return once the session may be closed.

        The step runs in a handover, when the time limit of RUNNING is reached, and after a
        cancellation. With `at_once`, do not wait until the current speaker has finished.
        """
        ...

    async def ship(self) -> None:
        """Return once a successor can read every record of this job."""
        ...

    async def release_lease(self, outcome: Outcome, reason: EndReason) -> None:
        """Store how the job ended, and release the job's lease on the work."""
        ...

    async def send_successor(self) -> None:
        """Dispatch a successor, now that no job holds the lease."""
        ...


@runtime_checkable
class SupportsHandover(Protocol):
    """An application whose work another job can continue.

    A job of an application without handover steps is ended instead of handed over.
    """

    @property
    def succession(self) -> HandoverHooks | None:
        """The handover steps; None if no other job can continue the work of this job."""
        ...


def handover_of(app: Application) -> HandoverHooks | None:
    """Return the handover steps of `app`, or None if no other job can continue its work."""
    return app.succession if isinstance(app, SupportsHandover) else None


class ApplicationFactory(Protocol):
    """Creates the application of one job.

    The factory must be importable by name, because each job process imports the factory.
    """

    def __call__(self, dispatch: Dispatch, settings: Settings) -> Application:
        """Create the application. The call must be cheap, and must not raise for invalid metadata.

        Invalid metadata is reported later, by the loader of a resource.
        """
        ...


class Declared:
    """Declarations of an application factory, readable before it creates an application.

    For an attribute that the factory does not have, for example because the factory is a plain
    function, the value of `Application` is used.
    """

    def __init__(self, factory: ApplicationFactory) -> None:
        self._factory = factory

    @property
    def display_name(self) -> str:
        """Name of the agent that the other participants see."""
        return str(self._declared("display_name"))

    def identity(self, job_id: str) -> str:
        """Return the identity of a job's agent. No other job has the same identity."""
        return f"{self.identity_prefix}{job_id}"

    @property
    def identity_prefix(self) -> str:
        """Beginning of every agent's identity."""
        return str(self._declared("identity_prefix"))

    def preload(self, settings: Settings) -> None:
        """Call the factory's `preload`. An error is only logged."""
        try:
            self._declared("preload")(settings)
        except Exception as error:
            # A foreign error message may quote any data, so only the error's type is shown.
            logger.warning(
                "the application's data was not preloaded: %s",
                type(error).__name__,
                extra={"event": "application_data_not_preloaded"},
            )

    def failed_words(self) -> Clip | None:
        """Return the closing message of a job whose application could not be created.

        If the factory declares no message, the default of `Application` is returned.
        """
        try:
            words: Callable[[], Clip | None] = self._declared("failed_words")
            return words()
        except Exception as error:
            logger.warning(
                "the application has no closing message: %s",
                type(error).__name__,
                extra={"event": "application_closing_message_failed"},
            )
            return Application.failed_words()

    def _declared(self, name: str) -> Any:
        return getattr(self._factory, name, getattr(Application, name))


class ApplicationInvalid(Exception):
    """Raised if INTERVIEW_APPLICATION does not name a usable application factory."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(
            f"INTERVIEW_APPLICATION: {name} cannot be used ({reason});"
            " set it to an application factory, as module:attribute"
        )


def declared_in(settings: Settings) -> Declared:
    """Return the declarations of the application that INTERVIEW_APPLICATION names.

    Raises ApplicationInvalid if the application cannot be used.
    """
    return Declared(load_application(settings.application))


def load_application(name: str) -> ApplicationFactory:
    """Import the factory that `name` ("module:attribute") refers to.

    Raises ApplicationInvalid if the import raises any error, if the attribute does not exist or is
    not callable, or if the factory declares an invalid end, identity or name.
    """
    module, _, attribute = name.partition(":")
    try:
        factory = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ApplicationInvalid(name, str(error)) from error
    except (Exception, SystemExit) as error:  # a module may exit when imported
        # A foreign error message may quote a secret, so only the error's type is shown.
        raise ApplicationInvalid(name, f"importing it raises {type(error).__name__}") from error
    if not callable(factory):
        raise ApplicationInvalid(
            name, f"it is of type {type(factory).__name__}, which is not callable"
        )
    if (problem := _problem_of(factory)) is not None:
        raise ApplicationInvalid(name, problem)
    return cast(ApplicationFactory, factory)


def _problem_of(factory: object) -> str | None:
    """Return why the ends, the identity or the name that a factory declares cannot be used."""
    ends = ends_of(factory)
    if not isinstance(ends, Mapping):
        return "`ends` must be a class attribute that maps names to ends"
    try:
        check_ends(ends)
    except EndsInvalid as error:
        return str(error)
    for name in ("identity_prefix", "display_name"):
        value = getattr(factory, name, getattr(Application, name))
        if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= _LONGEST:
            return f"`{name}` must be a class attribute, a text of 1 to {_LONGEST} characters"
    return None


def ends_of(application: object) -> Mapping[str, End]:
    """Return the ends that an application or its factory declares."""
    declared: Mapping[str, End] = getattr(application, "ends", Application.ends)
    return declared
