"""Journals: whole, torn, damaged, and written by a later version."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from states import EDGES, Event, Outcome, Reason, State
from tests.fuzz.strategies.damage import as_bytes, damaged, damaged_bytes, odd_text, odd_values
from tests.support.virtual.journal_parts import HEADER, numbered, record, step, transition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis.strategies import DrawFn, SearchStrategy

JOB_ID: Final = "AJ_1"
#: Words that a candidate said. No error and no log line may contain them.
SPOKEN: Final = "zebrafish quartet"
_RESOURCES: Final = ("vad", "stt", "tts", "llm", "database", "orchestrator")
#: Most transitions of a path.
_LONGEST_PATH: Final = 8


def _times() -> SearchStrategy[float]:
    """Return the seconds from one record to the next."""
    return st.floats(0.0, 500.0).map(lambda seconds: round(seconds, 6))


def _conditions() -> SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "kind": st.just("condition"),
            "resource": st.sampled_from(_RESOURCES),
            "status": st.sampled_from(("ready", "pending", "lost")),
            "reason": st.sampled_from(("Loaded", "LoadTimeout", "Fallback")),
            "message": st.text(max_size=10),
            "required": st.booleans(),
            "since": st.floats(0.0, 1000.0),
        }
    )


def _steps() -> SearchStrategy[dict[str, Any]]:
    name = st.sampled_from(("connect", "load vad", "load tts (late)", "start_session", "close stt"))
    return st.builds(
        lambda name, ok, elapsed_ms, attempts, more: {
            **step(name, 0.0, ok=ok, elapsed_ms=elapsed_ms, attempts=attempts),
            **more,
        },
        name,
        st.booleans(),
        st.floats(0.0, 1e6),
        st.integers(1, 9),
        st.fixed_dictionaries(
            {},
            optional={
                "needs": st.lists(st.sampled_from(_RESOURCES), max_size=2),
                "budget_s": st.floats(0.1, 60.0),
            },
        ),
    )


def _turns() -> SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "kind": st.just("turn"),
            "speaker": st.sampled_from(("candidate", "interviewer")),
            "question_id": st.none() | st.sampled_from(("first", "second")),
            "role": st.none() | st.sampled_from(("opening", "question")),
            "text": st.text(max_size=20).map(lambda text: f"{SPOKEN} {text}"),
            "generated": st.just(""),
            "heard": st.text(max_size=20),
            "interrupted": st.booleans(),
            "latency": st.dictionaries(
                st.sampled_from(("llm", "voice")), st.floats(0, 9), max_size=2
            ),
        }
    )


def _others() -> SearchStrategy[dict[str, Any]]:
    """Return records of the other kinds, and of a kind that a later version has added."""
    fault: dict[str, SearchStrategy[Any]] = {
        "kind": st.just("fault"),
        "where": st.sampled_from(("stt.deepgram", "turn", "loop")),
        "error": st.sampled_from(("NoText", "LoopStalled")),
    }
    more: dict[str, SearchStrategy[Any]] = {
        "rung": st.just("clip"),
        "silent_s": st.floats(0, 60),
        "stalled_s": st.floats(0, 60),
        "call": st.just("open"),
    }
    return st.one_of(
        st.fixed_dictionaries(fault, optional=more),
        st.just({"kind": "hearing", "final": SPOKEN, "interim": "", "question_id": "first"}),
        st.builds(lambda token: {"kind": "lease", "token": token}, st.integers(1, 10**6)),
        st.just({"kind": "clock", "state": "RUNNING", "event": "clock_stopped"}),
        st.just({"kind": "clock", "state": "RUNNING", "earlier_s": 12.5}),
        st.just({"kind": "internal", "state": "RUNNING", "event": "resource_lost"}),
        st.builds(lambda data: {"kind": "weather", "of": data}, st.integers()),
    )


@st.composite
def _paths(draw: DrawFn) -> list[dict[str, Any]]:
    """Return the transitions of a job: a path through the table, whatever its guards say."""
    path = [transition(None, None, State.HANDSHAKE.value, 0.0)]
    state = State.HANDSHAKE
    end: dict[str, str] = {}
    for _ in range(draw(st.integers(0, _LONGEST_PATH))):
        edges = [edge for edge in EDGES if edge.source is state and edge.target is not None]
        if not edges:
            break
        edge = draw(st.sampled_from(edges))
        assert edge.target is not None
        if edge.event is Event.APPLICATION_ENDED:
            end = {"outcome": Outcome.COMPLETED.value, "reason": "Booked"}
        elif edge.outcome is not None and isinstance(edge.reason, Reason):
            end = {"outcome": edge.outcome.value, "reason": edge.reason.value}
        fields = end if edge.target in (State.CLOSING, State.CLOSED) else {}
        path.append(transition(state.value, edge.event.value, edge.target.value, 0.0, **fields))
        state = edge.target
    return path


@st.composite
def journals(draw: DrawFn) -> list[dict[str, Any]]:
    """Return the records of a whole journal, in order, each with its number and time."""
    found = [*draw(_paths())]
    others = st.one_of(_conditions(), _steps(), _turns(), _others())
    for each in draw(st.lists(others, max_size=8)):
        found.insert(draw(st.integers(1, len(found))), each)
    if draw(st.booleans()):
        found.append({"kind": "exit", "exit_code": draw(st.sampled_from((0, 1))), "signal": None})
    timed: list[dict[str, Any]] = []
    t = 0.0
    for each in found:
        t = round(t + draw(_times()), 6)
        timed.append({**record(each["kind"], t), **each, "t": t})
    return numbered([HEADER, *timed])


@st.composite
def later_journals(draw: DrawFn) -> tuple[list[dict[str, Any]], bool]:
    """Return a journal to which a later version added fields, and whether its format is newer.

    Readers ignore what they do not know, and refuse a journal of a newer format as a whole.
    """
    records = draw(journals())
    for each in records:
        for _ in range(draw(st.integers(0, 2))):
            each[f"later_{draw(st.integers(0, 9))}"] = draw(odd_values())
    newer = draw(st.booleans())
    if newer:
        place = draw(st.integers(0, len(records) - 1))
        records[place] = {"v": draw(st.integers(2, 10**9)), "later": draw(odd_values())}
    return records, newer


def damaged_records() -> SearchStrategy[Any]:
    """Return the records of a journal with changed, missing and added entries."""
    return damaged(journals())


def line_of(each: Any) -> bytes:
    """Return a record as a line of a journal."""
    return as_bytes(json.dumps(each, ensure_ascii=False)) + b"\n"


def content_of(records: Sequence[Any]) -> bytes:
    """Return records as the content of a journal."""
    return b"".join(map(line_of, records))


@st.composite
def _files_of_damaged_records(draw: DrawFn) -> bytes:
    records = draw(damaged_records())
    return content_of(records if isinstance(records, list) else [records])


def damaged_files() -> SearchStrategy[bytes]:
    """Return journals whose records and bytes are damaged, or that end in the middle of a line."""
    return damaged_bytes(_files_of_damaged_records() | journals().map(content_of))


@dataclass(frozen=True, kw_only=True)
class OneBadLine:
    """A journal with one damaged line."""

    content: bytes
    #: The records of the lines that are not damaged.
    kept: list[dict[str, Any]]


@st.composite
def files_with_one_bad_line(draw: DrawFn) -> OneBadLine:
    """Return a journal with one damaged line, or with one line whose line feed is damaged.

    The damage adds no line feed. A line without its line feed is joined to the next line.
    """
    records = draw(journals())
    lines = [line_of(each) for each in records]
    place = draw(st.integers(0, len(lines) - 1))
    lost = {place}
    if draw(st.booleans()):
        junk = draw(damaged_bytes(st.just(lines[place][:-1]))).replace(b"\n", b"")
        lines[place] = junk + b"\n"
    else:
        lines[place] = lines[place][:-1] + draw(st.sampled_from((b"\r", b"\0", b"*", b"")))
        lost.add(place + 1)
    kept = [each for number, each in enumerate(records) if number not in lost]
    return OneBadLine(content=b"".join(lines), kept=kept)


def long_names() -> SearchStrategy[list[dict[str, Any]]]:
    """Return journals in which names are odd and very long."""

    def renamed(records: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
        fields = ("name", "resource", "where", "job_id", "question_id", "error", "speaker")
        return [
            {key: name if key in fields else value for key, value in each.items()}
            for each in records
        ]

    return st.builds(renamed, journals(), odd_text())
