"""Fake end-of-turn model whose behaviour a test controls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from worker.audio.dsp import Pcm


class FakeTurnModel:
    """End-of-turn model that returns `probability` for every turn, raises, or hangs."""

    def __init__(self) -> None:
        self.fate: Literal["works", "raises", "hangs"] = "works"
        self.probability = 0.9
        self.asked: list[Pcm] = []

    async def __call__(self, sound: Pcm) -> float:
        self.asked.append(sound)
        if self.fate == "raises":
            raise RuntimeError("the model is broken")
        if self.fate == "hangs":
            await asyncio.Event().wait()
        await asyncio.sleep(0.1)
        return self.probability
