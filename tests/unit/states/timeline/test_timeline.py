"""The diagrams of a start-up, of a whole interview, and of many start-ups."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from scripts.diagrams import degraded, failed, healthy
from states import Event, History, JournalError, Outcome, timeline
from states.render.scene import Rect, Scene
from states.testing import journey
from tests.support.virtual.drawn_texts import assert_texts_can_be_read, texts_of


def whole(history: History) -> Scene:
    return timeline.drawing(history, whole=True)


def spread() -> Scene:
    found = timeline.Spread()
    for history in (healthy(), degraded()):
        found.add(timeline.startup(history))
    return timeline.spread_drawing(found, note="Skipped: 1 broken.")


def handshake_failed() -> History:
    return journey((0.5, Event.HANDSHAKE_FAILED), (0.9, Event.CLOSED), header={"job_id": "x" * 200})


def crowded() -> History:
    """Return a job with longer names and more entries than real jobs have."""
    long = "n" * 80
    steps = tuple(replace(s, name=f"load {long}{i}") for i, s in enumerate(degraded().steps))
    faults = tuple({"t": 3.0 * i, "where": f"{long}{i % 7}", "error": long} for i in range(70))
    turns = tuple(replace(t, speaker=long, question_id=long) for t in degraded().turns)
    return replace(degraded(), steps=steps, faults=faults, turns=turns)


DRAWINGS: list[Callable[[], Scene]] = [
    lambda: timeline.drawing(healthy()),
    lambda: timeline.drawing(degraded()),
    lambda: whole(healthy()),
    lambda: whole(degraded()),
    lambda: whole(failed()),
    lambda: whole(handshake_failed()),
    lambda: whole(journey()),
    lambda: whole(journey(until_s=11.0)),
    lambda: whole(crowded()),
    spread,
]


def said(scene: Scene, css: str | None = None) -> list[str]:
    return [text.text for text in texts_of(scene) if css in (None, text.css)]


def rows(scene: Scene) -> list[str]:
    return [row for part in scene.parts for row in part.rows]


@pytest.mark.parametrize("drawing", DRAWINGS)
def test_texts_do_not_overlap_and_are_not_cut_off(
    drawing: Callable[[], Scene],
) -> None:
    assert_texts_can_be_read(drawing())


@pytest.mark.parametrize("drawing", DRAWINGS)
def test_every_mark_is_inside_the_drawing(drawing: Callable[[], Scene]) -> None:
    scene = drawing()
    for rect in (m for part in scene.parts for m in part.marks if isinstance(m, Rect)):
        assert rect.x >= 0
        assert rect.right <= scene.width
        assert rect.bottom <= scene.height


def test_every_step_of_the_start_up_has_one_row() -> None:
    scene = timeline.drawing(degraded())
    for step in timeline.startup(degraded()).steps:
        assert rows(scene).count(step.name) == 1


def test_the_critical_chain_is_highlighted_and_failures_show_their_reason() -> None:
    scene = timeline.drawing(degraded())
    assert said(scene, "way-text") == [
        "connect",
        "load database",
        "load orchestrator",
        "start_session",
    ]
    assert "2.00 s · LoadTimeout of 2 s" in said(scene, "red-text")
    assert "201 ms · 3 tries · Refused" in said(scene, "red-text")


def test_the_summary_states_whether_the_start_was_slow_and_why() -> None:
    texts = said(timeline.drawing(degraded()))
    assert "RUNNING after 2.30 s, 1.50 s over the target of 800 ms." in texts
    assert "Most of the time: load database, 2.00 s (LoadTimeout)." in texts
    assert "Missing: database, tts." in texts
    assert "RUNNING after 412 ms, 388 ms below the target of 800 ms." in said(
        timeline.drawing(healthy())
    )


@pytest.mark.row("S7")
def test_the_target_and_the_milestones_are_drawn() -> None:
    scene = timeline.drawing(healthy())
    assert "target 800 ms" in said(scene)
    assert rows(scene)[-4:] == ["handshake_start", "ctx_connected", "session_started", "init_done"]


def test_a_job_that_never_ran_shows_the_reason_and_the_duration() -> None:
    texts = said(whole(failed()))
    assert "Never RUNNING: failed · OrchestratorFailed after 2.12 s." in texts
    assert "Never RUNNING: failed · HandshakeFailed after 500 ms." in said(
        whole(handshake_failed())
    )


def test_the_interview_panel_shows_turns_lost_resources_and_silence_recovery() -> None:
    scene = whole(degraded())
    names = rows(scene)
    assert {"interviewer", "candidate", "without database", "without tts", "ladder"} <= set(names)
    texts = said(scene)
    assert "15 turns, 1 cut off" in texts
    assert "LoadTimeout, back at 1:01" in texts
    assert "Refused, not recovered" in texts
    assert "clip, again" in texts
    assert "1, the longest 148.9 s" in texts
    assert names[-4:] == ["stop_work", "stop_session", "leave_room", "close_resources"]


def test_no_spoken_word_is_in_a_drawing() -> None:
    turns = tuple(replace(turn, text="my secret", heard="my secret") for turn in healthy().turns)
    assert "secret" not in timeline.svg(whole(replace(healthy(), turns=turns)))


def test_a_turn_begins_after_the_one_before_and_never_before_running() -> None:
    history = healthy()
    first, second = history.turns[:2]
    early = replace(first, t=1.0, text="x" * 1000)
    soon = replace(second, t=1.5, text="x" * 1000)
    scene = whole(replace(history, turns=(early, soon)))
    bars = {part.rows[0]: part.marks for part in scene.parts if part.rows}
    lanes = [
        next(m for m in bars[name] if isinstance(m, Rect)) for name in ("interviewer", "candidate")
    ]
    running = next(m for m in bars["states"] if isinstance(m, Rect) and m.css == "bar-way")
    assert running.x <= lanes[0].x <= lanes[1].x


def test_a_killed_job_shows_that_its_process_was_gone() -> None:
    killed = replace(healthy(), transitions=healthy().transitions[:3], signal=9, exited=True)
    assert killed.outcome is Outcome.FAILED
    assert any("its process was gone" in text for text in said(timeline.drawing(killed)))


def test_an_empty_journal_has_nothing_to_draw() -> None:
    with pytest.raises(JournalError, match="empty"):
        timeline.drawing(History())


def test_the_spread_names_the_slowest_step_and_the_skipped_journals() -> None:
    texts = said(spread())
    assert any(text.startswith("Slowest: load database") for text in texts)
    assert "Skipped: 1 broken." in texts
    assert "target of init_done 800 ms" in texts
    assert said(spread(), "way-text") == ["load database"]


def test_drawings_are_reproducible_byte_for_byte() -> None:
    assert timeline.svg(whole(degraded())) == timeline.svg(whole(degraded()))


def test_a_name_from_a_journal_cannot_break_the_document() -> None:
    history = replace(healthy(), header={"job_id": '<b>"&'})
    assert re.search(r"Job &lt;b&gt;.*: start-up", timeline.svg(timeline.drawing(history)))


def test_a_png_is_a_picture() -> None:
    assert timeline.png(timeline.drawing(failed())).startswith(b"\x89PNG")


def test_names_of_any_length_and_content_are_drawn_in_time_as_valid_xml() -> None:
    """The names are those of a journal, which may be damaged."""
    odd = "\x00\x1b[2J\ud800\uffff\u202e" + "." * 300_000
    steps = tuple(replace(s, name=f"load {odd}{i}") for i, s in enumerate(degraded().steps))
    faults = ({"t": 3.0, "where": odd, "error": odd},)
    history = replace(
        degraded(), steps=steps, faults=faults, header={"job_id": odd, "budgets": odd}
    )
    document = timeline.svg(whole(history)).encode()
    ElementTree.fromstring(document)  # noqa: S314  # our own document
