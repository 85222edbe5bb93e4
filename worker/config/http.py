"""Settings of the worker's HTTP server: its address and its token."""

from __future__ import annotations

import ipaddress
import re

from pydantic import Field, SecretStr, field_validator, model_validator

from worker.config.http_address import DEFAULT_HOST, DEFAULT_PORT, HttpAddress
from worker.env.group import SettingsGroup

#: Pattern of one part of a host name or an address, between two dots. An IPv6 address may name its
#: interface after %. A part that is empty or longer than 63 characters cannot be looked up.
_PART = r"[A-Za-z0-9_:%-]{1,63}"
_HOST = re.compile(rf"({_PART}(\.{_PART})*\.?)?")


class HttpSettings(SettingsGroup):
    """Settings of the HTTP server for probes, metrics and jobs.

    The server needs a token unless it binds to a loopback address.
    """

    http_host: str = DEFAULT_HOST
    """Address that the HTTP server binds to."""
    http_port: int = Field(default=DEFAULT_PORT, ge=0, le=65_535)
    """Port of the HTTP server; 0: any free port."""
    http_token: SecretStr = SecretStr("")
    """Bearer token for the HTTP server; needed unless INTERVIEW_HTTP_HOST is a loopback address."""

    @field_validator("http_host")
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
