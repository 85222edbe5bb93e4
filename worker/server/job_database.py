"""The database access of the job processes, if possible with a separate role for jobs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from worker.aio.tasks import log_failure
from worker.config.settings import Settings
from worker.continuity.dispatch_metadata import MetadataInvalid, read_metadata
from worker.env.secret_files import SUFFIX, secret_files
from worker.job.launch_settings import with_settings
from worker.store.errors import DatabaseUnavailable
from worker.store.job_access import JobAccess, prepare_job_access
from worker.store.job_role import NoJobRole
from worker.store.tls import UrlDefaults

if TYPE_CHECKING:
    from livekit.agents.ipc.proc_pool import ProcPool
    from livekit.agents.job import RunningJobInfo

    from worker.store.database import Database

logger = logging.getLogger(__name__)

#: Environment variable that tells a job's process the URL of its database.
_VARIABLE: Final = "DATABASE_URL"


@dataclass(frozen=True, kw_only=True)
class _Urls:
    """Two database URLs of the settings: the worker's, and the jobs' (empty if not set)."""

    worker: str = field(repr=False)
    jobs: str = field(repr=False)

    @classmethod
    def of(cls, settings: Settings) -> _Urls:
        return cls(
            worker=settings.database_url.get_secret_value(),
            jobs=settings.database_job_url.get_secret_value(),
        )


class JobDatabase:
    """Gives each job its database URL, with rights on the job's interview alone where possible.

    Create a JobDatabase before `hide_secrets` removes the secrets from the environment.

    Args:
        settings: The settings of the worker.
        database: Returns the database of the main process; None while it cannot be used.
    """

    def __init__(self, settings: Settings, database: Callable[[], Database | None]) -> None:
        self._database = database
        self._defaults = UrlDefaults.of_environment(settings.database_tls)
        self._urls = _Urls.of(settings)
        #: Path of the file with the worker's database URL; empty if the URL comes from no file.
        self._file = secret_files(Settings).get("database_url", "")
        self._access: JobAccess | None = None
        #: The URLs of the last attempt to make a role for the jobs that had a definite result.
        self._tried: _Urls | None = None
        #: The logged reason why jobs have no role of their own; empty if none was logged.
        self._told = ""
        self._preparing: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """Create and test the database role for jobs, and log whether jobs have a separate role.

        If the database is unavailable, nothing is logged. After a temporary failure, the next
        launch of a job tries again. While there is no role for jobs, jobs connect with the worker's
        role or, after a change of the URLs, with their earlier role.
        """
        while self._tried != self._urls and (database := self._database()) is not None:
            urls = self._urls
            if not await self._try(database, urls):
                return
            self._tried = urls

    async def _try(self, database: Database, urls: _Urls) -> bool:
        """Create the jobs' role and connect with it; return False after a temporary failure."""
        try:
            access = await prepare_job_access(
                database,
                self._defaults.complete(urls.worker),
                job_url=self._defaults.complete(urls.jobs) if urls.jobs else "",
            )
        except DatabaseUnavailable:
            return False
        except NoJobRole as problem:
            self._access = None
            self._tell(problem)
            return not problem.may_pass
        self._access = access
        self._told = ""
        _log_role(access)
        return True

    def _tell(self, problem: NoJobRole) -> None:
        """Log why jobs have no separate role, unless this reason was logged before."""
        if str(problem) != self._told:
            self._told = str(problem)
            logger.warning(
                "jobs connect to the database with all rights of the worker, because jobs have "
                "no separate database role: %s",
                problem,
                extra={"event": "job_role_missing"},
            )

    def use(self, settings: Settings) -> None:
        """Use the URLs of these settings for the jobs that begin from now on.

        If the URLs have changed, a task on the running event loop creates and tests the role of the
        jobs again.
        """
        self._urls = _Urls.of(settings)
        self._prepare_later()

    def watch(self, pool: ProcPool) -> None:
        """Give each job that `pool` launches its database URL.

        Call this method before the pool launches a job.
        """
        launch = pool.launch_job

        async def launch_with_database(info: RunningJobInfo) -> None:
            self._prepare_later()
            settings = self._settings_for(info.job.metadata, info.job.room.name)
            await launch(with_settings(info, settings) if settings else info)

        pool.launch_job = launch_with_database  # type: ignore[method-assign]

    def _settings_for(self, metadata: str, room: str) -> dict[str, str]:
        url = self.url_for(metadata, room)
        if not url:
            return {}
        # A job with the worker's own URL reads the file of the URL for each connection, as the
        # worker does, because a password may be a token that is valid only for minutes. If the
        # password comes from PGPASSWORD, the job gets the URL instead, because it does not have
        # this variable.
        own_file = self._file and self._access is None and not self._defaults.password
        return {_VARIABLE: url} | ({_VARIABLE + SUFFIX: self._file} if own_file else {})

    def url_for(self, metadata: str, room: str) -> str:
        """Return the URL for the job of a dispatch to a room; empty without a database."""
        if self._access is None:
            url = self._urls.worker
            return self._defaults.complete(url) if url else ""
        try:
            interview_id, _ = read_metadata(metadata)
        except MetadataInvalid:
            return self._access.url_for(None, room)
        return self._access.url_for(interview_id, room)

    def _prepare_later(self) -> None:
        if self._tried == self._urls or self._database() is None:
            return
        if self._preparing is None or self._preparing.done():
            self._preparing = asyncio.create_task(self.prepare(), name="job-role")
            self._preparing.add_done_callback(log_failure)


def _log_role(access: JobAccess) -> None:
    if access.beyond:
        logger.warning(
            "the database role of the jobs may do more than a job needs: role %s may %s",
            access.role,
            ", ".join(access.beyond),
            extra={"event": "job_role_too_strong"},
        )
    else:
        logger.info(
            "jobs connect to the database with a separate role: %s",
            access.role,
            extra={"event": "job_role_used"},
        )
