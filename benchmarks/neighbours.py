"""Effect of one attacking candidate on the other interviews of the same worker.

Two interviews, the neighbours, run beside a third, whose candidate is silent. Interviews of three
kinds take turns, so that disturbances of the machine affect all kinds: nobody attacks; somebody
attacks a room without a worker; the candidate of the third interview attacks. The second kind shows
what the attacker's own process and the LiveKit server cost on the same processors: an attacker of
production has a machine of its own. So the limit applies to the ratio of the third kind to the
second; the ratio to the first is printed beside it. Real audio, a real LiveKit server, and the
local models.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import uuid4

from benchmarks.figures import Figure
from states.journal import read_records
from tests.support.live.one_question import ANSWER, is_running
from tests.support.live.one_question import PLAN as ONE_QUESTION
from tests.support.live.priority import without_priority
from tests.support.live.running_worker import RunningWorker
from worker.demo.script import CandidateScript
from worker.interview.plan.plan import Question
from worker.simulation.candidate import CandidateTimeout
from worker.simulation.child_process import start_child
from worker.simulation.conversation import hold_conversation
from worker.simulation.livekit_server import LiveKitServer
from worker.simulation.voice import LocalVoice
from worker.speech import local_models
from worker.store.interviews import Interview

if TYPE_CHECKING:
    from worker.audio.dsp import Pcm

QUIET, ELSEWHERE, ATTACKED = "nobody attacks", "a room without a worker", "the third interview"
_ARMS = (QUIET, ELSEWHERE, ATTACKED)
_NEIGHBOURS = 2
#: Limit of the neighbours' median latency of a turn, relative to an attack on a room without a
#: worker.
_MOST_SLOWER = 1.10
#: Maximum seconds of all rounds together. A further round begins only if it fits.
_MOST_S = 11.5 * 60

_TEXTS = (
    "What did you learn at work last week?",
    "And what will you learn next week?",
    "And what would you like to learn next year?",
    "And what did you learn as a child?",
    "And what do you learn from others?",
)
PLAN = replace(
    ONE_QUESTION,
    questions=tuple(
        Question(id=f"question-{number}", text=text, follow_ups_allowed=0, thinking_pause_s=1.2)
        for number, text in enumerate(_TEXTS)
    ),
)
SCRIPT = CandidateScript(PLAN, answers={each.id: ANSWER for each in PLAN.questions})


class _Rendered(LocalVoice):
    """A voice that renders each text only once, to leave the processors to the worker."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[str, tuple[Pcm, int]] = {}

    async def render(self, text: str) -> tuple[Pcm, int]:
        if text not in self._kept:
            self._kept[text] = await super().render(text)
        return self._kept[text]


_VOICE = _Rendered()

Progress = Callable[[str], None]


@dataclass
class Arm:
    """Measurements of the neighbours in all rounds of one kind."""

    #: Seconds from the end of an answer to the interviewer's first audio, by the jobs' journals.
    latencies_s: list[float] = field(default_factory=list)
    late_frames: int = 0
    #: Neighbours whose interview did not come to its end.
    broken_off: int = 0
    #: Load average of the last minute at the end of each round (getloadavg(3)).
    loads: list[float] = field(default_factory=list)


async def run(server: LiveKitServer, rounds: int, progress: Progress) -> list[Figure]:
    """Run all benchmarks of this module; takes at most about twelve minutes.

    Raises RuntimeError if an attack had no effect, because then the figures say nothing.
    """
    began = time.monotonic()
    # Load before any speech: loading a model delays the candidates' own audio.
    local_models.preload(stt=False, tts=True)
    await _VOICE.render(ANSWER)
    arms = {who: Arm() for who in _ARMS}
    settings = {
        "INTERVIEW_SLOTS": "4",
        "INTERVIEW_LOG_LEVEL": "INFO",
        # The third interview lasts as long as its neighbours, although its candidate is silent.
        "INTERVIEW_CANDIDATE_SILENCE_S": "600",
    }
    worker = RunningWorker(server, settings)
    try:
        await worker.start()
        longest_s = 0.0
        for number in range(rounds):
            round_began = time.monotonic()
            if round_began - began + longest_s > _MOST_S:
                progress(f"{number} of {rounds} rounds, because another one would take too long")
                break
            for who in _ARMS[:: -1 if number % 2 else 1]:
                await _round(worker, who, arms[who])
                progress(_line(who, arms[who]))
            longest_s = max(longest_s, time.monotonic() - round_began)
    finally:
        await worker.discard()
    return _figures(arms)


