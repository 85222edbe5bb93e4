"""Settings for silence of the interviewer: the filler clip and the stuck-turn recovery."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from worker.config.group import SettingsGroup

#: Upper limit in seconds, because a candidate who hears nothing for longer has left.
_LONGEST_S = 600.0
_RUNGS = 7
_NEEDED = (
    f"needs seven increasing times in seconds, between 0 and {_LONGEST_S:g}: 5,8,11,14,17,20,30"
)


class SilenceSettings(SettingsGroup):
    """Settings of fillers and recovery steps for a candidate who hears nothing."""

    silence_filler_s: float = Field(2.0, gt=0, le=60)
    """Seconds of silence in the interviewer's turn before a recorded filler is played."""
    ladder_s: Annotated[tuple[float, ...], NoDecode] = (5.0, 8.0, 11.0, 14.0, 17.0, 20.0, 30.0)
    """Seconds of silence in the interviewer's turn before each step of the stuck-turn recovery:
    clip, again, rebuild, next, plan, write, close."""

    @field_validator("ladder_s", mode="before")
    @classmethod
    def _split_rungs(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return tuple(float(part) for part in value.split(","))
        except ValueError:
            raise ValueError(_NEEDED) from None

    @field_validator("ladder_s")
    @classmethod
    def _goes_up(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        goes_up = all(before < after for before, after in pairwise((0.0, *value, _LONGEST_S)))
        if len(value) != _RUNGS or not goes_up:
            raise ValueError(_NEEDED)
        return value
