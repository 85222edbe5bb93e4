"""Formats the transcript of an interview as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def as_markdown(shown: Mapping[str, Any]) -> str:
    """Return the transcript of an interview (the result of `interview_as_data`) as Markdown."""
    lines = [
        f"# Interview {shown['interview_id']}",
        "",
        f"{shown['status']}, outcome {shown['outcome']}, reason {shown['reason']}; "
        f"room {shown['room']}; jobs {', '.join(shown['jobs']) or 'none'}",
        "",
    ]
    for turn in shown["turns"]:
        cut = " *(cut off)*" if turn["interrupted"] else ""
        lines += [f"**{turn['speaker'].capitalize()}:** {_text_of(turn)}{cut}", ""]
    return "\n".join(lines)


def _text_of(turn: Mapping[str, Any]) -> str:
    """Return the text of a turn. Interim text that never became final is in brackets."""
    text, interim = str(turn["text"]), turn.get("interim")
    return f"{text.removesuffix(interim)}[{interim}]" if interim else text
