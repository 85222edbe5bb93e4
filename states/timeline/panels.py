"""The panels of one job: its start-up and its closing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from states.history import History
from states.phases import Phase
from states.recorded import Step
from states.render.words import seconds, took
from states.table import State
from states.timeline.chart import Panel, Row, Span
from states.timeline.startup import RECEIVED, TARGET_S, Link, Startup, last_word, startup

#: The target time is drawn only if the start-up took longer than this fraction of `TARGET_S`.
_SHOWS_TARGET: Final = 0.4
#: The summary mentions a wait between two steps if the wait took at least this many seconds.
_SHOWN_WAIT_S: Final = 0.01


def startup_panel(history: History) -> Panel:
    """Return the panel with the states, steps and milestones of a job's start-up.

    The bars end when the job entered RUNNING, or when a start-up that never reached RUNNING ended.
    """
    start = startup(history)
    shows_target = start.ended > _SHOWS_TARGET * TARGET_S
    end = max(start.ended, TARGET_S) if shows_target and start.reached else start.ended
    return Panel(
        title=f"{_job(history)}: start-up",
        words=_verdict(history, start),
        start=0.0,
        end=end * 1.02 or 1.0,
        bands=tuple((entered, left) for _, entered, left in start.bands),
        groups=(
            tuple(_state_row(history, *band) for band in start.bands),
            tuple(_startup_rows(start)),
            tuple(_milestone_row(*milestone) for milestone in start.milestones),
        ),
        lines=((TARGET_S, f"target {took(TARGET_S)}", "failure-timeout"),)
        if end >= TARGET_S and shows_target
        else (),
        figures="took",
    )


def closing_panel(history: History) -> Panel | None:
    """Return the panel with the closing steps; None if the job has not entered CLOSING."""
    began = history.entered(Phase.CLOSING)
    if began is None:
        return None
    ended = max(last_word(history), began)
    closed = history.entered(Phase.OVER)
    steps = [
        replace(step, t=step.t - began)
        for step in history.steps
        if step.t > began and step.began > began - 0.001
    ]
    budget_s = history.budgets.get(State.CLOSING, 0.0)
    end = closed if closed is not None else ended
    failed = [step.name for step in steps if not step.ok]
    words = [(f"{took(end - began)} of {seconds(budget_s)}", "text")]
    if closed is None:
        never = "Never CLOSED" if history.broke_off else "Not CLOSED yet"
        words.append((f"{never}: the journal ends here.", "red-text"))
    if failed:
        words.append((f"Failed steps: {', '.join(failed)}.", "red-text"))
    return Panel(
        title=f"Closing: {history.outcome} · {history.reason}",
        words=tuple(words),
        start=0.0,
        end=max(end - began, 0.001) * 1.02,
        groups=(tuple(_step_row(step) for step in sorted(steps, key=lambda s: (s.began, s.t))),),
        figures="took",
    )


def _job(history: History) -> str:
    return f"Job {history.header.get('job_id') or 'unnamed'}"


def _verdict(history: History, start: Startup) -> tuple[tuple[str, str], ...]:
    """Return sentences about the start-up: its duration, its slowest step, missing resources."""
    if start.reached:
        over = start.ended - TARGET_S
        kept = f"{took(-over)} below" if over <= 0 else f"{took(over)} over"
        said = f"RUNNING after {took(start.ended)}, {kept} the target of {took(TARGET_S)}."
        css = "red-text" if over > 0 else "text"
    elif start.target is not None:
        said = f"Never RUNNING: {history.outcome} · {history.reason} after {took(start.ended)}."
        css = "red-text"
    elif history.broke_off:
        said, css = f"Never RUNNING: its process was gone after {took(start.ended)}.", "red-text"
    else:
        said, css = f"Not RUNNING yet: the journal ends after {took(start.ended)}.", "text"
    lines = [(said, css)]
    if start.slowest is not None:
        lines.append((f"Most of the time: {_cost(start.slowest)}.", "strong"))
    missing = _missing(history, start.ended)
    if missing:
        lines.append((f"Missing: {', '.join(missing)}.", "red-text"))
    return tuple(lines)


def _cost(link: Link) -> str:
    own_s = link.ended - link.began
    more = []
    if link.step is not None and not link.step.ok:
        more.append(link.step.reason)
    if link.step is not None and link.step.attempts > 1:
        more.append(f"{link.step.attempts} tries")
    # Between the previous step of the critical chain and this step, the process did other work.
    if link.step is not None and link.cost_s - own_s >= _SHOWN_WAIT_S:
        more.append(f"{took(link.cost_s - own_s)} of waiting before it")
    return f"{link.name}, {took(own_s)}" + (f" ({', '.join(more)})" if more else "")


def _missing(history: History, at: float) -> list[str]:
    last = {c.resource: c for c in history.condition_changes if c.since <= at}
    return [c.resource for c in last.values() if c.status.value == "lost"]


def _state_row(history: History, state: State, entered: float, left: float) -> Row:
    budgets = history.budgets
    budget_s = budgets.get(state)
    of = f" of {seconds(budget_s)}" if budget_s is not None else ""
    ticks = ((entered + budget_s, "failure"),) if budget_s and entered + budget_s <= left else ()
    return Row(
        name=state.value,
        name_css="strong",
        spans=(Span(start=entered, end=left, css="bar-soft"),),
        ticks=ticks,
        figures=took(left - entered) + of,
    )


def _startup_rows(start: Startup) -> Iterator[Row]:
    """Yield the rows of all steps, and of the links of the critical chain that are not steps.

    The start of the process and spent budgets are links without a step.
    """
    rows = [(step.began, _step_row(step, start)) for step in start.steps]
    rows += [(x.began, _link_row(x, start)) for x in start.chain if x.step is None]
    yield from (row for _, row in sorted(rows, key=lambda found: found[0]))


def _link_row(link: Link, start: Startup) -> Row:
    css = "bar-way" if link.name == RECEIVED else "bar-red"
    return Row(
        name=_row_name(link),
        name_css="way-text",
        spans=(Span(start=link.began, end=link.ended, css=css),),
        figures=took(link.ended - link.began),
        waited_for=_before(link, start),
    )


def _step_row(step: Step, start: Startup | None = None) -> Row:
    critical = start is not None and start.is_critical(step)
    end = min(step.t, start.ended) if start else step.t
    budget_s = step.budget_s
    late = budget_s is not None and step.began + budget_s <= end + 0.001
    figures = [took(step.elapsed_ms / 1000)]
    if step.attempts > 1:
        figures.append(f"{step.attempts} tries")
    if not step.ok:
        figures.append(step.reason)
    return Row(
        name=step.name,
        name_css="way-text" if critical else "text",
        spans=(Span(start=step.began, end=end, css=_bar(step, critical)),),
        ticks=((step.began + budget_s, "failure"),) if budget_s is not None and late else (),
        figures=" · ".join(figures) + (f" of {seconds(budget_s)}" if budget_s and late else ""),
        figures_css="muted" if step.ok else "red-text",
        waited_for=next((_before(x, start) for x in start.chain if x.step is step), "")
        if start
        else "",
    )


def _before(link: Link, start: Startup) -> str:
    place = start.chain.index(link)
    return _row_name(start.chain[place - 1]) if place else ""


def _row_name(link: Link) -> str:
    """Return the name of a link without the name of its state.

    The state has its own row above, and the state's name would not fit into the column of names.
    """
    return link.name if link.step else link.name.split()[0]


def _bar(step: Step, critical: bool) -> str:
    if not step.ok:
        return "bar-red"
    return "bar-way" if critical else "bar"


def _milestone_row(name: str, at: float) -> Row:
    return Row(name=name, ticks=((at, "way-event"),), figures=f"at {took(at)}")
