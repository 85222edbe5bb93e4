"""Shared fixtures of the floor."""

from __future__ import annotations

import pytest

from tests.support.floor_scenes import Scene, line_at


@pytest.fixture
def scene() -> Scene:
    """A scene in which our line began at 10.0, not after words of the candidate."""
    scene = Scene()
    scene.give(line_at(10.0))
    return scene


@pytest.fixture
def opening() -> Scene:
    """A scene in which our line began at 10.0, after an answer of the candidate."""
    scene = Scene()
    scene.after_an_answer(10.0)
    return scene
