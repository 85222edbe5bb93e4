"""Checks of the file of settings, secrets from files, proxies, the probes, and the public URL."""

from __future__ import annotations

import os
import ssl
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from urllib.request import getproxies

import aiohttp

from worker.config.http import is_loopback, probe_address_of
from worker.config.settings import Settings, variable_of
from worker.doctor.context import run_in_daemon_thread
from worker.doctor.finding import Finding, fine, warning, wrong
from worker.doctor.livekit import GATEWAY_STATUSES, USE_TLS
from worker.env.env_file import USUAL, chosen_file, file_variables, is_passed_over
from worker.env.proxies import any_proxy, proxy_for, registration_obstacle, sdk_obstacle
from worker.env.secret_files import SUFFIX, secret_files
from worker.livekit_api.errors import shown_url
from worker.providers.registry import VENDORS
from worker.providers.vendor import CHAINS
from worker.server.port_probe import bind_once

if TYPE_CHECKING:
    from worker.doctor.context import CheckContext

#: Text that names the connections that use no HTTP proxy.
_DIRECT: Final = "always direct: sound to and from LiveKit, and PostgreSQL"
_ANSWER_S: Final = 4.0


async def check_env_file(_: CheckContext) -> Finding:
    """Check which file of settings is read, and whether other users can change it."""
    if await run_in_daemon_thread(is_passed_over):
        return warning(
            f"the file {USUAL} in this folder is not read",
            f"set INTERVIEW_ENV_FILE={USUAL} or use --env-file {USUAL}, or remove the file",
        )
    path = chosen_file()
    if path is None:
        return fine("no file of settings is read", file=None)
    count = len(await run_in_daemon_thread(file_variables))
    if await run_in_daemon_thread(lambda: _writable_by_all(path)):
        return warning(
            f"all users of this machine can change {path}, which sets the worker",
            f"chmod o-w {path}",
            file=str(path),
        )
    return fine(f"{count} variables of {path} are read too", file=str(path))


async def check_secrets(_: CheckContext) -> Finding:
    """Check which secrets come from files, and whether other users can change the files.

    Reading the settings already checks that each file has a value.
    """
    files = await run_in_daemon_thread(lambda: secret_files(Settings))
    if not files:
        return fine("no secret comes from a file", files=[])
    paths = {variable_of(field) + SUFFIX: Path(path) for field, path in files.items()}
    names = sorted(paths)
    exposed = await run_in_daemon_thread(
        lambda: [name for name in names if _writable_by_all(paths[name])]
    )
    if exposed:
        return warning(
            f"all users of this machine can change the file of {', '.join(exposed)}",
            "allow only the owner to write it (chmod o-w)",
            files=names,
        )
    return fine(f"read again when the file changes: {', '.join(names)}", files=names)


def _writable_by_all(path: Path) -> bool:
    """Return whether every user can write a file. Blocks while it reads the permissions."""
    try:
        return bool(os.stat(path).st_mode & stat.S_IWOTH)
    except OSError:
        return False


async def check_proxy(visit: CheckContext) -> Finding:
    """Report which connections go through a proxy of the environment, and which are direct."""
    return judge_proxy(visit.settings)


def judge_proxy(settings: Settings) -> Finding:
    """Report which addresses in the settings are reached through a proxy, and any proxy problem."""
    if not any_proxy():
        return fine("no proxy is set (HTTPS_PROXY, HTTP_PROXY)", proxied=[], direct=[])
    addresses = _addresses(settings)
    proxied = [variable for variable, url in addresses if proxy_for(url) is not None]
    direct = [variable for variable, url in addresses if proxy_for(url) is None]
    facts = {"proxied": proxied, "direct": direct}
    if unused := _unused():
        return warning(
            f"{' and '.join(unused)} names no HTTP proxy for HTTP or HTTPS, and is not used",
            "set HTTPS_PROXY (HTTP_PROXY for ws://) to one like http://proxy.example:3128",
            **facts,
        )
    if obstacle := sdk_obstacle(settings.livekit_url):
        return wrong(
            f"LIVEKIT_URL through a proxy: {obstacle}",
            "use a proxy like http://user:password@proxy.example:3128, its password of letters and "
            "digits, or name the host of LIVEKIT_URL in NO_PROXY",
            **facts,
        )
    if obstacle := registration_obstacle(settings.livekit_url):
        return warning(f"LIVEKIT_URL through a proxy: {obstacle}", USE_TLS, **facts)
    found = f"through a proxy: {', '.join(proxied) or 'nothing'}"
    if direct:
        found += f"; direct, as NO_PROXY or the scheme says: {', '.join(direct)}"
    return fine(f"{found}; {_DIRECT}", **facts)


