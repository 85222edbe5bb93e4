"""The tables of a segment's states: each event in each state."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest

from tests.support.transition_tables import Cell, cells_of, sentence
from tests.support.virtual.line_parts import RATE, tone
from worker.audio.frames import frame_of
from worker.audio.segment import Segment
from worker.audio.segment_state import COMPLETE, PLAYBACK, SYNTHESIS, Playback, Synthesis

#: How a new segment comes into each state.
PATHS: Final = {
    "open": "",
    "ended": "ended",
    "whole": "ended settled",
    "cut_off": "closed",
    "cut_off_ended": "ended closed",
    "queued": "",
    "playing": "pushed",
    "over": "closed",
}
SYNTHESISED: Final = """
event    open     ended          whole  cut_off        cut_off_ended
pushed   -        -              -      -              -
ended    ended    -              -      cut_off_ended  -
settled  -        whole          -      -              -
closed   cut_off  cut_off_ended  -      -              -
"""
PLAYED: Final = """
event    queued   playing  over
pushed   playing  -        -
ended    -        -        -
settled  -        -        -
closed   over     over     -
"""


async def happen(segment: Segment, *events: str) -> None:
    for event in events:
        if event == "pushed":
            segment.take(0.1)
        elif event == "ended":
            segment.end()
        elif event == "settled":
            await asyncio.sleep(0)
        else:
            segment.close(0.0)


async def segment_in(state: str) -> Segment:
    segment = Segment(sample_rate=RATE, speech=True)
    segment.add(frame_of(tone(0.5, 7), RATE))
    await happen(segment, *PATHS[state].split())
    return segment


@pytest.mark.parametrize("cell", cells_of(SYNTHESISED), ids=sentence)
async def test_what_happens_to_a_segment_changes_its_synthesis(cell: Cell) -> None:
    segment = await segment_in(cell.state)
    assert segment.synthesis == cell.state

    await happen(segment, cell.event)

    assert segment.synthesis == (cell.target or cell.state)
    assert segment.complete is (segment.synthesis in COMPLETE)


@pytest.mark.parametrize("cell", cells_of(PLAYED), ids=sentence)
async def test_what_happens_to_a_segment_changes_its_playback(cell: Cell) -> None:
    segment = await segment_in(cell.state)
    assert segment.playback == cell.state

    await happen(segment, cell.event)

    assert segment.playback == (cell.target or cell.state)
    assert segment.over is (segment.playback is Playback.OVER)


async def test_the_duration_of_a_segment_is_known_only_if_it_was_synthesised_to_its_end() -> None:
    for state in Synthesis:
        segment = await segment_in(state)
        assert (segment.playout.made_s is None) is (state is not Synthesis.WHOLE)


def test_the_tables_have_no_other_rows() -> None:
    for drawn, table in ((SYNTHESISED, SYNTHESIS), (PLAYED, PLAYBACK)):
        assert sum(cell.target is not None for cell in cells_of(drawn)) == len(table)
