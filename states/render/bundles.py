"""The arrows between two rows of states. Arrows to or from the same state run side by side."""

from __future__ import annotations

from states.render.marks import word_wrapped
from states.render.scene import LINE_HEIGHT
from states.render.view import Arrow, Label
from states.table import State

#: Maximum characters per line of a label beside an arrow: `WIDE_CHARS` if all arrows between two
#: rows are one bundle, otherwise `SIDE_CHARS`.
WIDE_CHARS, SIDE_CHARS = 34, 17
#: Pixels between arrows that run side by side.
SIDE_STEP = 12.0

#: Arrows that run side by side, and the state, in a row of several states, at which all of these
#: arrows start or end; None if there is no such state.
Bundle = tuple[State | None, list[Arrow]]


def bundles_of(
    arrows: list[Arrow], upper: tuple[object, ...], lower: tuple[object, ...]
) -> list[Bundle]:
    """Group the arrows that start or end at the same state of a row of several states.

    Every other arrow is alone in its bundle.
    """
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
    """Return the state at which the arrows of a bundle start or end.

    Return None if the arrows share no state of a row of several states.
    """
    return bundle[0]


def gap(bundles: list[Bundle]) -> float:
    """Return the pixels between two rows: enough for the labels and the heads of the arrows."""
    chars = side_chars(bundles)
    return 20 + max((side_height(bundle, chars) for _, bundle in bundles), default=LINE_HEIGHT)


def side_chars(bundles: list[Bundle]) -> int:
    """Return how many characters fit into a line beside an arrow."""
    return SIDE_CHARS if len(bundles) > 1 else WIDE_CHARS


def side_height(bundle: list[Arrow], chars: int) -> float:
    """Return the height in pixels of the labels of a bundle, one below the other."""
    return LINE_HEIGHT * sum(len(side_lines(arrow, chars)) for arrow in bundle)


def side_lines(arrow: Arrow, chars: int) -> list[tuple[str, Label]]:
    """Return the labels of an arrow, broken into lines of at most `chars` characters.

    If a label is too long for one line, its guard begins on a new line.
    """
    return [(line, label) for label in arrow.labels for line in _lines(label, chars)]


def _lines(label: Label, chars: int) -> list[str]:
    if len(label.text) <= chars:
        return [label.text]
    return [label.cause, *word_wrapped(label.text.removeprefix(label.cause).strip(), chars)]
