"""The options of the framework's `AgentServer` that follow from the settings."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

from worker.env.proxies import proxy_for

if TYPE_CHECKING:
    from worker.config.settings import Settings


def server_options(settings: Settings) -> dict[str, Any]:
    """Return keyword arguments of `AgentServer`; set an environment variable of the framework."""
    # The framework would preload its end-of-turn model (244 MB). worker/job/preload.py loads the
    # model if a setting names it.
    os.environ.setdefault("LIVEKIT_AGENTS_PRELOAD_LOCAL_INFERENCE", "0")
    return {
        "ws_url": settings.livekit_url,
        "api_key": settings.livekit_api_key,
        "api_secret": settings.livekit_api_secret.get_secret_value(),
        "http_proxy": proxy_for(settings.livekit_url),
        "num_idle_processes": settings.idle_processes,
        "shutdown_process_timeout": settings.cleanup_s,
        "drain_timeout": settings.drain_s,
        # With a finite threshold the framework would recalculate the number of idle processes from
        # the load twice a second, and would treat two pending accepts as a full worker. `Admission`
        # counts slots instead.
        "load_threshold": math.inf,
        "preload_modules": ["worker.job.preload"],
    }
