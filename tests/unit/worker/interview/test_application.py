"""The interview as an application: its metadata, its resources, its session."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from states import Event, Reason
from tests.support.virtual.interview_parts import WatchedJob, plan_of
from tests.support.virtual.job_parts import settings_in
from worker.audio.clip import ClipMissing
from worker.clips import recordings
from worker.clips.recordings import ClipName
from worker.continuity.dispatch_metadata import MetadataInvalid, read_metadata
from worker.interview.application import InterviewApplication
from worker.interview.conversation.interviewer import Interviewer
from worker.interview.end_conditions import EndConditions
from worker.interview.orchestrator_llm import OrchestratorLLM
from worker.interview.resources import interview_resources
from worker.job.application import Dispatch
from worker.resources.bootstrap import AgentResources
from worker.resources.resource import LoadFailed

if TYPE_CHECKING:
    from pathlib import Path

    from worker.job.job import Job

SNAPSHOT = plan_of().to_json()


# --- the dispatch's metadata --------------------------------------------------------------------


def test_metadata_names_the_interview_and_may_contain_its_plan() -> None:
    assert read_metadata('{"interview_id": "iv-1"}') == ("iv-1", None)
    assert read_metadata(json.dumps({"interview_id": "iv-1", "plan": SNAPSHOT})) == (
        "iv-1",
        SNAPSHOT,
    )


@pytest.mark.parametrize("plan", [None, [], "plan", 3, True])
def test_a_plan_that_is_not_an_object_is_ignored(plan: object) -> None:
    assert read_metadata(json.dumps({"interview_id": "iv-1", "plan": plan})) == ("iv-1", None)


NOT_JSON = ["", "iv-1", "{", '{"interview_id": "a"', "[" * 100_000, "1" * 5000]
NO_ID = ["null", "[]", '"iv-1"', "7", "{}", '{"interview_id": null}', '{"interview_id": 7}']
NO_VALID_ID = ["", " ", "a b", "../etc", "ä", "\ud800", "\0", "x" * 101, "-x", "a\nb"]


@pytest.mark.row("S8")
@pytest.mark.parametrize(
    "metadata",
    [*NOT_JSON, *NO_ID, *(json.dumps({"interview_id": name}) for name in NO_VALID_ID)],
    ids=lambda metadata: metadata[:30],
)
def test_metadata_without_a_valid_interview_id_is_refused_without_quoting_it(metadata: str) -> None:
    with pytest.raises(MetadataInvalid) as refused:
        read_metadata(metadata)
    assert len(str(refused.value)) < 100


@pytest.mark.parametrize("metadata", ["not json", '{"interview_id": "\\ud800"}'])
async def test_the_orchestrator_reports_invalid_metadata(tmp_path: Path, metadata: str) -> None:
    """Creating the application never raises, so that a lifecycle exists to report the error."""
    app = application(tmp_path, metadata)
    assert app.header() == {"interview_id": None}
    orchestrator = next(r for r in app.resources() if r.name == "orchestrator")
    with pytest.raises(LoadFailed) as failed:
        await orchestrator.load(AgentResources())
    assert failed.value.event is Event.METADATA_INVALID
    assert not failed.value.transient


# --- resources and session ----------------------------------------------------------------------


def application(
    folder: Path, metadata: str | None = None, **variables: Any
) -> InterviewApplication:
    metadata = metadata or json.dumps({"interview_id": "iv-1", "plan": SNAPSHOT})
    dispatch = Dispatch(job_id="AJ_1", room="room-1", metadata=metadata)
    return InterviewApplication(dispatch, settings_in(folder, **variables))


@pytest.mark.row("C4")
def test_only_the_orchestrator_is_required(tmp_path: Path) -> None:
    resources = interview_resources(settings_in(tmp_path), None)
    assert [r.name for r in resources if r.required] == ["orchestrator"]
    assert {r.name for r in resources} == {"orchestrator", "database", "vad", "stt", "tts", "llm"}


@pytest.mark.row("B1")
def test_every_resource_describes_its_loss_and_needs_only_other_resources(tmp_path: Path) -> None:
    resources = interview_resources(settings_in(tmp_path), None)
    names = {resource.name for resource in resources}
    for resource in resources:
        assert resource.loss.endswith(".")
        assert set(resource.needs) <= names - {resource.name}


async def test_without_a_database_setting_the_database_is_not_configured(tmp_path: Path) -> None:
    resources = application(tmp_path, DATABASE_URL="").resources()
    database = next(r for r in resources if r.name == "database")
    with pytest.raises(LoadFailed) as failed:
        await database.load(AgentResources())
    assert failed.value.reason == "NotConfigured"
    assert not failed.value.transient


async def loaded(app: InterviewApplication) -> AgentResources:
    """Load only the orchestrator, and return the resources."""
    held = AgentResources()
    orchestrator = next(r for r in app.resources() if r.name == "orchestrator")
    held.hold(orchestrator, await orchestrator.load(held))
    return held


async def test_a_resource_that_has_not_loaded_is_none_not_the_framework_default(
    tmp_path: Path,
) -> None:
    """The framework's default would be another model, loaded on the event loop."""
    app, job = application(tmp_path), WatchedJob()
    session, agent = app.start_session(cast("Job", job), await loaded(app))
    assert session.vad is None
    assert session.stt is None
    assert session.tts is None
    assert session.turn_detection == "stt"
    assert isinstance(session.llm, OrchestratorLLM)
    assert isinstance(agent, Interviewer)
    await session.aclose()


