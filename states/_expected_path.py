"""The path that a test expects of a job: notation, matching, and the report of a mismatch."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest
from types import EllipsisType
from typing import Generic, Protocol, TypeVar

from states.conditions import Status
from states.history import History
from states.table import Event, State
from states.transition import Transition

_Word = TypeVar("_Word", bound=StrEnum)
#: One visit of the path that was taken, in whatever form a module records visits.
_Taken = TypeVar("_Taken")
_Taken_contra = TypeVar("_Taken_contra", contravariant=True)


class Element(Protocol[_Taken_contra]):
    """One element of an expected path."""

    @property
    def label(self) -> str:
        """The text of the element in a report."""
        ...

    @property
    def repeats(self) -> bool:
        """True if the element matches any number of visits, including none."""
        ...

    def accepts(self, taken: _Taken_contra, /) -> bool:
        """Return True if this element matches the visit."""
        ...


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One element of an expected path: one visit to one of `states`.

    If `repeats` is set, the element matches any number of visits to `states`.
    """

    states: frozenset[State]
    label: str
    #: The event that must lead to the state; None if any event may lead to the state.
    event: Event | None = None
    #: True if the element matches any number of visits, including none.
    repeats: bool = False

    def accepts(self, transition: Transition) -> bool:
        """Return True if this element matches the visit that `transition` begins."""
        return transition.target in self.states and self.event in (None, transition.event)


PathElement = State | str | EllipsisType | Visit


def gap(*states: State | str) -> Visit:
    """Return an element that matches any number of visits to the named states, including none.

    Without names, the element matches any number of visits to any states, like `...` in a path.
    Raises ValueError if a name is not the name of a state.
    """
    if not states:
        return Visit(states=frozenset(State), label="...", repeats=True)
    named = [word(State, state) for state in states]
    return Visit(states=frozenset(named), label=f"gap({', '.join(named)})", repeats=True)


def one_of(*states: State | str) -> Visit:
    """Return an element that matches one visit to any of the named states.

    Raises ValueError if a name is not the name of a state.
    """
    named = [word(State, state) for state in states]
    if not named:
        raise ValueError("one_of needs at least one state")
    return Visit(states=frozenset(named), label=" or ".join(named))


def on(event: Event | str, state: State | str) -> Visit:
    """Return an element that matches one visit to `state` that began with `event`.

    Raises ValueError if `state` is not the name of a state, or `event` not the name of an event.
    """
    there, led_by = word(State, state), word(Event, event)
    return Visit(states=frozenset({there}), label=f"{there} on {led_by}", event=led_by)


def word(kind: type[_Word], name: str) -> _Word:
    """Return the member of the enum `kind` whose value is `name`.

    Raises ValueError if `kind` has no such member. The error names the most similar member, or all
    members if none is similar.
    """
    try:
        return kind(name)
    except ValueError:
        close = difflib.get_close_matches(name, [member.value for member in kind], n=1, cutoff=0.5)
        hint = f": did you mean {close[0]!r}?" if close else f" (known: {', '.join(kind)})"
        raise ValueError(f"{name!r} is not a known {kind.__name__.lower()}{hint}") from None


def visits(elements: Iterable[PathElement]) -> tuple[Visit, ...]:
    """Convert the elements of a test's path to `Visit` objects.

    Raises ValueError if an element of type `str` is not the name of a state.
    """
    return tuple(_visit(element) for element in elements)


def _visit(element: PathElement) -> Visit:
    if isinstance(element, Visit):
        return element
    return gap() if element is ... else one_of(element)


@dataclass(frozen=True, kw_only=True)
class Row(Generic[_Taken]):
    """One line of a comparison: the expected visit beside the actual visit.

    `expected` is None after the end of the expected path, and `actual` is None after the end of the
    actual path.
    """

    expected: str | None
    actual: _Taken | None


@dataclass(frozen=True, kw_only=True)
class Comparison(Generic[_Taken]):
    """The expected path beside the actual path.

    `parted_at` is the index of the first row that differs; None if the paths match.
    """

    rows: tuple[Row[_Taken], ...]
    parted_at: int | None


