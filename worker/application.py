"""What the lifecycle asks of the agent that runs on it. Nothing here knows of interviews."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

if TYPE_CHECKING:
    from livekit.agents import Agent, AgentSession

    from states import Outcome, Reason
    from worker.job_handle import JobHandle
    from worker.resources.base import Resource
    from worker.resources.bootstrap import AgentResources
    from worker.settings import Settings
    from worker.speech.clip import Clip


@dataclass(frozen=True, kw_only=True)
class Dispatch:
    """What a job was sent with."""

    job_id: str
    room: str
    #: As it came: often JSON, and perhaps not.
    metadata: str


class Application(Protocol):
    """An agent on the lifecycle: its resources, its session, and what it does while RUNNING.

    One is made for each job, before anything is connected, so making one must be cheap. A class
    of one's own may inherit from this one: `header` and the words then need not be written.
    """

    def header(self) -> Mapping[str, Any]:
        """Fields for the journal's header and for every log line. Never personal data."""
        return {}

    def resources(self) -> Sequence[Resource]:
        """What the job needs, declared."""
        ...

    def start_session(
        self, job: JobHandle, held: AgentResources
    ) -> tuple[AgentSession[Any], Agent]:
        """Build the session and its agent from what has loaded; the job starts them."""
        ...

    async def run(self, job: JobHandle) -> None:
        """Do the work while the job is RUNNING, and say how it ended.

        An end is one of the events that lead from RUNNING to CLOSING (states/table.py):
        `await job.life.fire(Event.CANDIDATE_LEFT)`. Where this returns without one, the work
        counts as done: completed, WorkDone. What it raises is the end as well: failed,
        JobCrashed. It is cancelled when the job ends by anything else, at the latest when the
        budget of RUNNING is spent (INTERVIEW_BUDGET_RUNNING_S).
        """
        ...

    def last_words(self, reason: Reason) -> Clip | None:
        """What to say before leaving for `reason`; None where there is nothing to say.

        A clip of one's own is read with `worker.speech.clip.read_clip`. When the worker goes
        away all of CLOSING has INTERVIEW_HURRIED_CLOSING_S seconds: up to 5 s of words fit.
        """
        return None

    def waiting_words(self) -> Clip | None:
        """What to say to somebody who waits for the session; None for silence."""
        return None


class Succession(Protocol):
    """How an application's work is left so that another job takes it up where this one stops.

    Each but the first is a step of CLOSING, and may raise: it is named then and passed over.
    """

    @property
    def almost_done(self) -> bool:
        """Whether the work ends by itself in a moment: nobody is sent for its last words."""
        ...

    async def expects_successor(self, failure: Reason | None) -> bool | None:
        """Whether somebody will come after this job, which failed; None: it lost its worker.

        Returns None where that cannot be told.
        """
        ...

    async def finish_sentence(self, *, at_once: bool) -> None:
        """Begin nothing any more, and return once the session may be closed: with `at_once`
        without waiting for anybody who speaks."""
        ...

    async def ship(self) -> None:
        """Return once all that was written is where a successor reads it."""
        ...

    async def release_lease(self, outcome: Outcome, reason: Reason) -> None:
        """Store how the job ends, and give up the right to the work."""
        ...

    async def send_successor(self) -> None:
        """Send somebody, now that nobody holds it."""
        ...


@runtime_checkable
class Continued(Protocol):
    """An application whose work another job can take up. The jobs of any other are ended where
    they would be handed over."""

    @property
    def succession(self) -> Succession | None:
        """How it is left; None where this one's cannot be taken up."""
        ...


def succession_of(app: Application) -> Succession | None:
    """How an application's work is left, if another job can take it up."""
    return app.succession if isinstance(app, Continued) else None


class ApplicationFactory(Protocol):
    """Makes the application of one job. Must be importable by name: job processes are forked."""

    def __call__(self, dispatch: Dispatch, settings: Settings) -> Application:
        """Cheap, and never raises for what the metadata says: that is a loader's to report."""
        ...


class ApplicationInvalid(Exception):
    """INTERVIEW_APPLICATION names nothing that can make an application."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(
            f"INTERVIEW_APPLICATION: {name} cannot be used ({reason});"
            " name what makes the application, as module:attribute"
        )


def load_application(name: str) -> ApplicationFactory:
    """Import the factory that `name` ("module:attribute") stands for.

    Raises ApplicationInvalid, also for what the module itself raises as it is imported.
    """
    module, _, attribute = name.partition(":")
    try:
        factory = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ApplicationInvalid(name, str(error)) from error
    except Exception as error:
        # What foreign code says may quote a secret: its kind has to do.
        raise ApplicationInvalid(name, f"importing it raises {type(error).__name__}") from error
    if not callable(factory):
        raise ApplicationInvalid(name, f"it is of type {type(factory).__name__}, no factory")
    return cast(ApplicationFactory, factory)
