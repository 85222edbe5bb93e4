"""Whether a provider is back, asked in a way that costs nothing.

Each probe is one authenticated GET that no provider bills. It returns where the provider
answers, and raises `ProbeFailed`, TimeoutError or aiohttp's errors (which are OSErrors, or
`aiohttp.ClientError`) where it does not. A key that may speak but not list its own projects is
refused the listing and not the service: that is an answer as well.

Sources: developers.deepgram.com/reference/manage/projects/list,
elevenlabs.io/docs/api-reference/user/get, platform.openai.com/docs/api-reference/models/list.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp

from worker.providers.failure import ProbeFailed, retry_after

#: Asks once. Returns where the provider is back, raises where it is not.
Probe = Callable[[], Awaitable[None]]

#: Seconds for one probe, connecting included.
PROBE_BUDGET_S = 5.0
#: Bytes of an error's body that are looked at.
_LONGEST_BODY = 4096
#: ElevenLabs says 401 also to a good key that may not read the account.
_NO_PERMISSION = "missing_permissions"


def deepgram_probe(listen_url: str, key: str) -> Probe:
    """List the key's projects. `listen_url` ends with /listen."""
    url = listen_url.removesuffix("/listen") + "/projects"
    return _get(url, {"Authorization": f"Token {key}"})


def elevenlabs_probe(base_url: str, key: str) -> Probe:
    """Read the account. `base_url` ends with the version."""
    return _get(f"{base_url}/user", {"xi-api-key": key})


def openai_probe(base_url: str, key: str) -> Probe:
    """List the models. `base_url` is that of the client."""
    return _get(f"{base_url}/models", {"Authorization": f"Bearer {key}"})


def _get(url: str, headers: Mapping[str, str]) -> Probe:
    # Some providers' addresses may be given for their websockets.
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
