"""The modules that a command imports, in a separate process."""

from __future__ import annotations

import subprocess
import sys

#: Names of the worker's modules that a process has imported, and of other modules that take long.
_IMPORTED = (
    "slow = {'asyncpg', 'livekit', 'psutil', 'rich', 'states', 'urllib.request'}\n"
    "names = {name for name in sys.modules if name.startswith('worker.') or name in slow}\n"
    "print(*sorted(names), sep='\\n')\n"
)


def imported_by(code: str) -> list[str]:
    """Return the names of `_IMPORTED` after a process has run `code`."""
    code = f"import sys\n{code}\n{_IMPORTED}"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return shown.stdout.splitlines()


def test_commands_do_not_import_livekit_agents() -> None:
    """Importing livekit-agents costs seconds of CPU, which only some commands need."""
    code = (
        "import sys\n"
        "from worker.cli.app import Commands\n"
        "assert len(dict(Commands())) > 10  # looking a command up imports it\n"
        "sys.exit('livekit.agents' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_help_imports_no_command() -> None:
    assert imported_by("import worker.cli.app") == [
        "worker.cli",
        "worker.cli.app",
        "worker.cli.help_texts",
    ]
    shown = imported_by(
        "import contextlib, io, worker.cli.app\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    worker.cli.app.app(['--help'], standalone_mode=False)"
    )
    ours = [name for name in shown if name.startswith("worker.")]
    assert ours == ["worker.cli", "worker.cli.app", "worker.cli.help_texts"]


def test_a_probe_imports_no_settings() -> None:
    """A container runs the command every few seconds."""
    assert imported_by("import worker.cli.app, worker.cli.health") == [
        "worker.cli",
        "worker.cli.app",
        "worker.cli.common",
        "worker.cli.control_characters",
        "worker.cli.errors",
        "worker.cli.health",
        "worker.cli.help_texts",
        "worker.config",
        "worker.config.http_address",
        "worker.env",
        "worker.env.env_file",
        "worker.env.shown",
    ]


def test_a_fault_of_a_resource_is_known_where_only_the_settings_are_imported() -> None:
    """A command, the main process and the forkserver read the settings before the application."""
    code = (
        "from worker.config.settings import Settings\n"
        "given = {'INTERVIEW_ALLOW_FAULTS': '1', '_env_file': None}\n"
        "print(*Settings.load(INTERVIEW_FAULTS='load.vad=hang', **given).faults_to_set())\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert shown.stdout == "load.vad=hang\n"


def test_checking_a_plan_imports_neither_livekit_nor_the_database() -> None:
    code = (
        "import sys, worker.cli.plan\n"
        "sys.exit(', '.join({'livekit', 'asyncpg', 'worker.store', 'worker.config'}"
        " & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
