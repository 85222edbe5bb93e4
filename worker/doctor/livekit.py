"""Checks of the LiveKit server: its URL, the clocks, the API key, a worker's registration."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import socket
import ssl
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import aiohttp
from google.protobuf.message import DecodeError
from livekit import api
from livekit.protocol import agent, models

from worker.doctor.finding import Finding, fine, warning, wrong
from worker.env.proxies import proxy_for, registration_obstacle
from worker.livekit_api.errors import (
    LiveKitError,
    LiveKitKeyRefused,
    LiveKitUrlInvalid,
    check_url,
    shown_url,
)

if TYPE_CHECKING:
    from worker.doctor.context import CheckContext

_ENCRYPTED: Final = ("wss", "https")
#: A certificate that expires in fewer than this number of days causes a warning.
_CERTIFICATE_DAYS: Final = 14
_KEY_S: Final = 4.0
#: HTTP statuses with which a proxy or a load balancer says that the server behind it did not answer
#: (RFC 9110, 15.6.3 to 15.6.5).
GATEWAY_STATUSES: Final = (502, 503, 504)

#: Advice for an unencrypted LIVEKIT_URL that is reached through a proxy.
USE_TLS: Final = "use wss://, or name the host of LIVEKIT_URL in NO_PROXY"

#: Maximum difference in seconds between two clocks that LiveKit accepts (livekit/protocol
#: auth/verifier.go, tokenLeeway). A token is valid from the time of its signature. If the local
#: clock is ahead of the server's clock by more than this, every token is therefore invalid.
TOKEN_LEEWAY_S: Final = 60.0
#: A difference between two clocks of more than this number of seconds causes a warning, because
#: wrong times would be recorded.
_NOTICED_S: Final = 5.0


async def check_livekit_url(visit: CheckContext) -> Finding:
    """Check the scheme, the host name, a connection, and the certificate of LIVEKIT_URL."""
    url = visit.settings.livekit_url
    if not url:
        return wrong(
            "LIVEKIT_URL is not set",
            "set it to the server's URL, for example wss://livekit.example",
        )
    try:
        check_url(url)
    except LiveKitUrlInvalid as error:
        shown, _, advice = str(error).partition("; ")
        return wrong(shown, advice)
    if proxy_for(url) is not None:
        return await _check_through_proxy(url)
    parts = urlsplit(url)
    host, encrypted = parts.hostname or "", parts.scheme in _ENCRYPTED
    port = parts.port or (443 if encrypted else 80)
    try:
        address, connect_s, certificate = await _connect(host, port, encrypted=encrypted)
    except OSError as error:
        return _not_connected(shown_url(url), error)
    facts = {"address": address, "port": port, "tls": encrypted, "connect_ms": _ms(connect_s)}
    found = f"{shown_url(url)} connects in {_ms(connect_s)} ms"
    if not encrypted and ipaddress.ip_address(address).is_global:
        return warning(
            f"{found}, unencrypted over the internet",
            "use wss://: tokens and text messages can be read in transit",
            **facts,
        )
    if certificate is not None:
        days = int((ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) / 86_400)
        facts["certificate_days"] = days
        if days < _CERTIFICATE_DAYS:
            return warning(f"{found}; its certificate expires in {days} days", "renew it", **facts)
        found += f", certificate valid for {days} days"
    return fine(found, **facts)


async def _check_through_proxy(url: str) -> Finding:
    """Check that a server answers HTTP through the proxy of the environment."""
    shown, loop = shown_url(url), asyncio.get_running_loop()
    began = loop.time()
    try:
        async with (
            aiohttp.ClientSession(proxy=proxy_for(url)) as http,
            # Append the path "/", because some proxies refuse a URL without a path.
            http.get(_http(url) + "/", allow_redirects=False) as answer,
        ):
            took = _ms(loop.time() - began)
            if answer.status in GATEWAY_STATUSES:
                return _no_answer(shown, f"HTTP {answer.status}")
    except aiohttp.ClientHttpProxyError as error:
        return _refused_by_proxy(shown, error)
    except aiohttp.ClientProxyConnectionError:
        return wrong(f"{shown}: the proxy cannot be reached", "check HTTPS_PROXY and HTTP_PROXY")
    except (aiohttp.ClientError, OSError) as error:
        return _no_answer(shown, type(error).__name__)
    return fine(f"{shown} answers through a proxy in {took} ms", connect_ms=took, proxied=True)


def _refused_by_proxy(shown: str, error: aiohttp.ClientHttpProxyError) -> Finding:
    if error.status == 407:
        return wrong(
            f"{shown}: the proxy refuses the user name or the password (HTTP 407)",
            "set them in HTTPS_PROXY: http://user:password@proxy.example:3128",
        )
    return wrong(
        f"{shown}: the proxy refuses the connection (HTTP {error.status})",
        "let the proxy pass CONNECT to this host and port, or name the host in NO_PROXY",
    )


def _no_answer(shown: str, reason: str) -> Finding:
    return wrong(
        f"{shown}: no answer through the proxy ({reason})",
        "check LIVEKIT_URL and the log of the proxy, or name the host in NO_PROXY",
    )


def _not_connected(shown: str, error: OSError) -> Finding:
    """Return the finding for a failed connection: the reason and advice."""
    if isinstance(error, socket.gaierror):
        return wrong(f"{shown}: host name not found", "check LIVEKIT_URL and the DNS")
    if isinstance(error, ssl.SSLCertVerificationError):
        return wrong(
            f"{shown}: invalid certificate ({error.verify_message})",
            "install a certificate for this name from an authority that this machine trusts",
        )
    if isinstance(error, ssl.SSLError):
        return wrong(
            f"{shown}: no TLS on this port ({error.reason or 'connection closed'})",
            "use ws:// if the server has no certificate, or the port that serves TLS",
        )
    why = "connection refused" if isinstance(error, ConnectionRefusedError) else error.strerror
    return wrong(
        f"{shown}: {why or 'cannot connect'}",
        "check LIVEKIT_URL, that the server runs, and the firewall",
    )


async def _connect(host: str, port: int, *, encrypted: bool) -> tuple[str, float, Any]:
    """Connect to a port and disconnect.

    Return the address, the connect time in seconds, and the certificate (None without TLS).
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    context = ssl.create_default_context() if encrypted else None
    _, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        took_s = loop.time() - began
        address = str(writer.get_extra_info("peername")[0]).partition("%")[0]
        return address, took_s, writer.get_extra_info("peercert")
    finally:
        writer.transport.abort()


