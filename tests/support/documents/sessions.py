"""Runs the commands and the tests that a document shows, as a reader would.

The `sh` fences of a document are one bash session in an empty folder. A fence that a reader saves
("Save this as `plan.yaml`:", or `# plan.yaml` on its first line) is saved there, at its place
between the commands. Lines have the numbers that they have in the document.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.support.documents.shell import commands_of
from tests.support.environment import environment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import IO

    from tests.support.documents.markdown import Document, Fence

#: Seconds after which a document's session, or its tests, are killed.
LONGEST_S: Final = 240.0
#: Last lines of the output that a failure shows.
_SHOWN_LINES: Final = 25
#: A line that ends the text of a saved file.
_END_OF_FILE: Final = "END_OF_THE_FENCE"
#: Commands that no test runs, by their first words, and the reason.
_NOT_RUN: Final[dict[tuple[str, ...], str]] = {
    ("make",): "it needs a checkout",
    ("git",): "it needs a checkout or a network",
    ("pip",): "it changes the environment",
    ("python", "-m", "pip"): "it changes the environment",
    ("python", "-m", "venv"): "it makes another environment",
    ("curl",): "it needs a server",
    ("docker",): "it needs containers",
    ("kubectl",): "it needs a cluster",
    ("sudo",): "it changes the machine",
    ("systemctl",): "it changes the machine",
    ("interview-worker", "demo"): "it needs a LiveKit server",
    ("interview-worker", "start"): "it needs a LiveKit server",
}


def not_runnable(document: Document) -> list[str]:
    """Return a message for each command in the document's `sh` fences that no test can run."""
    return [
        f"{document.at(command.line)}: a test would run `{' '.join(command.words)}`, but {reason}: "
        "write ```sh not run: REASON"
        for fence in document.fences
        if fence.is_run
        for command in commands_of(fence.text, fence.line + 1)
        if (reason := _reason_not_to_run(command.words))
    ]


def _reason_not_to_run(words: Sequence[str]) -> str | None:
    name = re.sub(r"^(python|pip)[\d.]*$", r"\1", words[0].rpartition("/")[2])
    plain = (name, *words[1:])
    found = (reason for first, reason in _NOT_RUN.items() if plain[: len(first)] == first)
    return next(found, None)


def script_of(document: Document, started: Path) -> str:
    """Return the bash script of the document's session.

    The script writes the line of each command into the file `started` before the command runs.
    """
    lines = [""] * (document.text.count("\n") + 1)
    report = f'echo "$LINENO" > {shlex.quote(str(started))}'
    lines[0] = f"set -euo pipefail; trap {shlex.quote(report)} DEBUG"
    for fence in document.fences:
        if fence.is_run:
            lines[fence.line : fence.line + len(fence.lines)] = fence.lines
        elif fence.file_name:
            lines[fence.line - 1] = f"cat > {shlex.quote(fence.file_name)} <<'{_END_OF_FILE}'"
            lines[fence.line : fence.line + len(fence.lines)] = fence.lines
            lines[fence.end - 1] = _END_OF_FILE
    return "\n".join(lines) + "\n"


def run_commands(document: Document, folder: Path) -> str | None:
    """Run the document's `sh` fences. Return a message about the command that failed, or None.

    `folder` is an empty folder. The commands run in its folder `here` and use `data` as their data
    folder.
    """
    here, started = folder / "here", folder / "started"
    here.mkdir()
    script = folder / "session.sh"
    script.write_text(script_of(document, started), encoding="utf-8")
    problem, output = _run(("bash", str(script)), here, data=folder / "data")
    if problem is None:
        return None
    line = int(started.read_text() or 1) if started.exists() else 1
    command = document.text.split("\n")[line - 1].strip()
    return f"{document.at(line)}: `{command}` {problem}\n{output}"


def has_tests(fence: Fence) -> bool:
    """Return whether pytest runs the fence: a `python` fence with a test function."""
    is_test = re.search(r"^\s*(?:async )?def test_", fence.text, re.MULTILINE)
    return fence.info == "python" and is_test is not None


def run_python_tests(document: Document, folder: Path) -> str | None:
    """Run the tests in the document's `python` fences. Return a message if one fails, or None.

    `folder` is an empty folder. Each fence is a module of its own in the folder `here`.
    """
    here = folder / "here"
    here.mkdir()
    tests = []
    for fence in document.fences:
        name = fence.file_name
        if has_tests(fence):
            # Not its own name, which a later version of the same tests may have too.
            name = f"test_line_{fence.line}.py"
            tests.append(name)
        if name:
            # The blank lines give the lines of a traceback their numbers in the document.
            blank = "\n" * fence.line if fence.language == "python" else ""
            (here / name).write_text(blank + fence.text, encoding="utf-8")
    pytest = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly")
    problem, output = _run((*pytest, *tests), here, data=folder / "data")
    return None if problem is None else f"{document.name}: pytest {problem}\n{output}"


def _run(command: Sequence[str], here: Path, *, data: Path) -> tuple[str | None, str]:
    """Run a command to its end. Return what went wrong, or None, and the last lines printed."""
    variables = environment({"INTERVIEW_DATA_DIR": str(data)})
    variables = {key: value for key, value in variables.items() if not key.startswith("PYTEST")}
    variables["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{variables['PATH']}"
    log = here.parent / f"{here.name}.log"
    with log.open("wb") as output:
        problem = _ended(command, here, variables, output)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return problem, "\n".join(lines[-_SHOWN_LINES:])


def _ended(
    command: Sequence[str], here: Path, variables: dict[str, str], output: IO[bytes]
) -> str | None:
    """Run a command. Return None if it exits with 0; kill it after `LONGEST_S`."""
    process = subprocess.Popen(
        command,
        cwd=here,
        env=variables,
        stdin=subprocess.DEVNULL,
        # A file, because a process that a command leaves behind would keep a pipe open.
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        code = process.wait(LONGEST_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return f"did not end within {LONGEST_S:g} s; the last output:"
    return f"failed with exit code {code}; the last output:" if code else None
