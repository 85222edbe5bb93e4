"""TLS of a connection to the database: the sslmode and its source, and the certificates.

For a server on this machine, asyncpg's own defaults apply. For a server on another machine, TLS
with a certificate that is valid for the server's name is required, unless an sslmode is set.
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

#: sslmode for a server on another machine, if nothing else is chosen: the certificate must be valid
#: and must be for the server's name.
DEFAULT_MODE: Final = "verify-full"
#: The modes in which the certificate of the server is checked.
VERIFYING: Final = ("verify-ca", "verify-full")
#: The modes in which the password may be sent unencrypted, or to a server without a checked
#: certificate.
UNSAFE: Final = ("disable", "allow", "prefer")
#: Value of `Tls.chosen_by` if the option `ssl` of the URL, without an sslmode, asks for TLS.
_SSL_OPTION: Final = "ssl in the URL"
#: Protocol name that asyncpg and libpq send in the TLS handshake (ALPN).
_ALPN: Final = "postgresql"


@dataclass(frozen=True, kw_only=True)
class Tls:
    """The sslmode of the connections to a database, and its source, for example the URL."""

    #: The sslmode, one of `url_options.TLS_MODES`; None to use asyncpg's default, for a server on
    #: this machine.
    mode: str | None
    #: Text that names what has chosen the mode: "the URL", "PGSSLMODE", "the default" and so on.
    chosen_by: str
    #: True if every host of the URL is this machine.
    is_local: bool


def tls_of(url: DatabaseUrl, *, default: str = DEFAULT_MODE) -> Tls:
    """Return the sslmode of a URL. `default` is the sslmode for a server on another machine.

    If the URL contains `ssl=true`, a mode in `UNSAFE` is used only if the URL also sets `sslmode`
    to this mode.
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
        # libpq also requires verify-full here, because anyone can get a certificate of a public
        # authority.
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
    """Return the URL with an sslmode, which is `default` for a server on another machine.

    An sslmode that is already set (URL, PGSSLMODE, service file) is kept. With `ssl=true`, the URL
    gets an sslmode that encrypts the password, even for a local server.

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
    """The sslmode and the password that a database URL gets if it has none."""

    #: The sslmode for a server on another machine (INTERVIEW_DATABASE_TLS).
    tls: str
    #: The value of PGPASSWORD; empty if it is not set.
    password: str = field(default="", repr=False)

    @classmethod
    def of_environment(cls, tls: str) -> Self:
        """Return the sslmode `tls`, and the password that PGPASSWORD has now.

        The main process removes PGPASSWORD from its environment later (`job_environment`).
        """
        return cls(tls=tls, password=os.environ.get("PGPASSWORD", ""))

    def complete(self, url: str) -> str:
        """Return the URL with the missing sslmode and password. Raises DatabaseUrlInvalid."""
        return with_password(with_tls(url, self.tls), self.password)


def arguments_of(url: DatabaseUrl) -> dict[str, Any]:
    """Return asyncpg's argument `dsn`, and the argument `ssl` if asyncpg needs it.

    The function reads certificates from the disk. Raises OSError, ssl.SSLError or ValueError if a
    certificate cannot be read.
    """
    tls = tls_of(url)
    if tls.mode is None:
        return {"dsn": str(url)}
    if tls.mode in VERIFYING and not _has_own_authority(url):
        # Make the TLS context here: asyncpg would look for a file of authorities in the home
        # folder, and does not know the value `system`.
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
    """Return a TLS context with the certificates of the operating system; contexts are cached."""
    context = ssl.create_default_context()
    context.check_hostname = mode == "verify-full"
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([_ALPN])
    if certificate:
        context.load_cert_chain(certificate, key, password)
    return context


def _has_own_authority(url: DatabaseUrl) -> bool:
    """Return whether libpq would find a file with the certificates of authorities for this URL."""
    named = url.options.get("sslrootcert") or os.environ.get("PGSSLROOTCERT")
    if named:
        return named != SYSTEM
    try:
        return (Path.home() / ".postgresql" / "root.crt").is_file()
    except (RuntimeError, OSError):  # there is no home folder, or it cannot be searched
        return False


def _service(url: DatabaseUrl) -> Mapping[str, str]:
    """Return the options of the URL's service in the service file of libpq, if there is one.

    A file that cannot be read counts as empty here, because asyncpg reports the error when it
    connects.
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
