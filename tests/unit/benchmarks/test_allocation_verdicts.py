from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.__main__ import PARTS, make_parser
from benchmarks.allocation import run
from benchmarks.allocation.fleets import FLEETS, Fleet, make_fleet, measure_fleet, vary, within_caps
from benchmarks.allocation.profiles import held_out, summary
from benchmarks.allocation.run import AllocationSettings
from benchmarks.allocation.solver import SIZES, Size, compare, measure_rival, measure_size
from benchmarks.allocation.tables import fleet_table, headroom_table, size_table, weights_table
from benchmarks.allocation.verdicts import (
    cheapest_in_time,
    judge_exact,
    judge_fleets,
    judge_headroom,
    judge_profiles,
    judge_sizes,
    judge_weights,
)
from benchmarks.tables import make_console
from foresail.domain.allocation import AllocationProblem
from foresail.policies.allocation.allocate import allocate
from foresail.profiles.shipped import catalog

FEW = Fleet(3, 20.0, few_variants=True)
TINY = Size(4, (4, 3), 2, (4.0,), 1, 2, 0.05)


def own(seconds: float, proven: int = 2) -> dict[str, Any]:
    rows = [{"cpu_seconds": seconds, "usd": 2.0, "proven": True}] * 2
    return {
        "instances": rows,
        "median_seconds": seconds,
        "p95_seconds": seconds,
        "proven": proven,
        "peak_mebibytes": 1.0,
    }


def rival(seconds: float, usd: float | None = 2.0, *, finished: bool = True) -> dict[str, Any]:
    answer = {"cpu_seconds": seconds, "usd": usd, "finished": finished}
    return {"instances": {0: answer, 1: answer}, "peak_mebibytes": 1.0, "child_peak_mebibytes": 1.0}


def all_sizes(found: dict[str, Any]) -> dict[str, Any]:
    return {size.name: found for size in SIZES}


def met(verdicts: Any) -> list[bool]:
    return [verdict["met"] for verdict in verdicts]


def test_quick_proven_and_cheap_is_what_is_asked() -> None:
    against = compare(own(0.01), rival(0.3))
    assert all(met(judge_sizes(all_sizes(own(0.01)), all_sizes(against))))


def test_slow_unproven_or_dear_is_not() -> None:
    fast = all_sizes(compare(own(0.01), rival(0.3)))
    assert not any(met(judge_sizes(all_sizes(own(9.0)), fast))[:4])
    assert not any(met(judge_sizes(all_sizes(own(0.01, proven=1)), fast))[:4])
    near, dear = compare(own(0.01), rival(0.2)), compare(own(0.01), rival(0.3, usd=1.9))
    assert met(judge_sizes(all_sizes(own(0.01)), all_sizes(near)))[4:] == [False, True]
    assert met(judge_sizes(all_sizes(own(0.01)), all_sizes(dear)))[4:] == [True, False]


def test_a_rival_that_never_finishes_proves_nothing() -> None:
    against = compare(own(0.01), rival(20.0, None, finished=False))
    assert (against["finished"], against["rival_dearer"], against["own_dearer"]) == (0, 0, 0)
    assert met(judge_sizes(all_sizes(own(0.01)), all_sizes(against)))[4:] == [False, True]


def test_one_wrong_case_is_told() -> None:
    good, bad = {"a": {"right": True}}, {"a": {"right": False}}
    small = {"fleets": 10, "above": 0, "below": 0}
    assert met(judge_exact({"cases": {"x": good}}, small)) == [True] * 3
    assert met(judge_exact({"cases": {"x": good, "y": bad}}, small | {"above": 1})) == [False, False, True]
    assert len(list(judge_exact({"cases": {}}, small))) == 2


def fleet_rows(**changes: Any) -> dict[str, Any]:
    row = {"gap": 0.009, "cpu_seconds": 5.0, "warm_gap": 0.009, "warm_cpu_seconds": 2.0, "within_caps": True}
    return {fleet.name: [row, row | changes] for fleet in FLEETS}


@pytest.mark.parametrize(
    ("change", "missed"),
    [({}, 0), ({"gap": 0.011}, 4), ({"cpu_seconds": 61.0}, 4), ({"warm_gap": 0.02}, 4), ({"within_caps": False}, 1)],
)
def test_the_worst_fleet_counts(change: dict[str, Any], missed: int) -> None:
    assert met(judge_fleets(fleet_rows(**change))).count(False) == missed


def test_a_replica_busier_than_its_target_is_told() -> None:
    rows = [{"target": 1.0, "busiest": 0.9}, {"target": 0.85, "busiest": 0.86}]
    assert met(judge_weights(rows)) == [False]
    assert met(judge_weights(rows[:1])) == [True]


