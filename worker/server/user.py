"""Checks that this process's user id has a name if the worker's database needs a user name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.env.surroundings import unknown_home, unnamed_cluster_owner, unnamed_database_user
from worker.store.embedded.layout import Layout

if TYPE_CHECKING:
    from worker.config.settings import Settings


def missing_user_name(settings: Settings) -> str | None:
    """Return the problem if the worker's database needs a user name and the user id has no name.

    The problem is one line, which ends with a colon and the remedy. The result is None if there is
    no problem. The result is also None if the embedded database is in a home folder that is not
    known, because another check reports this problem.
    """
    if url := settings.database_url.get_secret_value():
        return unnamed_database_user(url)
    if settings.embedded and unknown_home(settings.data_dir) is None:
        return unnamed_cluster_owner(Layout.of(settings.data_dir).cluster)
    return None
