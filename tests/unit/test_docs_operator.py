"""docs/operator.md lists what there is, all of it, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, replace
from typing import Any

import yaml
from prometheus_client import Counter, Gauge, Histogram

from foresail.domain.decision import Capacity, Outlook
from foresail.domain.workload import Routing, RoutingMode
from foresail.operator.explain.metrics import OperatorMetrics
from foresail.operator.resources import parse_workload
from foresail.operator.settings import Settings
from foresail.service.document import Trace, Write
from tests.builders import NOW, make_observation
from tests.conftest import ROOT
from tests.unit.operator.explain.statuses import make_decision
from tests.unit.operator.fakes import HandClock

PAGE = (ROOT / "docs" / "operator.md").read_text(encoding="utf-8")
KNOWN = Outlook(
    lead_time_seconds=60.0,
    demand_now_rps=24.0,
    demand_median_rps=30.0,
    demand_q95_rps=40.0,
    forecast_source="mixture",
    forecast_skill=0.2,
    required_now=4.0,
    required_median=5.0,
    required_q95=7.0,
    capacity_rps=6.0,
    feedback_factor=1.0,
    usd_per_hour=10.0,
)


def rows(prefix: str = "") -> Iterator[list[str]]:
    """Rows of all tables whose first cell is code that begins so."""
    for line in PAGE.splitlines():
        if line.startswith(f"| `{prefix}"):
            yield [cell.strip().strip("`") for cell in line.strip("|").split("|")]


def documented_metrics() -> dict[str, set[str]]:
    return {
        name.strip("` "): {label.strip() for label in labels.split(",") if label.strip()}
        for name, labels, *_ in rows("foresail_")
    }


def process_metrics(metrics: OperatorMetrics) -> Iterator[tuple[str, set[str]]]:
    """Labels of what the process registers, series or not."""
    for entry in set(metrics.registry._names_to_collectors.values()):
        if isinstance(entry, Counter):
            yield f"{entry._name}_total", set(entry._labelnames)
        elif isinstance(entry, Gauge | Histogram):
            yield entry._name, set(entry._labelnames)


def object_metrics(metrics: OperatorMetrics) -> Mapping[str, set[str]]:
    """Labels of what an object has of which everything is known."""
    decision = make_decision(outlook=KNOWN)
    capacity = Capacity("user", "6 rps at 1000/250", 0.05, 6.0)
    known = tuple(replace(variant, weight=1.0, capacity=capacity) for variant in decision.variants)
    weighed = replace(decision, variants=known)
    trace = Trace(weighed, make_observation(), writes=(Write("h100", 7, "Written", "so"),))
    metrics.fleet.record(trace, NOW, renewed=True)
    metrics.fleet.record(trace, NOW + 60, renewed=False)  # the first forecast is due
    samples = [sample for family in metrics.fleet.collect() for sample in family.samples]
    return {sample.name: set(sample.labels) for sample in samples}


def test_every_metric_is_listed_with_its_labels() -> None:
    metrics = OperatorMetrics(HandClock(wall=NOW))
    assert documented_metrics() == {**dict(process_metrics(metrics)), **object_metrics(metrics)}


def written(field: Field[Any]) -> str:
    """A default as the page writes it."""
    default = field.default if field.default is not MISSING else None
    return "none" if default is None else f"{default:.0f}" if isinstance(default, float) else str(default)


def test_every_setting_is_listed_with_its_default() -> None:
    settings, _, _ = PAGE.partition("## Metrics")
    documented = {cells[0].strip("` "): cells[1] for cells in rows() if f"| `{cells[0].strip('` ')}`" in settings}
    assert documented == {field.name: written(field) for field in fields(Settings)}


def shown_under(heading: str) -> dict[str, Any]:
    """The first YAML below a heading."""
    document: dict[str, Any] = yaml.safe_load(PAGE.partition(heading)[2].partition("```yaml\n")[2].partition("```")[0])
    return document


def test_the_override_that_is_shown_is_understood() -> None:
    shown = shown_under("## Taking over by hand")
    document = yaml.safe_load((ROOT / "examples" / "01-one-model" / "03-model.yaml").read_text())
    override = parse_workload({**document, "spec": {**document["spec"], **shown["spec"]}}).override
    assert override is not None
    assert override.replicas == 8


def test_the_routing_that_is_shown_is_understood() -> None:
    routing = parse_workload({"metadata": {"name": "chat"}, **shown_under("## Routing")}).routing
    assert routing == Routing("chat", mode=RoutingMode.WRITE)
