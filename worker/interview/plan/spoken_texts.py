"""The texts of a plan that are spoken, found in data that is not checked yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from worker.interview.plan.yaml_lines import Where

#: Where the spoken texts of a plan are. A key `*` stands for each key, and a list for each entry.
_SPOKEN: Final[Mapping[str, object]] = {
    "opening": "text",
    "closing": "text",
    "questions": [
        {
            "text": "text",
            "follow_ups": ["text"],
            "rephrased": ["text"],
            "clarify": {"*": "text"},
            "points": [{"probe": "text"}],
        }
    ],
    "disclosure": {"say": "text"},
    "consent": {"ask": "text", "refused": "text"},
    "facts": {"*": "text"},
    "candidate_questions": {"ask": "text"},
    "sound_check": "text",
    "stopped": "text",
    "postponed": "text",
    "missed": "text",
}


def spoken_texts(plan: object) -> Iterator[tuple[Where, str]]:
    """Yield the spoken texts of a plan that is not checked yet, with their paths."""
    return _texts(plan, _SPOKEN, ())


def _texts(data: object, shape: object, where: Where) -> Iterator[tuple[Where, str]]:
    match shape:
        case Mapping() if isinstance(data, Mapping):
            for key in data if "*" in shape else shape:
                yield from _texts(data.get(key), shape.get(key, shape.get("*")), (*where, key))
        case [entry] if isinstance(data, list):
            for number, each in enumerate(data):
                yield from _texts(each, entry, (*where, number))
        case str() if isinstance(data, str):
            yield where, data
        case _:
            return
