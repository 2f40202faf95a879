"""What is said of the capacity of each variant: from where it is known, and how far it may be off."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from foresail.domain.accelerator import CapacityPoint, Prediction
from foresail.domain.decision import Capacity, Decision
from foresail.policies.cycle import run_cycle
from foresail.policies.scaling.capacity import fit_work
from foresail.policies.scaling.learning import start_belief
from tests.builders import (
    MODEL,
    make_accelerator,
    make_forecast,
    make_memory,
    make_observation,
    make_snapshot,
    make_variant,
    make_variant_observation,
    make_workload,
)
from tests.unit.policies.cases import decide_one

POINT = CapacityPoint(MODEL, 1, 3.0, 1000.0, 250.0)


def capacities(decision: Decision) -> dict[str, Capacity | None]:
    return {variant.name: variant.capacity for variant in decision.variants}


def test_each_variant_says_where_its_capacity_is_known_from() -> None:
    names = ("listed", "shipped", "guessed", "unheard")
    workload = make_workload(variants=tuple(make_variant(name, min_replicas=0) for name in names))
    observed = [make_variant_observation(name, 5 if name == "listed" else 0) for name in names]
    predicted = {
        "shipped": Prediction((POINT,), "shipped", "m on 1 g within s. Shipped for m: predicted by t 1.", 0.2),
        "guessed": Prediction((POINT,), "roofline", "m on 1 g within s. Roofline corrected by 3 others.", 0.4),
    }
    profiles = [make_accelerator(name, rps=6.0 if name == "listed" else None) for name in names]
    fleet = make_snapshot(make_observation(workload, variants=observed, predicted=predicted), accelerators=profiles)
    (decision,) = run_cycle(fleet, {workload.key: make_forecast()}, make_memory(workload)).decisions.values()
    told = capacities(decision)
    assert {name: None if each is None else each.source for name, each in told.items()} == {
        "listed": "user",
        "shipped": "shipped",
        "guessed": "roofline",
        "unheard": None,
    }
    assert {name: each.error_ratio for name, each in told.items() if each is not None} == pytest.approx(
        {"listed": 0.05, "shipped": 0.2, "guessed": 0.4}
    )
    assert told["listed"] is not None
    assert told["listed"].requests_per_second == pytest.approx(6.0)
    assert told["listed"].detail == "6 rps at 1000/250" == decision.outlook.capacity_source


@pytest.mark.parametrize(("observations", "source"), [(0, "user"), (40, "measured")])
def test_what_replicas_were_seen_to_serve_counts_as_measured(observations: int, source: str) -> None:
    prior = start_belief(fit_work(make_accelerator().capacity))
    half = replace(prior, log_mean=math.log(0.5), observations=observations)
    capacity = capacities(decide_one(memory=make_memory(capacity={"h100": half})))["h100"]
    assert capacity is not None
    assert (capacity.source, capacity.detail) == (source, "6 rps at 1000/250")
    assert capacity.requests_per_second == pytest.approx(3.0)


def test_without_traffic_there_is_no_rate() -> None:
    capacity = capacities(decide_one(make_observation(demand=0.0)))["h100"]
    assert capacity is not None
    assert (capacity.source, capacity.requests_per_second) == ("user", None)
