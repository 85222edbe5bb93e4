"""The HTTP proxy for a URL, according to the variables HTTPS_PROXY, HTTP_PROXY and NO_PROXY.

The names of the variables may be in upper or lower case; a name in lower case takes precedence.
This module gives aiohttp the URL of the proxy, because aiohttp's own way to read the variables
(`trust_env`) has two faults: a WebSocket uses other variables (WSS_PROXY), and each request reads
the file ~/.netrc in a thread, and fails if that file has credentials for every host.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult, quote, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

#: For each scheme of a WebSocket URL, the scheme whose proxy the WebSocket uses.
_WEB_SCHEMES: Final[Mapping[str, str]] = {"ws": "http", "wss": "https"}
_PROXY_SCHEMES: Final = ("http", "https")
#: Variables that LiveKit's SDK reads for the signalling connection of a room, for each scheme in
#: this order (livekit 1.1.21). The SDK does not read NO_PROXY.
_SDK_VARIABLES: Final = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
#: Punctuation that LiveKit's SDK sends unchanged in the user name or the password of a proxy. The
#: SDK percent-encodes other special characters (url.spec.whatwg.org, userinfo percent-encode set)
#: and sends the encoded text to the proxy.
_SDK_SENDS: Final = "!$%&'()*+,~"


def any_proxy() -> bool:
    """Return whether the environment names a proxy, even if only ALL_PROXY, which is not used."""
    return bool({"http", "https", "all"} & getproxies().keys())


def proxy_for(url: str) -> str | None:
    """Return the URL of the proxy for `url` (http, https, ws, wss); None for a direct connection.

    This machine itself is always reached without a proxy. The proxy's URL may contain credentials.
    A proxy of another scheme, such as socks5, is not used.
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


def tell_sdk(livekit_url: str) -> None:
    """Let LiveKit's SDK in this process use the proxy that `proxy_for` returns, or none.

    The SDK reads the environment of the process, ignores NO_PROXY and a proxy without a scheme, and
    does not decode a password. Therefore the variables that the SDK reads are replaced in the
    environment of the process, but not in `os.environ`, from which Python code reads.
    """
    for name in _SDK_VARIABLES:
        os.unsetenv(name)
    if (proxy := proxy_for(livekit_url)) is not None:
        scheme = urlsplit(livekit_url).scheme
        os.putenv(f"{_WEB_SCHEMES.get(scheme, scheme).upper()}_PROXY", _for_sdk(proxy))


def _for_sdk(proxy: str) -> str:
    """Return the URL of a proxy, with user name and password escaped as the SDK sends them."""
    parts = urlsplit(proxy)
    if parts.username is None:
        return proxy
    access = ":".join(
        quote(unquote(each), safe=_SDK_SENDS) for each in (parts.username, parts.password or "")
    )
    return parts._replace(netloc=f"{access}@{parts.netloc.rpartition('@')[2]}").geturl()


def sdk_obstacle(livekit_url: str) -> str:
    """Return why LiveKit's SDK cannot use the proxy of `livekit_url`; empty without a problem."""
    proxy = proxy_for(livekit_url)
    if proxy is None:
        return ""
    parts = urlsplit(proxy)
    if parts.scheme == "https":
        return "a job does not reach its room: LiveKit's SDK speaks no TLS to a proxy"
    if parts.username and not parts.password:
        return "a job does not reach its room: LiveKit's SDK sends no user name without a password"
    if _is_escaped_by_sdk(parts):
        return (
            "a job does not reach its room: LiveKit's SDK cannot send a character of the user name "
            "or the password"
        )
    return ""


def _is_escaped_by_sdk(parts: SplitResult) -> bool:
    """Return whether the SDK would change a user name or a password that it sends."""
    words = unquote(f"{parts.username or ''}{parts.password or ''}")
    return quote(words, safe=_SDK_SENDS) != words


def registration_obstacle(livekit_url: str) -> str:
    """Return why a worker cannot register at `livekit_url` through most proxies; empty if it can.

    aiohttp sends the upgrade request of an unencrypted WebSocket to the proxy without CONNECT, and
    most proxies do not forward the Upgrade header (tinyproxy removes the header).
    """
    encrypted = urlsplit(livekit_url).scheme in ("wss", "https")
    if encrypted or proxy_for(livekit_url) is None:
        return ""
    return "most proxies let no worker register over an unencrypted WebSocket"
