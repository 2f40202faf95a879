"""What a workload of greater priority waits for: lesser ones that took it meanwhile would only give it back at once."""

from __future__ import annotations

from typing import Any

import pytest

from foresail.domain.accelerator import CapacityPoint
from foresail.domain.memory import Memory
from foresail.domain.snapshot import WorkloadObservation
from foresail.policies.cycle import run_cycle
from tests.builders import (
    INPUT_TOKENS_PER_REQUEST,
    MODEL,
    OUTPUT_TOKENS_PER_REQUEST,
    make_accelerator,
    make_forecast,
    make_memory,
    make_nodes,
    make_observation,
    make_replicas,
    make_snapshot,
    make_variant,
    make_variant_observation,
    make_workload,
)

LENGTHS = INPUT_TOKENS_PER_REQUEST, OUTPUT_TOKENS_PER_REQUEST
PROFILE = make_accelerator(points=[CapacityPoint(MODEL, gpus, 6.0 * gpus, *LENGTHS) for gpus in (1, 4)])
WANTS_TWO, WANTS_SIX = 40.0, 34.0  # rps: of four GPUs each, and of one


def urgent(**replicas: Any) -> WorkloadObservation:
    """Of four GPUs a replica: one serves."""
    variants = (make_variant("tp4", accelerator="h100", gpus_per_replica=4),)
    observed = [make_variant_observation("tp4", make_replicas(**{"current": 1, "ready": 1, **replicas}))]
    return make_observation(make_workload("urgent", priority=9, variants=variants), variants=observed, demand=24.0)


def lesser(current: int, **replicas: Any) -> WorkloadObservation:
    return make_observation(make_workload("lesser"), replicas=make_replicas(current, **replicas), demand=WANTS_SIX)


def decide(urgent: WorkloadObservation, lesser: WorkloadObservation, *free_by_node: int) -> tuple[int, int]:
    """What both are to have."""
    pool = make_nodes(*free_by_node)
    fleet = make_snapshot(urgent, lesser, accelerators=[PROFILE], pools=[pool])
    memory = Memory({k: m for o in (urgent, lesser) for k, m in make_memory(o.workload).workloads.items()})
    forecasts = {key: make_forecast(WANTS_TWO if key.name == "urgent" else WANTS_SIX) for key in fleet.workloads}
    greater, other = run_cycle(fleet, forecasts, memory).decisions.values()
    return greater.desired, other.desired


def test_where_all_fits_nothing_is_kept_back() -> None:
    assert decide(urgent(), lesser(2), 8) == (2, 6)


def test_gpus_that_are_too_few_for_one_replica_are_kept_until_the_others_have_gone() -> None:
    assert decide(urgent(), lesser(4, draining=2), 2) == (1, 4)


def test_the_last_that_were_given_are_kept_though_nobody_has_more_to_give() -> None:
    assert decide(urgent(), lesser(1, draining=2), 2) == (1, 1)


def test_gpus_that_were_given_are_kept_though_they_lie_on_several_nodes() -> None:
    assert decide(urgent(), lesser(2), 1, 1, 1, 1) == (1, 2)


@pytest.mark.parametrize("age_seconds", [30.0, 900.0])
def test_gpus_for_a_replica_without_a_node_are_kept_whatever_keeps_it_from_one(age_seconds: float) -> None:
    waiting = urgent(current=2, pending=1, pending_seconds=(age_seconds,))
    assert decide(waiting, lesser(2), 4) == (2, 2)


def test_what_is_beyond_what_the_greater_waits_for_may_be_taken() -> None:
    waiting = urgent(current=2, pending=1, pending_seconds=(30.0,))
    assert decide(waiting, lesser(2), 6) == (2, 4)
