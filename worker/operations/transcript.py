"""Formats an interview with its transcript as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

#: Times in the head of the transcript, each as its title and its key in the interview's data.
_TIMES: Final = (
    ("Created", "created_at"),
    ("Opens", "opens_at"),
    ("Closes", "closes_at"),
    ("Dispatched", "dispatched_at"),
    ("Started", "started_at"),
    ("Ended", "ended_at"),
)


def as_markdown(shown: Mapping[str, Any]) -> str:
    """Return an interview (the result of `interview_as_data`) as Markdown: head and turns."""
    lines = [f"# Interview {shown['interview_id']}", "", *_head(shown), ""]
    for turn in shown["turns"]:
        typed = " *(typed)*" if turn.get("typed") else ""
        cut = " *(cut off)*" if turn["interrupted"] else ""
        lines += [f"**{turn['speaker'].capitalize()}:** {_text_of(turn)}{typed}{cut}", ""]
    return "\n".join(lines)


def _head(shown: Mapping[str, Any]) -> Iterator[str]:
    """Yield a list item for each known fact. A fact that is not known yet is left out."""
    yield f"- Status: {shown['status']}"
    if shown["outcome"] is not None:
        yield f"- Outcome: {shown['outcome']} ({shown['reason']})"
    elif shown["reason"] is not None:
        yield f"- Reason: {shown['reason']}"
    yield f"- Candidate: {_candidate(shown)}"
    if title := shown.get("plan_title"):
        yield f"- Plan: {title}"
    yield f"- Room: {shown['room']}"
    for name, key in _TIMES:
        if isinstance(moment := shown.get(key), datetime):
            yield f"- {name}: {moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    yield f"- Jobs: {', '.join(shown['jobs']) or 'none'}"


def _candidate(shown: Mapping[str, Any]) -> str:
    name, identity = shown.get("candidate_name"), shown.get("candidate_identity")
    return f"{name} ({identity})" if name else str(identity)


def _text_of(turn: Mapping[str, Any]) -> str:
    """Return the text of a turn. Interim text that never became final is in brackets."""
    text, interim = str(turn["text"]), turn.get("interim")
    return f"{text.removesuffix(interim)}[{interim}]" if interim else text
