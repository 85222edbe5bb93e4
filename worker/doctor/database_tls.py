"""Check of the TLS mode of the connections to the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.doctor.finding import Finding, fine, warning, wrong
from worker.store.tls import UNSAFE, VERIFYING, Tls, tls_of
from worker.store.url import DatabaseUrl, DatabaseUrlInvalid

if TYPE_CHECKING:
    from worker.doctor.context import CheckContext


async def check_tls(visit: CheckContext) -> Finding:
    """Check that a database on another machine is reached with TLS, and report the mode's source.

    The check opens no connection. The check `database.server` shows whether the server accepts the
    TLS mode.
    """
    settings = visit.settings
    url = settings.database_url.get_secret_value()
    if not url:
        return fine("the Unix socket of the embedded server needs no TLS", mode=None)
    try:
        return judge_tls(tls_of(DatabaseUrl.of(url), default=settings.database_tls))
    except DatabaseUrlInvalid as error:
        return wrong(str(error), "set DATABASE_URL to a URL of that form")


def judge_tls(tls: Tls) -> Finding:
    """Judge the sslmode of a database URL."""
    facts = {"mode": tls.mode, "chosen_by": tls.chosen_by}
    if tls.is_local:
        return fine("the server is on this machine and needs no TLS", **facts)
    found = f"sslmode {tls.mode}, chosen by {tls.chosen_by}"
    if tls.mode in VERIFYING:
        return fine(found, **facts)
    if tls.mode in UNSAFE:
        return warning(
            f"{found}: the password and every word may cross the network in clear",
            "remove sslmode and INTERVIEW_DATABASE_TLS, or use verify-full",
            **facts,
        )
    return warning(
        f"{found}: the connection is encrypted, but the certificate of the server is not checked",
        "use verify-full, with sslrootcert if the authority of the server is not a public one",
        **facts,
    )
