"""The diagrams of the transition table and of one job's path through it."""

from __future__ import annotations

import re
import struct
import sys
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from functools import partial
from typing import cast
from xml.etree import ElementTree

import pytest
import resvg_py

from scripts.diagrams import degraded, drawings, failed, healthy
from states import BUDGETS, EDGES, Edge, Event, History, Outcome, Reason, State, Transition, render
from states.conditions import Condition, Status
from states.render import write_dot, write_mermaid, write_svg
from states.render.layout import layout
from states.render.scene import Line
from states.render.view import View, view
from states.table import DEADLINE_GROUPS
from tests.support.paths import REPOSITORY
from tests.support.virtual.drawn_texts import assert_texts_can_be_read
from worker.interview.resources import interview_meanings

DIAGRAMS = REPOSITORY / "diagrams"
Writer = Callable[..., str]
FORMATS: list[Writer] = [render.mermaid, render.dot, render.svg]
SVG = "{http://www.w3.org/2000/svg}"


def _name(edge: Edge) -> str:
    return f"{edge.source}-{edge.event}-{edge.target}"


def _rows(svg: str) -> list[str]:
    """Return the rows of the table that a diagram claims to show."""
    groups = ElementTree.fromstring(svg).iter(f"{SVG}g")  # noqa: S314  # our own document
    return [row for group in groups for row in group.get("data-rows", "").split("; ") if row]


def _texts(svg: str, css: str | None = None) -> list[str]:
    texts = ElementTree.fromstring(svg).iter(f"{SVG}text")  # noqa: S314  # our own document
    return [text.text or "" for text in texts if css in (None, text.get("class"))]


def _with_states_of(edge: Edge, named: dict[str, State]) -> Edge:
    target = named[edge.target] if edge.target else None
    return replace(edge, source=named[edge.source], target=target)


def _killed() -> History:
    """Return a job whose process was killed while the session ran."""
    whole = healthy()
    return History(header=whole.header, transitions=whole.transitions[:5], signal=9)


@pytest.mark.row("C6", "B13")
def test_committed_drawings_match_the_table() -> None:
    """After a change of the table, run `make diagrams`."""
    for name, text in drawings(interview_meanings()).items():
        assert (DIAGRAMS / name).read_text(encoding="utf-8") == text, f"{name} has drifted"


@pytest.mark.parametrize("sample", [healthy, degraded, failed])
def test_every_step_of_a_sample_job_is_in_the_table(sample: Callable[[], History]) -> None:
    job = sample()
    assert job.outcome is not None
    assert view(job).strays == ()


@pytest.mark.row("C6", "B13")
def test_every_row_of_the_table_is_in_the_svg_exactly_once() -> None:
    expected = sorted(f"{e.source} {e.event} {e.target or '-'}" for e in EDGES)
    assert sorted(_rows(render.svg())) == expected


@pytest.mark.row("C6")
@pytest.mark.parametrize("write", [render.mermaid, render.dot])
@pytest.mark.parametrize("edge", [e for e in EDGES if e.target], ids=_name)
def test_every_transition_is_in_the_text_formats(write: Writer, edge: Edge) -> None:
    arrows = [
        line
        for line in write().replace("\N{NO-BREAK SPACE}", " ").splitlines()
        if re.search(rf"(->|-->|\.->).*{edge.target}", line)
    ]
    cause = f"budget {BUDGETS[edge.source]:g} s" if edge.is_timeout else edge.event
    ending = f"{edge.outcome} · {edge.reason}" if edge.reason else ""
    starts = (edge.source, "any_state", "either")
    assert any(line.split()[0] in starts and cause in line and ending in line for line in arrows)


@pytest.mark.parametrize("write", FORMATS)
def test_every_state_and_every_guard_has_its_name_in_each_format(write: Writer) -> None:
    text = re.sub(r"<[^>]*>|\s+", " ", write().replace("\N{NO-BREAK SPACE}", " "))
    for state in State:
        assert state in text
    for edge in EDGES:
        if edge.guard:
            for word in edge.guard.__name__.split("_"):
                assert word in text