async def check_clock(visit: CheckContext) -> Finding:
    """Compare the clock of this machine with the Date header of the server."""
    url = _http(visit.settings.livekit_url)
    try:
        async with aiohttp.ClientSession(proxy=proxy_for(url)) as http:
            before = time.time()
            async with http.get(url + "/", allow_redirects=False) as answer:
                after = time.time()
                said = answer.headers.get("Date", "")
        server = parsedate_to_datetime(said).timestamp()
    except aiohttp.ClientError:
        return wrong(
            "the server does not answer HTTP", "check that LIVEKIT_URL is a LiveKit server"
        )
    except ValueError:
        return warning("the server sent no valid Date header", "compare the clocks by hand")
    return judge_clock(server, before=before, after=after)


def judge_clock(server: float, *, before: float, after: float) -> Finding:
    """Judge the server's clock. `server` is the server's time, truncated to the second.

    The server read its clock between the local times `before` and `after`.
    """
    # The local clock is ahead of the server's clock by at least `least` and at most `most` seconds.
    least, most = before - (server + 1.0), after - server
    ahead = 0.0 if least <= 0.0 <= most else min(least, most, key=abs)
    facts = {"ahead_s": round(ahead, 1)}
    if abs(ahead) <= _NOTICED_S:
        return fine(f"this clock and the server's agree within {most - least:.1f} s", **facts)
    found = f"this clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the server's"
    advice = "synchronize the clocks of both machines with NTP (chrony, systemd-timesyncd)"
    if abs(ahead) <= TOKEN_LEEWAY_S:
        return warning(found, advice, **facts)
    return wrong(f"{found}: the server refuses its tokens", advice, **facts)


async def check_key(visit: CheckContext) -> Finding:
    """Check that the server accepts the API key and the secret."""
    client = visit.livekit
    given = {"LIVEKIT_API_KEY": client.key, "LIVEKIT_API_SECRET": client.secret}
    unset = [name for name, value in given.items() if not value]
    if unset:
        return wrong(f"{' and '.join(unset)} not set", "set the key and the secret of the server")
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        await client.check(budget_s=_KEY_S)
    except LiveKitKeyRefused:
        return wrong(
            "the server refused the key",
            "check LIVEKIT_API_KEY and LIVEKIT_API_SECRET (keys: in the server's configuration), "
            "and the clock",
        )
    except LiveKitError as error:
        return wrong(str(error).partition(";")[0], "check that LIVEKIT_URL is a LiveKit server")
    took = _ms(loop.time() - began)
    return fine(f"the server accepted the key in {took} ms", answer_ms=took)


async def check_registration(visit: CheckContext) -> Finding:
    """Register like a worker of `interview-worker start`, check the answer, and disconnect.

    The agent name is random, so that the server dispatches no job to this registration.
    """
    client = visit.livekit
    grants = api.VideoGrants(agent=True)
    token = api.AccessToken(client.key, client.secret).with_grants(grants).to_jwt()
    request = agent.WorkerMessage(
        register=agent.RegisterWorkerRequest(
            type=agent.JobType.JT_ROOM,
            agent_name=f"doctor-{unused_name()}",
            allowed_permissions=models.ParticipantPermission(can_publish=True, agent=True),
        )
    )
    try:
        async with (
            aiohttp.ClientSession(proxy=proxy_for(client.url)) as http,
            http.ws_connect(
                _http(client.url) + "/agent", headers={"Authorization": f"Bearer {token}"}
            ) as line,
        ):
            await line.send_bytes(request.SerializeToString())
            answer = agent.ServerMessage.FromString(await line.receive_bytes())
    except aiohttp.ClientHttpProxyError as error:
        return _refused_by_proxy(shown_url(client.url), error)
    except (aiohttp.ClientError, DecodeError, TypeError, ValueError, OSError) as error:
        return _not_registered(client.url, error)
    server = answer.register.server_info
    version = server.version or "of an unknown version"
    region = f", region {server.region}" if server.region else ""
    return fine(
        f"accepts workers; LiveKit {version}{region}",
        version=server.version,
        region=server.region,
        protocol=server.protocol,
    )


def _not_registered(url: str, error: Exception) -> Finding:
    status = getattr(error, "status", None)
    how = f"HTTP {status}" if status else type(error).__name__
    if obstacle := registration_obstacle(url):
        return wrong(f"no worker can register ({how}): {obstacle}", USE_TLS)
    return wrong(
        f"the server refuses workers ({how})",
        "let the proxy pass WebSockets to /agent, and use a server with agents enabled",
    )


def unused_name() -> str:
    """Return a random name that no other call or program will use."""
    return secrets.token_hex(6)


def _http(url: str) -> str:
    return (url.replace("ws", "http", 1) if url.startswith("ws") else url).rstrip("/")


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