async def test_only_the_interviews_candidate_is_listened_to(tmp_path: Path) -> None:
    app, job = application(tmp_path), WatchedJob()
    session, _ = app.start_session(cast("Job", job), await loaded(app))
    assert job.transport.did == ["expect candidate-iv-1"]
    await session.aclose()


async def test_a_missing_clip_is_journaled_and_does_not_prevent_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(recordings._found, ClipName.BACK, ClipMissing(ClipName.BACK))
    app, job = application(tmp_path), WatchedJob()
    refused: list[tuple[str, str]] = []
    job.recorder.refusal = lambda *refusal: refused.append(refusal)
    session, _ = app.start_session(cast("Job", job), await loaded(app))

    assert refused == [("clip.back", "ClipMissing")]
    await session.aclose()


@pytest.mark.parametrize(
    ("reason", "clip"),
    [
        (Reason.INTERVIEW_COMPLETED, None),
        (Reason.CANDIDATE_LEFT, None),
        (Reason.CANDIDATE_SILENT, ClipName.GOODBYE),
        (Reason.CANCEL_REQUESTED, ClipName.GOODBYE),
        (Reason.INTERVIEW_ALREADY_OVER, ClipName.ALREADY_OVER),
        (Reason.ORCHESTRATOR_FAILED, ClipName.CANNOT_GO_ON),
        (Reason.SHUTDOWN_REQUESTED, ClipName.CANNOT_GO_ON),
        (Reason.LEASE_LOST, None),
    ],
)
def test_the_closing_message_depends_on_the_reason(
    tmp_path: Path, reason: Reason, clip: ClipName | None
) -> None:
    words = application(tmp_path).last_words(reason)
    assert (words and words.name) == clip


@pytest.mark.parametrize("reason", [Reason.JOB_CRASHED, Reason.SESSION_FAILED, Reason.TURN_STUCK])
def test_the_job_does_not_say_goodbye_if_a_successor_is_expected(
    tmp_path: Path, reason: Reason
) -> None:
    app = application(tmp_path)
    assert app.succession is not None
    app.succession.expected = True
    words = app.last_words(reason)
    assert (words and words.name) == ClipName.ONE_MOMENT


def test_a_waiting_candidate_hears_the_one_moment_clip(tmp_path: Path) -> None:
    words = application(tmp_path).waiting_words()
    assert words is not None
    assert words.name is ClipName.ONE_MOMENT


async def test_the_event_that_ended_the_interview_is_fired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ended(_: EndConditions) -> Event:
        return Event.CANDIDATE_LEFT

    monkeypatch.setattr(EndConditions, "until_it_ends", ended)
    app, job = application(tmp_path), WatchedJob()
    session, _ = app.start_session(cast("Job", job), await loaded(app))
    await app.run(cast("Job", job))
    assert job.fired == [Event.CANDIDATE_LEFT]
    await session.aclose()


async def test_an_end_that_the_dialogue_decided_is_the_end_of_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ended(_: EndConditions) -> str:
        return "candidate_stopped"

    monkeypatch.setattr(EndConditions, "until_it_ends", ended)
    app, job = application(tmp_path), WatchedJob()
    session, _ = app.start_session(cast("Job", job), await loaded(app))
    await app.run(cast("Job", job))
    assert (job.fired, job.ended) == ([], ["candidate_stopped"])
    assert session.options.session_close_transcript_timeout == 0.0
    await session.aclose()


def following(job_id: str | None, **more: Any) -> str:
    follows = {"job_id": job_id, "why": "LeaseExpired", "turns": [], **more}
    return json.dumps({"interview_id": "iv-1", "plan": SNAPSHOT, "follows": follows})


async def test_the_time_that_earlier_jobs_used_is_a_part_of_the_limit(tmp_path: Path) -> None:
    app, job = application(tmp_path, following("AJ_0", spent_s=900.5)), WatchedJob()
    session, _ = app.start_session(cast("Job", job), await loaded(app))
    assert job.carried_s == [900.5]
    await session.aclose()


@pytest.mark.parametrize(
    ("job_id", "event"),
    [("AJ_0", Event.CANDIDATE_LEFT), (None, Event.CANDIDATE_NEVER_JOINED)],
    ids=["follows a job", "no job took the dispatch before"],
)
@pytest.mark.looptime
async def test_only_the_candidate_of_a_successor_has_been_there_before(
    tmp_path: Path, job_id: str | None, event: Event
) -> None:
    app, job = application(tmp_path, following(job_id)), WatchedJob()
    session, _ = app.start_session(cast("Job", job), await loaded(app))
    job.transport.move(here=False)
    await app.run(cast("Job", job))
    assert job.fired == [Event.CLOCK_STOPPED, event]
    await session.aclose()
