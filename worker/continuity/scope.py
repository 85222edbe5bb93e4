"""The scope of a worker or a command (the interviews that belong to it), from its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.livekit_api.address import server_name
from worker.livekit_api.errors import LiveKitUrlInvalid
from worker.store.scope import Scope

if TYPE_CHECKING:
    from worker.config.settings import Settings


def scope_of(settings: Settings) -> Scope:
    """Return the interviews that belong to a worker with these settings.

    Interviews without an agent name belong to the workers of the interview application.
    """
    try:
        livekit = server_name(settings.livekit_url, settings.livekit_name)
    except LiveKitUrlInvalid:
        livekit = settings.livekit_url  # the URL is not set, so the first call to LiveKit will fail
    default = type(settings).model_fields["application"].default
    return Scope(
        agent_name=settings.agent_name,
        livekit=livekit,
        takes_unnamed=settings.application == default,
    )
