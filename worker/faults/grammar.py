"""The grammar of INTERVIEW_FAULTS.

INTERVIEW_FAULTS="load.vad=hang; tts.elevenlabs=raise:401@2; database=slow:1.5"

faults   = fault { ";" fault }
fault    = point "=" kind [ ":" argument ] [ "@" when ]
point    = a name from the table of points; "load" alone means every resource, and so on
argument = for slow: seconds; for raise: the error to raise, if the point allows an argument
when     = n: only on the n-th pass, counted in each process; or a state of the lifecycle
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from states import State
from worker.env.shown import on_one_line, shortened
from worker.faults.points import OLD_OPERATIONS, POINTS, Kind, Point

#: Maximum delay of a fault of the kind `slow`, in seconds.
LONGEST_SLOW_S = 3600.0
#: Maximum number of digits of the pass at which a fault triggers.
_MOST_DIGITS = 9


class FaultInvalid(ValueError):
    """Raised if INTERVIEW_FAULTS is invalid.

    The message is one line, and says what to write instead.
    """


def _shown(text: str) -> str:
    """Return a part of INTERVIEW_FAULTS, shortened and printable, for an error message."""
    return shortened(on_one_line(text))


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault that is set. `str(fault)` returns the fault as written in INTERVIEW_FAULTS."""

    #: Name of the injection point, or of the family of points, such as `load` in `load.vad`.
    point: str
    #: Member of a family of injection points, such as `vad` in `load.vad`; "" means every member.
    name: str = ""
    kind: Kind
    #: Delay in seconds, for a fault of kind slow.
    slow_s: float = 0.0
    #: For a fault of kind raise: the error to raise, as written after the colon; "" if not given.
    raises: str = ""
    #: If set, the fault triggers only when this process passes the injection point for the n-th
    #: time.
    nth: int | None = None
    #: If set, the fault triggers only while the job is in this state. At the injection point
    #: `process`, the fault triggers at the moment at which the job enters this state.
    state: State | None = None

    def __str__(self) -> str:
        place = f"{self.point}.{self.name}" if self.name else self.point
        slow = repr(self.slow_s).removesuffix(".0")
        argument = slow if self.kind is Kind.SLOW else self.raises
        when = self.nth or (self.state.lower() if self.state else "")
        return (
            f"{place}={self.kind}{f':{argument}' if argument else ''}{f'@{when}' if when else ''}"
        )


def parse(text: str, *, own_resources: bool = False) -> tuple[Fault, ...]:
    """Parse INTERVIEW_FAULTS; empty parts are skipped.

    `own_resources` is True for a custom application, so that `load.` may name unknown resources.
    Raises FaultInvalid if a fault is invalid; the message is about the first invalid fault.
    """
    return tuple(_fault(part.strip(), own_resources) for part in text.split(";") if part.strip())


_FORM = re.compile(
    r"(?P<place>[\w.-]+)\s*=\s*(?P<kind>\w+)(?::(?P<argument>[^@\s]*))?(?:@(?P<when>\w*))?"
)


def _fault(text: str, own_resources: bool) -> Fault:
    match = _FORM.fullmatch(text)
    if match is None:
        raise FaultInvalid(
            f"{shortened(repr(text))} is not a fault; "
            "write one like load.vad=hang or database=raise"
        )
    point, name = _place(match["place"], own_resources)
    kind = _kind(match["kind"], point, match["place"])
    slow_s, raises = _argument(match["argument"], kind, point)
    nth, state = _when(match["when"], point)
    if point.point == "process" and state is None:
        state = State.RUNNING
    return Fault(
        point=point.point,
        name=name,
        kind=kind,
        slow_s=slow_s,
        raises=raises,
        nth=nth,
        state=state,
    )


def _place(place: str, own_resources: bool) -> tuple[Point, str]:
    for point in POINTS:
        if place in point.places:
            name = place.removeprefix(point.point).removeprefix(".")
            return point, OLD_OPERATIONS.get(name, name)
        prefix = f"{point.point}."
        if own_resources and point.open_names and place.startswith(prefix) and place != prefix:
            return point, place.removeprefix(prefix)
    known = [each for point in POINTS for each in point.places]
    raise FaultInvalid(f"there is no point {shortened(repr(place))}{_instead(place, known)}")


def _kind(word: str, point: Point, place: str) -> Kind:
    kinds: Mapping[str, Kind] = {kind.value: kind for kind in Kind}
    if word not in kinds:
        raise FaultInvalid(f"there is no kind {shortened(repr(word))}{_instead(word, kinds)}")
    if kinds[word] not in point.kinds:
        raise FaultInvalid(f"{_shown(place)} takes no {word}; it takes {', '.join(point.kinds)}")
    return kinds[word]


def _argument(argument: str | None, kind: Kind, point: Point) -> tuple[float, str]:
    """Return the seconds of a slow fault, or the argument of a raise fault."""
    if kind is Kind.SLOW:
        return _seconds(argument), ""
    if argument is None:
        return 0.0, ""
    if kind is not Kind.RAISE or point.raises is None:
        raise FaultInvalid(f"{point.point}={kind} takes nothing after a colon")
    what, form = point.raises
    if re.fullmatch(form, argument) is None:
        raise FaultInvalid(f"{point.point}=raise:{_shown(argument)} needs {what} after the colon")
    return 0.0, argument


def _seconds(argument: str | None) -> float:
    try:
        seconds = float(argument or "")
    except ValueError:
        seconds = 0.0
    if not 0.0 < seconds <= LONGEST_SLOW_S:  # rejects NaN as well
        raise FaultInvalid(f"slow needs seconds, up to {LONGEST_SLOW_S:g}, as in slow:1.5")
    return seconds


def _when(when: str | None, point: Point) -> tuple[int | None, State | None]:
    if when is None:
        return None, None
    # int() raises another error for a number of thousands of digits.
    if when.isdecimal() and len(when) <= _MOST_DIGITS and int(when) > 0:
        if not point.counted:
            raise FaultInvalid(f"{point.point} runs once in a process: @{when} is not allowed")
        return int(when), None
    states = {state.value.lower(): state for state in State}
    if when.lower() not in states:
        hint = _instead(when.lower(), states)
        raise FaultInvalid(f"@{_shown(when)} is neither a number from 1 nor a state{hint}")
    if not point.in_states:
        raise FaultInvalid(f"{point.point} runs in one fixed state: @{when} is not allowed")
    return None, states[when.lower()]


def _instead(word: str, known: Iterable[str]) -> str:
    close = get_close_matches(word, list(known), n=1)
    meant = f": did you mean {close[0]!r}?" if close else ";"
    return f"{meant} `interview-worker faults` lists them"
