"""docs/forecaster.md lists what there is, all of it, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, fields

from prometheus_client import Counter, Gauge, Histogram

from foresail.forecaster.metrics import ForecasterMetrics
from foresail.forecaster.questions import Questions, Workload
from foresail.forecaster.settings import Settings
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "forecaster.md").read_text(encoding="utf-8")


def rows(section: str) -> Iterator[list[str]]:
    text = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    for line in text.splitlines():
        if line.startswith("| `"):
            yield [cell.strip().strip("`") for cell in line.strip("|").split("|")]


def test_every_setting_is_listed_with_its_default() -> None:
    def written(default: object) -> str:
        known = None if default is MISSING else default
        return "none" if known is None else f"{known:.0f}" if isinstance(known, float) else str(known)

    listed = {name: default for name, default, _ in rows("Settings")}
    assert listed == {field.name: written(field.default) for field in fields(Settings)}


def test_every_metric_is_listed_with_its_labels() -> None:
    listed = {
        name: {label.strip() for label in labels.split(",") if label.strip()} for name, labels, *_ in rows("Metrics")
    }
    there = {}
    for entry in set(ForecasterMetrics().registry._names_to_collectors.values()):
        if isinstance(entry, Counter | Gauge | Histogram):
            name = f"{entry._name}_total" if isinstance(entry, Counter) else entry._name
            there[name] = set(entry._labelnames)
    assert listed == there


def test_the_request_is_shown_with_every_field() -> None:
    shown = PAGE.partition("## The request")[2]
    for name in (*Questions.model_fields, *Workload.model_fields):
        assert f'"{name}"' in shown, name
