"""Cases for `foresail allocate`, the command as a script calls it, and what holds of each of its answers."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foresail.cli.main import main
from foresail.domain.allocation import TRAFFIC_RPS

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "allocation"
KEYS = {
    "status",
    "cost_usd_per_hour",
    "bound_usd_per_hour",
    "gap",
    "replicas",
    "routing",
    "utilization",
    "unserved",
    "cpu_seconds",
    "message",
}
ONE = {
    "gpu_info": {
        "small": {"cost": 1.0, "tputs": [[1.0, 0.5]]},
        "large": {"cost": 3.5, "tputs": [[4.0, 2.0]]},
    },
    "workload_distribution": [[0.5, 0.5]],
    "total_request_rate": 2.0,
    "slice_factor": 2,
}
FLEET = {
    "accelerators": {"H100": {"count": 8}, "L4": {"count": 10}},
    "models": [
        {
            "name": "chat",
            "unserved_usd_per_1k_requests": 5.0,
            "demand_rps": [[4.0, 1.0]],
            "variants": [
                {
                    "name": "h",
                    "accelerator": "H100",
                    "gpus_per_replica": 2,
                    "usd_per_hour": 8.0,
                    "capacity_rps": [[8.0, 4.0]],
                },
                {
                    "name": "l",
                    "accelerator": "L4",
                    "gpus_per_replica": 1,
                    "usd_per_hour": 0.7,
                    "capacity_rps": [[1.0, 0.0]],
                },
            ],
        }
    ],
}


def changed(case: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of a case with one field changed; `path` is its keys and places, such as `models.0.name`."""
    copied = copy.deepcopy(case)
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place: Any = copied
    for step in way:
        place = place[step]
    place[last] = value
    return copied


def without(case: dict[str, Any], path: str) -> dict[str, Any]:
    """A copy of a case that lacks one field."""
    copied = changed(case, path, None)
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place: Any = copied
    for step in way:
        place = place[step]
    del place[last]
    return copied


def write(folder: Path, case: dict[str, Any]) -> Path:
    """A case as a file."""
    file = folder / "case.json"
    file.write_text(json.dumps(case), encoding="utf-8")
    return file


def answer(capsys: pytest.CaptureFixture[str], file: Path, *words: str, code: int = 0) -> dict[str, Any]:
    """What the command answers in JSON; nothing is said beside it but where a plot is."""
    assert main(["allocate", str(file), "--format", "json", *words]) == code
    printed = capsys.readouterr()
    assert printed.err == (f"drew {words[words.index('--plot') + 1]}\n" if "--plot" in words else "")
    found = json.loads(printed.out, parse_constant=lambda name: pytest.fail(f"{name} in the JSON"))
    assert isinstance(found, dict)
    return found


def expect_carried(case: dict[str, Any], found: dict[str, Any], target: float = 1.0, slices: int | None = None) -> None:
    """What was routed sums to 1, needs a replica, and fits in it; utilization and cost follow from it."""
    demand = np.array(case["workload_distribution"]) * case["total_request_rate"]
    busy = demand > TRAFFIC_RPS
    shares = {name: np.array(found["routing"][name]) for name in case["gpu_info"]}
    total = np.asarray(sum(shares.values()))
    np.testing.assert_allclose(total[busy], 1.0, atol=1e-9)
    assert not total[~busy].any()
    for name, gpu in case["gpu_info"].items():
        capacity, count = np.array(gpu["tputs"], float), found["replicas"][name]
        load = float((demand * shares[name] / np.where(capacity > 0.0, capacity, np.nan))[shares[name] > 0.0].sum())
        assert count >= 1 or not shares[name].any()
        assert load <= count * target + 1e-5
        assert found["utilization"][name] == pytest.approx(min(load / max(count, 1), 1.0), abs=1e-5)
        assert count <= gpu.get("max_count", np.inf)
        if slices is not None:
            np.testing.assert_allclose(shares[name] * slices, np.rint(shares[name] * slices), atol=1e-9)
    cost = sum(gpu["cost"] * found["replicas"][name] for name, gpu in case["gpu_info"].items())
    assert found["cost_usd_per_hour"] == pytest.approx(cost, abs=1e-9)


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
