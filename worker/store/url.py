"""Check PostgreSQL URLs before use, choose among their hosts, and mask their passwords for logs."""

from __future__ import annotations

import os
import re
from urllib.parse import parse_qs, unquote, urlsplit

from worker.env.shown import shortened

#: Maximum length of a URL, and of what is wrong with it, in an error, in characters.
_LONGEST = 300

# The user and the password of a URL. The user ends at the first colon, because it may contain an
# unescaped @ or /. The password ends at the last @, because it may contain them too. If the last @
# is not the end of the password, too much is masked, which is safe.
_USERINFO = re.compile(r"(?P<user>://[^:]*):.*@", re.DOTALL)
_QUERY = re.compile(r"(?P<key>[?&](?:ssl)?password=)[^&]*", re.IGNORECASE)
#: sslmode values of libpq (https://www.postgresql.org/docs/current/libpq-ssl.html) and asyncpg.
_TLS_MODES = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})


class DatabaseUrlInvalid(ValueError):
    """Raised when the database URL is not a PostgreSQL URL.

    `url` is the URL with masked passwords, and `problem` says what is wrong with the URL.
    """

    def __init__(self, url: str, problem: str) -> None:
        self.url = mask_url(url)
        self.problem = problem
        super().__init__(
            f"the database URL {shortened(problem, _LONGEST)}: "
            f"{shortened(repr(self.url), _LONGEST)} "
            "(expected postgresql://user:password@host:5432/database)"
        )


def mask_url(url: str) -> str:
    """Return the URL with each password as `***`, both in the user part and in the query.

    Of a text without `://` nothing is shown, because its password can be anywhere, as in
    `password=secret host=db`.
    """
    if "://" not in url:
        return "(no ://)"
    return _QUERY.sub(r"\g<key>***", _USERINFO.sub(r"\g<user>:***@", url, count=1))


def check_url(url: str) -> None:
    """Raise `DatabaseUrlInvalid` if `url` is not a PostgreSQL URL. No host name is resolved."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise DatabaseUrlInvalid(url, "cannot be read") from None
    scheme = parts.scheme
    if scheme.startswith(("postgresql+", "postgres+")):
        raise DatabaseUrlInvalid(url, f"names a driver ({scheme}), write postgresql://")
    if scheme not in ("postgresql", "postgres"):
        raise DatabaseUrlInvalid(url, "does not begin with postgresql://")
    if "\0" in url or any(character.isspace() for character in url):
        raise DatabaseUrlInvalid(url, "contains a space or a control character")
    if parts.netloc.count("@") > 1:
        # asyncpg takes what follows the first @ as the host, and its error quotes it.
        raise DatabaseUrlInvalid(url, "has an @ in its user or password, write %40")
    query = _query(url, parts.query)
    ports = [port for value in query.get("port", []) for port in value.split(",")]
    addresses = parts.netloc.rpartition("@")[2].split(",")
    if len(addresses) > 1 and "" in addresses:
        raise DatabaseUrlInvalid(url, "has an empty host in its list of hosts")
    for address in addresses:
        host, _, port = address.rpartition(":") if ":" in address else (address, "", "")
        if not port.endswith("]"):  # the end of an IPv6 address without a port
            ports.append(port)
        _check_host(url, host)
    if any(port and not _is_port(port) for port in ports):
        raise DatabaseUrlInvalid(url, "has a port that is not a number from 1 to 65535")
    if unknown := set(query.get("sslmode", [])) - _TLS_MODES:
        known = ", ".join(sorted(_TLS_MODES))
        raise DatabaseUrlInvalid(url, f"has an unknown sslmode {unknown.pop()!r} (known: {known})")


def _query(url: str, query: str) -> dict[str, list[str]]:
    try:
        # asyncpg reads the query strictly too.
        return parse_qs(query, strict_parsing=True) if query else {}
    except ValueError:
        raise DatabaseUrlInvalid(url, "has a query with a part that is not name=value") from None


def _is_port(port: str) -> bool:
    # int() raises ValueError for a number of thousands of digits.
    return len(port) < 6 and port.isascii() and port.isdigit() and 0 < int(port) < 65536


def _check_host(url: str, host: str) -> None:
    try:
        # Resolving an invalid host name would raise UnicodeError, which is not an OSError.
        unquote(host).encode("idna")
    except UnicodeError:
        raise DatabaseUrlInvalid(url, "has an invalid host name") from None


def wanted_server(url: str) -> str | None:
    """Return the `target_session_attrs` with which to connect; None if the URL lists one host.

    Of several hosts only one that accepts writes is used, unless the URL, a service file of libpq
    or PGTARGETSESSIONATTRS chooses otherwise. Raises ValueError if the URL cannot be read.
    """
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    if "target_session_attrs" in query or os.environ.get("PGTARGETSESSIONATTRS"):
        return None
    if "service" in query or os.environ.get("PGSERVICE"):
        return None
    # asyncpg takes the hosts from the first of these places that names one.
    hosts = parts.netloc.rpartition("@")[2] or query.get("host", [""])[-1]
    return "read-write" if "," in (hosts or os.environ.get("PGHOST", "")) else None
