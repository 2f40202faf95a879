"""`foresail reschedule plan` for VMs: slots of several sizes or with memory, whole machines, prices of moves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.cli.allocation_cases import changed
from tests.unit.cli.reschedule_cases import EXAMPLES, VMS, answer, refusal, text, write

EXAMPLE = json.loads((EXAMPLES / "vms.json").read_text())


def counted(case: dict[str, Any]) -> float:
    """CPU in slots before any move: of each size by its share."""
    cpu = np.array(case["pms"]["cpu"])
    memory = np.array(case["pms"]["mem"])
    columns = zip(*(case["vms"][name] for name in ("pm", "node", "cpu", "mem")), strict=True)
    for machine, node, taken, held in columns:
        for numa in (0, 1) if node < 0 else (node,):
            cpu[machine, numa] -= taken // (2 if node < 0 else 1)
            memory[machine, numa] -= held // (2 if node < 0 else 1)
    found = 0.0
    sizes = case["fragment"] if isinstance(case["fragment"], list) else [case["fragment"]]
    for size in sizes:
        slots = cpu // size["cpu"]
        if size.get("memory_counts"):
            slots = np.minimum(slots, memory // size["mem"])
        found += size.get("share", 1) * size["cpu"] * int(slots.sum())
    return float(found / sum(size.get("share", 1) for size in sizes))


def planned(
    folder: Path, capsys: pytest.CaptureFixture[str], case: dict[str, Any], *words: str
) -> tuple[dict[str, Any], Path]:
    """A plan in which the verifier finds nothing."""
    file = write(folder, case)
    found = answer(capsys, "plan", str(file), "--moves", "8", *words)
    claim = write(folder, found, "plan.json")
    assert answer(capsys, "verify", str(file), str(claim), "--moves", "8")["faults"] == []
    return found, file


def test_a_price_is_what_it_says_in_slots_of_any_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, _ = planned(tmp_path, capsys, EXAMPLE | {"fragment": {"cpu": 49, "mem": 0}}, "--price-per-move", "0.5")
    assert (found["bound"], found["certified"]) == (0.0, True)  # no NUMA node has 49


@pytest.mark.parametrize(("objective", "words"), [("fragments", "fragment rate"), ("whole-nodes", "without VMs")])
def test_a_goal_that_another_objective_misses_is_told(
    objective: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, EXAMPLE)
    found = answer(capsys, "plan", str(file), "--moves", "9", "--objective", objective, "--goal", "0.01", code=1)
    assert found["message"].startswith("The goal of 0.01 is not reached: ")
    assert words in found["message"]
    assert found["moves"]


@pytest.mark.parametrize(
    "fragment",
    [
        [{"cpu": 16, "mem": 0, "share": 0.75}, {"cpu": 32, "mem": 0, "share": 0.25}],
        {"cpu": 16, "mem": 65536, "memory_counts": True},
        [{"cpu": 8, "mem": 32768, "memory_counts": True}, {"cpu": 16, "mem": 1, "share": 3}],
    ],
)
def test_slots_of_several_sizes_and_with_memory_are_planned_and_measured(
    fragment: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = EXAMPLE | {"fragment": fragment}
    found, _ = planned(tmp_path, capsys, case)

    free = np.array(case["pms"]["cpu"]).sum() - sum(case["vms"]["cpu"])
    first = fragment[0]["cpu"] if isinstance(fragment, list) else fragment["cpu"]
    assert found["before"]["free_slots"] == pytest.approx(counted(case) / first)
    assert found["before"]["fragment_rate"] == pytest.approx(1 - counted(case) / free)
    assert found["after"]["free_slots"] > found["before"]["free_slots"]
    assert found["bound"] >= found["after"]["free_slots"] - 1e-9


def test_memory_that_counts_decides_where_vms_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scarce = changed(VMS, "pms.mem", [[32, 16], [32, 32]])
    plain, _ = planned(tmp_path, capsys, scarce)
    with_memory, _ = planned(tmp_path, capsys, changed(scarce, "fragment", {"cpu": 4, "mem": 16, "memory_counts": 1}))
    assert plain["before"]["free_slots"] > with_memory["before"]["free_slots"]


def test_machines_are_emptied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, file = planned(tmp_path, capsys, VMS, "--objective", "whole-nodes")
    assert (found["before"]["whole_free_nodes"], found["after"]["whole_free_nodes"]) == (0, 1)
    assert (found["bound"], found["certified"]) == (1, True)
    assert "machines without VMs from 0 to 1" in text(
        capsys, "plan", str(file), "--moves", "8", "--objective", "whole-nodes"
    )
    pinned = changed(VMS, "vms.movable", [0, 1, 0, 1])
    found, _ = planned(tmp_path, capsys, pinned, "--objective", "whole-nodes")
    assert (found["moves"], found["bound"], found["certified"]) == ([], 0, True)


def test_a_move_earns_its_price_in_slots(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    free, _ = planned(tmp_path, capsys, EXAMPLE)
    dear, _ = planned(tmp_path, capsys, EXAMPLE, "--price-per-move", "0.6")
    beyond, _ = planned(tmp_path, capsys, EXAMPLE, "--price-per-move", "3")
    assert 0 < len(dear["moves"]) < len(free["moves"])
    gains = [plan["after"]["free_slots"] - plan["before"]["free_slots"] for plan in (dear, free)]
    assert gains[0] / len(dear["moves"]) >= 0.6
    assert dear["bound"] == pytest.approx(dear["after"]["free_slots"] - 0.6 * len(dear["moves"]))
    assert beyond["moves"] == []


@pytest.mark.parametrize(
    ("fragment", "told"),
    [
        ([], "fragment"),
        ([{"cpu": 4, "mem": 8, "share": 0}], "fragment[0].share"),
        ([{"cpu": 4, "mem": 8}, {"cpu": 0, "mem": 8}], "fragment[1].cpu"),
        ({"cpu": 4, "mem": 0, "memory_counts": True}, "fragment.mem"),
        ({"cpu": 4, "mem": 8, "memory_counts": "yes"}, "fragment.memory_counts"),
        ({"cpu": 4, "mem": 8, "memory_count": True}, "fragment.memory_count"),
    ],
)
def test_slots_that_cannot_be_understood_are_named(
    fragment: Any, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told in refusal(capsys, "plan", str(write(tmp_path, changed(VMS, "fragment", fragment))), "--moves", "1")
