"""The modules that a command imports, in a separate process."""

from __future__ import annotations

import subprocess
import sys


def test_commands_do_not_import_livekit_agents() -> None:
    """Importing livekit-agents costs seconds of CPU, also for every container probe."""
    code = "import sys, worker.cli.app; sys.exit('livekit.agents' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
