from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from foresail.domain.allocation import AllocationProblem, Candidate, ModelDemand
from foresail.policies.allocation.program import add_model, by_priority, most_replicas, traffic_of
from foresail.policies.programs.highs import solve
from foresail.policies.programs.linear import LinearProgram
from tests.unit.policies.allocation.allocation_cases import fleets, least_usd


def candidate(capacity: list[float], **more: float) -> Candidate:
    own = {"gpus_per_replica": 1, "usd_per_hour": 1.0, **more}
    return Candidate("v", "A", capacity_rps=np.array([capacity]), **own)  # type: ignore[arg-type]


def model(rps: list[float], *candidates: Candidate, price: float | None = None) -> ModelDemand:
    return ModelDemand("m", np.array([rps]), candidates, price)


def test_only_buckets_with_traffic_count_and_load_is_at_the_target() -> None:
    traffic = traffic_of(model([2.0, 1e-9, 1e-6], candidate([4.0, 1.0, 0.0])), target_utilization=0.5)
    assert traffic.bucket.tolist() == [0, 2]
    assert traffic.load.tolist() == [[1.0], [float("inf")]]  # 2 / (4 · 0.5)


def test_a_trickle_takes_a_replica_of_its_own() -> None:
    program = LinearProgram()
    trickle = model([1e-6], candidate([100.0]))
    columns = add_model(program, trickle, traffic_of(trickle), np.array([5]))
    found = solve(program)
    assert found.x is not None
    assert found.x[columns.replicas].tolist() == [1.0]


@pytest.mark.parametrize(
    ("own", "gpus", "most"),
    [
        (candidate([1.0]), {}, 3),  # 2.5 rps at 1 rps each
        (candidate([1.0], max_replicas=2), {}, 2),
        (candidate([1.0], gpus_per_replica=2), {"A": 5}, 2),
        (candidate([0.0]), {}, 0),
        (candidate([1.0], min_replicas=7), {}, 7),
        (candidate([1.0], current_replicas=9, stop_usd_per_hour=0.5), {}, 3),
        (candidate([1.0], current_replicas=9, stop_usd_per_hour=1.5), {}, 9),  # dearer to stop than to keep
        (candidate([1.0], current_replicas=9, stop_usd_per_hour=1.5), {"A": 4}, 4),
    ],
)
def test_no_more_replicas_are_looked_at_than_make_sense(own: Candidate, gpus: dict[str, int], most: int) -> None:
    demand = model([2.5], own)
    assert most_replicas(demand, traffic_of(demand), gpus).tolist() == [most]


def test_a_load_that_the_solver_could_object_to_has_room_for_one_replica_more() -> None:
    demand = model([1.0 + 9e-7], candidate([1.0]))
    assert most_replicas(demand, traffic_of(demand), {}).tolist() == [2]


def test_the_lesser_priority_is_cheaper_to_leave_by_less_than_a_proof_leaves_open() -> None:
    fleet = [ModelDemand(str(rank), np.ones((1, 1)), (), 1.0, rank) for rank in (0, 50, 100)]
    prices = [own.unserved_usd_per_request for own in by_priority(fleet)]
    assert prices == [1.0 - 5e-7, 1.0 - 2.5e-7, 1.0]
    assert by_priority(fleet[:1] * 2) == tuple(fleet[:1] * 2)
    hard = ModelDemand("hard", np.ones((1, 1)), (), None, 7)
    assert by_priority([hard, fleet[0]])[0] is hard


@settings(max_examples=60, deadline=None)
@given(fleets(most_models=1))
def test_a_model_on_its_own_costs_what_trying_all_says(problem: AllocationProblem) -> None:
    program, own = LinearProgram(), problem.models[0]
    traffic = traffic_of(own)
    columns = add_model(program, own, traffic, most_replicas(own, traffic, {}))
    found = solve(program)
    free = AllocationProblem(problem.models, {})
    dearest, cheapest = least_usd(free), least_usd(free, slack=3e-6)
    if found.x is None:
        assert np.isinf(dearest)
        return
    tolerance = 1e-6 * max(abs(found.objective), 1.0)
    assert cheapest - tolerance <= found.objective <= dearest + tolerance
    assert len(columns.replicas) == len(own.candidates)