def test_failures_are_red_and_budgets_dashed_in_every_format() -> None:
    for arrow in view().arrows:
        ends = [label.outcome for label in arrow.labels]
        assert arrow.is_failure == (Outcome.FAILED in ends)
        assert len({outcome is Outcome.FAILED for outcome in ends}) == 1
    budgets = [f"budget {BUDGETS[e.source]:g} s" for e in EDGES if e.is_timeout]
    for line in render.dot().splitlines():
        if " -> " in line and "arrowhead=none" not in line:
            assert ("dashed" in line) == any(budget in line for budget in budgets)
            assert ("#cf222e" in line) == ("failed ·" in line)
    mermaid = render.mermaid().replace("\N{NO-BREAK SPACE}", " ")
    links = [x for x in mermaid.splitlines() if re.search(r" (--+|-\.+-?>?|--+>)(\||\s)", x)]
    styles = [x for x in mermaid.splitlines() if "linkStyle" in x]
    assert len(links) == len(styles)
    for link, style in zip(links, styles, strict=True):
        assert ("-." in link) == any(budget in link for budget in budgets)
        assert ("#cf222e" in style) == ("failed ·" in link)


def test_only_failed_endings_are_red_in_the_svg() -> None:
    red = _texts(render.svg(), "red-text")
    assert {text for text in _texts(render.svg()) if text.startswith("failed ·")} <= set(red)
    assert not [text for text in red if "completed" in text or "abandoned" in text]


@pytest.mark.parametrize("write", FORMATS, ids=lambda write: write.__name__)
def test_an_end_of_an_application_is_shown_as_declared_where_no_job_is_drawn(write: Writer) -> None:
    assert "as declared by the agent" in write().replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.row("B13")
def test_timeouts_show_the_budgets_that_the_job_ran_with() -> None:
    history = History(header={"budgets": {"HANDSHAKE": 2.5, "NO_SUCH_STATE": 1}})
    assert "budget 2.5 s" in _texts(render.svg(history))


@pytest.mark.row("C6")
def test_the_path_of_a_job_is_numbered_and_timed() -> None:
    svg = render.svg(degraded())
    assert _texts(svg, "badge-text") == ["1", "2", "3", "4", "5", "6", "7", "1"]  # the legend
    assert "0.12 s" in _texts(svg, "strong")
    assert {"candidate_left", "abandoned · CandidateLeft"} <= set(_texts(svg, "way-text"))
    assert "interview_completed" not in _texts(svg, "way-text")


def test_missing_resources_are_listed_at_the_state_that_lacked_them() -> None:
    boxes = view(degraded()).boxes
    assert boxes[State.DEGRADED].missing == ("database", "tts")
    assert boxes[State.RUNNING].missing == ("database (back)", "tts")
    assert boxes[State.HANDSHAKE].missing == ()


def test_a_resource_that_failed_the_job_is_missing_at_the_failed_state() -> None:
    lost = Condition(
        resource="orchestrator", status=Status.LOST, reason="Refused", required=True, since=1.0
    )
    ended = Transition(
        source=State.BOOTSTRAPPING,
        event=Event.ORCHESTRATOR_FAILED,
        target=State.CLOSING,
        t=1.0,
        outcome=Outcome.FAILED,
        reason=Reason.ORCHESTRATOR_FAILED,
    )
    history = History(transitions=(*failed().transitions[:3], ended), condition_changes=(lost,))
    assert view(history).boxes[State.BOOTSTRAPPING].missing == ("orchestrator",)


@pytest.mark.row("C6")
def test_a_failed_job_shows_where_it_failed_and_how_it_ended() -> None:
    drawing = view(failed())
    assert (drawing.broken, drawing.failed) == (State.BOOTSTRAPPING, True)
    assert "failed · OrchestratorFailed" in _texts(render.svg(failed()), "way-red-text")


def test_edges_that_the_job_did_not_take_are_dimmed_and_none_without_a_job() -> None:
    root = ElementTree.fromstring(render.svg(healthy()))  # noqa: S314  # our own document
    dimmed = {g.get("data-rows") for g in root.iter(f"{SVG}g") if g.get("class") == "dim"}
    assert "RUNNING candidate_left CLOSING" in dimmed
    assert "RUNNING interview_completed CLOSING" not in dimmed
    assert 'class="dim"' not in render.svg()