async def _round(worker: RunningWorker, who: str, arm: Arm) -> None:
    third, *neighbours = [await worker.create(PLAN) for _ in range(1 + _NEIGHBOURS)]
    with ExitStack() as stack:
        stack.enter_context(
            _participant(worker, third.room, third.candidate_identity, attacks=who == ATTACKED)
        )
        if who == ELSEWHERE:
            room = f"room-{uuid4().hex[:8]}"
            await worker.server.client.create_room(room)
            stack.enter_context(_participant(worker, room, "attacker", attacks=True))
        await worker.send_interviewer(third)
        await worker.job(third.room, until=is_running)
        done = await asyncio.gather(
            *(_interview(worker, each) for each in neighbours), return_exceptions=True
        )
        arm.loads.append(os.getloadavg()[0])
    if who == ATTACKED and not worker.log(event="data_right_taken", room=third.room):
        raise RuntimeError("the attack cost the attacker no right: it had no effect")
    await worker.delete_room(third.room)
    for result in done:
        if isinstance(result, BaseException) and not isinstance(result, CandidateTimeout):
            raise result
        if isinstance(result, Arm):
            arm.latencies_s += result.latencies_s
            arm.late_frames += result.late_frames
        else:
            arm.broken_off += 1
    await worker.ended_job(third.room)


async def _interview(worker: RunningWorker, interview: Interview) -> Arm:
    """Hold an interview to its end, and return what it measured."""
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await hold_conversation(candidate, SCRIPT, voice=_VOICE)
        late_frames = candidate.late_frames
    return Arm(latencies_s=await _latencies_s(worker, interview), late_frames=late_frames)


async def _latencies_s(worker: RunningWorker, interview: Interview) -> list[float]:
    job = await worker.ended_job(interview.room)
    path = worker.data_dir / "journals/shipped" / f"{job.header['job_id']}.jsonl"
    return [
        record["latency"]["answer"]
        for record in read_records(path).records
        if record["kind"] == "turn" and "answer" in record["latency"]
    ]


@contextmanager
def _participant(
    worker: RunningWorker, room: str, identity: str, *, attacks: bool
) -> Iterator[None]:
    """Run a candidate in a process of its own."""
    token = worker.server.client.candidate_token(room=room, identity=identity)
    words = [sys.executable, "-m", "benchmarks.attacker", worker.server.url, token]
    words = [*without_priority(), *words, *(["attack"] if attacks else [])]
    with open(os.devnull, "ab") as nowhere:
        process = start_child(words, output=nowhere)
    try:
        yield
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _line(who: str, arm: Arm) -> str:
    figure = Figure(what="", who=who, unit="s", samples=arm.latencies_s or [0.0])
    return (
        f"{who}: {len(arm.latencies_s)} turns, median {figure.median:.3f} s, "
        f"{arm.late_frames} late frames, {arm.broken_off} interviews broken off, "
        f"load {arm.loads[-1]:.1f}"
    )


def _figures(arms: Mapping[str, Arm]) -> list[Figure]:
    """Return the figures by kind of round, and what the attack changes."""
    measured = {who: arm for who, arm in arms.items() if arm.latencies_s}
    figures = [
        Figure(
            what="a neighbour's answer to its first audio",
            who=who,
            unit="s",
            samples=arm.latencies_s,
        )
        for who, arm in measured.items()
    ]
    figures += [
        Figure(
            what="median with the attack, as a multiple",
            who=f"of that with: {who}",
            unit="",
            samples=[_ratio(arms, who)],
            target=_MOST_SLOWER if who == ELSEWHERE else None,
        )
        for who in (QUIET, ELSEWHERE)
        if {who, ATTACKED} <= measured.keys()
    ]
    figures += [
        Figure(
            what="neighbours whose interview broke off",
            who=who,
            unit="",
            samples=[arm.broken_off],
            target=1 if who == ATTACKED else None,
        )
        for who, arm in arms.items()
    ]
    return figures + [
        Figure(what="load of the machine", who=who, unit="", samples=arm.loads)
        for who, arm in arms.items()
        if arm.loads
    ]


def _ratio(arms: Mapping[str, Arm], who: str) -> float:
    """Return how much longer the neighbours' median latency is with the attack than with `who`."""
    attacked, other = (statistics.median(arms[each].latencies_s) for each in (ATTACKED, who))
    return attacked / other
