"""What `foresail allocate` answers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foresail.cli.allocate import EXAMPLE
from foresail.cli.main import main
from tests.unit.cli.allocation_cases import EXAMPLES, FLEET, KEYS, ONE, answer, changed, expect_carried, write

PRICE = "shadow_price_usd_per_gpu_hour"


def text(capsys: pytest.CaptureFixture[str], file: Path, *words: str, code: int = 0) -> str:
    assert main(["allocate", str(file), *words]) == code
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out


def large(buckets: int = 30) -> dict[str, Any]:
    """A case that takes longer than no time at all."""
    rng = np.random.default_rng(0)
    speeds = rng.uniform(0.5, 3.0, 6)
    gpus = {
        f"g{place}": {
            "cost": round(float(speed**0.9), 3),
            "tputs": (speed * rng.uniform(0.5, 1.5, (1, buckets))).tolist(),
        }
        for place, speed in enumerate(speeds)
    }
    shares = rng.dirichlet(np.ones(buckets)).tolist()
    return {"gpu_info": gpus, "workload_distribution": [shares], "total_request_rate": 12.0, "slice_factor": 8}


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


def twins(current: list[int | None], startup: list[float], priorities: tuple[int, ...] = (0,)) -> dict[str, Any]:
    """Models that need 4 replicas each, of two variants that are alike but for what runs and how long a start takes."""
    variants = [
        {
            "name": name,
            "accelerator": name,
            "gpus_per_replica": 1,
            "usd_per_hour": 1.0,
            "capacity_rps": [[1.0]],
            "current_replicas": count,
            "startup_seconds": seconds,
        }
        for name, count, seconds in zip("AB", current, startup, strict=True)
    ]
    models = [
        {
            "name": f"m{place}",
            "priority": priority,
            "unserved_usd_per_1k_requests": 10.0,
            "demand_rps": [[3.5]],
            "variants": variants,
        }
        for place, priority in enumerate(priorities)
    ]
    return {"accelerators": {"A": {"count": 6}, "B": {"count": 6}}, "models": models}


@pytest.mark.parametrize(
    ("current", "startup", "replicas"),
    [
        ([4, 0], [60.0, 60.0], {"A": 4, "B": 0}),
        ([0, 4], [60.0, 60.0], {"A": 0, "B": 4}),
        ([1, 3], [60.0, 60.0], {"A": 1, "B": 3}),
        ([0, 2], [30.0, 600.0], {"A": 2, "B": 2}),
        ([2, 0], [600.0, 30.0], {"A": 2, "B": 2}),
    ],
)
def test_of_plans_that_cost_the_same_the_nearest_to_what_runs_is_taken(
    current: list[int | None],
    startup: list[float],
    replicas: dict[str, int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = answer(capsys, write(tmp_path, twins(current, startup)))
    assert found["replicas"]["m0"] == replicas
    assert (found["status"], found["cost_usd_per_hour"]) == ("optimal", pytest.approx(4.0))


@pytest.mark.parametrize("first", [0, 1])
def test_where_one_of_two_must_move_it_is_the_one_of_lesser_priority(
    first: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both run on A, which has room for one and a half of them."""
    case = twins([4, 0], [60.0, 60.0], priorities=(100 * (1 - first), 100 * first))
    found = answer(capsys, write(tmp_path, case))
    assert found["replicas"][f"m{first}"] == {"A": 4, "B": 0}
    assert found["replicas"][f"m{1 - first}"] == {"A": 2, "B": 2}


def test_what_runs_never_makes_a_plan_dearer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """B costs a hundred-thousandth less: whatever runs on A goes."""
    case = changed(twins([4, 0], [600.0, 600.0]), "models.0.variants.1.usd_per_hour", 0.99999)
    found = answer(capsys, write(tmp_path, case))
    assert found["replicas"]["m0"] == {"A": 0, "B": 4}


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


def test_the_text_compares_the_mix_with_each_type_alone(capsys: pytest.CaptureFixture[str]) -> None:
    told = text(capsys, EXAMPLES / "one-model.json")
    rows = {line.split()[0]: line for line in told.split("on one type only")[1].splitlines() if line}
    assert "cannot serve 3 buckets" in rows["L4"]
    assert "14.68" in rows["A100"]  # 4 GPUs at 3.67
    assert "4.7 %" in rows["A100"]  # 13.99 against that
    assert "15.04" in rows["H100"]
    assert told.rstrip().endswith("no plan costs less.")
    assert max(map(len, told.splitlines())) <= 110


def test_the_text_of_a_fleet_says_what_binds_and_what_it_is_worth(capsys: pytest.CaptureFixture[str]) -> None:
    told = text(capsys, EXAMPLES / "two-models.json")
    found = answer(capsys, EXAMPLES / "two-models.json")
    assert found[PRICE]["H100"] > 0.0
    assert f"{found[PRICE]['H100']:.2f} USD/h" in told
    assert "every GPU of H100 is in use" in told
    assert f"{found['cost_usd_per_hour']:.2f}" in told


def test_many_unserved_buckets_are_counted_and_not_all_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = changed(large(), "gpu_info", {"g": {"cost": 1.0, "tputs": [[0.0] * 30]}})
    assert "and 20 more" in text(capsys, write(tmp_path, case), code=1)


def test_names_are_printed_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = changed(ONE, "gpu_info.[bold]g[/]", ONE["gpu_info"]["small"])  # type: ignore[index]
    assert "[bold]g[/]" in text(capsys, write(tmp_path, case))


@pytest.mark.parametrize("name", ["one-model.json", "two-models.json"])
def test_the_plot_is_written_beside_the_answer(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    file = tmp_path / "plan.png"
    assert answer(capsys, EXAMPLES / name, "--plot", str(file))["status"] == "optimal"
    assert file.read_bytes().startswith(b"\x89PNG")


def test_a_plot_of_what_cannot_be_carried_is_drawn_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    case = changed(ONE, "gpu_info", {"g": {"cost": 1.0, "tputs": [[0.0, 0.0]]}})
    answer(capsys, write(tmp_path, case), "--plot", str(tmp_path / "plan.png"), code=1)
    assert (tmp_path / "plan.png").stat().st_size > 0


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
