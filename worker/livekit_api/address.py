"""Compare the addresses of LiveKit servers, which can be written in several ways."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from worker.livekit_api.errors import check_url

_DEFAULT_PORTS: Final = {"ws": 80, "http": 80, "wss": 443, "https": 443}


def normalised(url: str) -> str:
    """Return a server's host, port and path in one form, such as `example.org:443`.

    The scheme is left out, because a server has the same rooms for WebSockets and HTTP; only the
    default port depends on the scheme. The host is in lower case, and in IDNA's ASCII form. The
    path has no slash at its end. Credentials, query and fragment are left out.

    Two host names of the same server, such as `localhost` and `127.0.0.1`, give different results.

    Raises LiveKitUrlInvalid if the URL cannot be the URL of a LiveKit server.
    """
    check_url(url)
    parts = urlsplit(url)
    # `check_url` has found a host, a known scheme, and a port other than 0.
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    return f"{_host(parts.hostname or '')}:{port}{parts.path.rstrip('/')}"


def same_server(one: str, other: str) -> bool:
    """Return True if two URLs have the same address.

    Raises LiveKitUrlInvalid if one of the URLs cannot be the URL of a LiveKit server.
    """
    return normalised(one) == normalised(other)


def server_name(url: str, name: str = "") -> str:
    """Return the name by which workers know that they use the same server.

    The name is `name` (INTERVIEW_LIVEKIT_NAME), or `normalised(url)` if `name` is empty. Workers
    that reach one server under different URLs need the same name: if the other workers have no
    name, pass the result of `normalised` for their URL as `name`.

    Raises LiveKitUrlInvalid if `name` is empty and the URL cannot be the URL of a LiveKit server.
    """
    return name or normalised(url)


def _host(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        return host.removesuffix(".").encode("idna").decode("ascii").lower()
    return f"[{address}]" if address.version == 6 else str(address)
