"""Read and check PostgreSQL URLs, choose among their hosts, and mask their passwords for logs."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from worker.env.shown import shortened
from worker.store.url_options import (
    FILES,
    KNOWN,
    PASSWORDS,
    SYSTEM,
    OptionInvalid,
    asks_for_tls,
    usable_options,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Maximum length of the URL, and of the problem, in an error message, in characters.
_LONGEST = 300
#: Option of a job's database URL, with the pass of the job's interview (`worker.store.job_access`).
#: The server does not get this option when a connection is opened.
PASS: Final = "interview_pass"  # noqa: S105  # the name of an option
# Patterns of the user and the password of a URL. The user ends at the first colon, because a user
# name may contain an unescaped @ or /. The password ends at the last @, because a password may
# contain an unescaped @ or / too. If the password really ends earlier, too much is masked, which is
# safe.
_USERINFO = re.compile(r"(?P<user>://[^:]*):.*@", re.DOTALL)
# Pattern of a password in the query. The password ends where a known option begins, because a
# password may contain an unescaped &.
_QUERY = re.compile(
    rf"(?P<key>[?&](?:{'|'.join(PASSWORDS)}|{PASS})=).*?"
    rf"(?=&(?:{'|'.join(sorted(KNOWN))}|{PASS})=|\Z)",
    re.IGNORECASE | re.DOTALL,
)
#: A URL whose password has characters that end a part of a URL, such as `#`, `/` and `?`. The
#: password ends at the last @ behind which the rest of a URL follows.
_LOOSE = re.compile(
    r"(?P<scheme>[^:/?#]+)://(?P<user>[^:]*):(?P<password>.*)@(?P<hosts>[^/?#@]*)"
    r"(?P<path>/[^?#@]*)?(?:\?(?P<query>[^#]*))?",
    re.DOTALL,
)
#: A scheme that names a driver, as other libraries write it, such as `postgresql+asyncpg`.
_DRIVER = re.compile(r"postgres(?:ql)?\+[a-z0-9_.-]{1,30}")
_ESCAPED: Final = "write % and two hexadecimal digits for it, such as %23 for #"


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

    A text without `://` is masked completely, because its password can be anywhere, as in
    `password=secret host=db`.
    """
    if "://" not in url:
        return "(no ://)"
    return _QUERY.sub(r"\g<key>***", _USERINFO.sub(r"\g<user>:***@", url, count=1))


@dataclass(frozen=True, kw_only=True)
class DatabaseUrl:
    """The parts of a PostgreSQL URL. The user, the password and the options are decoded."""

    #: The user; None if the URL names none.
    user: str | None
    #: The password; None if the URL names none.
    password: str | None = field(repr=False)
    #: The hosts with their ports, separated by commas, as they are written in the URL.
    hosts: str
    #: The path of the URL with its slash, as written in the URL: the name of the database.
    path: str
    #: The options for asyncpg. If the URL has several values of an option, the last value counts.
    options: Mapping[str, str] = field(repr=False)
    #: True if the option `ssl` asks for TLS (`tls.tls_of`).
    asks_for_tls: bool = field(default=False, repr=False)
    #: The pass of a job's interview; None for any other URL.
    own_pass: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, url: str) -> DatabaseUrl:
        """Read a URL, even if its password has characters that should be escaped in a URL.

        Resolves no host name and reads no file. Raises `DatabaseUrlInvalid` if the URL is invalid.
        """
        _check_scheme(url)
        problems = []
        for read in (_strict_parts, _loose_parts):
            try:
                return read(url)
            except (_Unreadable, OptionInvalid) as error:
                problems.append(str(error))
        in_strict, in_loose = problems
        raise DatabaseUrlInvalid(url, in_loose or in_strict)

    def __str__(self) -> str:
        """The URL in the form that asyncpg reads, without the option `interview_pass`."""
        userinfo = "" if self.user is None else quote(self.user, safe="")
        if self.password is not None:
            userinfo += f":{quote(self.password, safe='')}"
        at = "@" if self.user is not None or self.password is not None else ""
        query = f"?{urlencode(self.options, quote_via=quote, safe='/')}" if self.options else ""
        return f"postgresql://{userinfo}{at}{self.hosts}{self.path}{query}"

    def with_options(self, **options: str) -> DatabaseUrl:
        """Return the URL with these options, which replace options of the same names."""
        return replace(self, options={**self.options, **options})


class _Unreadable(ValueError):
    """Raised if `_strict_parts` or `_loose_parts` cannot read a text as a URL."""


def _check_scheme(url: str) -> None:
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    if scheme == "jdbc:postgresql":
        raise DatabaseUrlInvalid(url, "is for JDBC, write postgresql://user:password@...")
    if _DRIVER.fullmatch(scheme):
        raise DatabaseUrlInvalid(url, f"names a driver ({scheme}), write postgresql://")
    if scheme not in ("postgresql", "postgres"):
        raise DatabaseUrlInvalid(url, "does not begin with postgresql://")
    if "\0" in url or any(character.isspace() for character in url):
        raise DatabaseUrlInvalid(url, "contains a space or a control character")


