"""What an application factory declares before an application is created."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest

from states import Outcome, Reason
from tests.support.virtual.job_parts import TinyApplication, rig, settings_in
from worker.audio.clip import Clip
from worker.clips.recordings import ClipName, load_clip
from worker.interview.application import InterviewApplication
from worker.job import apology, entrypoint
from worker.job.application import Application, Declared, Dispatch
from worker.job.fallback_application import FailedApplication

if TYPE_CHECKING:
    from pathlib import Path

    from worker.config.settings import Settings


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
    Declared(Clumsy).preload(settings_in(tmp_path))
    assert caplog.messages == ["the application's data was not preloaded: ValueError"]


def test_the_interview_preloads_its_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr("worker.interview.application.preload_clips", lambda: done.append("clips"))
    Declared(InterviewApplication).preload(settings_in(tmp_path))
    Declared(a_function).preload(settings_in(tmp_path))
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
    assert job.stage.line.played == ([] if words is None else [words.name])
