"""Public API of the worker: the names that a custom agent imports, besides the package `states`.

All other modules of `worker` are internal and may move. `examples/` has agents that use these
names, and docs/how-to/write-an-agent.md explains them. docs/explanation/architecture.md describes
the packages that define these names.
"""

from __future__ import annotations

from worker.audio.clip import Clip, ClipMissing, read_clip
from worker.config.settings import Settings
from worker.continuity.continued_work import ContinuedWork
from worker.job.application import (
    Application,
    ApplicationFactory,
    Dispatch,
    HandoverHooks,
    SupportsHandover,
)
from worker.job.handle import JobHandle
from worker.resources.database import database_resource
from worker.resources.resource import AgentResources, Consequence, LoadFailed, Resource, Retry
from worker.resources.speech import llm_resource, stt_resource, tts_resource, vad_resource
from worker.resources.turn_detector import turn_detector_resource
from worker.transport.in_memory import InMemoryTransport

__all__ = [
    "AgentResources",
    "Application",
    "ApplicationFactory",
    "Clip",
    "ClipMissing",
    "Consequence",
    "ContinuedWork",
    "Dispatch",
    "HandoverHooks",
    "InMemoryTransport",
    "JobHandle",
    "LoadFailed",
    "Resource",
    "Retry",
    "Settings",
    "SupportsHandover",
    "database_resource",
    "llm_resource",
    "read_clip",
    "stt_resource",
    "tts_resource",
    "turn_detector_resource",
    "vad_resource",
]
