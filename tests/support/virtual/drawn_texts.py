"""Checks for the texts of any drawing."""

from __future__ import annotations

from itertools import combinations

from states.render.scene import PALETTES, Scene, Text


def texts_of(scene: Scene) -> list[Text]:
    """Return all texts of a drawing that are not empty."""
    marks = [mark for part in scene.parts for mark in part.marks]
    return [mark for mark in marks if isinstance(mark, Text) and mark.text]


def assert_texts_can_be_read(scene: Scene) -> None:
    """Assert that no two texts overlap and that every text is inside the drawing."""
    texts = texts_of(scene)
    for one, other in combinations(texts, 2):
        (a, b), (c, d) = _span(one), _span(other)
        assert abs(one.y - other.y) > _size(one) or b <= c or d <= a, (one, other)
    for text in texts:
        assert 0 <= _span(text)[0] < _span(text)[1] <= scene.width, text
        assert text.y < scene.height, text


def _size(text: Text) -> float:
    return PALETTES["light"][text.css].size


def _span(text: Text) -> tuple[float, float]:
    """Return the first and the last x of a text, in a font of usual width."""
    width = len(text.text) * _size(text) * 0.5
    start = {"start": 0.0, "middle": width / 2, "end": width}[text.anchor]
    return text.x - start, text.x - start + width
