"""Of a workload one unit at most is away at a time: planned so, and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.allocation_cases import changed
from tests.unit.cli.reschedule_cases import VMS, answer, refusal, write

# Four machines with one NUMA node of 8, six of it free: whoever leaves for another completes a slot at home.
APART: dict[str, Any] = {
    "fragment": {"cpu": 4, "mem": 1},
    "pms": {"id": list("abcd"), "cpu": [[8, 0]] * 4, "mem": [[9, 0]] * 4},
    "vms": {
        "id": ["v0", "v1", "v2", "v3"],
        "cpu": [2, 2, 2, 2],
        "mem": [1, 1, 1, 1],
        "double": [0] * 4,
        "pm": [0, 1, 2, 3],
        "node": [0] * 4,
        "movable": [1, 1, 0, 0],
    },
}
GPUS: dict[str, Any] = {
    "nodes": {"id": list("abcd"), "cpu": [9] * 4, "mem": [9] * 4, "gpu": [1] * 4},
    "pods": {
        "id": ["v0", "v1", "v2", "v3"],
        "cpu": [1] * 4,
        "mem": [1] * 4,
        "num_gpu": [1] * 4,
        "gpu_milli": [500] * 4,
        "node": [0, 1, 2, 3],
        "cards": [[0]] * 4,
        "movable": [1, 1, 0, 0],
    },
    "types": {"cpu": [1], "mem": [1], "num_gpu": [1], "gpu_milli": [1000], "share": [1.0]},
}
PLAN: dict[str, Any] = {
    "moves": [{"unit": "v0", "to": "c", "numa_node": 0}, {"unit": "v1", "to": "d", "numa_node": 0}],
    "waves": [[0, 1]],
}
CASES = pytest.mark.parametrize(("case", "table"), [(APART, "vms"), (GPUS, "pods")], ids=["vms", "gpus"])


@CASES
def test_two_of_a_workload_are_moved_one_after_the_other(
    case: dict[str, Any], table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = {}
    for workloads in (["", "", "", ""], ["w", "x", "w", "x"], ["w", "w", "", ""]):
        file = write(tmp_path, changed(case, f"{table}.workload", workloads))
        found = answer(capsys, "plan", str(file), "--moves", "2")
        assert len(found["moves"]) == 2
        counts[tuple(workloads[:2])] = len(found["waves"])
        checked = answer(capsys, "verify", str(file), str(write(tmp_path, found, "plan.json")))
        assert checked["valid"]
    assert counts == {("", ""): 1, ("w", "x"): 1, ("w", "w"): 2}


@pytest.mark.parametrize(("workloads", "kinds"), [(["w", "w", "", ""], ["workload"]), (["w", "x", "w", "w"], [])])
def test_a_plan_that_moves_two_of_a_workload_at_once_is_at_fault(
    workloads: list[str], kinds: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, plan = write(tmp_path, changed(APART, "vms.workload", workloads)), write(tmp_path, PLAN, "plan.json")
    found = answer(capsys, "verify", str(file), str(plan), code=int(bool(kinds)))
    assert [fault["kind"] for fault in found["faults"]] == kinds


def test_a_workload_that_is_no_text_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path, changed(VMS, "vms.workload", ["w", 7, "", ""]))
    assert "vms.workload[1]: is not a text, got 7" in refusal(capsys, "plan", str(file), "--moves", "3")