def _strict_parts(url: str) -> DatabaseUrl:
    """Read a URL in the standard URL syntax, but allow an @ in its user and its password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _Unreadable("cannot be read") from None
    userinfo, at, hosts = parts.netloc.rpartition("@")
    if "@" in parts.path or "#" in url:
        # Either the password ends after this character, or the name of the database must be
        # escaped.
        raise _Unreadable(f"has a # , or an @ behind its host; {_ESCAPED}")
    user, colon, password = userinfo.partition(":")
    return _checked(
        user=unquote(user) if at and user else None,
        password=unquote(password) if colon else None,
        hosts=hosts,
        path=parts.path,
        query=parts.query,
    )


def _loose_parts(url: str) -> DatabaseUrl:
    """Read a URL whose password has unescaped delimiters of a URL, such as `/`, `?`, `#` or `@`."""
    found = _LOOSE.fullmatch(url)
    if found is None:
        raise _Unreadable("")
    return _checked(
        user=unquote(found["user"]) or None,
        password=unquote(found["password"]),
        hosts=found["hosts"],
        path=found["path"] or "",
        query=found["query"] or "",
    )


def _checked(
    *, user: str | None, password: str | None, hosts: str, path: str, query: str
) -> DatabaseUrl:
    values = _query(query)
    _check_hosts(hosts, values.get("port", ""))
    own_pass = values.pop(PASS, None)
    return DatabaseUrl(
        user=user,
        password=password,
        hosts=hosts,
        path=path,
        options=usable_options(values),
        asks_for_tls=asks_for_tls(values),
        own_pass=own_pass,
    )


def _query(query: str) -> dict[str, str]:
    try:
        # Read the query strictly, as asyncpg does.
        found = parse_qs(query, strict_parsing=True) if query else {}
    except ValueError:
        raise _Unreadable("has a query with a part that is not name=value") from None
    return {name: values[-1] for name, values in found.items()}


def _check_hosts(hosts: str, ports_of_query: str) -> None:
    ports = ports_of_query.split(",")
    addresses = hosts.split(",")
    if len(addresses) > 1 and "" in addresses:
        raise _Unreadable("has an empty host in its list of hosts")
    for address in addresses:
        host, _, port = address.rpartition(":") if ":" in address else (address, "", "")
        if not port.endswith("]"):  # the text ends an IPv6 address without a port
            ports.append(port)
        _check_host(host)
    if any(port and not _is_port(port) for port in ports):
        raise _Unreadable("has a port that is not a number from 1 to 65535")


def _is_port(port: str) -> bool:
    # Check the length first, because int() raises ValueError for a number of thousands of digits.
    return len(port) < 6 and port.isascii() and port.isdigit() and 0 < int(port) < 65536


def _check_host(host: str) -> None:
    try:
        # Resolving an invalid host name would raise UnicodeError, which is not an OSError.
        unquote(host).encode("idna")
    except UnicodeError:
        raise _Unreadable("has an invalid host name") from None


def check_url(url: str) -> None:
    """Raise `DatabaseUrlInvalid` if `url` is not a PostgreSQL URL, or names a file that is missing.

    No host name is resolved.
    """
    options = DatabaseUrl.of(url).options
    for name in FILES:
        file = options.get(name)
        if file and file != SYSTEM and not os.access(file, os.R_OK):
            raise DatabaseUrlInvalid(url, f"names a file for {name} that cannot be read")


def with_password(url: str, password: str) -> str:
    """Return the URL, with this password if the URL has none. An empty password is not added.

    Raises DatabaseUrlInvalid if the URL is invalid.
    """
    parts = DatabaseUrl.of(url)
    if not password or parts.password or "password" in parts.options:
        return url
    return str(replace(parts, password=password))


def hosts_of(url: DatabaseUrl) -> str:
    """Return the hosts of a URL or of PGHOST, separated by commas; empty if there is none.

    asyncpg prefers the hosts in the URL to those in PGHOST.
    """
    return url.hosts or url.options.get("host", "") or os.environ.get("PGHOST", "")


def wanted_server(url: str) -> str | None:
    """Return the `target_session_attrs` with which to connect; None if the URL lists one host.

    If the URL lists several hosts, a host that accepts writes is used, unless the URL, a service
    file of libpq or PGTARGETSESSIONATTRS chooses otherwise. Raises ValueError if the URL cannot be
    read.
    """
    parts = DatabaseUrl.of(url)
    if "target_session_attrs" in parts.options or os.environ.get("PGTARGETSESSIONATTRS"):
        return None
    if "service" in parts.options or os.environ.get("PGSERVICE"):
        return None
    return "read-write" if "," in hosts_of(parts) else None
