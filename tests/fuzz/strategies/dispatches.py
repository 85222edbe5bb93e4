"""Dispatch metadata: the id of an interview, its plan, and the turns of earlier jobs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from tests.fuzz.strategies.damage import damaged, json_texts, odd_text
from tests.fuzz.strategies.plans import plans

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

#: Words that a candidate said. No error may contain them.
SPOKEN: Final = "zebrafish quartet"
_REASONS: Final = ("LeaseExpired", "NotTaken", "HandedOver", "CandidateCame")


def ids() -> SearchStrategy[str]:
    """Return ids of interviews."""
    return st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)


def turns() -> SearchStrategy[dict[str, Any]]:
    """Return turns in the form of `worker.store.turns.turn_as_data`."""
    return st.fixed_dictionaries(
        {
            "speaker": st.sampled_from(("candidate", "interviewer")),
            "text": st.text(max_size=30).map(lambda text: f"{SPOKEN} {text}"),
            "at": st.datetimes(timezones=st.timezones()).map(lambda at: at.isoformat()),
            "question_id": st.none() | st.text(max_size=10),
            "role": st.none() | st.sampled_from(("opening", "question", "closing", "of_later")),
            "generated": st.text(max_size=40),
            "interrupted": st.booleans(),
        }
    )


@st.composite
def dispatches(draw: DrawFn) -> dict[str, Any]:
    """Return the data of valid metadata."""
    follows = st.fixed_dictionaries(
        {"job_id": st.just("AJ_1"), "why": st.sampled_from(_REASONS)},
        optional={
            "spent_s": st.floats(0, 10_000),
            "turns": st.lists(turns(), max_size=4),
        },
    )
    return draw(
        st.fixed_dictionaries(
            {"interview_id": ids()},
            optional={
                "protocol": st.just(1),
                "plan": plans(),
                "follows": follows,
                "candidate_identity": st.text(max_size=10),
            },
        )
    )


def metadata() -> SearchStrategy[str]:
    """Return valid metadata."""
    return dispatches().map(json.dumps)


def damaged_metadata() -> SearchStrategy[str]:
    """Return metadata with some changes; sometimes any text, or thousands of brackets."""
    deep = st.sampled_from(("[", '{"follows":', '{"interview_id": "iv-1", "plan":'))
    return st.one_of(
        json_texts(damaged(dispatches())),
        json_texts(damaged(dispatches())),
        odd_text(),
        deep.map(lambda start: start * 3000),
    )
