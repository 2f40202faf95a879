"""Of plans that cost the same: the nearest to what runs, and who moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.allocation_cases import answer, changed, write


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