def test_an_ending_from_any_state_names_the_state() -> None:
    lost = Transition(
        source=State.CONNECTED,
        event=Event.ROOM_LOST,
        target=State.CLOSING,
        t=0.5,
        outcome=Outcome.FAILED,
        reason=Reason.ROOM_LOST,
    )
    history = History(transitions=(*healthy().transitions[:2], lost))
    assert "from CONNECTED" in _texts(render.svg(history))


def test_repeated_visits_are_counted_and_summed() -> None:
    start = healthy().transitions[:4]
    there = Transition(source=State.READY, event=Event.RESOURCE_LOST, target=State.DEGRADED, t=0.5)
    back = Transition(
        source=State.DEGRADED, event=Event.RESOURCE_RECOVERED, target=State.READY, t=0.7
    )
    history = History(transitions=(*start, *(there, back) * 4))
    box = view(history).boxes[State.READY]
    assert len(box.visits) == 5
    assert "+2" in _texts(render.svg(history), "way-text")


@pytest.mark.parametrize("write", FORMATS)
def test_a_job_killed_half_way_and_an_empty_history_can_be_drawn(write: Writer) -> None:
    assert "killed by signal 9" in write(_killed())
    assert "nothing is recorded" in write(History())


def test_a_step_that_is_no_longer_in_the_table_is_described_in_text() -> None:
    gone = Transition(source=State.HANDSHAKE, event=Event.CLOSED, target=State.CLOSED, t=0.5)
    history = History(transitions=(healthy().transitions[0], gone))
    for write in FORMATS:
        assert "HANDSHAKE → CLOSED on closed" in write(history)


@pytest.mark.row("B13")
def test_a_new_edge_without_a_straight_path_is_written_below_the_drawing() -> None:
    edge = Edge(State.HANDSHAKE, Event.SESSION_STARTED, State.RUNNING)
    texts = _texts(write_svg.write(layout(view(edges=(*EDGES, edge)))))
    assert "Also: HANDSHAKE → RUNNING: session_started" in texts


def _with_a_new_state(*, shares_deadline: bool = False) -> View:
    """Return the table with an added state SUSPENDED, which a running job can enter and leave.

    Like every state before CLOSING it has the common endings.
    """
    whole = view()
    common = [x.edges[0] for a in whole.arrows if a.sources == whole.live for x in a.labels]
    names = [state.name for state in State]
    names.insert(names.index("CLOSING"), "SUSPENDED")
    grown = StrEnum("Grown", {name: name for name in names})  # type: ignore[misc]  # made of State
    named = {state.value: cast("State", state) for state in grown}
    edges = (
        Edge(named["RUNNING"], Event.CANDIDATE_SILENT, named["SUSPENDED"]),
        Edge(named["SUSPENDED"], Event.ROOM_CONNECTED, named["RUNNING"]),
        *(_with_states_of(edge, named) for edge in EDGES),
        *(replace(_with_states_of(x, named), source=named["SUSPENDED"]) for x in common),
    )
    groups = (*DEADLINE_GROUPS, (named["RUNNING"], named["SUSPENDED"]))
    return view(
        edges=edges,
        states=tuple(named.values()),
        deadline_groups=groups if shares_deadline else DEADLINE_GROUPS,
    )


@pytest.mark.row("B13")
def test_a_new_state_is_in_every_format() -> None:
    bigger = _with_a_new_state()
    assert bigger.end == State.CLOSED
    svg = write_svg.write(layout(bigger))
    assert "SUSPENDED" in _texts(svg, "name")
    assert {"RUNNING candidate_silent SUSPENDED", "SUSPENDED room_connected RUNNING"} <= set(
        _rows(svg)
    )
    assert "SUSPENDED" in write_mermaid.write(bigger)
    assert "SUSPENDED" in write_dot.write(bigger)


@pytest.mark.row("B13")
def test_each_group_of_states_with_one_deadline_has_an_outline_and_a_junction() -> None:
    bigger = _with_a_new_state(shares_deadline=True)
    assert _texts(write_svg.write(layout(bigger)), "muted").count("one shared deadline") == 2
    for text in (write_mermaid.write(bigger), write_dot.write(bigger)):
        for name, states in (("either", ("READY", "DEGRADED")), ("either_2", ("RUNNING",))):
            for state in states:
                assert re.search(rf"^ +{state} (---|->) {name}\b", text, re.MULTILINE)


