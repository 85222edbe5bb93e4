"""The database of the job processes: a role of their own if one can be made, else the worker's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from worker.aio.tasks import log_failure
from worker.continuity.dispatch_metadata import MetadataInvalid, read_metadata
from worker.job.launch_settings import with_settings
from worker.store.errors import DatabaseUnavailable
from worker.store.job_access import JobAccess, NoJobRole, prepare_job_access
from worker.store.tls import with_tls

if TYPE_CHECKING:
    from livekit.agents.ipc.proc_pool import ProcPool
    from livekit.agents.job import RunningJobInfo

    from worker.config.settings import Settings
    from worker.store.database import Database

logger = logging.getLogger(__name__)

#: The setting with which a job's process finds its database.
_VARIABLE: Final = "DATABASE_URL"


class JobDatabase:
    """Gives each job its database URL, with rights on the job's interview alone where possible.

    Args:
        settings: The settings of the worker.
        database: Returns the database of the main process; None while it cannot be used.
    """

    def __init__(self, settings: Settings, database: Callable[[], Database | None]) -> None:
        self._settings = settings
        self._database = database
        self._url = settings.database_url.get_secret_value()
        self._access: JobAccess | None = None
        #: True once it is known whether the jobs have a role of their own.
        self._is_settled = False
        #: Why they have none, as it was logged; empty if it was not logged.
        self._told = ""
        self._preparing: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """Make and try the role of the jobs, and log whether they have one.

        While the database is unavailable nothing is logged, and the next launch of a job tries it
        again, as after a failure that may pass. Until then jobs connect with the worker's role, as
        they do if no role can be made.
        """
        database, url = self._database(), self._url
        if database is None or self._is_settled:
            return
        tls, own = self._settings.database_tls, self._settings.database_job_url.get_secret_value()
        try:
            access = await prepare_job_access(
                database,
                with_tls(url, tls),
                job_url=with_tls(own, tls) if own else "",
            )
        except DatabaseUnavailable:
            return
        except NoJobRole as problem:
            self._access = None
            self._tell(problem)
            may_pass = problem.may_pass
        else:
            self._access = access
            self._told = ""
            _log_role(access)
            may_pass = False
        # While this ran, the worker may have got another URL.
        self._is_settled = not may_pass and url == self._url

    def use_url(self, url: str) -> None:
        """Use another URL of the worker for the jobs that begin from now on.

        It may name another server, so that the role of the jobs is made and tried again.
        """
        if url != self._url:
            self._url = url
            self._is_settled = False
            self._prepare_later()

    def _tell(self, problem: NoJobRole) -> None:
        """Log why jobs have no role of their own, unless the log has it already."""
        if str(problem) != self._told:
            self._told = str(problem)
            logger.warning(
                "jobs connect to the database with all rights of the worker, because they have no "
                "role of their own: %s",
                problem,
                extra={"event": "job_role_missing"},
            )

    def watch(self, pool: ProcPool) -> None:
        """Give the database to each job that this pool launches. Call this before the first one."""
        launch = pool.launch_job

        async def launch_with_database(info: RunningJobInfo) -> None:
            self._prepare_later()
            url = self.url_for(info.job.metadata)
            await launch(with_settings(info, {_VARIABLE: url}) if url else info)

        pool.launch_job = launch_with_database  # type: ignore[method-assign]

    def url_for(self, metadata: str) -> str:
        """Return the URL for the job of a dispatch with this metadata; empty without a database."""
        if self._access is None:
            return self._url
        try:
            interview_id, _ = read_metadata(metadata)
        except MetadataInvalid:
            return self._access.url_for(None)
        return self._access.url_for(interview_id)

    def _prepare_later(self) -> None:
        if self._is_settled or self._database() is None:
            return
        if self._preparing is None or self._preparing.done():
            self._preparing = asyncio.create_task(self.prepare(), name="job-role")
            self._preparing.add_done_callback(log_failure)


def _log_role(access: JobAccess) -> None:
    if access.beyond:
        logger.warning(
            "the role of the jobs may do more than a job needs: role %s may %s",
            access.role,
            ", ".join(access.beyond),
            extra={"event": "job_role_too_strong"},
        )
    else:
        logger.info(
            "jobs connect to the database with a role of their own: %s",
            access.role,
            extra={"event": "job_role_used"},
        )
