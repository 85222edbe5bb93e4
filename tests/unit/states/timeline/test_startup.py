"""A job's start-up and the steps on its critical chain to RUNNING."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from scripts.diagrams import degraded, failed, healthy
from states import Event, History, State
from states.recorded import Step
from states.testing import journey, pending
from states.timeline import Spread, Startup, startup
from states.transition import Transition

EXAMPLES = [healthy, degraded, failed]


def step(name: str, began: float, ended: float, needs: tuple[str, ...] | None = ()) -> Step:
    return Step(
        name=name,
        ok=True,
        reason="Done",
        t=ended,
        elapsed_ms=(ended - began) * 1000,
        attempts=1,
        needs=needs,
    )


def started(*steps: Step, running_at: float = 1.0) -> Startup:
    """Return a job that connected for 0.1 s, loaded until 0.6 s and then started its session."""
    history = journey(
        (0.1, Event.ROOM_CONNECTED),
        (0.1, Event.BOOTSTRAP_STARTED),
        (0.6, Event.LOADERS_SETTLED),
        (running_at, Event.SESSION_STARTED),
    )
    connect, session = step("connect", 0.0, 0.1, None), step("start_session", 0.6, running_at, None)
    return startup(replace(history, steps=(connect, *steps, session)))


def chain_of(start: Startup) -> list[str]:
    return [link.name for link in start.chain]


def test_only_the_last_loader_is_in_the_critical_chain() -> None:
    start = started(step("load vad", 0.1, 0.2), step("load tts", 0.1, 0.6))
    assert chain_of(start) == ["connect", "load tts", "start_session"]
    assert [s.name for s in start.steps if not start.is_critical(s)] == ["load vad"]


def test_a_loader_comes_after_the_loader_that_it_needs() -> None:
    start = started(
        step("load database", 0.1, 0.5),
        step("load tts", 0.1, 0.55),
        step("load orchestrator", 0.5, 0.6, ("database",)),
    )
    assert chain_of(start) == ["connect", "load database", "load orchestrator", "start_session"]


def test_of_two_needed_loaders_the_later_one_is_critical() -> None:
    start = started(
        step("load vad", 0.1, 0.2),
        step("load database", 0.1, 0.4),
        step("load orchestrator", 0.4, 0.6, ("vad", "database", "no_such_resource")),
    )
    assert chain_of(start)[1] == "load database"


def test_a_loader_without_needs_waited_for_no_other_even_if_it_began_late() -> None:
    start = started(step("load vad", 0.1, 0.2), step("load tts", 0.3, 0.6))
    assert chain_of(start) == ["connect", "load tts", "start_session"]


def test_an_audio_output_that_opens_after_all_loaders_is_critical() -> None:
    start = started(step("load tts", 0.1, 0.3), step("open_line", 0.1, 0.6, None))
    assert chain_of(start) == ["connect", "open_line", "start_session"]


def test_a_loader_that_finished_after_its_budget_is_not_critical() -> None:
    start = started(step("load tts", 0.1, 0.5), step("load vad (late)", 0.1, 0.55, None))
    assert chain_of(start) == ["connect", "load tts", "start_session"]


def test_a_journal_without_recorded_needs_is_read_by_its_times() -> None:
    start = started(
        step("load database", 0.1, 0.5, None), step("load orchestrator", 0.5, 0.6, None)
    )
    assert chain_of(start) == ["connect", "load database", "load orchestrator", "start_session"]


def test_steps_that_need_one_another_end_the_chain_without_an_endless_loop() -> None:
    start = started(step("load a", 0.3, 0.3, ("b",)), step("load b", 0.3, 0.3, ("a",)))
    assert chain_of(start)[-1] == "start_session"


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_costs_of_the_chain_add_up_to_the_start_up_time(example: type[History]) -> None:
    start = startup(example())
    assert sum(link.cost_s for link in start.chain) == pytest.approx(start.ended, abs=0.002)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_step_begins_in_one_band_and_appears_once(example: type[History]) -> None:
    history = example()
    start = startup(history)
    names = [step.name for step in start.steps]
    assert names == list(dict.fromkeys(names))
    assert set(names) == {s.name for s in history.steps if s.t <= start.ended}
    for began in (step.began for step in start.steps):
        assert sum(entered <= began < left for _, entered, left in start.bands) == 1


def test_the_bands_lie_end_to_end_up_to_running() -> None:
    start = startup(degraded())
    assert [state for state, _, _ in start.bands] == [
        State.HANDSHAKE,
        State.CONNECTED,
        State.BOOTSTRAPPING,
        State.DEGRADED,
    ]
    assert [entered for _, entered, _ in start.bands[1:]] == [
        left for _, _, left in start.bands[:-1]
    ]
    assert start.bands[-1][2] == start.ended == degraded().entered(State.RUNNING)


def test_the_four_milestones_are_those_of_the_log() -> None:
    assert startup(healthy()).milestones == (
        ("handshake_start", 0.0),
        ("ctx_connected", 0.118),
        ("session_started", 0.411),
        ("init_done", 0.412),
    )
    assert [name for name, _ in startup(failed()).milestones] == [
        "handshake_start",
        "ctx_connected",
    ]


def test_the_time_until_the_job_is_received_is_the_first_link() -> None:
    history = healthy()
    first = replace(history.transitions[0], t=0.05)
    chain = startup(replace(history, transitions=(first, *history.transitions[1:]))).chain
    assert (chain[0].name, chain[0].cost_s) == ("received", 0.05)


def test_a_budget_that_ended_loading_is_in_the_chain() -> None:
    history = journey(
        (0.1, Event.ROOM_CONNECTED),
        (0.2, Event.BOOTSTRAP_STARTED, pending("vad")),
        (15.5, Event.SESSION_STARTED),
    )
    session = step("start_session", 15.2, 15.5, None)
    history = replace(history, steps=(step("connect", 0.0, 0.1, None), session))
    assert chain_of(startup(history)) == ["connect", "budget of BOOTSTRAPPING", "start_session"]


@pytest.mark.parametrize(
    ("event", "name"),
    [(None, "budget of HANDSHAKE"), (Event.SHUTDOWN_REQUESTED, "shutdown_requested in HANDSHAKE")],
)
def test_an_end_during_the_start_up_is_the_last_link(event: Event | None, name: str) -> None:
    start = startup(journey(*([(0.5, event)] if event else []), until_s=11.0))
    assert (start.reached, chain_of(start)) == (False, [name])


def test_a_truncated_journal_is_read_up_to_its_end() -> None:
    whole = healthy()
    steps = tuple(s for s in whole.steps if s.t <= 0.2)
    cut = replace(whole, transitions=whole.transitions[:3], internals=(), steps=steps, turns=())
    start = startup(cut)
    assert (start.target, start.reached, start.ended) == (None, False, 0.164)
    assert startup(History()).chain == ()


# --- a loader's record in a journal ---------------------------------------------------------------


def test_needs_and_budgets_survive_json() -> None:
    history = History.from_json(json.dumps(healthy().as_json()))
    assert history.steps == healthy().steps


# --- many start-ups -----------------------------------------------------------------------------


def spread_of(*histories: History) -> Spread:
    spread = Spread()
    for history in histories:
        spread.add(startup(history))
    return spread


def test_the_slowest_step_has_the_highest_total_cost_over_all_start_ups() -> None:
    spread = spread_of(*[healthy()] * 9, degraded())
    slowest = spread.steps[0]
    assert (slowest.name, slowest.decided) == ("load database", 10)
    assert slowest.cost_s == pytest.approx(9 * 0.093 + 2.003)
    assert "Slowest: load database" in spread.verdict()[1]


def test_each_percentile_is_a_value_of_a_real_job() -> None:
    spread = spread_of(*[healthy()] * 19, degraded())
    whole = spread.whole
    assert (whole.least, whole.median, whole.p95, whole.most) == (0.412, 0.412, 0.412, 2.304)
    assert (spread.jobs, spread.in_time) == (20, 19)


def test_a_start_up_that_never_ended_is_not_counted() -> None:
    with pytest.raises(ValueError, match="never reached RUNNING"):
        spread_of(failed())


def test_the_critical_chain_of_a_journal_with_times_before_the_receipt_has_an_end() -> None:
    early = replace(step("connect", 0.0, 0.0), t=-100.0, elapsed_ms=0.0)
    entries = (
        Transition(source=None, event=None, target=State.HANDSHAKE, t=0.0),
        Transition(
            source=State.HANDSHAKE, event=Event.BUDGET_SPENT, target=State.CONNECTED, t=-50.0
        ),
        Transition(
            source=State.CONNECTED, event=Event.SESSION_STARTED, target=State.RUNNING, t=1.0
        ),
    )
    start = startup(History(transitions=entries, steps=(early,)))
    assert chain_of(start) == ["connect", "budget of HANDSHAKE"]


def test_start_ups_that_took_no_time_together_have_no_slowest_step() -> None:
    """The times are those of edited journals."""
    histories = [
        History(
            transitions=(Transition(source=None, event=None, target=State.RUNNING, t=t),),
            steps=(step("connect", 0.0, 1.0, None),),
        )
        for t in (-1.0, 1.0)
    ]
    assert len(spread_of(*histories).verdict()) == 1
