"""Checks that this process has a user name and a temporary folder."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from worker.doctor.context import run_in_daemon_thread
from worker.doctor.finding import Finding, fine, wrong
from worker.env.surroundings import ensure_temp_folder, unknown_home, user_name
from worker.server.user import missing_user_name

if TYPE_CHECKING:
    from worker.config.settings import Settings
    from worker.doctor.context import CheckContext


async def check_system(visit: CheckContext) -> Finding:
    """Check that this process can create temporary files, and has a user name if one is needed."""
    problems = await run_in_daemon_thread(lambda: system_problems(visit.settings))
    if not problems:
        user = user_name() or f"id {os.geteuid()}, without a name"
        return fine(f"user {user}; temporary files in {tempfile.gettempdir()}")
    # In each problem, the text after the last colon is the advice.
    told = [problem.rpartition(": ") for problem in problems]
    return wrong(
        "; ".join(found for found, _, _ in told), "; ".join(advice for _, _, advice in told)
    )


def system_problems(settings: Settings) -> list[str]:
    """Return one line for each thing that the worker needs and the system lacks. Blocks.

    If the data folder begins with an unresolved `~`, the check of temporary files is skipped,
    because another check reports this problem.
    """
    found = [missing_user_name(settings)]
    if unknown_home(settings.data_dir) is None:
        found.append(ensure_temp_folder(settings.data_dir / "tmp"))
    return [problem for problem in found if problem is not None]
