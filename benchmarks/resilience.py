"""Effect on the candidate of each resource failure in a turn, on a real LiveKit server.

The interviews are those of tests/support/live/losses_in_a_turn.py: two questions, real audio in
both directions, the providers' local test servers, and the database behind a breakable connection.
An interview without a failure comes first.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.figures import Figure
from tests.support.live.breakable import Parts, breakable_parts
from tests.support.live.losses import LOSSES, Loss
from tests.support.live.losses_in_a_turn import Held, hold
from tests.support.live.running_worker import RunningWorker
from worker.simulation.candidate import CandidateTimeout
from worker.simulation.livekit_server import LiveKitServer
from worker.speech import local_models

#: Limit of the longest silence, in seconds.
_LONGEST_SILENCE_S = 5.0
_NO_LOSS = "no loss"

Progress = Callable[[str], None]


async def run(binary: Path, folder: Path, progress: Progress) -> list[Figure]:
    """Run all benchmarks of this module; takes about half a minute per loss."""
    # The clients of the local test servers disconnect in the middle of a response, as intended.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    # Load before any speech: loading a model delays the candidate's own audio.
    local_models.preload(stt=True, tts=True)
    held: dict[str, Held] = {}
    async with LiveKitServer(binary) as server, breakable_parts(folder) as parts:
        for settings, losses in _by_settings():
            async with _worker(server, parts, settings) as worker:
                for name, loss in losses.items():
                    progress(f"{name}: {loss.how}" if loss else name)
                    await _hold(worker, parts, name, loss, held, progress)
    return _figures(held)


async def _hold(
    worker: RunningWorker,
    parts: Parts,
    name: str,
    loss: Loss | None,
    held: dict[str, Held],
    progress: Progress,
) -> None:
    try:
        held[name] = one = await hold(worker, parts, loss)
        if one.lost or one.doubled or one.late_frames:
            progress(f"  lost {one.lost}, doubled {one.doubled}, {one.late_frames} late frames")
    except (AssertionError, CandidateTimeout) as error:
        progress(f"{name}: not measured, the interview did not end ({error})")
        await parts.heal()


def _by_settings() -> list[tuple[Mapping[str, str], dict[str, Loss | None]]]:
    """Group the losses by the worker settings that they need; the baseline comes first."""
    groups: list[tuple[Mapping[str, str], dict[str, Loss | None]]] = [({}, {_NO_LOSS: None})]
    for loss in LOSSES.values():
        group = next((losses for settings, losses in groups if settings == loss.settings), None)
        if group is None:
            groups.append((loss.settings, group := {}))
        group[loss.name] = loss
    return groups


@asynccontextmanager
async def _worker(
    server: LiveKitServer, parts: Parts, settings: Mapping[str, str]
) -> AsyncIterator[RunningWorker]:
    worker = RunningWorker(server, {**parts.settings, **settings})
    try:
        await worker.start()
        # The checks use a direct connection, not the breakable one.
        worker.settings["DATABASE_URL"] = parts.database_url
        yield worker
    finally:
        await worker.discard()


def _figures(held: Mapping[str, Held]) -> list[Figure]:
    def of_each(
        what: str, unit: str, figure: Callable[[Held], float], target: float | None
    ) -> list[Figure]:
        return [
            Figure(what=what, who=name, unit=unit, samples=[figure(each)], target=target)
            for name, each in held.items()
        ]

    return [
        *of_each(
            "longest silence in the interviewer's turn",
            "s",
            lambda each: each.longest_silence_s,
            _LONGEST_SILENCE_S,
        ),
        *of_each("turns lost", "", lambda each: len(each.lost), 1),
        *of_each("turns doubled", "", lambda each: len(each.doubled), 1),
        *(
            Figure(what="from recovery to use", who=name, unit="s", samples=[recovered_s])
            for name, each in held.items()
            if name in LOSSES and LOSSES[name].strike is not None  # a fault ends on its own
            if (recovered_s := each.recovered_s(LOSSES[name].resource)) is not None
        ),
    ]
