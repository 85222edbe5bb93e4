"""The HTTP session of a provider's plugin, with the proxy for the provider's address."""

from __future__ import annotations

import aiohttp
from livekit.agents.utils import http_context

from worker.env.proxies import any_proxy, proxy_for


def session_for(url: str) -> aiohttp.ClientSession | None:
    """Return a session for the provider at `url`; None if the plugin is to use the job's session.

    The job's session uses the proxy for LiveKit's address, which may be wrong for a provider.
    Therefore, if the environment names a proxy, each provider gets a separate session. The separate
    session shares the connections of the job's session, which livekit-agents closes at the end of
    the job.
    """
    if not any_proxy():
        return None
    shared = http_context.http_session()
    return aiohttp.ClientSession(
        connector=shared.connector, connector_owner=False, proxy=proxy_for(url)
    )
