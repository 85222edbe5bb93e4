"""The setting that names the application of a worker's jobs."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, ClassVar

import pytest
from typer.testing import CliRunner

from states import End, Outcome
from worker.cli.app import app
from worker.cli.common import ExitCode
from worker.config.settings import Settings
from worker.interview.application import InterviewApplication
from worker.job.application import Application, ApplicationInvalid, load_application

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: Settings without which `start` would name more than the application.
NEEDED = {
    "LIVEKIT_URL": "ws://127.0.0.1:1",
    "LIVEKIT_API_KEY": "key",
    "LIVEKIT_API_SECRET": "secret",
    "INTERVIEW_EMBEDDED": "1",
    "INTERVIEW_HTTP_PORT": "0",
}


class BadlyEnding(Application):
    """An application that declares an end of the lifecycle as its own."""

    ends: ClassVar[Mapping[str, End]] = {"closed": End(Outcome.COMPLETED, "RoomLost")}


def made_with(**declared: object) -> object:
    """Return an application factory with these declarations."""
    return type("Made", (Application,), declared)


ENDS_LIST = made_with(ends=["booked"])
ENDS_PROPERTY = made_with(ends=property(lambda _: {}))
NO_IDENTITY = made_with(identity_prefix="")
IDENTITY_PROPERTY = made_with(identity_prefix=property(lambda _: "booking-"))
LINES_IN_NAME = made_with(display_name="Book\ning")
LONG_NAME = made_with(display_name="B" * 101)
#: An object that is not a factory.
NOTHING = SimpleNamespace(attribute="no factory")


@pytest.fixture(autouse=True)
def no_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevent the command from reconfiguring the logs of the test process."""
    monkeypatch.setattr("worker.cli.start.configure_logs", lambda _settings: None)


def test_the_interview_is_the_default_application() -> None:
    assert load_application(Settings.load(_env_file=None).application) is InterviewApplication


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no_such_module:Application", "No module named"),
        ("worker.interview.application:Missing", "has no attribute"),
        (f"{__name__}:NOTHING", "of type SimpleNamespace"),
        (f"{__name__}:BadlyEnding", "the end 'closed' has the name of an event"),
        (f"{__name__}:BadlyEnding", "the end 'closed', RoomLost, belongs to the lifecycle"),
        (f"{__name__}:ENDS_LIST", "`ends` must be a class attribute"),
        (f"{__name__}:ENDS_PROPERTY", "`ends` must be a class attribute"),
        (f"{__name__}:NO_IDENTITY", "`identity_prefix` must be .* 1 to 100 characters"),
        (f"{__name__}:IDENTITY_PROPERTY", "`identity_prefix` must be a class attribute"),
        (f"{__name__}:LINES_IN_NAME", "`display_name` must be a class attribute"),
        (f"{__name__}:LONG_NAME", "`display_name` must be .* 1 to 100 characters"),
    ],
)
def test_the_error_for_an_unusable_application_gives_the_reason(name: str, reason: str) -> None:
    with pytest.raises(ApplicationInvalid, match=reason) as caught:
        load_application(name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_message_of_an_error_during_import_is_not_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_agent.py").write_text("raise ValueError('the password is hunter2')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ApplicationInvalid, match="raises ValueError") as caught:
        load_application("broken_agent:Agent")
    assert "hunter2" not in str(caught.value)
    assert "broken_agent" not in sys.modules


def test_a_module_that_exits_when_imported_is_no_application(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "exiting_agent.py").write_text("raise SystemExit(0)")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ApplicationInvalid, match="importing it raises SystemExit"):
        load_application("exiting_agent:Agent")


def test_a_worker_does_not_start_with_a_missing_application(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    variables = {**NEEDED, "INTERVIEW_DATA_DIR": str(tmp_path / "data")}
    given = {**variables, "INTERVIEW_APPLICATION": "no_such_module:Application"}
    ended = CliRunner().invoke(app, ["start"], env=given)
    assert ended.exit_code == ExitCode.USAGE
    assert ended.stderr.startswith("interview-worker: INTERVIEW_APPLICATION: no_such_module")
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["module", "module:", ":attribute", "module:a.b", "a b:c"])
def test_an_application_name_must_be_module_and_attribute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    variables = {**NEEDED, "INTERVIEW_DATA_DIR": str(tmp_path / "data")}
    ended = CliRunner().invoke(app, ["start"], env={**variables, "INTERVIEW_APPLICATION": name})
    assert ended.exit_code == ExitCode.USAGE
    assert "INTERVIEW_APPLICATION" in ended.stderr