def _unused() -> list[str]:
    """Return the variables that are set to a proxy which is never used, such as ALL_PROXY."""
    return [
        f"{scheme.upper()}_PROXY"
        for scheme, url in sorted(getproxies().items())
        if scheme == "all"
        or (scheme in ("http", "https") and "://" in url and not url.lower().startswith("http"))
    ]


def _addresses(settings: Settings) -> list[tuple[str, str]]:
    """Return the variables with the addresses to which a worker connects over HTTP."""
    vendors = dict.fromkeys(name for chain in CHAINS for name in settings.usable(chain))
    fields = ["livekit_url", *(VENDORS[name].url for name in vendors)]
    return [
        (variable_of(field), url)
        for field in fields
        if field is not None and (url := str(getattr(settings, field)))
    ]


async def check_probes(visit: CheckContext) -> Finding:
    """Report the address of the health probes; check that its port is free or used by a worker."""
    settings = visit.settings
    if port := settings.http_probe_port:
        host = settings.http_probe_host or settings.http_host
        problem = await run_in_daemon_thread(lambda: _not_bound(host, port))
        if problem and not await _is_alive(probe_address_of(settings).url):
            return wrong(
                f"cannot bind {host}:{port} ({problem}), and no worker answers there",
                "set INTERVIEW_HTTP_PROBE_PORT to a free port above 1023 (0 takes any), and "
                "INTERVIEW_HTTP_PROBE_HOST to an address of this machine",
            )
    return judge_probes(settings)


def _not_bound(host: str, port: int) -> str:
    """Return why an address cannot be bound; empty if it can be bound. Blocks during the check."""
    try:
        bind_once(host, port)
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


async def _is_alive(url: str) -> bool:
    """Return whether a worker answers its liveness probe at a URL."""
    timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(f"{url}/livez") as answer,
        ):
            data = await answer.json()
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return False
    return isinstance(data, dict) and data.get("alive") is True


def judge_probes(settings: Settings) -> Finding:
    """Report whether the health probes and the other HTTP pages need the HTTP token."""
    token = bool(settings.http_token.get_secret_value())
    if settings.http_probe_port is None:
        needed = "need the token; INTERVIEW_HTTP_PROBE_PORT sets a port that needs none"
        found = f"probes {needed}" if token else "probes and all other pages need no token"
        return fine(found, token=token)
    host = settings.http_probe_host or settings.http_host
    found = f"probes at {host}:{settings.http_probe_port} need no token"
    if not token and not is_loopback(host):
        return fine(f"{found}; all other pages are on {settings.http_host} alone", token=False)
    return fine(found, token=token)


async def check_public_url(visit: CheckContext) -> Finding:
    """Check the address at which candidates reach LiveKit, as far as this machine can check it."""
    url = visit.settings.livekit_public_url
    if not url:
        return fine("candidates get LIVEKIT_URL (INTERVIEW_LIVEKIT_PUBLIC_URL is not set)")
    shown, parts = shown_url(url), urlsplit(url)
    if parts.scheme in ("ws", "http") and not is_loopback(parts.hostname or ""):
        return warning(
            f"candidates get {shown}, which is not encrypted",
            "use wss://: browsers give no microphone to a page without TLS, and a page with TLS "
            "cannot connect to ws://",
        )
    if problem := await _unanswered(url):
        return warning(
            f"candidates get {shown}, which does not answer here: {problem}",
            "check INTERVIEW_LIVEKIT_PUBLIC_URL; it is right if only this machine cannot reach it",
        )
    return fine(f"candidates get {shown}, which answers")


async def _unanswered(url: str) -> str:
    """Return why no HTTP server answers at a URL; empty if a server answers."""
    address = url.replace("ws", "http", 1) if url.startswith("ws") else url
    timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, proxy=proxy_for(url)) as http,
            http.get(address, allow_redirects=False) as answer,
        ):
            return f"HTTP {answer.status}" if answer.status in GATEWAY_STATUSES else ""
    except (aiohttp.ClientSSLError, ssl.SSLError):
        return "invalid certificate"
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return type(error).__name__
