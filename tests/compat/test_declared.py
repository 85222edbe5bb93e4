"""Settings, names, alert rules and figures of an earlier version are still there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from states import History
from states.journal import read_records
from tests.compat.capture.described import declared_names, type_of
from tests.compat.captured import broken
from worker.config.settings import Settings, shown
from worker.telemetry.alerts import rules_file
from worker.telemetry.catalog import FIGURES
from worker.telemetry.job_observer import Observer
from worker.telemetry.job_view import JobView
from worker.telemetry.worker_status import WorkerStatus

if TYPE_CHECKING:
    from pathlib import Path

    from tests.compat.captured import Captured

#: A metric's name in an expression, or in a rule.
_METRIC = re.compile(r"\b(?:interview|process)_\w+")


def test_every_setting_keeps_its_default_and_type(captured: Captured) -> None:
    fields = {str(each.validation_alias): each for each in Settings.model_fields.values()}
    problems = []
    for old in captured.data("settings.json"):
        variable = old["variable"]
        field = fields.get(variable)
        if field is None:
            problems.append(f"The setting {variable} is gone.")
            continue
        if not old["computed"] and shown(field.default) != old["default"]:
            problems.append(
                f"The default of {variable} is {shown(field.default)!r} instead of "
                f"{old['default']!r}."
            )
        new_type = type_of(field.annotation)
        if not _still_takes(new_type, old["type"]):
            problems.append(f"{variable} is {new_type} instead of {old['type']}.")
    broken(problems)


def _still_takes(new: str | list[str], old: str | list[str]) -> bool:
    """Whether a setting takes every value that it took: one more choice is no loss."""
    if isinstance(new, list) and isinstance(old, list):
        return set(old) <= set(new)
    return new == old


def test_every_name_that_is_stored_printed_or_typed_still_exists(captured: Captured) -> None:
    new = declared_names()
    problems = []
    for kind, names in captured.data("names.json").items():
        problems += [
            f"{kind}: {name} is gone."
            for name in names
            if name not in new[kind] and kind != "exit_codes"
        ]
    for name, code in captured.data("names.json")["exit_codes"].items():
        if code not in new["exit_codes"].values():
            problems.append(f"The exit code {code} ({name}) is gone.")
    for command, options in captured.data("names.json")["commands"].items():
        gone = set(options) - set(new["commands"].get(command, options))
        problems += [f"`{command}` does not take {option} any more." for option in sorted(gone)]
    broken(problems)


def _rules(text: str) -> dict[str, Any]:
    groups = YAML(typ="safe").load(text)["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def test_every_alert_still_exists_and_reads_the_same_metrics(captured: Captured) -> None:
    old = _rules(captured.path("alert_rules.yml").read_text(encoding="utf-8"))
    new = _rules(rules_file())
    problems = [f"The alert {name} is gone." for name in old if name not in new]
    for name in set(old) & set(new):
        gone = set(_METRIC.findall(old[name]["expr"])) - set(_METRIC.findall(new[name]["expr"]))
        if gone:
            problems.append(f"The alert {name} does not read {', '.join(sorted(gone))} any more.")
        if old[name]["labels"] != new[name]["labels"]:
            problems.append(f"The alert {name} has other labels than {old[name]['labels']}.")
    broken(problems)


@pytest.fixture
def page(captured: Captured, tmp_path: Path) -> str:
    """Today's metrics page of a worker whose jobs wrote the captured journals."""
    observer = Observer(tmp_path, version="test")
    for entry in captured.data("journals", "index.json"):
        view = JobView(job_id=str(entry["job_id"]))
        path = captured.path("journals", entry["file"])
        for record in read_records(path, pass_over_damage=True).records:
            observer.metrics.take(view, record)
            view.apply(record)
    status = WorkerStatus(waiting_on=(("disk", ""),), pool=(1, 2), disk_free_bytes=1.0)
    return observer.page(status).decode()


def test_every_metric_is_exported_with_its_type_and_labels(captured: Captured, page: str) -> None:
    old = {
        f.name: f for f in text_string_to_metric_families(captured.path("metrics.txt").read_text())
    }
    new = {f.name: f for f in text_string_to_metric_families(page)}
    labels = {figure.name: set(figure.labels) for figure in FIGURES}
    problems = [f"The metric {name} is gone." for name in old if name not in new]
    for name in set(old) & set(new):
        if old[name].type != new[name].type:
            problems.append(f"The metric {name} is a {new[name].type}, not a {old[name].type}.")
        for sample in old[name].samples:
            known = labels.get(name, set(sample.labels)) | {"le"}
            gone = set(sample.labels) - known
            if gone:
                problems.append(
                    f"The metric {sample.name} has no label {', '.join(gone)} any more."
                )
    broken(sorted(set(problems)))


def test_every_metric_is_declared_with_its_name_type_and_labels(captured: Captured) -> None:
    new = {figure.shown_as: figure for figure in FIGURES}
    problems = []
    for old in captured.data("figures.json"):
        figure = new.get(old["shown_as"])
        if figure is None:
            problems.append(f"The metric {old['shown_as']} is gone.")
        elif (figure.kind, list(figure.labels)) != (old["type"], old["labels"]):
            problems.append(
                f"The metric {old['shown_as']} is a {figure.kind} with the labels "
                f"{list(figure.labels)} instead of a {old['type']} with {old['labels']}."
            )
    broken(problems)


def test_metrics_of_old_journals_are_counted(captured: Captured, page: str) -> None:
    jobs = [
        History.from_records(
            read_records(captured.path("journals", each["file"]), pass_over_damage=True).records
        )
        for each in captured.data("journals", "index.json")
    ]
    ended = sum("CLOSED" in job.path for job in jobs)
    families = {family.name: family for family in text_string_to_metric_families(page)}
    counted = sum(
        sample.value
        for sample in families["interview_jobs_ended"].samples
        if sample.name.endswith("_total")
    )
    assert counted == ended
