"""What an application factory declares before an application is created."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest

from states import End, Event, Outcome, Reason
from states.testing import assert_outcome
from tests.support.virtual.job_parts import TinyApplication, rig, settings_in
from worker.audio.clip import Clip
from worker.clips.recordings import ClipName, load_clip
from worker.interview.application import InterviewApplication
from worker.job import apology, entrypoint
from worker.job.application import Application, Declared, Dispatch
from worker.job.fallback_application import FailedApplication
from worker.telemetry.job_view import JobView
from worker.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from pathlib import Path

    from states.pytest_plugin import Journey
    from worker.config.settings import Settings
    from worker.job.handle import JobHandle


class Silent(Application):
    """An application that says nothing after a failure."""

    identity_prefix: ClassVar[str] = "porter-"
    display_name: ClassVar[str] = "Porter"

    @classmethod
    def failed_words(cls) -> Clip | None:
        return None


class Clumsy(Application):
    """An application whose class methods raise."""

    @classmethod
    def preload(cls, settings: Settings) -> None:
        raise ValueError("the password is hunter2")

    @classmethod
    def failed_words(cls) -> Clip | None:
        raise ValueError("the password is hunter2")


def a_function(_dispatch: Dispatch, _settings: Settings) -> Application:
    return cast("Application", TinyApplication())


@pytest.mark.parametrize(
    ("factory", "identity", "name"),
    [
        (InterviewApplication, "interviewer-AJ_1", "Interviewer"),
        (Silent, "porter-AJ_1", "Porter"),
        (Clumsy, "agent-AJ_1", "Agent"),
        (a_function, "agent-AJ_1", "Agent"),
    ],
)
def test_an_application_names_its_agent_and_the_default_is_neutral(
    factory: Any, identity: str, name: str
) -> None:
    declared = Declared(factory)
    assert (declared.identity("AJ_1"), declared.display_name) == (identity, name)


def test_an_error_while_preloading_is_logged_without_its_message(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Declared(cast("Any", Clumsy)).preload(settings_in(tmp_path))
    assert caplog.messages == ["the application's data was not preloaded: ValueError"]


def test_the_interview_preloads_its_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr("worker.interview.application.preload_clips", lambda: done.append("clips"))
    Declared(InterviewApplication).preload(settings_in(tmp_path))
    Declared(cast("Any", a_function)).preload(settings_in(tmp_path))
    assert done == ["clips"]


@pytest.mark.parametrize(
    ("factory", "words"),
    [
        (InterviewApplication, load_clip(ClipName.CANNOT_GO_ON)),
        (Silent, None),
        (Clumsy, apology.load_apology()),
        (a_function, apology.load_apology()),
    ],
)
async def test_a_job_without_an_application_plays_the_words_of_its_factory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factory: Any, words: Clip | None
) -> None:
    def broken(*_: object) -> Application:
        raise RuntimeError("no application")

    if isinstance(factory, type):
        factory = type("Broken", (factory,), {"__init__": broken})
    else:
        factory = broken
    monkeypatch.setattr(entrypoint, "load_application", lambda _name: factory)
    dispatch = Dispatch(job_id="AJ_test", room="room-1", metadata="")
    failed = entrypoint._make_application(dispatch, settings_in(tmp_path))
    assert isinstance(failed, FailedApplication)
    job = rig(tmp_path, cast("Any", failed))
    assert await job.live() is Outcome.FAILED
    assert job.history.reason is Reason.JOB_CRASHED
    assert job.transport.line.played == ([] if words is None else [words.name])


# --- ends ---------------------------------------------------------------------------------------

BOOKED = {"appointment_booked": End(Outcome.COMPLETED, "AppointmentBooked")}


async def test_a_job_ends_with_an_end_that_its_application_declares(tmp_path: Path) -> None:
    async def book(job: JobHandle) -> None:
        await job.end("appointment_booked")

    app = TinyApplication(ends=BOOKED, on_run=book, words_at_the_end=ClipName.GOODBYE)
    job = rig(tmp_path, app)
    assert await job.live() is Outcome.COMPLETED
    assert_outcome(job.history, Outcome.COMPLETED, "AppointmentBooked")
    assert app.asked_for == ["AppointmentBooked"]


async def test_a_job_with_an_end_that_is_not_declared_has_crashed(tmp_path: Path) -> None:
    async def book(job: JobHandle) -> None:
        await job.end("appointment_bocked")

    job = rig(tmp_path, TinyApplication(ends=BOOKED, on_run=book))
    assert await job.live() is Outcome.FAILED
    assert_outcome(job.history, Outcome.FAILED, Reason.JOB_CRASHED)
    assert [fault["error"] for fault in job.history.faults] == ["EndUnknown"]


async def test_invalid_ends_of_a_function_s_application_end_the_job_with_an_apology(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(_dispatch: Dispatch, _settings: Settings) -> TinyApplication:
        return TinyApplication(ends={"closed": End(Outcome.COMPLETED, "Booked")})

    monkeypatch.setattr(entrypoint, "load_application", lambda _name: make)
    dispatch = Dispatch(job_id="AJ_test", room="room-1", metadata="")
    failed = entrypoint._make_application(dispatch, settings_in(tmp_path))
    assert isinstance(failed, FailedApplication)


def test_the_metrics_count_a_declared_reason(journey: Journey) -> None:
    job = journey(
        (0.1, Event.ROOM_CONNECTED),
        (0.1, Event.BOOTSTRAP_STARTED),
        (0.2, Event.LOADERS_SETTLED),
        (0.3, Event.SESSION_STARTED),
        (9.0, "appointment_booked"),
        ends=BOOKED,
    )
    view, metrics = JobView(job_id="AJ_test"), Metrics()
    for record in (
        {"kind": "transition", "t": 9.0, "from": "RUNNING", "to": "CLOSING"},
        {"kind": "transition", "t": 9.5, "from": "CLOSING", "to": "CLOSED"},
    ):
        ended = {"outcome": job.outcome, "reason": job.reason, "event": "application_ended"}
        metrics.take(view, {**record, **ended})
        view.apply({**record, **ended})
    line = 'interview_jobs_ended_total{outcome="completed",reason="AppointmentBooked"} 1.0'
    assert line in metrics.page().decode()
