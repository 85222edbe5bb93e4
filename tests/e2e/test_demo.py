"""The demo on a LiveKit server that it starts itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from states import History, Outcome, Reason, Status
from states.testing import assert_condition, assert_outcome, assert_path
from tests.support.environment import environment
from tests.support.folders import new_folder
from tests.support.live.heard import MOST_WORD_ERRORS, word_error_rate
from tests.support.live.running_worker import left_behind
from tests.support.live.waiting import eventually
from worker.demo.script import ANSWERS
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.simulation.voice import without_pauses

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.rotates]

# The demo takes a minute: all tests of the module share one run.
#: Seconds until the demo is killed; a run takes about 65.
_LONGEST_S = 240.0

PLAN = load_plan(SAMPLE_PLAN)


@dataclass(frozen=True, kw_only=True)
class Demo:
    """The output and the files of one demo run."""

    ended: subprocess.CompletedProcess[str]
    folder: Path
    temporary: Path

    @property
    def history(self) -> History:
        return History.read(self.folder / "journal.jsonl")

    def said_by(self, speaker: str) -> str:
        """Return all turns of one speaker in the transcript."""
        mark = f"**{speaker}:** "
        lines = (self.folder / "transcript.md").read_text(encoding="utf-8").splitlines()
        return " ".join(line.removeprefix(mark) for line in lines if line.startswith(mark))


@pytest.fixture(scope="module")
def demo(livekit_binary: Path) -> Iterator[Demo]:
    """Run the demo with a `livekit-server` on the PATH and no setting."""
    # Outside pytest's own folder, which the user of root's PostgreSQL cannot enter.
    root = new_folder("interview-demo-")
    try:
        for name in ("bin", "tmp"):
            (root / name).mkdir()
        (root / "bin" / "livekit-server").symlink_to(livekit_binary)
        machine = {
            "PATH": os.pathsep.join([str(root / "bin"), os.environ["PATH"]]),
            "TMPDIR": str(root / "tmp"),
        }
        ended = subprocess.run(
            [sys.executable, "-m", "worker", "demo", "-o", str(root / "left")],
            env=environment(machine),
            cwd=root,
            capture_output=True,
            text=True,
            timeout=_LONGEST_S,
            check=False,
        )
        yield Demo(ended=ended, folder=root / "left", temporary=root / "tmp")
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest.mark.row("C5")
def test_the_job_takes_the_whole_path_and_completes(demo: Demo) -> None:
    assert demo.ended.returncode == 0, demo.ended.stdout + demo.ended.stderr
    assert_path(
        demo.history,
        "HANDSHAKE",
        "CONNECTED",
        "BOOTSTRAPPING",
        "READY",
        "RUNNING",
        "CLOSING",
        "CLOSED",
    )
    assert_outcome(demo.history, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    for resource in ("orchestrator", "database", "vad", "stt", "tts"):
        assert_condition(demo.history, resource, Status.READY)
    assert not demo.history.faults
    # The job has a process of its own, and its worker recorded the exit.
    assert demo.history.exit_code == 0


def test_every_question_was_asked_and_every_answer_understood(demo: Demo) -> None:
    asked = demo.said_by("Interviewer")
    for question in PLAN.questions:
        assert question.text in asked
    answers = " ".join(without_pauses(ANSWERS[question.id]) for question in PLAN.questions)
    understood = demo.said_by("Candidate")
    assert word_error_rate(answers, understood) <= MOST_WORD_ERRORS


def test_the_recording_contains_the_interview(demo: Demo) -> None:
    with wave.open(str(demo.folder / "recording.wav")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        rate = file.getframerate()
    seconds = samples[: len(samples) // rate * rate].reshape(-1, rate)
    spoken = np.count_nonzero(np.abs(seconds).max(axis=1) > 1000)
    # The answers take 24 s to say, and the questions 18 s.
    assert spoken > 30


async def test_no_process_or_file_is_left(demo: Demo) -> None:
    # The keeper process of the database waits 2 s for another user.
    await eventually(
        lambda: not left_behind(demo.temporary), "the end of every process", timeout_s=30
    )
    assert [path.name for path in demo.temporary.glob("interview-demo-*")] == []


def test_the_log_contains_no_spoken_words(demo: Demo) -> None:
    log = (demo.folder / "worker.log").read_text(encoding="utf-8")
    assert "doctor" not in log
    assert "colleague" not in log
