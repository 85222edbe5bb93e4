"""Generates the files of diagrams/: the lifecycle in three formats, and sample jobs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from states import History, render, timeline
from worker.interview.dialogue import drawing

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Folder of the journals of the sample jobs. The turns in the journals have placeholder texts.
SAMPLES: Final = Path(__file__).parents[1] / "diagrams" / "samples"


def healthy() -> History:
    """Return a job that loads all resources and completes the interview."""
    return _sample("healthy")


def degraded() -> History:
    """Return a job whose interview begins without the database and without text to speech.

    The database exceeds its load budget, and the text-to-speech provider refuses the connection.
    """
    return _sample("degraded")


def failed() -> History:
    """Return a job that fails because its only required resource, the orchestrator, fails."""
    return _sample("failed")


def _sample(name: str) -> History:
    return History.read(SAMPLES / f"{name}.jsonl")


def drawings(losses: Mapping[str, str]) -> Mapping[str, str]:
    """Return the files of diagrams/ by name: the lifecycle, sample jobs, and the dialogue."""
    return {
        "lifecycle.mmd": render.mermaid(losses=losses),
        "lifecycle.dot": render.dot(losses=losses),
        "lifecycle.svg": render.svg(losses=losses),
        "healthy.svg": render.svg(healthy(), losses=losses),
        "degraded.svg": render.svg(degraded(), losses=losses),
        "failed.svg": render.svg(failed(), losses=losses),
        "dialogue.svg": drawing.svg(),
        "startup.svg": timeline.svg(timeline.drawing(healthy())),
        "interview.svg": timeline.svg(timeline.drawing(degraded(), whole=True)),
    }
