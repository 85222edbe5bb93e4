"""The address of the worker's probes, read from the environment without pydantic.

A container runs `health` every few seconds, and the import of pydantic-settings takes most of that
command's time.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Final

from worker.env.env_file import VARIABLE as ENV_FILE

#: Defaults of the settings in `worker.config.http`.
DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8081

#: Pattern of a host that is certainly valid. `HttpSettings` checks every other host.
_HOST: Final = re.compile(r"[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")
#: Pattern of a port that is valid unless it is above `_MAX_PORT`. `HttpSettings` checks every other
#: port.
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
_MAX_PORT: Final = 65_535
#: Pattern of a token that is certainly valid, or of an empty text. `HttpSettings` checks every
#: other token.
_TOKEN: Final = re.compile(r"([!-~]{16,})?")
#: Variables with the prefix INTERVIEW_HTTP_ that this module reads. `HttpSettings` reads every
#: other variable, such as INTERVIEW_HTTP_TOKEN_FILE.
_READ: Final = {"INTERVIEW_HTTP_HOST", "INTERVIEW_HTTP_PORT", "INTERVIEW_HTTP_TOKEN"}


@dataclass(frozen=True, kw_only=True)
class HttpAddress:
    """Host, port and bearer token of the HTTP server, as the settings name them."""

    host: str
    port: int
    token: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        """The base URL of the server, as seen from the worker's machine."""
        # A server on `::` accepts IPv6 alone, because asyncio sets IPV6_V6ONLY.
        if self.host == "::":
            return f"http://[::1]:{self.port}"
        everywhere = self.host in ("0.0.0.0", "")  # noqa: S104  # compared, not bound
        host = DEFAULT_HOST if everywhere else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


def plain_address() -> HttpAddress | None:
    """Return the address that the environment sets; None if only `HttpSettings` can read it.

    The result is None if a file of settings is named, if a variable is set that this module does
    not read (`_READ`), if a value needs a check, or if no token is set although other machines can
    reach the host.
    """
    names = {name for name in os.environ if name.upper().startswith("INTERVIEW_HTTP_")}
    if names - _READ or any(name.upper() == ENV_FILE for name in os.environ):
        return None
    host = os.environ.get("INTERVIEW_HTTP_HOST", DEFAULT_HOST)
    port = os.environ.get("INTERVIEW_HTTP_PORT", str(DEFAULT_PORT))
    token = os.environ.get("INTERVIEW_HTTP_TOKEN", "")
    if not (_HOST.fullmatch(host) and _PORT.fullmatch(port) and _TOKEN.fullmatch(token)):
        return None
    if int(port) > _MAX_PORT or (not token and host not in (DEFAULT_HOST, "localhost")):
        return None
    return HttpAddress(host=host, port=int(port), token=token)
