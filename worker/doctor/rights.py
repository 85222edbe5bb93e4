"""Check of the secrets that encrypt dispatches and sign room tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from worker.doctor.finding import Finding, fine, warning

if TYPE_CHECKING:
    from worker.doctor.context import CheckContext

#: Minimum length of the API secret, in bytes: that of a key for HMAC-SHA-256 (RFC 7518, section
#: 3.2). Room tokens are signed with it.
_SHORTEST_SECRET: Final = 32


async def check_dispatch_key(visit: CheckContext) -> Finding:
    """Check which key encrypts dispatches, and that the API secret is too long to guess."""
    settings = visit.settings
    secret = settings.livekit_api_secret.get_secret_value()
    former = settings.metadata_old_keys.get_secret_value().split(",")
    facts: dict[str, Any] = {
        "own_key": bool(settings.metadata_key.get_secret_value()),
        "former_keys": len([key for key in former if key.strip()]),
    }
    if len(secret.encode()) < _SHORTEST_SECRET:
        return warning(
            f"LIVEKIT_API_SECRET has fewer than {_SHORTEST_SECRET} bytes, so that it can be "
            "guessed from a candidate's token: its finder can join every room and read every "
            "dispatch",
            "set a longer secret in the server's configuration, here and for all commands",
            **facts,
        )
    if facts["own_key"]:
        return fine("dispatches are encrypted with INTERVIEW_METADATA_KEY", **facts)
    return fine("dispatches are encrypted with a key derived from LIVEKIT_API_SECRET", **facts)
