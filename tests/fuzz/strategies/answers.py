"""What LiveKit, a provider or another program may answer, as far as the worker parses it itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from tests.fuzz.strategies.damage import (
    as_bytes,
    damaged,
    damaged_bytes,
    json_texts,
    odd_numbers,
    odd_text,
    odd_values,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypothesis.strategies import SearchStrategy

#: Words of an answer that no error may repeat.
QUOTED: Final = "zebrafish quartet"

_STEP: Final = {"name": "x", "ok": True, "reason": "", "t": 1, "elapsed_ms": 1.0, "attempts": 1}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer of a server."""

    status: int
    content_type: str
    body: bytes


def _types() -> SearchStrategy[str]:
    return st.sampled_from(
        ("application/json", "application/protobuf", "text/html", "application/octet-stream")
    )


def livekit_answers() -> SearchStrategy[Answer]:
    """Return answers of LiveKit's API: errors, messages, and those of other programs."""
    error = st.fixed_dictionaries(
        {
            "code": st.sampled_from(("not_found", "invalid_argument", "unauthenticated", "x")),
            "msg": st.just(QUOTED),
        },
        optional={"meta": st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2)},
    )
    bodies = st.one_of(
        damaged_bytes(json_texts(damaged(error)).map(as_bytes)),
        st.binary(max_size=60),
        st.just(b"\x0a\x05room1"),
        st.just(b""),
        st.just(b"[" * 5000),
    )
    status = st.sampled_from((200, 200, 400, 401, 403, 404, 409, 429, 500, 503))
    return st.builds(Answer, status=status, content_type=_types(), body=bodies)


def retry_after_headers() -> SearchStrategy[Mapping[str, str]]:
    """Return headers with the time after which a provider may be asked again."""
    date = st.sampled_from(
        (
            "Wed, 21 Oct 2026 07:28:00 GMT",
            "Wed, 21 Oct 1015 07:28:00 -0000",
            "1 Jan 9999 00:00:00 +9999",
            "1 Jan 99999 00:00:00 GMT",
            "Mon,",
            "1 Jan : 5 x",
            f"1 Jan 2026 00:00:00 +{'9' * 5000}",
        )
    )
    value = st.one_of(st.integers().map(str), st.floats().map(str), date, odd_text())
    name = st.sampled_from(("Retry-After", "retry-after", "X-Other"))
    return st.dictionaries(name, value, max_size=2)


def provider_records() -> SearchStrategy[bytes]:
    """Return files with the state of a provider, which the jobs of a worker share."""
    record = st.fixed_dictionaries(
        {
            "reason": st.sampled_from(("ProviderAway", "Recovered", "KeyRefused")),
            "since": st.just(1_000_000.0) | odd_numbers(),
            "until": st.just(1_000_100.0) | st.just(0.0) | odd_numbers(),
            "for_good": st.booleans(),
        }
    )
    return damaged_bytes(json_texts(damaged(record)).map(as_bytes))


def worker_answers() -> SearchStrategy[Any]:
    """Return answers of the worker's own HTTP server, or of another program at its port."""
    answer = st.fixed_dictionaries(
        {},
        optional={
            "alive": st.booleans(),
            "draining": st.booleans(),
            "drain_left_s": st.floats(0, 100) | odd_numbers(),
            "waiting_on": st.lists(odd_text(), max_size=2),
            "without": st.lists(odd_text(), max_size=2),
            "unresponsive_jobs": st.lists(odd_text(), max_size=2),
            "slots": st.integers(0, 9),
            "slots_used": st.integers(0, 9),
        },
    )
    return damaged(answer)


def jobs_as_json() -> SearchStrategy[str]:
    """Return what `jobs show --json` might have printed."""
    job = st.fixed_dictionaries(
        {
            "job_id": st.just("AJ_1"),
            "transitions": st.lists(
                st.just({"from": None, "event": None, "to": "HANDSHAKE", "t": 0.1}), max_size=2
            ),
            "steps": st.lists(st.just(_STEP), max_size=2),
            "conditions": st.lists(
                st.just({"resource": "vad", "status": "lost", "reason": ""}), max_size=2
            ),
        },
        optional={"ends": odd_values(), "exit_code": odd_values(), "pid": st.integers()},
    )
    return json_texts(damaged(job)) | odd_text() | st.just(json.dumps(None)) | st.just("[" * 9000)
