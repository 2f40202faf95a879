from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.allocation import exact
from benchmarks.allocation.exact import measure_golden, measure_small, small_fleet
from benchmarks.allocation.instances import MIXES, Weights, chips, edges, mix, one_model, roofline
from benchmarks.allocation.oracle import least_usd_per_hour
from benchmarks.allocation.rival import solve_sliced
from foresail.domain.allocation import Allocation, AllocationProblem, Candidate, ModelDemand
from foresail.policies.allocation.allocate import allocate


def candidate(name: str, usd: float, rps: list[list[float]], most: int = 3) -> Candidate:
    return Candidate(name, name, 1, usd, np.array(rps), max_replicas=most)


def model(demand: list[list[float]], *candidates: Candidate, unserved: float | None = None) -> ModelDemand:
    return ModelDemand("m", np.array(demand), candidates, unserved)


def test_the_oracle_mixes_types_where_that_is_cheapest() -> None:
    small, large = candidate("small", 1.0, [[1.0]]), candidate("large", 3.0, [[4.0]])
    assert least_usd_per_hour(AllocationProblem((model([[5.0]], small, large),), {})) == pytest.approx(4.0)
    assert least_usd_per_hour(AllocationProblem((model([[5.0]], small, large),), {"large": 0})) is None


def test_the_oracle_leaves_what_costs_less_than_a_replica() -> None:
    problem = AllocationProblem((model([[1.5]], candidate("a", 2.0, [[1.0]]), unserved=1 / 3600),), {})
    assert least_usd_per_hour(problem) == pytest.approx(1.5)  # 1 USD for each request per second, an hour long
    dearer = replace(problem, models=(replace(problem.models[0], unserved_usd_per_request=3 / 3600),))
    assert least_usd_per_hour(dearer) == pytest.approx(2.0 + 0.5 * 3.0)


def test_the_oracle_shares_scarce_gpus_between_models() -> None:
    scarce, dear = candidate("scarce", 1.0, [[1.0]]), candidate("dear", 5.0, [[1.0]])
    one = model([[1.0]], scarce, dear)
    problem = AllocationProblem((one, replace(one, name="n")), {"scarce": 1})
    assert least_usd_per_hour(problem) == pytest.approx(6.0)
    assert least_usd_per_hour(replace(problem, gpus={"scarce": 2})) == pytest.approx(2.0)


def test_the_oracle_needs_nothing_without_traffic() -> None:
    assert least_usd_per_hour(AllocationProblem((model([[0.0]], candidate("a", 1.0, [[1.0]])),), {})) == 0.0


def test_small_fleets_are_planned_at_the_least_cost() -> None:
    found = measure_small(40)
    assert found["can_be_served"] > 20
    assert (found["above"], found["below"]) == (0, 0)


def test_a_plan_that_costs_a_cent_more_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def dearer(problem: AllocationProblem) -> Allocation:
        found = allocate(problem)
        return replace(found, usd_per_hour=found.usd_per_hour + 0.01)

    monkeypatch.setattr(exact, "allocate", dearer)
    found = measure_small(20)
    assert found["above"] == found["can_be_served"] > 0


def test_small_fleets_are_both_served_and_priced_and_scarce() -> None:
    fleets = [small_fleet(np.random.default_rng(seed)) for seed in range(50)]
    prices = {one.unserved_usd_per_request is None for fleet in fleets for one in fleet.models}
    assert prices == {True, False}
    assert {len(fleet.models) for fleet in fleets} == {1, 2, 3}


def test_cases_are_judged_in_both_meanings(tmp_path: Path) -> None:
    case = {
        "gpu_info": {"a": {"cost": 2.0, "tputs": [[1.0, 1.0]]}, "b": {"cost": 5.0, "tputs": [[4.0, 4.0]]}},
        "workload_distribution": [[0.5, 0.5]],
        "total_request_rate": 3.0,
        "slice_factor": 1,
    }
    proven = {"sliced": {"cost": 5.0}, "fractional": {"cost": 4.0}}
    (tmp_path / "x.json").write_text(json.dumps(case))
    (tmp_path / "x.expected.json").write_text(json.dumps(proven))
    found = measure_golden(tmp_path)["x"]
    assert found["sliced"] == {"own": 5.0, "proven": 5.0, "right": True}
    assert found["fractional"] == {"own": 5.0, "proven": 4.0, "right": False}
    assert measure_golden(tmp_path / "absent") == {}


def test_capacity_falls_with_length_and_grows_with_the_gpu() -> None:
    inputs, outputs = edges(6, 64, 8192), edges(4, 32, 768)
    by_name = {chip.name: roofline(chip, Weights(), inputs, outputs).capacity_rps for chip in chips()}
    for capacity in by_name.values():
        assert (np.diff(capacity, axis=0) <= 1e-12).all()
        assert (np.diff(capacity, axis=1) <= 1e-12).all()
    assert (by_name["H100"] >= by_name["L4"]).all()
    assert by_name["H100"].min() > 0.0 == by_name["L4"].min()


def test_two_gpus_as_one_carry_more_than_one_and_less_than_two_per_bandwidth() -> None:
    chip = chips()[0]
    assert chip.times(1) == chip
    assert chip.gigabytes_per_second < chip.times(2).gigabytes_per_second < 2 * chip.gigabytes_per_second
    assert chip.times(4).usd_per_hour == 4 * chip.usd_per_hour


@pytest.mark.parametrize("kind", MIXES)
def test_mixes_are_shares(kind: str) -> None:
    shares = mix(kind, edges(6, 32, 16_384), edges(4, 16, 1024), np.random.default_rng(0))
    assert shares.min() >= 0.0
    assert shares.sum() == pytest.approx(1.0)


def test_an_instance_asks_for_its_rate() -> None:
    problem = one_model(4, (10, 6), "mixed", 16.0, 0)
    assert problem.models[0].demand_rps.sum() == pytest.approx(16.0)
    assert len(problem.models[0].candidates) == 4


def test_the_rival_may_not_share_a_slice_between_types() -> None:
    pytest.importorskip("pulp", reason="PuLP with CBC is in the group bench only")
    split = model([[1.5]], candidate("a", 1.0, [[1.0]]), candidate("b", 1.6, [[0.5]]))
    whole = solve_sliced(split, slices=1, cpu_seconds=10.0)
    halves = solve_sliced(split, slices=3, cpu_seconds=10.0)
    assert (whole.usd_per_hour, whole.finished) == (2.0, True)
    assert halves.usd_per_hour == 2.0
    assert whole.cpu_seconds > 0.0
    apart = model([[1.5]], candidate("a", 1.0, [[1.0]], 1), candidate("b", 0.8, [[0.5]]))
    assert solve_sliced(apart, slices=1, cpu_seconds=10.0).usd_per_hour == pytest.approx(2.0)
    assert solve_sliced(apart, slices=3, cpu_seconds=10.0).usd_per_hour == pytest.approx(1.8)


def test_the_rival_has_no_plan_where_a_bucket_cannot_be_served() -> None:
    pytest.importorskip("pulp", reason="PuLP with CBC is in the group bench only")
    answer = solve_sliced(model([[1.0, 1.0]], candidate("a", 1.0, [[1.0, 0.0]])), slices=2, cpu_seconds=10.0)
    assert (answer.usd_per_hour, answer.finished) == (None, False)
