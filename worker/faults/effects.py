"""What faults raise and deliver, in the words of the part of the worker that they strike."""

from __future__ import annotations

import dataclasses
from typing import Any

from states import JournalError
from worker.faults.grammar import Fault
from worker.faults.points import Kind

_PROVIDERS = ("stt", "tts", "llm")
_SERVER_ERROR = 500
#: PostgreSQL's internal_error: trying again would not help.
_INTERNAL_ERROR = "XX000"
#: What a provider says that delivers garbage: no word of any language, and a lot of it.
_GARBLED = "\N{REPLACEMENT CHARACTER}\x00~" * 2000


class FaultInjected(Exception):
    """A fault that was set with INTERVIEW_FAULTS struck here."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"{fault} is set")


def error_of(fault: Fault) -> Exception:
    """What a fault of kind raise or close raises."""
    if fault.point in _PROVIDERS:
        return _provider_error(fault)
    if fault.kind is Kind.CLOSE:
        return ConnectionResetError(f"{fault} is set")
    if fault.point == "database":
        return _database_error(fault)
    if fault.point.startswith("journal."):
        return JournalError(f"{fault} is set")
    return FaultInjected(fault)


def _provider_error(fault: Fault) -> Exception:
    from livekit.agents import APIConnectionError, APIStatusError

    if fault.kind is Kind.CLOSE:
        return APIConnectionError(f"{fault} is set", retryable=True)
    return APIStatusError(f"{fault} is set", status_code=int(fault.raises or _SERVER_ERROR))


def _database_error(fault: Fault) -> Exception:
    import asyncpg

    fields = {"C": fault.raises or _INTERNAL_ERROR, "M": f"{fault} is set"}
    error: Exception = asyncpg.PostgresError.new(fields)
    return error


def emptied(item: Any) -> Any | None:
    """What is left of something that a provider delivered, once nothing is in it."""
    return _with_text(item, "") if hasattr(item, "alternatives") else None


def garbled(item: Any) -> Any:
    """Something that a provider delivered, made useless: silence for audio, noise for text."""
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