def head_room(*rows: tuple[float, float]) -> dict[str, Any]:
    told = [{"way": "a", "target": 1.0, "in_time": in_time, "cost": cost} for in_time, cost in rows]
    return {"rps": 8.0, "replicas": 2.0, "rows": told}


def test_the_cheapest_way_to_be_in_time_counts() -> None:
    best = cheapest_in_time(head_room((0.99, 1.0), (0.996, 1.2), (0.999, 1.1))["rows"])
    assert best is not None
    assert best["cost"] == 1.1
    assert met(judge_headroom([head_room((0.99, 1.0), (0.996, 1.1))])) == [True]
    assert met(judge_headroom([head_room((0.99, 1.0), (0.996, 1.2))])) == [False]
    assert met(judge_headroom([head_room((0.99, 1.0))])) == [False]


def test_profiles_are_judged_without_a_point_and_with_all() -> None:
    assert met(judge_profiles({"all": {"mean": [0.19, 0.15, 0.12, 0.11]}})) == [True, False]
    rows = [held_out(slo, 0) for slo in catalog().profiles]
    found = summary([row for row in rows if row is not None])
    assert len(list(judge_profiles(found))) == 2


def test_a_pool_has_less_than_its_models_want() -> None:
    problem = make_fleet(FEW, np.random.default_rng(0))
    assert len(problem.models) == 3
    assert all(1 <= len(model.candidates) <= 4 for model in problem.models)
    alone = [allocate(AllocationProblem((model,), {})) for model in problem.models]
    wanted = dict.fromkeys(problem.gpus, 0)
    for model, allocation in zip(problem.models, alone, strict=True):
        for candidate, count in zip(model.candidates, allocation.plans[model.name].replicas, strict=True):
            wanted[candidate.accelerator] += count * candidate.gpus_per_replica
    scarce = {name for name, gpus in problem.gpus.items() if gpus < wanted[name]}
    assert scarce
    free = AllocationProblem(problem.models, {})
    assert within_caps(problem, allocate(problem))
    assert not within_caps(problem, allocate(free))


def test_a_load_that_changes_keeps_its_mix() -> None:
    problem = make_fleet(FEW, np.random.default_rng(0))
    changed = vary(problem, np.random.default_rng(0))
    for before, after in zip(problem.models, changed.models, strict=True):
        share = after.demand_rps.sum() / before.demand_rps.sum()
        assert share == pytest.approx(0.9) or share == pytest.approx(1.1)
        np.testing.assert_allclose(after.demand_rps, share * before.demand_rps)


def test_every_table_can_be_printed() -> None:
    found = measure_size(TINY)
    answers = found["peak_mebibytes"] = 1.0
    against = compare(found, rival(1.0))
    rows = [measure_fleet(FEW, 0)]
    size = head_room((0.99, 1.0)) | {"rows": [head_room((0.99, 1.0))["rows"][0] | {"in_time_worst": 0.9}]}
    weights = [{"mix": "arena", "target": 1.0, "busiest": 0.9, "busiest_by_throughput": 1.1}]
    console = make_console()
    with console.capture() as captured:
        console.print(size_table({"t": found}, {"t": against}, {"t": rival(1.0)}))
        console.print(fleet_table({"f": rows}, {"f": answers}), headroom_table(size), weights_table(weights))
    text = captured.get()
    assert all(part in text for part in ("2 of 2", "99.00%", "1.100", f"{rows[0]['variants']}"))


def test_a_size_is_measured_with_its_rival() -> None:
    pytest.importorskip("pulp", reason="PuLP with CBC is in the group bench only")
    found = measure_size(TINY)
    against = compare(found, measure_rival(TINY, 20.0))
    assert found["proven"] == 3
    assert (against["instances"], against["own_dearer"]) == (2, 0)


def test_the_report_has_what_the_verdicts_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def pretend(jobs: dict[str, Any], _: Any) -> dict[str, Any]:
        return {name: {"rows": name, "peak_mebibytes": 1.0} for name in jobs}

    monkeypatch.setattr(run, "measure_apart", pretend)
    monkeypatch.setattr(run, "compare", lambda own, other: (own["rows"], other["rows"]))
    said: list[str] = []
    report = run.measure_allocations(AllocationSettings(Path("absent")), said.append)
    assert set(report["fleets"]) == {fleet.name for fleet in FLEETS}
    assert report["against"][SIZES[0].name] == (f"ours, {SIZES[0].name}", f"rival, {SIZES[0].name}")
    assert "absent" in said[0]


def test_the_part_can_be_chosen() -> None:
    assert "allocation" in PARTS
    assert make_parser().parse_args(["allocation"]).parts == ["allocation"]
