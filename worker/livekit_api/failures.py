"""Convert the failures of a call to LiveKit's server API to `LiveKitError`."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import aiohttp
from google.protobuf.message import DecodeError
from livekit import api

from worker.livekit_api.errors import (
    LiveKitError,
    LiveKitKeyRefused,
    LiveKitUnreachable,
    RoomToolError,
)

#: `LiveKitUnreachable.reason` of a call that got no answer in time.
TIMED_OUT: Final = "timed out"
#: Errors of a connection that the server closed before it answered.
DISCONNECTED: Final = (
    aiohttp.ServerDisconnectedError,
    aiohttp.ClientOSError,
    aiohttp.ClientConnectionResetError,
)

#: An error code of LiveKit (https://twitchtv.github.io/twirp/docs/errors.html). The answer of a
#: program other than LiveKit may contain any text as code.
_CODE: Final = re.compile("[a-z_]{1,40}")


@contextmanager
def converted(operation: str, url: str, *, budget_s: float) -> Iterator[None]:
    """Convert the failures of one call, made in the `with` block, to `LiveKitError`.

    Args:
        operation: The name of the operation, for error messages.
        url: The server's URL.
        budget_s: Timeout of the call, in seconds.

    Raises:
        LiveKitKeyRefused: The server refuses the key or its secret.
        LiveKitUnreachable: No answer came in time, or the answer is not from a LiveKit server.
        RoomToolError: The server accepted the key and refused the request.
    """
    try:
        yield
    except api.ServerError as error:
        raise _refusal(error, operation, url, budget_s) from error
    except (DecodeError, AttributeError) as error:
        # The body of the answer is no protobuf message, or the body of an error is JSON but no
        # object (livekit-api 1.2.2 then fails to read it).
        reason = "the answer is not from LiveKit"
        raise LiveKitUnreachable(url, reason=reason, budget_s=budget_s) from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise LiveKitUnreachable(url, reason=_reason(error), budget_s=budget_s) from error


def _refusal(error: api.ServerError, operation: str, url: str, budget_s: float) -> LiveKitError:
    if error.status in (401, 403):
        return LiveKitKeyRefused(url)
    is_code = isinstance(error.code, str) and _CODE.fullmatch(error.code)
    if not is_code or error.code == api.ServerErrorCode.UNKNOWN or error.status >= 500:
        return LiveKitUnreachable(url, reason=f"HTTP {error.status}", budget_s=budget_s)
    return RoomToolError(operation, code=error.code, status=error.status)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return TIMED_OUT
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy refuses the connection: HTTP {error.status}"
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return "the proxy cannot be reached"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "host name not found"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return "invalid certificate"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "connection refused" if error.errno == errno.ECONNREFUSED else "cannot connect"
    return type(error).__name__
