"""Health probes of providers, which cost nothing.

Each probe is one authenticated GET that no provider bills. The probe returns if the provider
answers. A failed probe raises `ProbeFailed`, TimeoutError or an error of aiohttp (an OSError or
`aiohttp.ClientError`). If a key may use the service, but may not list projects or read the account,
the provider refuses only this GET, and the probe treats the refusal as an answer. Each vendor's
plugin.py has its own probe.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp

from worker.env.proxies import proxy_for
from worker.fallback.failure import ProbeFailed, retry_after

#: A function that probes once. The function returns if the provider is available, and raises an
#: error if not.
Probe = Callable[[], Awaitable[None]]

#: Timeout of one probe in seconds, connecting included.
PROBE_BUDGET_S = 5.0
#: Maximum number of bytes that are read from the body of an error response.
_LONGEST_BODY = 4096


def http_probe(url: str, headers: Mapping[str, str], *, no_permission: str | None = None) -> Probe:
    """Return a probe that sends a GET. `url` may be a websocket URL.

    If a valid key lacks a permission, the provider answers 401 with the value `no_permission` in
    `detail.status` of the response body. The probe treats a 401 with this value as a success.
    """
    # The settings may give websocket URLs for some providers.
    url = url.replace("wss://", "https://", 1) if url.startswith("wss:") else url
    url = url.replace("ws://", "http://", 1) if url.startswith("ws:") else url

    async def probe() -> None:
        timeout = aiohttp.ClientTimeout(total=PROBE_BUDGET_S)
        async with (
            aiohttp.ClientSession(timeout=timeout, proxy=proxy_for(url)) as http,
            http.get(url, headers=headers, allow_redirects=False) as answer,
        ):
            if await _is_refused(answer, no_permission):
                seconds = retry_after(answer.headers)
                raise ProbeFailed(answer.status, retry_after_s=seconds)

    return probe


async def _is_refused(answer: aiohttp.ClientResponse, no_permission: str | None) -> bool:
    if answer.status == 401:
        return no_permission is None or await _status_of(answer) != no_permission
    return answer.status in (402, 429) or answer.status >= 500


async def _status_of(answer: aiohttp.ClientResponse) -> object:
    """Return the `detail.status` of an error's body; None if the body has none."""
    try:
        body: Any = json.loads(await answer.content.read(_LONGEST_BODY))
    except (ValueError, RecursionError):  # RecursionError: a body with thousands of nested brackets
        return None
    detail = body.get("detail") if isinstance(body, dict) else None
    return detail.get("status") if isinstance(detail, dict) else None
