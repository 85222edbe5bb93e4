"""Generates the files of diagrams/: the lifecycle in three formats, and example jobs."""

from __future__ import annotations

from collections.abc import Mapping

from states import examples, render, timeline


def drawings(losses: Mapping[str, str]) -> Mapping[str, str]:
    """Return the files of diagrams/ by name: the lifecycle in three formats, and example jobs.

    Raises ModuleNotFoundError if the `testing` extra is not installed. The example jobs run on
    virtual time, which this extra provides.
    """
    return {
        "lifecycle.mmd": render.mermaid(losses=losses),
        "lifecycle.dot": render.dot(losses=losses),
        "lifecycle.svg": render.svg(losses=losses),
        "healthy.svg": render.svg(examples.healthy(), losses=losses),
        "degraded.svg": render.svg(examples.degraded(), losses=losses),
        "failed.svg": render.svg(examples.failed(), losses=losses),
        "startup.svg": timeline.svg(timeline.drawing(examples.healthy())),
        "interview.svg": timeline.svg(timeline.drawing(examples.degraded(), whole=True)),
    }
