"""The table of a member's states: each event in each state, and what each state means."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import pytest

from tests.support.transition_tables import Cell, cells_of, sentence
from tests.support.virtual.provider_fakes import Closable
from worker.fallback.failure import Failure
from worker.fallback.member import Member
from worker.fallback.member_state import TRANSITIONS, MemberEvent, MemberState

AWAY: Final = Failure("ProviderAway")
REFUSED: Final = Failure("KeyRefused", for_good=True)

Move = Callable[[Member[Closable]], bool]

#: What can happen to a member, by the column of `TABLE`.
MOVES: Final[Mapping[str, Move]] = {
    "failed": lambda member: member.failed(AWAY),
    "refused": lambda member: member.failed(REFUSED),
    "not_created": lambda member: member.not_created(),
    "created": lambda member: member.created(),
    "served": lambda member: member.served(),
    "cooldown_over": lambda member: member.cooldown_over(),
    "probe_succeeded": lambda member: member.probe_succeeded(),
    "probe_failed": lambda member: member.probe_failed(AWAY),
    "away_elsewhere": lambda member: member.failed_elsewhere(AWAY),
    "refused_elsewhere": lambda member: member.failed_elsewhere(REFUSED),
    "ready_elsewhere": lambda member: member.ready_elsewhere(),
}

#: How a new member comes into each state.
PATHS: Final[Mapping[str, str]] = {
    "healthy": "",
    "cooling_down": "failed",
    "unproven": "failed cooldown_over",
    "uncreated": "failed not_created",
    "creation_due": "failed not_created cooldown_over",
    # The provider works, but its plugin instance could not be created.
    "creation_due*": "failed not_created ready_elsewhere",
    "reported_away": "away_elsewhere",
    "reported_refused": "refused_elsewhere",
    "disabled": "refused",
}

TABLE: Final = """
event             healthy          cooling_down unproven     uncreated    creation_due creation_due*    reported_away    reported_refused disabled
failed            cooling_down     cooling_down cooling_down uncreated    uncreated    uncreated        cooling_down     cooling_down     cooling_down
refused           disabled         disabled     disabled     disabled     disabled     disabled         disabled         disabled         disabled
not_created       -                uncreated    -            -            -            -                -                -                -
created           -                -            -            healthy      healthy      healthy          -                -                -
served            healthy          healthy      healthy      creation_due creation_due creation_due     healthy          healthy          healthy
cooldown_over     -                unproven     -            creation_due -            -                -                -                -
probe_succeeded   -                unproven     -            creation_due -            -                healthy          healthy          -
probe_failed      -                cooling_down -            uncreated    -            -                reported_away    reported_away    -
away_elsewhere    reported_away    cooling_down cooling_down uncreated    uncreated    reported_away    reported_away    reported_away    -
refused_elsewhere reported_refused cooling_down cooling_down uncreated    uncreated    reported_refused reported_refused reported_refused -
ready_elsewhere   -                healthy      -            creation_due -            -                healthy          healthy          -
"""  # noqa: E501  # one row per event


CELLS: Final = cells_of(TABLE)


def member_in(state: str) -> Member[Closable]:
    member = Member(name="cloud", make=Closable)
    for move in PATHS[state].split():
        assert MOVES[move](member), f"{move} is ignored in {member.state}"
    assert member.state == state.rstrip("*")
    return member


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.target], ids=sentence)
def test_an_event_changes_the_state_of_a_member(cell: Cell) -> None:
    member = member_in(cell.state)

    assert MOVES[cell.event](member)

    assert member.state == cell.target


@pytest.mark.parametrize("cell", [cell for cell in CELLS if not cell.target], ids=sentence)
def test_an_event_that_does_not_concern_the_state_changes_nothing(
    cell: Cell,
) -> None:
    member = member_in(cell.state)
    before = (member.state, member.failure)

    assert not MOVES[cell.event](member)

    assert (member.state, member.failure) == before


def test_each_row_of_the_transitions_can_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    used: set[tuple[MemberState, MemberEvent]] = set()
    original = Member._enter

    def noted(member: Member[Closable], event: MemberEvent) -> bool:
        used.add((member.state, event))
        return original(member, event)

    monkeypatch.setattr(Member, "_enter", noted)
    for cell in CELLS:
        MOVES[cell.event](member_in(cell.state))

    assert TRANSITIONS.keys() - used == set()


@pytest.mark.parametrize(
    ("state", "is_tried", "is_cooling", "is_fresh", "is_lost"),
    [
        ("healthy", True, False, True, False),
        ("cooling_down", True, True, False, True),
        ("unproven", True, False, False, True),
        ("uncreated", True, True, False, True),
        ("creation_due", True, False, False, True),
        ("creation_due*", True, False, True, False),
        ("reported_away", True, True, True, False),
        ("reported_refused", False, True, True, True),
        ("disabled", False, False, False, True),
    ],
)
def test_each_state_tells_whether_and_when_the_member_is_tried(
    state: str, is_tried: bool, is_cooling: bool, is_fresh: bool, is_lost: bool
) -> None:
    member = member_in(state)

    assert (member.is_tried, member.is_cooling) == (is_tried, is_cooling)
    assert (member.is_fresh, member.is_lost) == (is_fresh, is_lost)


@pytest.mark.parametrize("state", PATHS)
def test_a_failure_is_permanent_only_in_the_states_that_are_not_tried(state: str) -> None:
    member = member_in(state)

    assert (member.failure is not None and member.failure.for_good) is not member.is_tried


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.target], ids=sentence)
async def test_a_timer_remains_only_while_the_member_cools_down(
    cell: Cell,
) -> None:
    member = member_in(cell.state)
    member.start_timer(1.0, lambda: None)

    MOVES[cell.event](member)

    assert (member.timer is not None) is member.is_cooling
    await member.settle()
    assert member.timer is None


async def test_a_cooldown_without_a_callback_has_no_timer() -> None:
    member = member_in("cooling_down")

    member.start_timer(1.0, None)

    assert member.timer is None
    assert member.cools_until == pytest.approx(asyncio.get_running_loop().time() + 1.0, abs=0.1)