@pytest.mark.row("B13")
def test_an_ending_from_one_state_of_a_group_names_this_state() -> None:
    svg = write_svg.write(layout(_with_a_new_state(shares_deadline=True)))
    groups = ElementTree.fromstring(svg).iter(f"{SVG}g")  # noqa: S314  # our own document
    texts = {g.get("data-rows"): [t.text for t in g.iter(f"{SVG}text")] for g in groups}
    assert "from RUNNING" in texts["RUNNING candidate_left CLOSING"]


@pytest.mark.row("C6")
@pytest.mark.parametrize(
    "drawing",
    [
        view,
        lambda: view(healthy()),
        lambda: view(degraded()),
        lambda: view(failed()),
        _with_a_new_state,
        lambda: _with_a_new_state(shares_deadline=True),
    ],
    ids=["table", "healthy", "degraded", "failed", "new_state", "new_state_in_a_group"],
)
def test_no_two_arrows_cross_and_no_two_texts_overlap(drawing: Callable[[], View]) -> None:
    scene = layout(drawing())
    marks = [mark for part in scene.parts for mark in part.marks]
    lines = [mark for mark in marks if isinstance(mark, Line)]
    for across in (line for line in lines if line.start[1] == line.end[1]):
        for down in (line for line in lines if line.start[0] == line.end[0]):
            left, right = sorted((across.start[0], across.end[0]))
            top, bottom = sorted((down.start[1], down.end[1]))
            crossing = left < down.start[0] < right and top < across.start[1] < bottom
            assert not crossing, (across, down)
    assert_texts_can_be_read(scene)


def test_drawings_are_reproducible_byte_for_byte() -> None:
    assert [write(degraded()) for write in FORMATS] == [write(degraded()) for write in FORMATS]


def test_text_from_a_journal_cannot_break_the_document() -> None:
    history = History(header={"job_id": '<b>"&\\'}, transitions=healthy().transitions)
    assert _texts(render.svg(history), "title")[0].startswith('Job <b>"&\\')
    assert '"Job <b>#quot;' in render.mermaid(history)
    assert 'label="Job <b>\\"&\\\\' in render.dot(history)


@pytest.mark.parametrize("write", FORMATS)
def test_characters_that_no_document_can_contain_are_replaced(write: Writer) -> None:
    odd = "a\x00b\nc\ud800d\u202ee\uffff"
    shown = "a?b?c?d?e?".replace("?", "\N{REPLACEMENT CHARACTER}")
    vad = replace(degraded().condition_changes[0], resource=odd, status=Status.LOST, since=0.0)
    history = replace(degraded(), header={"job_id": odd}, condition_changes=(vad,))
    document = write(history)
    assert document.encode()
    assert f"Job {shown}: " in document
    assert odd not in document


@pytest.mark.row("C6")
def test_a_png_is_as_large_as_the_svg_at_double_density() -> None:
    scene = layout(view(failed()))
    picture = render.png(failed())
    assert picture.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", picture[16:24])
    assert width == pytest.approx(scene.width * 2, abs=6)
    assert height == pytest.approx(scene.height * 2, abs=6)


def test_the_text_of_a_png_needs_no_font_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = render.png()
    plain = resvg_py.svg_to_bytes
    without_fonts = partial(plain, skip_system_fonts=True)
    monkeypatch.setattr(resvg_py, "svg_to_bytes", without_fonts)
    assert render.png() == whole

    svg = write_svg.write(layout(view()))
    assert without_fonts(svg_string=svg, zoom=2.0) != whole, "the picture has text"


def test_without_resvg_only_png_fails_and_names_the_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(render.RenderUnavailable, match=r"pip install 'interview-lifecycle\[png\]'"):
        render.png()
    assert render.svg()


@pytest.mark.row("B1")
def test_the_legend_states_the_effect_of_each_missing_resource() -> None:
    losses = {"vad": "Turns end on silence.", "tts": "Questions come as text."}
    for write in FORMATS:
        text = write(losses=losses)
        for name, means in losses.items():
            assert name in text
            assert means in text


def test_the_legend_of_a_job_lists_only_its_missing_resources() -> None:
    losses = {"vad": "Turns end on silence.", "tts": "Questions come as text."}
    texts = _texts(render.svg(degraded(), losses=losses))
    assert "Questions come as text." in texts
    assert "Turns end on silence." not in texts
    assert "without" not in _texts(render.svg(healthy(), losses=losses))
