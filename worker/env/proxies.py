"""The HTTP proxy through which a URL is reached, by HTTPS_PROXY, HTTP_PROXY and NO_PROXY.

The variables count in upper and in lower case; of both, the one in lower case. aiohttp can read
them itself (`trust_env`), but then a WebSocket uses other variables (WSS_PROXY), and each request
reads the file ~/.netrc in a thread, and fails if that file has credentials for every host. So the
URL of the proxy is given to aiohttp.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

#: The scheme whose proxy a WebSocket uses.
_WEB_SCHEMES: Final[Mapping[str, str]] = {"ws": "http", "wss": "https"}
_PROXY_SCHEMES: Final = ("http", "https")
#: Variables that LiveKit's SDK reads for the signalling connection of a room (livekit 1.1.21). The
#: SDK does not read NO_PROXY.
_SDK_VARIABLES: Final = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")


def any_proxy() -> bool:
    """Return whether a proxy is set for HTTP or HTTPS."""
    return bool({"http", "https"} & getproxies().keys())


def proxy_for(url: str) -> str | None:
    """Return the URL of the proxy for `url` (http, https, ws, wss); None for a direct connection.

    This machine is always reached directly. The proxy's URL may contain credentials. A proxy of
    another scheme, such as socks5, is not used.
    """
    parts = urlsplit(url)
    if not parts.hostname or _is_here(parts.hostname) or proxy_bypass(parts.hostname):
        return None
    proxy = getproxies().get(_WEB_SCHEMES.get(parts.scheme, parts.scheme)) or ""
    if proxy and "://" not in proxy:
        return f"http://{proxy}"
    return proxy if urlsplit(proxy).scheme in _PROXY_SCHEMES else None


def _is_here(host: str) -> bool:
    """Return whether a host is this machine's loopback interface."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def hide_from_sdk(livekit_url: str) -> None:
    """Keep LiveKit's SDK from using a proxy in this process, if LiveKit is reached directly.

    The SDK reads the environment of the process, and does not know NO_PROXY. So the variables are
    removed there, and stay in `os.environ`, which all Python code reads.
    """
    if proxy_for(livekit_url) is None:
        for name in _SDK_VARIABLES:
            if name in os.environ:
                os.unsetenv(name)
