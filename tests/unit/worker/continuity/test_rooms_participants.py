"""The LiveKit rooms of a redispatch: how participants are listed, and what a failure means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from worker.continuity.rooms import LiveKitRooms
from worker.livekit_api.errors import LiveKitUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from worker.livekit_api.calls import LiveKitCalls

pytestmark = pytest.mark.looptime


class Calls:
    """A LiveKit server with rooms of one candidate each; the rooms in `broken` cannot be listed."""

    def __init__(self, broken: Iterable[str] = ()) -> None:
        self.broken = set(broken)
        self.made: list[Any] = []

    async def rooms_with_participants(self, names: Iterable[str]) -> dict[str, int]:
        self.made.append(sorted(names))
        return {"one": 1}

    async def list_participants(self, room: str) -> list[str]:
        self.made.append(room)
        if room in self.broken:
            raise LiveKitUnreachable("ws://livekit", reason="timed out", budget_s=1)
        return [f"candidate-{room}"]


def rooms_of(calls: Calls) -> LiveKitRooms:
    return LiveKitRooms(cast("LiveKitCalls", calls), agent_name="interviewer", seal=lambda _: str)


async def test_one_call_counts_the_participants_of_all_rooms() -> None:
    calls = Calls()
    assert await rooms_of(calls).counts({"one", "two"}) == {"one": 1}
    assert calls.made == [["one", "two"]]


async def test_the_participants_of_each_room_are_listed() -> None:
    people = await rooms_of(Calls()).people({"one", "two"})
    assert people == {"one": ["candidate-one"], "two": ["candidate-two"]}


async def test_a_room_that_cannot_be_listed_is_missing() -> None:
    people = await rooms_of(Calls(broken=["two"])).people({"one", "two"})
    assert people == {"one": ["candidate-one"]}


async def test_an_error_is_raised_if_no_room_can_be_listed() -> None:
    with pytest.raises(LiveKitUnreachable):
        await rooms_of(Calls(broken=["one", "two"])).people({"one", "two"})
