"""What `foresail allocate` answers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from foresail.cli.allocate import EXAMPLE
from tests.unit.cli.allocation_cases import (
    EXAMPLES,
    FLEET,
    KEYS,
    ONE,
    answer,
    changed,
    expect_carried,
    large,
    text,
    write,
)

PRICE = "shadow_price_usd_per_gpu_hour"


def pipe(text: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "foresail.cli.main", "allocate", "-", *words]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=120)


def test_a_case_may_come_by_standard_input() -> None:
    done = pipe(json.dumps(FLEET), "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["status"] == "optimal"


def test_what_came_by_standard_input_is_refused_under_that_name() -> None:
    done = pipe("{")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("standard input: CASE: is not JSON")


@pytest.mark.parametrize("semantics", ["fractional", "sliced"])
def test_one_model_is_answered_with_the_contracts_fields(
    semantics: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Loads of half a rate each are 1 and 2 of the small GPU, 0.25 and 0.5 of the large one."""
    found = answer(capsys, write(tmp_path, ONE), "--semantics", semantics)
    assert set(found) == KEYS
    assert found["status"] == "optimal"
    assert found["replicas"] == {"small": 3, "large": 0}
    assert found["cost_usd_per_hour"] == pytest.approx(3.0)
    assert found["bound_usd_per_hour"] == pytest.approx(3.0)
    assert found["gap"] == 0.0
    assert found["cpu_seconds"] > 0.0
    expect_carried(ONE, found, slices=2)


def test_a_fleet_is_answered_by_model_and_variant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, write(tmp_path, FLEET))
    assert set(found) == KEYS | {PRICE}
    assert found["replicas"] == {"chat": {"h": 1, "l": 0}}  # 4/8 + 1/4 of a replica for 8 USD/h
    assert found["routing"] == {"chat": {"h": [[1.0, 1.0]], "l": [[0.0, 0.0]]}}
    assert found["utilization"] == {"chat": {"h": pytest.approx(0.75), "l": 0.0}}
    assert found[PRICE] == {"H100": 0.0, "L4": 0.0}


def test_what_a_fleet_leaves_is_priced_and_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without H100 the second bucket has no server: 1 rps at 5 USD for 1,000 requests is 18 USD/h."""
    found = answer(capsys, write(tmp_path, changed(FLEET, "accelerators.H100.count", 0)))
    assert found["status"] == "optimal"
    assert found["replicas"]["chat"] == {"h": 0, "l": 4}
    assert found["cost_usd_per_hour"] == pytest.approx(4 * 0.7 + 18.0)
    (left,) = found["unserved"]
    assert (left["model"], left["bucket"], left["rps"]) == ("chat", [0, 1], pytest.approx(1.0))
    assert "0 GPUs of H100 are left" in left["reason"]


def test_an_accelerator_without_a_count_has_no_cap(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = changed(changed(FLEET, "accelerators.H100", {}), "models.0.demand_rps", [[0.0, 400.0]])
    found = answer(capsys, write(tmp_path, case))
    assert found["replicas"]["chat"]["h"] == 100
    assert found[PRICE] == {"H100": 0.0, "L4": 0.0}


def test_minima_are_kept_whatever_the_demand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = changed(changed(FLEET, "models.0.demand_rps", [[0.0, 0.0]]), "models.0.variants.1.min_replicas", 2)
    found = answer(capsys, write(tmp_path, case))
    assert found["replicas"]["chat"] == {"h": 0, "l": 2}
    assert found["cost_usd_per_hour"] == pytest.approx(1.4)


def test_anybody_can_recompute_the_bound_from_the_shadow_prices(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Six equal models want the 8 fast GPUs; each at its best at the price, less the price of what there is."""
    model = {
        "unserved_usd_per_1k_requests": 10.0,
        "demand_rps": [[8.0]],
        "variants": [
            {"name": "f", "accelerator": "F", "gpus_per_replica": 2, "usd_per_hour": 2.0, "capacity_rps": [[8.0]]},
            {"name": "s", "accelerator": "S", "gpus_per_replica": 1, "usd_per_hour": 3.0, "capacity_rps": [[4.0]]},
        ],
    }
    case = {
        "accelerators": {"F": {"count": 8}, "S": {"count": 100}},
        "models": [{"name": f"m{place}", **model} for place in range(6)],
    }
    found = answer(capsys, write(tmp_path, case))
    prices = found[PRICE]
    least = min(2.0 + 2 * prices["F"], 6.0 + 2 * prices["S"], 8 * 3.6 * 10.0)
    assert found["cost_usd_per_hour"] == pytest.approx(4 * 2.0 + 2 * 6.0)
    assert found["bound_usd_per_hour"] == pytest.approx(6 * least - 8 * prices["F"] - 100 * prices["S"], rel=1e-6)
    assert prices["F"] == pytest.approx(2.0, rel=1e-6)  # two of them save 4 USD/h


