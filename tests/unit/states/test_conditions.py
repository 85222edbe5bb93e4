from __future__ import annotations

import pytest

from states import Condition, Conditions, Status
from states.testing import loaded, lost


def pending(resource: str, *, required: bool = False) -> Condition:
    return Condition(resource=resource, status=Status.PENDING, reason="Loading", required=required)


def test_a_condition_survives_serialization() -> None:
    condition = Condition(
        resource="vad",
        status=Status.LOST,
        reason="LoadTimeout",
        message="It took too long.",
        required=True,
        since=1.25,
    )
    assert Condition.from_record(condition.as_record()) == condition


def test_an_unknown_status_is_refused() -> None:
    with pytest.raises(ValueError, match="odd"):
        Condition.from_record({"resource": "vad", "status": "odd", "reason": ""})


def test_the_latest_report_on_a_resource_wins() -> None:
    conditions = Conditions.of([lost("vad"), loaded("stt"), loaded("vad")])
    assert len(conditions) == 2
    assert conditions["vad"].status is Status.READY


def test_an_update_does_not_change_the_original_conditions() -> None:
    before = Conditions()
    after = before.updated(lost("vad"))
    assert "vad" in after
    assert "vad" not in before


def test_since_stays_while_the_status_stays() -> None:
    first = Condition(resource="tts", status=Status.LOST, reason="Refused", since=3.0)
    again = Condition(resource="tts", status=Status.LOST, reason="Silent", since=9.0)
    back = Condition(resource="tts", status=Status.READY, reason="Loaded", since=12.0)
    conditions = Conditions().updated(first).updated(again)
    assert (conditions["tts"].reason, conditions["tts"].since) == ("Silent", 3.0)
    assert conditions.updated(back)["tts"].since == 12.0


def test_resources_that_are_not_ready_are_missing_in_the_order_declared() -> None:
    conditions = Conditions.of(
        [pending("llm"), loaded("stt"), lost("vad"), lost("orchestrator", required=True)]
    )
    assert conditions.missing == ("llm", "vad", "orchestrator")
    assert conditions.missing_required == ("orchestrator",)
    assert [condition.resource for condition in conditions] == ["llm", "stt", "vad", "orchestrator"]


@pytest.mark.parametrize("since", [float("nan"), float("inf"), "soon"])
def test_a_time_that_is_no_number_of_seconds_is_refused(since: object) -> None:
    with pytest.raises(ValueError, match=r"since|float"):
        Condition.from_record({"resource": "vad", "status": "lost", "reason": "", "since": since})
