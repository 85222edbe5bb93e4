"""INTERVIEW_FAULTS: valid values, refused values, and a table that matches the code."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from states import State
from tests.support.paths import REPOSITORY
from tests.support.virtual.job_parts import settings_in
from worker.config.settings import Settings
from worker.env.group import SettingsInvalid
from worker.faults.grammar import LONGEST_SLOW_S, Fault, FaultInvalid, parse
from worker.faults.points import CLOSING_STEPS, OLD_OPERATIONS, OPERATIONS, POINTS, Kind, Point
from worker.interview.resources import interview_resources
from worker.job import shutdown

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKER = REPOSITORY / "worker"
_RAISES = {"stt": "401", "tts": "429", "llm": "503", "database": "53100"}


@st.composite
def faults(draw: st.DrawFn) -> Fault:
    """Draw any valid fault."""
    point: Point = draw(st.sampled_from(POINTS))
    kind = draw(st.sampled_from(point.kinds))
    state = draw(st.sampled_from(State)) if point.in_states and draw(st.booleans()) else None
    counted = point.counted and state is None and draw(st.booleans())
    if point.point == "process" and state is None:
        state = State.RUNNING
    raises = point.raises is not None and kind is Kind.RAISE and draw(st.booleans())
    slow_s = st.floats(0, LONGEST_SLOW_S, exclude_min=True)
    return Fault(
        point=point.point,
        name=draw(st.sampled_from(("", *(set(point.members) - set(OLD_OPERATIONS))))),
        kind=kind,
        slow_s=draw(slow_s) if kind is Kind.SLOW else 0.0,
        raises=_RAISES[point.point] if raises else "",
        nth=draw(st.integers(1, 10**6)) if counted else None,
        state=state,
    )


@pytest.mark.row("B11")
@given(st.lists(faults(), max_size=5), st.sampled_from([";", "; ", " ; ", ";;"]))
def test_a_written_fault_parses_to_the_same_fault(chosen: list[Fault], between: str) -> None:
    assert parse(between.join(map(str, chosen))) == tuple(chosen)


@given(st.text(alphabet="loadvstprcehng.=:@;-0123456789 \n", max_size=60))
def test_any_text_parses_to_faults_or_gives_a_one_line_error(text: str) -> None:
    chosen, problem = read(text)
    assert "\n" not in problem
    assert parse("; ".join(map(str, chosen))) == chosen


def read(text: str) -> tuple[tuple[Fault, ...], str]:
    """Return the faults, or the error message."""
    try:
        return parse(text), ""
    except FaultInvalid as error:
        return (), str(error)


def test_empty_text_sets_no_fault() -> None:
    assert parse("") == parse(" ; ;") == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("load.vda=hang", "no point 'load.vda': did you mean 'load.vad'?"),
        ("load.vad=hung", "no kind 'hung': did you mean 'hang'?"),
        ("nowhere=hang", "`interview-worker faults` lists them"),
        ("load.vad", "is not a fault; write one like"),
        ("load.vad=garbage", "takes no garbage; it takes raise, close, hang, slow, kill"),
        ("database=kill", "takes no kill"),
        ("database=slow", "needs seconds"),
        ("database=slow:soon", "needs seconds"),
        ("database=slow:0", "needs seconds"),
        ("database=slow:nan", "needs seconds"),
        ("database=slow:3601", "up to 3600"),
        ("load.vad=hang:5", "takes nothing after a colon"),
        ("load.vad=raise:401", "takes nothing after a colon"),
        ("stt=raise:200", "HTTP status"),
        ("database=raise:401", "SQLSTATE"),
        ("tts=raise@0", "neither a number from 1 nor a state"),
        ("tts=raise@", "neither a number from 1 nor a state"),
        ("tts=raise@runing", "did you mean 'running'?"),
        ("connect=raise@running", "@running is not allowed"),
        ("process=kill@2", "@2 is not allowed"),
        ("set_up=raise@1", "@1 is not allowed"),
        ("load.vad=hang; tts=raise@never", "@never"),
    ],
)
def test_an_invalid_fault_is_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(FaultInvalid, match=re.escape(says)) as refused:
        parse(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "x" * 100_000,
        "x" * 100_000 + "=hang",
        "stt=" + "x" * 100_000,
        "stt=raise:" + "x" * 100_000,
        "stt=raise:\x1b[2J\u202e",
        "stt=raise@" + "9" * 100_000,
        "stt=raise@" + "x" * 100_000,
    ],
    ids=range(7),
)
def test_the_error_about_an_invalid_fault_is_short_and_printable(text: str) -> None:
    with pytest.raises(FaultInvalid) as refused:
        parse(text)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 300


def test_custom_resources_are_accepted_only_for_a_custom_application() -> None:
    (fault,) = parse("load.crystal_ball=hang", own_resources=True)
    assert (fault.point, fault.name) == ("load", "crystal_ball")
    with pytest.raises(FaultInvalid):
        parse("load.crystal_ball=hang")
    with pytest.raises(FaultInvalid):
        parse("tts.crystal_ball=hang", own_resources=True)


# --- the settings ---------------------------------------------------------------------------------


@pytest.mark.row("B11")
def test_faults_are_refused_unless_they_are_allowed(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        settings_in(tmp_path, INTERVIEW_FAULTS="load.vad=hang")
    (line,) = refused.value.problems
    assert line.startswith("INTERVIEW_FAULTS is set")
    assert "INTERVIEW_ALLOW_FAULTS=1" in line


def test_allowed_faults_are_set(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, INTERVIEW_FAULTS="load.vad=hang", INTERVIEW_ALLOW_FAULTS="1")
    assert settings.faults_to_set() == parse("load.vad=hang")


def test_an_error_in_the_faults_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        settings_in(tmp_path, INTERVIEW_FAULTS="load.vda=hang", INTERVIEW_ALLOW_FAULTS="1")
    (line,) = refused.value.problems
    assert line.startswith("INTERVIEW_FAULTS: there is no point 'load.vda'")


@pytest.mark.parametrize("application", ["examples.receptionist:Receptionist"])
def test_another_application_may_name_other_resources(tmp_path: Path, application: str) -> None:
    given: dict[str, Any] = {
        "INTERVIEW_FAULTS": "load.crystal_ball=hang",
        "INTERVIEW_ALLOW_FAULTS": "1",
    }
    settings_in(tmp_path, INTERVIEW_APPLICATION=application, **given)
    with pytest.raises(SettingsInvalid):
        settings_in(tmp_path, **given)


# --- the table matches the code -------------------------------------------------------------------


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def all_calls(path: Path) -> tuple[ast.Call, ...]:
    """Return every method call in a file."""
    nodes = ast.walk(ast.parse(text_of(path)))
    return tuple(
        node for node in nodes if isinstance(node, ast.Call) and hasattr(node.func, "attr")
    )


def calls(of: str, folder: Path = WORKER) -> Iterator[ast.Call]:
    """Yield every call of a method or function of this name."""
    for path in folder.rglob("*.py"):
        # A small part of the files; to parse all takes seconds.
        if f".{of}(" in text_of(path):
            yield from (call for call in all_calls(path) if getattr(call.func, "attr", "") == of)


def first_word(call: ast.Call) -> str | None:
    first = call.args[0] if call.args else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None


@pytest.mark.row("B11")
def test_the_points_of_the_table_are_exactly_those_in_the_code() -> None:
    found = {
        first_word(call)
        for of in ("at", "through", "here")
        for call in calls(of)
        if getattr(getattr(call.func, "value", None), "id", "") == "faults"
    }
    # The point `process` has no call: entering a state triggers it.
    assert found == {point.point for point in POINTS} - {"process"}


def test_the_closing_steps_are_those_of_the_table() -> None:
    steps = [first_word(call) for call in calls("step", Path(shutdown.__file__).parent)]
    assert sorted(filter(None, steps)) == sorted(CLOSING_STEPS)


def test_the_resources_are_those_of_an_interview() -> None:
    settings = Settings.model_construct(turn_detector="local")
    (load,) = (point for point in POINTS if point.point == "load")
    assert {each.name for each in interview_resources(settings, None)} == set(load.members)


def test_the_operations_are_those_of_the_database() -> None:
    # Operations that only commands use have no injection points.
    of_commands = {
        "cancel_interview",
        "create_interview",
        "dialogue_of",
        "get_job",
        "list_interviews",
        "list_jobs",
        "obstacles_of",
        "records_of",
        "remove_untaken_interview",
        "set_dispatched",
        "typed_turns",
    }
    names = {first_word(call) for of in ("run", "fetch") for call in calls(of)} - {None}
    # The first argument of a connection's own `fetch` is a statement, not a name.
    operations = {name for name in names if re.fullmatch(r"[a-z_]+", str(name))}
    assert operations == {*OPERATIONS, *of_commands}


def test_the_old_name_of_an_operation_means_the_operation_that_it_is_part_of_now() -> None:
    assert parse("database.note_worker=raise") == parse("database.renew_leases=raise")


def test_every_kind_and_point_has_a_description() -> None:
    assert all(kind.text for kind in Kind)
    assert all(point.what and point.kinds for point in POINTS)