def compare(expected: Sequence[Element[_Taken]], actual: Sequence[_Taken]) -> Comparison[_Taken]:
    """Pair the visits of `actual` and `expected` as far as the two paths agree.

    The rows after the first difference show the remaining visits of both paths.
    """
    # The keys of reached[i] are the positions in `expected` that are possible after the first i
    # visits of `actual`. The value of a key is the position from which the key was reached. Several
    # positions are possible because a gap matches any number of visits.
    reached: list[dict[int, int]] = [_skipping_gaps(expected, {0: 0})]
    for taken in actual:
        following: dict[int, int] = {}
        for position in reached[-1]:
            if position < len(expected) and expected[position].accepts(taken):
                after = position if expected[position].repeats else position + 1
                following.setdefault(after, position)
        if not following:
            break
        reached.append(_skipping_gaps(expected, following))
    matches = len(reached) - 1 == len(actual) and len(expected) in reached[-1]
    # Report a mismatch behind the longest part of `expected` that was matched. Otherwise a leading
    # `...` could match all visits of the job, and the report would not show the real mismatch.
    furthest = len(expected) if matches else max(max(positions) for positions in reached)
    agreed = max(i for i, positions in enumerate(reached) if furthest in positions)
    rows = [
        Row(expected=expected[position].label, actual=taken)
        for position, taken in zip(_way_to(furthest, reached[: agreed + 1]), actual, strict=False)
    ]
    if matches:
        return Comparison(rows=tuple(rows), parted_at=None)
    rest = zip_longest((element.label for element in expected[furthest:]), actual[agreed:])
    rows += [Row(expected=label, actual=taken) for label, taken in rest]
    return Comparison(rows=tuple(rows), parted_at=agreed)


def _skipping_gaps(
    expected: Sequence[Element[_Taken]], positions: dict[int, int]
) -> dict[int, int]:
    """Return `positions`, and the positions that are reached from these by skipping gaps.

    A gap may match no visit, so the position after the gap is possible too. The result maps each
    position to the position from which it was reached.
    """
    found = dict(positions)
    for position, came_from in sorted(positions.items()):
        beyond = position
        while beyond < len(expected) and expected[beyond].repeats:
            beyond += 1
            found.setdefault(beyond, came_from)
    return found


def _way_to(position: int, reached: Sequence[dict[int, int]]) -> list[int]:
    """Return, for each actual visit in order, the index of the element that the visit matched.

    `position` is the index after the last matched element; `compare` explains `reached`.
    """
    way = []
    for step in reversed(reached[1:]):
        position = step[position]
        way.append(position)
    return way[::-1]


def mismatch(history: History, comparison: Comparison[Transition]) -> str:
    """Return the message of a failed `assert_path`.

    The message shows the expected and the actual path side by side, and where they differ.
    """
    assert comparison.parted_at is not None  # noqa: S101  # only called for a mismatch
    table = side_by_side(("expected", "actual", "t", "on"), comparison, _actual_columns)
    parted = comparison.rows[comparison.parted_at]
    return "\n".join(
        [
            "the job took another path than expected",
            "",
            *table,
            "",
            _parting(history, parted),
            *facts(history),
        ]
    )


def side_by_side(
    head: tuple[str, ...],
    comparison: Comparison[_Taken],
    columns_of: Callable[[_Taken | None], tuple[str, ...]],
) -> list[str]:
    """Return the lines of a table with the expected path beside the actual path.

    `columns_of` returns the columns of one actual visit, or of none. `> ` marks the first row that
    differs.
    """
    rows = comparison.rows
    lines = [head, *((row.expected or "(the end)", *columns_of(row.actual)) for row in rows)]
    marked = None if comparison.parted_at is None else comparison.parted_at + 1
    return _columns(lines, marked=marked)


def path_table(history: History) -> str:
    """Return a table of a job's path, followed by the job's outcome and missing resources."""
    if not history.transitions:
        return "\n".join(["(no state was entered)", *facts(history)])
    lines = [("state", "t", "on"), *(_actual_columns(x) for x in history.transitions)]
    return "\n".join([*_columns(lines, marked=None), "", *facts(history)])


def facts(history: History) -> list[str]:
    """Return lines with the outcome, the missing resources and the faults of a job."""
    ended = f"{history.outcome} ({history.reason})" if history.outcome else "none yet"
    lines = [f"outcome: {ended}"]
    lines += [
        f"{condition.status}: {condition.resource} ({condition.reason})"
        for condition in history.conditions
        if condition.status is not Status.READY
    ]
    lines += [f"fault: {fault.get('where')} ({fault.get('error')})" for fault in history.faults]
    return lines


def _actual_columns(transition: Transition | None) -> tuple[str, str, str]:
    if transition is None:
        return ("(nothing)", "", "")
    return (transition.target, f"{transition.t:.3f} s", transition.event or "")


def _columns(lines: Sequence[tuple[str, ...]], *, marked: int | None) -> list[str]:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return [
        (
            ("> " if number == marked else "  ")
            + "  ".join(
                # Right-align a column of seconds, so that the decimal points are aligned.
                text.rjust(width) if text.endswith(" s") else text.ljust(width)
                for text, width in zip(line, widths, strict=True)
            )
        ).rstrip()
        for number, line in enumerate(lines)
    ]


def _parting(history: History, parted: Row[Transition]) -> str:
    if not history.transitions:
        return "No state was entered."
    if parted.actual is None:
        last = history.transitions[-1]
        led_by = f" on {last.event}" if last.event else ""
        return f"The path ends in {last.target}, entered at {last.t:.3f} s{led_by}."
    if parted.actual.source is None:
        return f"The job began in {parted.actual.target}."
    return f"{parted.actual.source} was left by {parted.actual.event} at {parted.actual.t:.3f} s."
