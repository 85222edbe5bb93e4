"""Settings for silence of the interviewer: the filler clip and the stuck-turn recovery."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Final

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from worker.env.group import SettingsGroup

#: Upper limit of the time of a recovery step, in seconds of silence. A candidate who hears nothing
#: for such a time has left.
_LONGEST_S: Final = 600.0


class Rung(StrEnum):
    """The steps of the stuck-turn recovery, in order, with their defaults in INTERVIEW_LADDER_S.

    To add a step, add one line here and one in worker/interview/recovery/stuck_turn_ladder.py.
    """

    default_s: float

    def __new__(cls, value: str, default_s: float) -> Rung:
        """Create a member with the attribute `default_s`, in seconds of silence."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.default_s = default_s
        return member

    #: Play a recorded clip.
    CLIP = "clip", 5.0
    #: Cut off the stuck speech and speak the same utterance again.
    AGAIN = "again", 8.0
    #: Rebuild the current text-to-speech provider with new connections, and speak the utterance
    #: again.
    REBUILD = "rebuild", 11.0
    #: Fall back to the next text-to-speech provider, and speak the utterance again.
    NEXT = "next", 14.0
    #: Speak the plan's own words, without waiting for a language model.
    PLAN = "plan", 17.0
    #: Send the utterance as text.
    WRITE = "write", 20.0
    #: End the job with a spoken reason, because no other step has helped.
    CLOSE = "close", 30.0


#: The steps whose times INTERVIEW_LADDER_S gives if it contains seven numbers without names. Do not
#: add a new step here, so that an existing value of seven numbers keeps its meaning.
NUMBERED: Final = (
    Rung.CLIP,
    Rung.AGAIN,
    Rung.REBUILD,
    Rung.NEXT,
    Rung.PLAN,
    Rung.WRITE,
    Rung.CLOSE,
)
_DEFAULTS: Final = tuple(rung.default_s for rung in NUMBERED)
_EXAMPLE: Final = ",".join(f"{seconds:g}" for seconds in _DEFAULTS)
_NEEDED: Final = (
    f"needs seven increasing times in seconds, between 0 and {_LONGEST_S:g}: {_EXAMPLE}"
)


class SilenceSettings(SettingsGroup):
    """Settings of the recorded fillers and the recovery steps while a candidate hears nothing."""

    silence_filler_s: float = Field(default=2.0, gt=0, le=60)
    """Seconds of silence in the interviewer's turn before a recorded filler is played."""
    # The default has only the times of the steps in `NUMBERED`. The validator adds the times of the
    # other steps.
    ladder_s: Annotated[tuple[float, ...], NoDecode] = Field(
        default=_DEFAULTS,
        description="Seconds of silence in the interviewer's turn before each step of the "
        f"stuck-turn recovery: {', '.join(Rung)}. To change some steps, name them: "
        "clip=4,close=40.",
    )

    @field_validator("ladder_s", mode="before")
    @classmethod
    def _split_rungs(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if "=" in value:
            return _increasing(_named(value))
        try:
            return tuple(float(part) for part in value.split(","))
        except ValueError:
            raise ValueError(_NEEDED) from None

    @field_validator("ladder_s")
    @classmethod
    def _goes_up(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not all(a < b for a, b in pairwise((0.0, *value, _LONGEST_S))):
            raise ValueError(_NEEDED)
        if len(value) == len(Rung):
            return value
        if len(value) != len(NUMBERED):
            raise ValueError(_NEEDED)
        return _increasing(dict(zip(NUMBERED, value, strict=True)))


def _named(text: str) -> dict[Rung, float]:
    """Parse a text such as `clip=5,again=8`. Raises ValueError if the text is invalid."""
    rungs = {rung.value: rung for rung in Rung}
    times: dict[Rung, float] = {}
    for part in filter(str.strip, text.split(",")):
        name, equals, seconds = (word.strip() for word in part.partition("="))
        if not equals:
            raise ValueError(
                f"gives {part.strip()!r} no name: name every time, as in clip=5,again=8, or none, "
                f"as in {_EXAMPLE}"
            )
        rung = rungs.get(name)
        if rung is None:
            raise ValueError(f"has no step {name!r}: name one of {', '.join(Rung)}")
        if rung in times:
            raise ValueError(f"names {name} twice: give each step one time")
        advice = f"write one like {name}={rung.default_s:g}"
        try:
            times[rung] = float(seconds)
        except ValueError:
            raise ValueError(f"{name}={seconds} is no number of seconds: {advice}") from None
        if not 0.0 < times[rung] < _LONGEST_S:  # rejects NaN as well
            raise ValueError(
                f"{name}={seconds} is not between 0 and {_LONGEST_S:g} seconds: {advice}"
            )
    return times


def _increasing(times: Mapping[Rung, float]) -> tuple[float, ...]:
    """Return the times of all steps, in seconds. A step without a time gets its default.

    A value of INTERVIEW_LADDER_S may lack the times of steps that are not in `NUMBERED`, because
    these steps were added later. If the default of such a step is not between the times of the
    steps before and after it, the step gets the time halfway between these two times.

    Raises ValueError if the times do not increase.
    """
    known = {rung: times.get(rung, rung.default_s) for rung in Rung if rung in {*NUMBERED, *times}}
    for (one, before_s), (other, after_s) in pairwise(known.items()):
        if before_s >= after_s:
            raise ValueError(
                f"has {other}={after_s:g}, which is not after {one}={before_s:g}: "
                f"give {other} a later time, or {one} an earlier one"
            )
    placed: list[float] = []
    for at, rung in enumerate(Rung):
        before_s = placed[-1] if placed else 0.0
        after_s = next((known[each] for each in list(Rung)[at:] if each in known), _LONGEST_S)
        fits = before_s < rung.default_s < after_s
        placed.append(known.get(rung, rung.default_s if fits else (before_s + after_s) / 2))
    return tuple(placed)
