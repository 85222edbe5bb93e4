"""The table of how far speech-to-text is behind: each event in each state, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest

from tests.support.transition_tables import Cell, cells_of, sentence
from worker.speech.stt.catch_up import (
    DUE_MARGIN_S,
    OVERDUE_S,
    SPEAKING_S,
    UNATTENDED_S,
    CatchUp,
)
from worker.speech.stt.catch_up_state import TRANSITIONS, CatchUpEvent, CatchUpState
from worker.speech.stt.pending_speech import PendingSpeech

pytestmark = pytest.mark.looptime


PATIENCE_S: Final = 2.0


class Rig:
    """A `CatchUp` whose speech, two seconds without a transcript, has ended."""

    def __init__(self) -> None:
        self.watch = SimpleNamespace(
            owed=True,
            speaking=False,
            ended_at=0.0,
            due_s=2.0,
            understood_s=0.0,
            untranscribed_s=2.0,
        )
        self.over = 0
        self.catch_up = CatchUp(
            cast("PendingSpeech", self.watch), self._on_over, patience_s=PATIENCE_S
        )
        self.catch_up.look()

    def _on_over(self) -> None:
        self.over += 1

    async def happen(self, *events: str) -> None:
        for event in events:
            if event == "time":
                await asyncio.sleep(TIMES_S.get(self.catch_up.state, 100.0))
            else:
                EVENTS[event](self)

    def opened(self, *, late: bool = True, found_nothing: bool = False) -> None:
        self.catch_up.opened(late=late, found_nothing=found_nothing)

    def sound(self) -> None:
        self.watch.untranscribed_s = 0.4
        self.opened(found_nothing=True)

    def speaks(self, speaking: bool) -> None:
        self.watch.speaking = speaking
        if not speaking:
            self.watch.ended_at = asyncio.get_running_loop().time()
        self.catch_up.speech_changed()

    def final(self, until_s: float) -> None:
        self.watch.understood_s = until_s
        self.watch.untranscribed_s = self.watch.due_s - until_s
        self.watch.owed = until_s < self.watch.due_s
        self.catch_up.text_came(final=True)
        self.catch_up.final_came()


#: Seconds after which the time limit of a state is over, and a little more.
TIMES_S: Final = {
    CatchUpState.UNATTENDED: UNATTENDED_S + 0.1,
    CatchUpState.DUE: PATIENCE_S + DUE_MARGIN_S + 0.1,
    CatchUpState.CATCHING_UP: OVERDUE_S + 0.1,
}

#: What can happen, by the row of `TABLE`.
EVENTS: Final[Mapping[str, Callable[[Rig], Any]]] = {
    "opened": lambda rig: rig.opened(late=False),
    "late": Rig.opened,
    "late_noisy": lambda rig: rig.opened(found_nothing=True),
    "sound": Rig.sound,
    "text": lambda rig: rig.catch_up.text_came(final=False),
    "final": lambda rig: rig.final(1.0),
    "last_final": lambda rig: rig.final(2.0),
    "begins": lambda rig: rig.speaks(True),
    "pauses": lambda rig: rig.speaks(False),
    "ended": lambda rig: rig.catch_up.stream_ended(),
    "closed": lambda rig: rig.catch_up.close(),
}

#: How a new `CatchUp` comes into each state.
PATHS: Final = {
    "unattended": "",
    "live": "opened",
    "due": "opened pauses",
    "catching_up": "late",
    "doubtful": "sound",
    "closed": "closed",
}

TABLE: Final = """
event      unattended  live       due        catching_up doubtful    closed
opened     live        -          -          -           live        -
late       catching_up -          -          -           -           -
late_noisy catching_up -          -          -           -           -
sound      doubtful    -          -          -           -           -
text       -           due        -          -           catching_up -
final      -           -          -          -           catching_up -
last_final -           -          live       live        live        -
begins     -           -          live       -           -           -
pauses     -           due        -          -           -           -
time       doubtful    -          live       doubtful    -           -
ended      -           unattended unattended unattended  -           -
closed     closed      closed     closed     closed      closed      -
"""

CELLS: Final = cells_of(TABLE)

#: The states in which an untranscribed speech keeps speech-to-text behind.
BEHIND: Final = ("unattended", "due", "catching_up")


async def rig_in(state: str) -> Rig:
    rig = Rig()
    await rig.happen(*PATHS[state].split())
    assert rig.catch_up.state == state
    rig.over = 0
    return rig


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.target], ids=sentence)
async def test_an_event_changes_the_state(cell: Cell) -> None:
    rig = await rig_in(cell.state)

    await rig.happen(cell.event)

    assert rig.catch_up.state == cell.target
    assert rig.catch_up.is_behind is (cell.target in BEHIND)
    assert rig.over == (cell.target in ("live", "doubtful"))
    rig.catch_up.close()


@pytest.mark.parametrize("cell", [cell for cell in CELLS if not cell.target], ids=sentence)
async def test_an_event_that_does_not_concern_the_state_changes_nothing(cell: Cell) -> None:
    rig = await rig_in(cell.state)

    await rig.happen(cell.event)

    assert rig.catch_up.state == cell.state
    assert rig.over == 0
    rig.catch_up.close()


async def test_each_row_of_the_transitions_can_be_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    used: set[tuple[CatchUpState, CatchUpEvent]] = set()
    original = CatchUp._enter

    def noted(catch_up: CatchUp, event: CatchUpEvent) -> None:
        used.add((catch_up.state, event))
        original(catch_up, event)

    monkeypatch.setattr(CatchUp, "_enter", noted)
    for cell in CELLS:
        rig = await rig_in(cell.state)
        await rig.happen(cell.event)
        rig.catch_up.close()

    assert TRANSITIONS.keys() - used == set()


async def test_the_transcript_of_a_short_sound_without_interim_text_is_not_due() -> None:
    rig = await rig_in("live")
    rig.watch.untranscribed_s = 0.4

    await rig.happen("pauses")

    assert not rig.catch_up.is_behind


async def test_the_transcript_of_a_short_word_is_due_after_its_interim_text() -> None:
    rig = await rig_in("live")
    rig.watch.untranscribed_s = 0.4

    await rig.happen("begins", "text", "pauses")
    assert rig.catch_up.is_behind
    await rig.happen("last_final")

    assert not rig.catch_up.is_behind


async def test_interim_text_long_after_the_speech_makes_nothing_due() -> None:
    rig = await rig_in("live")
    await asyncio.sleep(OVERDUE_S + 1)

    await rig.happen("text")

    assert not rig.catch_up.is_behind


async def test_without_untranscribed_speech_nothing_waits_for_a_provider() -> None:
    rig = Rig()
    rig.watch.owed = False

    assert not rig.catch_up.is_behind
    await rig.catch_up.over()
    rig.catch_up.look()
    await asyncio.sleep(2 * UNATTENDED_S)

    assert rig.catch_up.state is CatchUpState.UNATTENDED


async def test_text_prolongs_the_wait_for_the_provider_that_catches_up() -> None:
    rig = await rig_in("catching_up")

    for _ in range(3):
        await asyncio.sleep(OVERDUE_S - 1)
        await rig.happen("text")
        assert rig.catch_up.is_behind
    await rig.happen("time")

    assert not rig.catch_up.is_behind


async def test_the_wait_is_longer_while_the_candidate_speaks_and_still_limited() -> None:
    rig = await rig_in("catching_up")
    rig.watch.speaking = True
    rig.catch_up.look()

    await asyncio.sleep(SPEAKING_S - 1)
    assert rig.catch_up.is_behind
    await asyncio.sleep(2)

    assert not rig.catch_up.is_behind


async def test_providers_that_fail_again_and_again_do_not_prolong_the_wait() -> None:
    rig = Rig()
    loop = asyncio.get_running_loop()
    waiting = asyncio.create_task(rig.catch_up.over())

    while not waiting.done() and loop.time() < 10 * UNATTENDED_S:
        await asyncio.sleep(5.0)
        await rig.happen("late", "ended")

    assert loop.time() <= UNATTENDED_S + 5.0
    assert not rig.catch_up.is_behind
    rig.catch_up.close()


async def test_a_waiter_continues_when_the_last_final_transcript_arrives() -> None:
    rig = await rig_in("catching_up")
    waiting = asyncio.create_task(rig.catch_up.over())
    await rig.happen("final")
    await asyncio.sleep(0)
    assert not waiting.done()

    await rig.happen("last_final")
    await waiting

    assert rig.over == 1


async def test_a_waiter_continues_when_the_audio_ends() -> None:
    rig = await rig_in("catching_up")
    waiting = asyncio.create_task(rig.catch_up.over())
    await asyncio.sleep(0)

    await rig.happen("closed")
    await waiting

    assert rig.over == 0
