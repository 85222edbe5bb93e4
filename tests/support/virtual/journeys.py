"""Event sequences of jobs that several tests use."""

from __future__ import annotations

from states import Event
from states.testing import loaded, lost

#: HANDSHAKE CONNECTED BOOTSTRAPPING DEGRADED READY DEGRADED RUNNING.
DEGRADED_AND_BACK = (
    (0.1, Event.ROOM_CONNECTED),
    (0.15, Event.BOOTSTRAP_STARTED),
    (0.9, Event.LOADER_REPORTED, lost("vad", "LoadTimeout")),
    (0.9, Event.LOADERS_SETTLED),
    (1.0, Event.RESOURCE_RECOVERED, loaded("vad")),
    (1.25, Event.RESOURCE_LOST, lost("tts", "Refused")),
    (1.5, Event.SESSION_STARTED),
)
