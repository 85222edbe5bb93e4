"""The arrows between two rows of states; arrows to or from the same state run side by side."""

from __future__ import annotations

from states.render.marks import word_wrapped
from states.render.scene import LINE_HEIGHT
from states.render.view import Arrow, Label
from states.table import State

#: Characters that fit beside an arrow: a single one between two rows, or one of several.
WIDE_CHARS, SIDE_CHARS = 34, 17
#: Pixels between arrows that run side by side.
SIDE_STEP = 12.0

#: Arrows that run side by side, and the state, in a row of several, where they start or end.
Bundle = tuple[State | None, list[Arrow]]


def bundles_of(
    arrows: list[Arrow], upper: tuple[object, ...], lower: tuple[object, ...]
) -> list[Bundle]:
    """Group arrows that start or end at the same state of a row of several; others stay single."""
    found: list[Bundle] = []
    for arrow in arrows:
        down = arrow.target in lower
        targets, sources = (lower, upper) if down else (upper, lower)
        foot = arrow.target if len(targets) > 1 else None
        if foot is None and len(sources) > 1 and len(arrow.sources) == 1:
            foot = arrow.sources[0]
        together = [bundle for own, bundle in found if own is foot is not None]
        if together:
            together[0].append(arrow)
        else:
            found.append((foot, [arrow]))
    return found


def foot_of(bundle: Bundle) -> State | None:
    """Return the state, in a row of several, where the arrows start or end; None for the middle."""
    return bundle[0]


def gap(bundles: list[Bundle]) -> float:
    """Return the pixels between two rows: an arrow's labels and its head."""
    chars = side_chars(bundles)
    return 20 + max((side_height(bundle, chars) for _, bundle in bundles), default=LINE_HEIGHT)


def side_chars(bundles: list[Bundle]) -> int:
    """Return the characters per line beside an arrow."""
    return SIDE_CHARS if len(bundles) > 1 else WIDE_CHARS


def side_height(bundle: list[Arrow], chars: int) -> float:
    """Return the pixels that a bundle's stacked labels need."""
    return LINE_HEIGHT * sum(len(side_lines(arrow, chars)) for arrow in bundle)


def side_lines(arrow: Arrow, chars: int) -> list[tuple[str, Label]]:
    """Return an arrow's labels, wrapped; a guard starts a new line if the label is too long."""
    return [(line, label) for label in arrow.labels for line in _lines(label, chars)]


def _lines(label: Label, chars: int) -> list[str]:
    if len(label.text) <= chars:
        return [label.text]
    return [label.cause, *word_wrapped(label.text.removeprefix(label.cause).strip(), chars)]
