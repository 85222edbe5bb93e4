"""One whole spoken interview on a real server: its words, its records and its output."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import pytest

from states import History, Outcome, Reason, Status
from states.journal import read_records
from states.testing import assert_condition, assert_outcome, assert_path
from tests.support.live.heard import MOST_WORD_ERRORS, heard_by, word_error_rate, words
from tests.support.live.running_worker import RunningWorker, left_behind
from worker.demo.script import CandidateScript
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.simulation.conversation import Exchange, hold_conversation
from worker.simulation.room_candidate import Candidate
from worker.store.jobs import records_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.simulation.livekit_server import LiveKitServer

pytestmark = pytest.mark.xdist_group("interview")

# All tests of the module share one interview, which takes 45 s.
NAME = "Wilhelmina Quist"
START_UP = ["handshake_start", "ctx_connected", "session_started", "init_done"]
RESOURCES = ["database", "vad", "stt", "tts", "orchestrator"]

#: Limit of microphone frames sent late. On a busy machine the candidate's voice stutters: one
#: such run cost ten errors in 66 words, which says nothing about the worker. The interview is
#: then repeated once, and the run with fewer late frames counts.
MOST_LATE_FRAMES = 10


@dataclass(frozen=True, kw_only=True)
class Held:
    """An interview that was held, with the candidate's side of it."""

    worker: RunningWorker
    interview_id: str
    exchanges: list[Exchange]
    heard: str
    history: History
    late_frames: int

    @property
    def job_id(self) -> str:
        return str(self.history.header["job_id"])

    @property
    def answers(self) -> str:
        return " ".join(exchange.answered for exchange in self.exchanges)


async def hold(worker: RunningWorker) -> Held:
    created = await worker.command_json("interviews", "create", "--candidate", NAME, "--dispatch")
    joining = await worker.command_json("interviews", "token", created["interview_id"])
    async with Candidate(joining["url"], joining["token"]) as candidate:
        exchanges = await hold_conversation(candidate, CandidateScript.for_sample_plan())
        late_frames = candidate.late_frames
    return Held(
        worker=worker,
        interview_id=created["interview_id"],
        exchanges=exchanges,
        heard=await heard_by(candidate),
        history=await worker.ended_job(created["room"]),
        late_frames=late_frames,
    )


@pytest.fixture(scope="module")
def held(livekit_server: LiveKitServer, runner: asyncio.Runner, voices: None) -> Iterator[Held]:
    worker = RunningWorker(livekit_server)
    try:
        runner.run(worker.start())
        interview = runner.run(hold(worker))
        if interview.late_frames > MOST_LATE_FRAMES:
            again = runner.run(hold(worker))
            interview = min(interview, again, key=lambda run: run.late_frames)
        yield interview
    finally:
        runner.run(worker.discard())


@dataclass(frozen=True, kw_only=True)
class Printed:
    """Output of the commands about the interview, run concurrently: each takes seconds to start."""

    interview: Any
    interviews: Any
    job: Any
    jobs: Any
    transcript: str
    job_table: str
    diagram: str


@pytest.fixture(scope="module")
def printed(held: Held, runner: asyncio.Runner) -> Printed:
    as_json, as_text = held.worker.command_json, held.worker.command_text
    interview, job = held.interview_id, held.job_id

    async def ask() -> Printed:
        answers = await asyncio.gather(
            as_json("interviews", "show", interview),
            as_json("interviews", "list"),
            as_json("jobs", "show", job),
            as_json("jobs", "list", "--interview", interview),
            as_text("interviews", "export", interview),
            as_text("jobs", "show", job),
            as_text("diagram", "--job", job, "--format", "mermaid"),
        )
        names = [field.name for field in fields(Printed)]
        return Printed(**dict(zip(names, answers, strict=True)))

    return runner.run(ask())


@pytest.fixture(scope="module")
def shown(printed: Printed) -> Any:
    return printed.interview


def said_by(shown: Any, speaker: str) -> list[str]:
    return [turn["text"] for turn in shown["turns"] if turn["speaker"] == speaker]


