"""What a worker makes of its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.virtual.job_parts import settings_in
from worker.server import Worker

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.row("S9", "S13")
@pytest.mark.parametrize(
    ("variables", "idle", "cleanup_s"),
    [({}, 2, 5.0), ({"INTERVIEW_IDLE_PROCESSES": "4", "INTERVIEW_CLEANUP_S": "9"}, 4, 9.0)],
    ids=["by default", "as configured"],
)
async def test_the_agent_server_is_made_with_the_idle_processes_and_the_cleanup_of_the_settings(
    tmp_path: Path, variables: dict[str, str], idle: int, cleanup_s: float
) -> None:
    settings = settings_in(tmp_path, LIVEKIT_URL="ws://127.0.0.1:1", **variables)
    server = Worker(settings).server
    assert server._num_idle_processes == idle
    assert server._shutdown_process_timeout == cleanup_s
    # With a threshold the framework would size the pool by the CPU's load instead.
    assert server._load_threshold == float("inf")
