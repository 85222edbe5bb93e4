"""Health probes of providers, which cost nothing.

Each probe is one authenticated GET that no provider bills. The probe returns if the provider
answers. A failed probe raises `ProbeFailed`, TimeoutError or an error of aiohttp (an OSError or
`aiohttp.ClientError`). Some valid keys may use the service, but may not list projects or read the
account. If a provider refuses the probe's GET because of a key's limits, the probe treats the
refusal as an answer.

Sources: developers.deepgram.com/reference/manage/projects/list,
elevenlabs.io/docs/api-reference/user/get, platform.openai.com/docs/api-reference/models/list.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp

from worker.fallback.failure import ProbeFailed, retry_after

#: A function that probes once. The function returns if the provider is available, and raises an
#: error if not.
Probe = Callable[[], Awaitable[None]]

#: Timeout of one probe in seconds, connecting included.
PROBE_BUDGET_S = 5.0
#: How many bytes of an error's body are read.
_LONGEST_BODY = 4096
#: ElevenLabs sends 401 with this status also for a valid key that may not read the account.
_NO_PERMISSION = "missing_permissions"


def deepgram_probe(listen_url: str, key: str) -> Probe:
    """Return a probe that lists the key's projects. `listen_url` ends with /listen."""
    url = listen_url.removesuffix("/listen") + "/projects"
    return _get(url, {"Authorization": f"Token {key}"})


def elevenlabs_probe(base_url: str, key: str) -> Probe:
    """Return a probe that reads the account. `base_url` ends with the version."""
    return _get(f"{base_url}/user", {"xi-api-key": key})


def openai_probe(base_url: str, key: str) -> Probe:
    """Return a probe that lists the models. `base_url` is that of the client."""
    return _get(f"{base_url}/models", {"Authorization": f"Bearer {key}"})


def _get(url: str, headers: Mapping[str, str]) -> Probe:
    # The settings may give websocket URLs for some providers.
    url = url.replace("wss://", "https://", 1) if url.startswith("wss:") else url
    url = url.replace("ws://", "http://", 1) if url.startswith("ws:") else url

    async def probe() -> None:
        timeout = aiohttp.ClientTimeout(total=PROBE_BUDGET_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(url, headers=headers, allow_redirects=False) as answer,
        ):
            if await _is_refused(answer):
                seconds = retry_after(answer.headers)
                raise ProbeFailed(answer.status, retry_after_s=seconds)

    return probe


async def _is_refused(answer: aiohttp.ClientResponse) -> bool:
    if answer.status == 401:
        return not await _lacks_only_permission(answer)
    return answer.status in (402, 429) or answer.status >= 500


async def _lacks_only_permission(answer: aiohttp.ClientResponse) -> bool:
    try:
        body: Any = json.loads(await answer.content.read(_LONGEST_BODY))
    except ValueError:
        return False
    detail = body.get("detail") if isinstance(body, dict) else None
    return isinstance(detail, dict) and detail.get("status") == _NO_PERMISSION
