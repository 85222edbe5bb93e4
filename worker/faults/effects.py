"""Exceptions and data that injected faults produce, in the form that the affected code expects."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from states import JournalError
from worker.faults.grammar import Fault
from worker.faults.points import Kind

#: Text that a provider delivers under a fault of kind garbage. The text is long, and contains no
#: word of any language.
_GARBLED = "\N{REPLACEMENT CHARACTER}\x00~" * 2000


class FaultInjected(Exception):
    """Raised by an injected fault whose injection point defines no other exception."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"{fault} is set")


_MAKERS: dict[str, Callable[[Fault], Exception]] = {}


def add_error(point: str, make: Callable[[Fault], Exception]) -> None:
    """Set the function that makes the exceptions of faults at an injection point.

    `add_error` is called by the package that uses the library whose exceptions are imitated.
    """
    _MAKERS[point] = make


def error_of(fault: Fault) -> Exception:
    """Return the exception for a fault of kind raise or close."""
    if (make := _MAKERS.get(fault.point)) is not None:
        return make(fault)
    if fault.kind is Kind.CLOSE:
        return ConnectionResetError(f"{fault} is set")
    if fault.point.startswith("journal."):
        return JournalError(f"{fault} is set")
    return FaultInjected(fault)


def emptied(item: Any) -> Any | None:
    """Return a provider's item without its content; None if nothing of the item remains."""
    return _with_text(item, "") if hasattr(item, "alternatives") else None


def garbled(item: Any) -> Any:
    """Return a provider's item with useless content: silence for audio, noise for text."""
    if isinstance(item, bytes):
        return bytes(len(item))
    if hasattr(item, "alternatives"):
        return _with_text(item, _GARBLED)
    if hasattr(item, "frame"):
        frame = item.frame
        silent = type(frame)(
            data=bytes(len(frame.data) * frame.data.itemsize),
            sample_rate=frame.sample_rate,
            num_channels=frame.num_channels,
            samples_per_channel=frame.samples_per_channel,
        )
        return dataclasses.replace(item, frame=silent)
    if getattr(item, "delta", None) is not None:
        return item.model_copy(
            update={"delta": item.delta.model_copy(update={"content": _GARBLED})}
        )
    return item


def _with_text(event: Any, text: str) -> Any:
    alternatives = [dataclasses.replace(each, text=text) for each in event.alternatives]
    return dataclasses.replace(event, alternatives=alternatives)
