"""The panel of a whole interview: turns, resource losses, silences and faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Final

from states.conditions import Status
from states.history import History
from states.outcomes import Outcome
from states.phases import Phase
from states.recorded import Turn
from states.render.words import spent, took
from states.table import State
from states.timeline.chart import Panel, Row, Span, clock
from states.timeline.startup import last_word

#: Assumed speech rate in characters per second. The rate is needed to estimate when a turn began,
#: because the journal has only the end and the words of a turn.
SPOKEN_CHARACTERS_S: Final = 15.0
#: Minimum time without speech, in seconds, that is shown as a silence.
SILENCE_S: Final = 5.0


def interview_panel(history: History) -> Panel:
    """Return the panel of the time from the job's receipt to the last record of its journal."""
    end = max(last_word(history), 0.001)
    spoken = list(_spoken(history))
    silent = list(_silences(history, spoken, end))
    return Panel(
        title="Whole interview",
        words=((_story(history), "text"),),
        start=0.0,
        end=end,
        groups=(
            (_states(history, end), *_questions(history, end)),
            (
                *(_speaker(name, spoken) for name in _speakers(spoken)),
                *([_silence_row(silent, end)] if silent else []),
            ),
            tuple(_losses(history, end)),
            tuple(_faults(history, end)),
        ),
    )


def _story(history: History) -> str:
    ending = f"{history.outcome} · {history.reason}" if history.outcome else "not over yet"
    turns = Counter(turn.speaker for turn in history.turns)
    said = ", ".join(f"{count} by the {name}" for name, count in turns.items())
    return f"{spent(last_word(history))}, {ending}. Turns: {said or 'none'}."


def _states(history: History, end: float) -> Row:
    spans = tuple(
        Span(
            start=entered,
            end=end if lasted is None else entered + lasted,
            css=_state_css(history, state),
            label=state.value,
        )
        for state, entered, lasted in history.stays()
        if state.phase is not Phase.OVER
    )
    running = history.entered(Phase.SESSION)
    over = history.outcome is not None
    said, css = ("never RUNNING", "red-text") if over else ("not RUNNING yet", "muted")
    if running is not None:
        said, css = f"RUNNING at {took(running)}", "muted"
    return Row(name="states", name_css="strong", spans=spans, figures=said, figures_css=css)


def _state_css(history: History, state: State) -> str:
    failed = state.phase is Phase.CLOSING and history.outcome is Outcome.FAILED
    if failed or state is State.DEGRADED:
        return "bar-red"
    return "bar-way" if state.phase is Phase.SESSION else "bar"


def _questions(history: History, end: float) -> Iterator[Row]:
    """Yield a row with one span per question.

    The span of a question ends at the first turn of the next question.
    """
    asked = [turn for turn in history.turns if turn.question_id]
    first = [next(turns) for _, turns in groupby(asked, key=lambda turn: turn.question_id)]
    if not first:
        return
    began = {turn.seq: start for start, _, turn in _spoken(history)}
    starts = [began[turn.seq] for turn in first]
    ends = [*starts[1:], _over(history, end)]
    spans = tuple(
        Span(start=start, end=after, css="bar", label=turn.question_id or "")
        for turn, start, after in zip(first, starts, ends, strict=True)
    )
    # A gap between neighbouring spans shows where one question ends and the next begins.
    seams = tuple((start, "seam") for start in starts[1:])
    several = "" if len(spans) == 1 else "s"
    yield Row(name="question", spans=spans, ticks=seams, figures=f"{len(spans)} question{several}")


def _over(history: History, end: float) -> float:
    closing = history.entered(Phase.CLOSING)
    return end if closing is None else closing


def _spoken(history: History) -> Iterator[tuple[float, float, Turn]]:
    """Yield `(start, end, turn)` for each turn. The start is estimated from the text's length."""
    before = history.entered(Phase.SESSION) or 0.0
    for turn in history.turns:
        words = turn.heard or turn.text
        yield min(turn.t, max(before, turn.t - len(words) / SPOKEN_CHARACTERS_S)), turn.t, turn
        before = max(before, turn.t)


def _speakers(spoken: Iterable[tuple[float, float, Turn]]) -> list[str]:
    return list(dict.fromkeys(turn.speaker for _, _, turn in spoken))


def _speaker(name: str, spoken: list[tuple[float, float, Turn]]) -> Row:
    own = [(start, end, turn) for start, end, turn in spoken if turn.speaker == name]
    cut_off = sum(turn.interrupted for _, _, turn in own)
    return Row(
        name=name,
        spans=tuple(
            Span(start=start, end=end, css="bar-way" if name == "interviewer" else "bar")
            for start, end, _ in own
        ),
        ticks=tuple((end, "failure") for _, end, turn in own if turn.interrupted),
        figures=f"{len(own)} turn{'' if len(own) == 1 else 's'}"
        + (f", {cut_off} cut off" if cut_off else ""),
    )


def _silences(
    history: History, spoken: list[tuple[float, float, Turn]], end: float
) -> Iterator[tuple[float, float]]:
    running = history.entered(Phase.SESSION)
    if running is None:
        return
    before = running
    for start, stop in [*((s, e) for s, e, _ in spoken), (_over(history, end), 0.0)]:
        if start - before >= SILENCE_S:
            yield before, start
        before = max(before, stop)


def _silence_row(silent: list[tuple[float, float]], end: float) -> Row:
    longest = max(stop - start for start, stop in silent)
    return Row(
        name=f"silence from {SILENCE_S:g} s",
        spans=tuple(Span(start=start, end=stop, css="bar-soft") for start, stop in silent),
        figures=f"{len(silent)}, the longest {took(longest)}",
    )


def _losses(history: History, end: float) -> Iterator[Row]:
    """Yield one row per resource that was lost during the job.

    The row shows the times without the resource, and the reason of the last loss.
    """
    changes = sorted(history.condition_changes, key=lambda change: change.since)
    for resource in dict.fromkeys(c.resource for c in changes if c.status is Status.LOST):
        spans: list[Span] = []
        lost_at: float | None = None
        reason = ""
        for change in (c for c in changes if c.resource == resource):
            if change.status is Status.LOST:
                lost_at = change.since if lost_at is None else lost_at
                reason = change.reason
            elif lost_at is not None and change.status is Status.READY:
                spans.append(Span(start=lost_at, end=change.since, css="bar-red"))
                lost_at = None
        back = f"back at {clock(round(spans[-1].end, 1), end)}" if spans else ""
        if lost_at is not None:
            spans.append(Span(start=lost_at, end=end, css="bar-red"))
            back = "not recovered"
        yield Row(
            name=f"without {resource}",
            spans=tuple(spans),
            figures=f"{reason}, {back}",
            figures_css="red-text" if lost_at is not None else "muted",
        )


def _faults(history: History, end: float) -> Iterator[Row]:
    """Yield one row per place at which a fault occurred that the job survived.

    All steps of the recovery from a stuck turn share one row, which shows the names of the steps.
    """
    where: dict[str, list[tuple[float, str]]] = {}
    for fault in history.faults:
        name = "ladder" if fault.get("rung") else f"fault: {fault.get('where', 'unknown')}"
        said = str(fault.get("rung") or fault.get("error", ""))
        where.setdefault(name, []).append((_time(fault.get("t")), said))
    for name, found in where.items():
        counts = Counter(said for _, said in found)
        # ruff warns of the multiplication sign, which is intended.
        figures = ", ".join(f"{n} × {x}" if n > 1 else x for x, n in counts.items())  # noqa: RUF001
        yield Row(name=name, ticks=tuple((at, "way-failure") for at, _ in found), figures=figures)


def _time(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
