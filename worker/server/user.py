"""Checks whether the database of a worker needs a name of this process's user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.env.surroundings import unknown_home, unnamed_cluster_owner, unnamed_database_user
from worker.store.embedded.layout import Layout

if TYPE_CHECKING:
    from worker.config.settings import Settings


def missing_user_name(settings: Settings) -> str | None:
    """Return why a worker with these settings needs a user name that its user id does not have.

    The problem is one line that ends with what to do, after a colon. The result is None if there is
    no problem. If the home of the embedded database is not known, another check reports it.
    """
    if url := settings.database_url.get_secret_value():
        return unnamed_database_user(url)
    if settings.embedded and unknown_home(settings.data_dir) is None:
        return unnamed_cluster_owner(Layout.of(settings.data_dir).cluster)
    return None
