"""How a database is spoken to with TLS: what is asked for, by whom, and the certificates.

A server on this machine is spoken to as asyncpg does by default. Any other server must have a
certificate that is valid for its name, unless an sslmode says otherwise.
"""

from __future__ import annotations

import configparser
import functools
import ipaddress
import os
import ssl
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import unquote

from worker.store.url import DatabaseUrl, hosts_of, with_password
from worker.store.url_options import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Mapping

#: sslmode of a server that is not local, if nothing else is chosen: the certificate must be valid
#: and must be for the server's name.
DEFAULT_MODE: Final = "verify-full"
#: The modes in which the certificate of the server is checked.
VERIFYING: Final = ("verify-ca", "verify-full")
#: The modes in which the password may be sent in clear, or to whoever answers.
UNSAFE: Final = ("disable", "allow", "prefer")
#: `Tls.chosen_by` if the option `ssl` asks for TLS where there would be none.
_SSL_OPTION: Final = "ssl in the URL"
#: Protocol that asyncpg and libpq name in the TLS handshake.
_ALPN: Final = "postgresql"


@dataclass(frozen=True, kw_only=True)
class Tls:
    """The sslmode with which a database is spoken to."""

    #: One of `url_options.TLS_MODES`; None if asyncpg decides, for a server on this machine.
    mode: str | None
    #: What has chosen the mode, for people: "the URL", "PGSSLMODE", "the default" and so on.
    chosen_by: str
    #: True if every host of the URL is this machine.
    is_local: bool


def tls_of(url: DatabaseUrl, *, default: str = DEFAULT_MODE) -> Tls:
    """Return the sslmode of a URL. `default` is that of a server that is not on this machine.

    With `ssl=true` in the URL, the password is sent in clear only if an sslmode in the URL says so.
    """
    found = _chosen(url, default)
    is_safe = found.mode is not None and found.mode not in UNSAFE
    if is_safe or not url.asks_for_tls or "sslmode" in url.options:
        return found
    return replace(found, mode="require", chosen_by=_SSL_OPTION)


def _chosen(url: DatabaseUrl, default: str) -> Tls:
    service = _service(url)
    local = _is_local(hosts_of(url) or service.get("host", ""))
    if url.options.get("sslrootcert") == SYSTEM:
        # libpq has the same rule, because anybody can get a certificate of a public authority.
        return Tls(mode="verify-full", chosen_by="sslrootcert=system in the URL", is_local=local)
    for mode, chosen_by in (
        (url.options.get("sslmode"), "the URL"),
        (os.environ.get("PGSSLMODE"), "PGSSLMODE"),
        (service.get("sslmode"), "the service file"),
    ):
        if mode:
            return Tls(mode=mode, chosen_by=chosen_by, is_local=local)
    if local:
        return Tls(mode=None, chosen_by="a local server", is_local=True)
    by = "the default" if default == DEFAULT_MODE else "INTERVIEW_DATABASE_TLS"
    return Tls(mode=default, chosen_by=by, is_local=False)


def with_tls(url: str, default: str) -> str:
    """Return the URL with the sslmode `default`, if its server is not local and it has none.

    With `ssl=true` it gets one that does not send the password in clear, also for a local server.

    Raises DatabaseUrlInvalid if the URL is invalid.
    """
    parts = DatabaseUrl.of(url)
    tls = tls_of(parts, default=default)
    if tls.mode is None or tls.chosen_by not in (
        "the default",
        "INTERVIEW_DATABASE_TLS",
        _SSL_OPTION,
    ):
        return url
    return str(parts.with_options(sslmode=tls.mode))


@dataclass(frozen=True, kw_only=True)
class UrlDefaults:
    """What a database URL gets that does not say it itself: its sslmode, and its password."""

    tls: str
    #: The password of PGPASSWORD; empty if there is none.
    password: str = field(default="", repr=False)

    @classmethod
    def of_environment(cls, tls: str) -> Self:
        """Return the sslmode `tls`, and the password that PGPASSWORD has now.

        The main process removes PGPASSWORD from its environment later (`job_environment`).
        """
        return cls(tls=tls, password=os.environ.get("PGPASSWORD", ""))

    def complete(self, url: str) -> str:
        """Return the URL with what it lacks. Raises DatabaseUrlInvalid if the URL is invalid."""
        return with_password(with_tls(url, self.tls), self.password)


def arguments_of(url: DatabaseUrl) -> dict[str, Any]:
    """Return the arguments `dsn` and, where asyncpg needs it, `ssl` of asyncpg.

    Reads certificates from the disk. Raises OSError, ssl.SSLError or ValueError if a certificate
    cannot be read.
    """
    tls = tls_of(url)
    if tls.mode is None:
        return {"dsn": str(url)}
    if tls.mode in VERIFYING and not _has_own_authority(url):
        # asyncpg would look for a file of authorities in the home folder, and knows no `system`.
        options = {name: text for name, text in url.options.items() if name != "sslrootcert"}
        context = _context(
            tls.mode,
            url.options.get("sslcert") or os.environ.get("PGSSLCERT"),
            url.options.get("sslkey") or os.environ.get("PGSSLKEY"),
            url.options.get("sslpassword"),
        )
        return {"dsn": str(replace(url, options=options)), "ssl": context}
    return {"dsn": str(url.with_options(sslmode=tls.mode))}


@functools.lru_cache(maxsize=8)
def _context(
    mode: str, certificate: str | None, key: str | None, password: str | None
) -> ssl.SSLContext:
    """Return a TLS context with the certificates of the operating system; made once per process."""
    context = ssl.create_default_context()
    context.check_hostname = mode == "verify-full"
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([_ALPN])
    if certificate:
        context.load_cert_chain(certificate, key, password)
    return context


def _has_own_authority(url: DatabaseUrl) -> bool:
    """Return whether a file names the authorities, as libpq would find it."""
    named = url.options.get("sslrootcert") or os.environ.get("PGSSLROOTCERT")
    if named:
        return named != SYSTEM
    try:
        return (Path.home() / ".postgresql" / "root.crt").is_file()
    except (RuntimeError, OSError):  # no home folder, or one that cannot be searched
        return False


def _service(url: DatabaseUrl) -> Mapping[str, str]:
    """Return the options of the URL's service in the service file of libpq, if there is one.

    A file that cannot be read has no options here. asyncpg refuses it when it connects.
    """
    name = url.options.get("service") or os.environ.get("PGSERVICE")
    if not name:
        return {}
    file = os.environ.get("PGSERVICEFILE") or os.path.expanduser("~/.pg_service.conf")
    services = configparser.ConfigParser()
    try:
        services.read(file)
        return dict(services[name]) if name in services else {}
    except (configparser.Error, OSError, UnicodeDecodeError):
        return {}


def _is_local(hosts: str) -> bool:
    """Return whether every host is this machine. Without a host, asyncpg uses local sockets."""
    return all(_is_this_machine(address) for address in hosts.split(",")) if hosts else True


def _is_this_machine(address: str) -> bool:
    host = unquote(address)
    if host.startswith("/"):
        return True  # a Unix socket
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
