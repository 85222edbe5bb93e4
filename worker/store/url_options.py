"""The options of a PostgreSQL URL: options of libpq and of other clients, and server settings.

Hosting companies print URLs with options of libpq and of other clients. asyncpg would send an
unknown option to the server as a setting, and the server would refuse the connection without naming
the option.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: sslmode values of libpq (https://www.postgresql.org/docs/current/libpq-ssl.html) and asyncpg.
TLS_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
#: Files that options name. Each must be readable when a connection is opened.
FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
#: Value of sslrootcert that stands for the certificates of the operating system (libpq 16).
SYSTEM: Final = "system"

#: Options that asyncpg evaluates itself.
_CLIENT: Final = frozenset(
    {
        *("host", "port", "dbname", "database", "user", "password", "passfile", "service"),
        *("sslmode", *FILES, "sslpassword", "sslnegotiation"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version"),
        *("target_session_attrs", "krbsrvname", "gsslib"),
    }
)
#: Options that are ignored, because they are for pools and drivers that the worker does not use, or
#: because a setting of the worker does the same (INTERVIEW_DATABASE_...). channel_binding is
#: ignored because asyncpg does not support it; a verified certificate protects the password
#: instead.
_IGNORED: Final = frozenset(
    {
        *("channel_binding", "gssencmode", "sslcompression", "sslsni", "sslcertmode"),
        *("require_auth", "requirepeer", "load_balance_hosts", "client_encoding", "replication"),
        *("connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval"),
        *("keepalives_count", "tcp_user_timeout", "application_name", "fallback_application_name"),
        *("min_protocol_version", "max_protocol_version", "uselibpqcompat"),
        *("pgbouncer", "connection_limit", "pool_timeout", "socket_timeout", "pool_size"),
        *("statement_cache_size", "prepared_statement_cache_size", "prepareThreshold", "supa"),
        *("sslaccept", "tcpKeepAlive", "loginTimeout", "socketTimeout", "workaround"),
    }
)
#: Settings of the server that a client may choose for its connection.
_SERVER: Final = frozenset(
    {
        *("options", "search_path", "role", "timezone", "datestyle", "intervalstyle", "jit"),
        *("statement_timeout", "lock_timeout", "transaction_timeout", "idle_session_timeout"),
        *("idle_in_transaction_session_timeout", "default_transaction_isolation", "work_mem"),
        *("default_transaction_read_only", "default_tablespace", "synchronous_commit"),
        *("temp_buffers", "extra_float_digits"),
    }
)
_SESSIONS: Final = ("any", "primary", "standby", "prefer-standby", "read-write", "read-only")
#: Values of the option `ssl` of other clients, and the sslmode that each stands for. An empty text
#: stands for TLS, with the default of `worker.store.tls` (see `asks_for_tls`).
_SSL: Final = {
    "true": "",
    "1": "",
    "on": "",
    "yes": "",
    "false": "disable",
    "0": "disable",
    "off": "disable",
    "no": "disable",
}
#: Names of the options whose values are passwords.
PASSWORDS: Final = ("password", "sslpassword")
#: Names of all known options.
KNOWN: Final = frozenset({*_CLIENT, *_IGNORED, *_SERVER, "ssl", "schema"})
#: sslmode of the driver node-postgres that libpq does not know.
_NO_VERIFY: Final = "no-verify"


class OptionInvalid(ValueError):
    """Raised for an option that is unknown or has a wrong value.

    The message begins with a verb; `DatabaseUrlInvalid` puts "the database URL" before it.
    """


def usable_options(query: Mapping[str, str]) -> dict[str, str]:
    """Return the options that asyncpg gets.

    Ignored options are left out, and options of other clients are translated. Raises OptionInvalid.
    """
    found: dict[str, str] = {}
    for name, value in query.items():
        if name in _CLIENT or name.lower() in _SERVER or "." in name:
            found[name] = value
        elif name == "ssl":
            found.update(_of_ssl(value))
        elif name == "schema":  # an option of the client Prisma
            found["search_path"] = value
        elif name not in _IGNORED:
            if any(password in query for password in PASSWORDS):
                # Do not show the name of the option, because it may be a part of the password.
                raise OptionInvalid(
                    "has an unknown option beside its password: write %26 for each & of the "
                    "password, or remove the option"
                )
            raise OptionInvalid(
                f"has an unknown option {name[:40]!r}; remove it, or write a setting of the "
                "server as options=-c%20name%3Dvalue"
            )
    if found.get("sslmode") == _NO_VERIFY:
        found["sslmode"] = "require"
    _check_values(found)
    return found


def asks_for_tls(query: Mapping[str, str]) -> bool:
    """Return whether the option `ssl` asks for TLS without choosing an sslmode."""
    return _SSL.get(query.get("ssl", "no").lower()) == ""


def _of_ssl(value: str) -> dict[str, str]:
    mode = _SSL.get(value.lower(), value)
    return {"sslmode": mode} if mode else {}


def _check_values(options: Mapping[str, str]) -> None:
    mode = options.get("sslmode")
    if mode is not None and mode not in TLS_MODES:
        known = ", ".join(sorted(TLS_MODES))
        raise OptionInvalid(f"has an unknown sslmode {mode!r} (known: {known})")
    wanted = options.get("target_session_attrs")
    if wanted is not None and wanted not in _SESSIONS:
        known = ", ".join(_SESSIONS)
        raise OptionInvalid(f"has an unknown target_session_attrs {wanted!r} (known: {known})")