def test_a_bucket_that_nothing_serves_is_named_with_exit_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = changed(ONE, "gpu_info.small.tputs.0.1", 0)
    case = changed(case, "gpu_info.large.tputs.0.1", 0.0)
    file = write(tmp_path, case)
    found = answer(capsys, file, code=1)
    assert found["status"] == "infeasible"
    assert [(one["bucket"], one["rps"]) for one in found["unserved"]] == [([0, 1], 1.0)]
    assert "no variant can serve" in found["unserved"][0]["reason"]
    assert found["bound_usd_per_hour"] is None
    assert found["gap"] is None
    assert found["cost_usd_per_hour"] == pytest.approx(1.0)  # the other bucket fills one small GPU
    assert "[0, 1]" in text(capsys, file, code=1)


def test_too_few_gpus_are_named_with_exit_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = changed(changed(ONE, "gpu_info.small.max_count", 1), "gpu_info.large.max_count", 0)
    file = write(tmp_path, case)
    found = answer(capsys, file, code=1)
    assert "1 (max)" in text(capsys, file, code=1)
    assert found["replicas"] == {"small": 1, "large": 0}
    assert all("small is at its maximum of 1" in one["reason"] for one in found["unserved"])
    assert sum(one["rps"] for one in found["unserved"]) == pytest.approx(1.0, abs=1e-5)


def test_an_exact_fit_buys_no_further_gpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """2.4 rps at 0.8 is 3 replicas; divided, it is a hair more."""
    case = {
        "gpu_info": {"g": {"cost": 1.0, "tputs": [[0.8]]}},
        "workload_distribution": [[1]],
        "total_request_rate": 2.4,
    }
    assert answer(capsys, write(tmp_path, case))["replicas"] == {"g": 3}


def test_a_trickle_gets_a_replica_and_no_traffic_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny = answer(capsys, write(tmp_path, changed(ONE, "total_request_rate", 1e-6)))
    assert tiny["replicas"] == {"small": 1, "large": 0}
    expect_carried(changed(ONE, "total_request_rate", 1e-6), tiny)
    for rate in (0.0, 1e-9):
        none = answer(capsys, write(tmp_path, changed(ONE, "total_request_rate", rate)))
        assert none["replicas"] == {"small": 0, "large": 0}
        assert (none["status"], none["cost_usd_per_hour"], none["gap"], none["unserved"]) == ("optimal", 0.0, 0.0, [])
        assert none["routing"] == {"small": [[0.0, 0.0]], "large": [[0.0, 0.0]]}


def test_head_room_is_bought_and_utilization_is_not_scaled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, write(tmp_path, ONE), "--target-utilization", "0.75")
    assert found["cost_usd_per_hour"] == pytest.approx(3.5)  # 3 loads over 0.75 are 4 small, or a large one, full
    assert found["utilization"]["large"] == pytest.approx(0.75)
    expect_carried(ONE, found, target=0.75)


@pytest.mark.parametrize("semantics", ["fractional", "sliced"])
def test_when_time_is_up_the_plan_is_feasible_and_the_bound_holds(
    semantics: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, large())
    best = answer(capsys, file)
    found = answer(capsys, file, "--time-limit", "0.000001", "--semantics", semantics)
    assert found["status"] == "feasible"
    assert found["bound_usd_per_hour"] <= best["cost_usd_per_hour"] + 1e-6
    assert best["cost_usd_per_hour"] <= found["cost_usd_per_hour"] + 1e-6
    cost, bound = found["cost_usd_per_hour"], found["bound_usd_per_hour"]
    assert found["gap"] == pytest.approx((cost - bound) / cost)
    expect_carried(large(), found, slices=8 if semantics == "sliced" else None)


def test_shares_that_do_not_sum_to_one_are_taken_as_they_are_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, changed(ONE, "workload_distribution", [[1.0, 1.0]]))
    assert (
        answer(capsys, file)["replicas"]
        == answer(capsys, write(tmp_path, changed(ONE, "total_request_rate", 4.0)))["replicas"]
    )
    file = write(tmp_path, changed(ONE, "workload_distribution", [[1.0, 1.0]]))
    assert "sum to 2: what is planned for is 4 rps" in text(capsys, file)


def test_the_example_of_the_help_runs_from_the_checkout() -> None:
    words = EXAMPLE.split()[1:]
    done = subprocess.run(
        [sys.executable, "-m", "foresail.cli.main", *words, "--format", "json"],
        cwd=EXAMPLES.parents[1],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert json.loads(done.stdout)["status"] == "optimal"
    assert done.stderr == ""
