"""The modules that a command imports, in a separate process."""

from __future__ import annotations

import subprocess
import sys


def test_commands_do_not_import_livekit_agents() -> None:
    """Importing livekit-agents costs seconds of CPU, also for every container probe."""
    code = "import sys, worker.cli.app; sys.exit('livekit.agents' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_fault_of_a_resource_is_known_where_only_the_settings_are_imported() -> None:
    """A command, the main process and the forkserver read the settings before the application."""
    code = (
        "from worker.config.settings import Settings\n"
        "given = {'INTERVIEW_ALLOW_FAULTS': '1', '_env_file': None}\n"
        "print(*Settings.load(INTERVIEW_FAULTS='load.vad=hang', **given).faults_to_set())\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert shown.stdout == "load.vad=hang\n"
