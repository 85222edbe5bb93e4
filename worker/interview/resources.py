"""The resources of an interview. To add a resource, write a module, and add one line here."""

from __future__ import annotations

from typing import Any, Final

from states import Event
from worker.config.settings import Settings
from worker.resources.consequences import meanings
from worker.resources.database import database_resource
from worker.resources.resource import Attacher, Consequence, Resource, Retry
from worker.resources.speech import llm_resource, stt_resource, tts_resource, vad_resource
from worker.resources.turn_detector import turn_detector_resource

#: Share of the time budget of BOOTSTRAPPING that loading the orchestrator may take, retries
#: included. The remaining time is for reporting the last failure as the orchestrator's condition.
_RETRIED_FOR: Final = 0.8
#: Maximum number of attempts to load the orchestrator. The maximum is so high that the time limit
#: (`_RETRIED_FOR`) ends the attempts first.
_MOST_TRIES: Final = 1000


def interview_resources(
    settings: Settings, load_orchestrator: Any, attach_database: Attacher | None = None
) -> tuple[Resource, ...]:
    """Return every resource of an interview.

    `turn_detector` comes after `vad`, because the turn detector cannot end turns without the VAD.
    """
    return (
        _orchestrator_resource(settings, load_orchestrator),
        database_resource(settings, attach=attach_database),
        vad_resource(),
        *([turn_detector_resource()] if settings.turn_detector == "local" else []),
        stt_resource(settings),
        tts_resource(settings),
        llm_resource(settings),
    )


def _orchestrator_resource(settings: Settings, load: Any) -> Resource:
    return Resource(
        name="orchestrator",
        loss="The interview cannot be held: the job fails, after an apology.",
        consequence=Consequence(
            noticed="A recorded voice asks to wait while loading is retried, and then apologises.",
        ),
        load=load,
        required=True,
        failed_event=Event.ORCHESTRATOR_FAILED,
        needs=("database",),
        # Loading is retried while the waiting candidate hears "One moment, please."
        retry=Retry(
            attempts=_MOST_TRIES,
            longest_delay_s=1.0,
            within_s=_RETRIED_FOR * settings.budget_bootstrapping_s,
        ),
    )


def _every_resource() -> tuple[Resource, ...]:
    """Return every resource that an interview can have, the optional turn detector included."""
    return interview_resources(Settings.model_construct(turn_detector="local"), None)


def interview_meanings() -> dict[str, str]:
    """Return the effect of each resource's loss, by the resource's name, for a diagram's legend."""
    return meanings(_every_resource())
