"""Settings of the worker's HTTP servers: their addresses, and the token."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from pydantic import Field, SecretStr, field_validator, model_validator

from worker.config.http_address import DEFAULT_HOST, DEFAULT_PORT, HttpAddress
from worker.env.group import SettingsGroup

#: Pattern of one part of a host name or an address, between two dots. An IPv6 address may end with
#: % and the name of an interface. A part that is empty or longer than 63 characters cannot be
#: looked up.
_PART = r"[A-Za-z0-9_:%-]{1,63}"
_HOST = re.compile(rf"({_PART}(\.{_PART})*\.?)?")
#: Minimum number of characters of the token. 16 random characters of base64 have 96 bits, too many
#: to guess over a network.
SHORTEST_TOKEN: Final = 16


class HttpSettings(SettingsGroup):
    """Settings of the HTTP server for probes, metrics and jobs.

    The server needs a token unless it binds to a loopback address. A second server, which answers
    only the probes, needs no token.
    """

    http_host: str = DEFAULT_HOST
    """Address that the HTTP server binds to."""
    http_port: int = Field(default=DEFAULT_PORT, ge=0, le=65_535)
    """Port of the HTTP server; 0: any free port."""
    http_token: SecretStr = SecretStr("")
    """Bearer token for the HTTP server, of 16 or more characters; needed unless INTERVIEW_HTTP_HOST
    is a loopback address."""
    http_probe_port: int | None = Field(default=None, ge=0, le=65_535)
    """Port of a second HTTP server, which answers only the probes and needs no token; 0: any free
    port; empty: no second server."""
    http_probe_host: str = ""
    """Address that the second HTTP server, for the probes, binds to; empty: the address in
    INTERVIEW_HTTP_HOST."""

    @field_validator("http_probe_port", mode="before")
    @classmethod
    def _none_if_empty(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("http_token")
    @classmethod
    def _is_long(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < SHORTEST_TOKEN:
            raise ValueError(
                f"has fewer than {SHORTEST_TOKEN} characters, so that others may guess it: "
                "set a longer one, such as the output of `openssl rand -hex 16`"
            )
        return value

    @field_validator("http_host", "http_probe_host")
    @classmethod
    def _is_host(cls, value: str) -> str:
        if not _HOST.fullmatch(value):
            raise ValueError("must be an IP address or a host name")
        return value

    @model_validator(mode="after")
    def _guarded(self) -> HttpSettings:
        if not self.http_token.get_secret_value() and not is_loopback(self.http_host):
            raise ValueError(
                f"INTERVIEW_HTTP_HOST is {self.http_host}, which other machines can reach: set "
                "INTERVIEW_HTTP_TOKEN to a bearer token, or INTERVIEW_HTTP_HOST to 127.0.0.1"
            )
        probes = (self.http_probe_host or self.http_host, self.http_probe_port)
        if self.http_probe_port and probes == (self.http_host, self.http_port):
            raise ValueError(
                f"INTERVIEW_HTTP_PORT and INTERVIEW_HTTP_PROBE_PORT are both {self.http_port}: "
                "give the probes another port"
            )
        return self


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def address_of(settings: HttpSettings) -> HttpAddress:
    """Return the address of the worker's HTTP server."""
    return HttpAddress(
        host=settings.http_host,
        port=settings.http_port,
        token=settings.http_token.get_secret_value(),
    )


def probe_address_of(settings: HttpSettings) -> HttpAddress:
    """Return the address at which the worker answers its probes.

    The probes are answered by the second server if INTERVIEW_HTTP_PROBE_PORT is set, else by the
    HTTP server. If the port is set to 0, the returned address has port 0, and not the port that the
    server got.
    """
    if not settings.http_probe_port:
        return address_of(settings)
    host = settings.http_probe_host or settings.http_host
    return HttpAddress(host=host, port=settings.http_probe_port)
