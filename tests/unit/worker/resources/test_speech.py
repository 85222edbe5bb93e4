"""The resources of speech, and the time that a job waits for them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.virtual.resource_parts import Loads
from worker.resources import speech
from worker.resources.speech import vad_resource
from worker.speech.vad.silero import load_vad


@pytest.mark.row("S7", "S8")
@pytest.mark.looptime
async def test_a_vad_that_loads_for_more_than_two_seconds_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def late() -> Any:
        await asyncio.sleep(2.5)
        return await load_vad()

    monkeypatch.setattr(speech, "load_vad", late)
    loads = Loads()
    await loads.of(vad_resource())
    assert loads.reported_at["vad"] == pytest.approx(2.0)
    assert (loads.reports["vad"].ok, loads.reports["vad"].reason) == (False, "LoadTimeout")
    await loads.held.aclose()
