"""An interview's transcript, as it is shown and exported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def as_markdown(shown: Mapping[str, Any]) -> str:
    """The transcript, for people to read."""
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
    """What was said; in brackets what the recogniser had not settled when it was cut off."""
    text, interim = str(turn["text"]), turn.get("interim")
    return f"{text.removesuffix(interim)}[{interim}]" if interim else text