@pytest.mark.row("C1", "C3", "C5", "C8", "S4")
def test_the_job_takes_the_whole_path_and_completes(held: Held) -> None:
    assert_path(
        held.history, "HANDSHAKE", "CONNECTED", "BOOTSTRAPPING", "READY", "RUNNING", "CLOSING", ...
    )
    assert_outcome(held.history, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert held.history.path[-1] == "CLOSED"
    assert (held.history.exit_code, held.history.signal) == (0, None)
    for resource in RESOURCES:
        assert_condition(held.history, resource, Status.READY)
    assert not held.history.faults
    assert [step.name for step in held.history.steps if not step.ok] == []


def test_the_interview_has_ended_with_its_outcome(held: Held, shown: Any) -> None:
    assert (shown["status"], shown["outcome"], shown["reason"]) == (
        "ended",
        "completed",
        "InterviewCompleted",
    )
    assert shown["jobs"] == [held.job_id]


@pytest.mark.row("C5")
def test_the_candidate_hears_every_question_and_goodbye(held: Held) -> None:
    plan = load_plan(SAMPLE_PLAN)
    planned = [plan.opening, *(question.text for question in plan.questions), plan.closing]
    assert word_error_rate(" ".join(planned), held.heard) <= MOST_WORD_ERRORS, held.heard
    assert len(held.exchanges) == len(plan.questions) + 1


def test_every_answer_is_one_turn_in_spite_of_its_pauses(held: Held, shown: Any) -> None:
    answered = [exchange.answered for exchange in held.exchanges if exchange.answered]
    assert len(said_by(shown, "candidate")) == len(answered) == 3
    speakers = [turn["speaker"] for turn in shown["turns"]]
    assert speakers == ["interviewer", "candidate"] * 3 + ["interviewer"]
    assert not any(turn["interrupted"] for turn in shown["turns"])


@pytest.mark.row("C5")
def test_the_candidates_words_are_in_the_database(held: Held, shown: Any) -> None:
    kept = " ".join(said_by(shown, "candidate"))
    assert word_error_rate(held.answers, kept) <= MOST_WORD_ERRORS, (held.late_frames, kept)


def test_the_interviewers_turns_have_the_plans_words(shown: Any) -> None:
    plan = load_plan(SAMPLE_PLAN)
    first, *others = plan.questions
    planned = [f"{plan.opening} {first.text}", *(q.text for q in others), plan.closing]
    assert [words(text) for text in said_by(shown, "interviewer")] == [words(t) for t in planned]


@pytest.mark.row("B10")
def test_the_database_and_the_journal_have_the_same_records(
    held: Held, runner: asyncio.Runner
) -> None:
    path = held.worker.data_dir / "journals/shipped" / f"{held.job_id}.jsonl"

    async def shipped() -> list[dict[str, Any]]:
        async with held.worker.database() as database:
            return await records_of(database, held.job_id)

    assert runner.run(shipped()) == read_records(path).records


@pytest.mark.row("S5", "S8")
def test_the_start_up_lines_have_their_times_and_their_job(held: Held) -> None:
    lines = [
        line
        for line in held.worker.log(job_id=held.job_id, logger="worker.job")
        if line["event"] in START_UP
    ]
    assert [line["event"] for line in lines] == START_UP
    times = [line["elapsed_ms"] for line in lines]
    assert times == sorted(times)
    assert times[0] > 0
    for line in lines:
        assert line["interview_id"] == held.interview_id
        assert line["room"] == held.history.header["room"]
        assert line["level"] == ("warning" if line.get("slow") else "info")


def test_no_word_of_the_interview_is_in_the_log(held: Held) -> None:
    logged = " ".join(words(held.worker.log_path.read_text()))
    assert held.job_id.lower() in held.worker.log_path.read_text().lower()
    plan = load_plan(SAMPLE_PLAN)
    spoken = [
        *NAME.split(),
        *(turn.text for turn in held.history.turns),
        *(exchange.answered for exchange in held.exchanges),
        *(question.text for question in plan.questions),
        plan.opening,
        plan.closing,
    ]
    for text in spoken:
        found = [run for run in _runs_of_words(text) if f" {run} " in f" {logged} "]
        assert not found


def _runs_of_words(text: str, length: int = 3) -> list[str]:
    """Return every run of `length` words: a single word may occur in any log."""
    each = words(text)
    return [" ".join(each[i : i + length]) for i in range(max(1, len(each) - length + 1))]


def test_the_commands_print_json_for_programs(held: Held, printed: Printed) -> None:
    assert held.interview_id in [row["interview_id"] for row in printed.interviews]
    (listed,) = printed.jobs
    assert (listed["job_id"], listed["state"], listed["exit_code"]) == (held.job_id, "CLOSED", 0)
    assert_outcome(printed.job, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert History.from_json(printed.job).path == held.history.path


def test_the_commands_print_text_for_people(held: Held, printed: Printed) -> None:
    assert printed.transcript.count("**Candidate:**") == 3
    assert held.job_id in printed.job_table
    assert "load orchestrator" in printed.job_table
    assert "RUNNING" in printed.job_table


@pytest.mark.row("C6")
def test_the_diagram_shows_the_path_of_this_job(held: Held, printed: Printed) -> None:
    assert held.job_id in printed.diagram
    assert "flowchart" in printed.diagram


@pytest.mark.row("S3", "S4")
def test_nothing_of_the_job_is_left(held: Held, runner: asyncio.Runner) -> None:
    pid = held.history.header["pid"]
    running = [line.split()[0] for line in left_behind(held.worker.data_dir)]
    assert str(pid) not in running
    assert not (held.worker.data_dir / "journals" / f"{held.job_id}.jsonl").exists()
    room = str(held.history.header["room"])
    assert runner.run(held.worker.participants(room)) == []
