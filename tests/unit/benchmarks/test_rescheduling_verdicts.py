"""What is asked of plans of moves, and that figures that miss it are told."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from benchmarks.__main__ import PARTS, make_parser
from benchmarks.rescheduling.run import judge_rescheduling, rescheduling_tables
from benchmarks.tables import make_console


def machine_row(**changes: Any) -> dict[str, Any]:
    row = {
        "instance": "high, seed 0",
        "vms": 2000,
        "moves_allowed": 50,
        "moves": 50,
        "waves": 10,
        "least_waves": 10,
        "first_fit_waves": 11,
        "valid": True,
        "before": {"fragment_rate": 0.5, "free_slots": 60},
        "after": {"fragment_rate": 0.2, "free_slots": 100},
        "bound": 100.3,
        "certified": True,
        "cpu_seconds": 0.4,
        "slots_below": 0.0,
        "rate_below": 0.0,
        "heuristic_slots": 90,
        "heuristic_rate": 0.3,
    }
    return row | changes


def gpu_row(**changes: Any) -> dict[str, Any]:
    row = {
        "instance": "scatter 0, seed 0",
        "moves_allowed": 50,
        "moves": 50,
        "waves": 10,
        "valid": True,
        "before": {"fragmented_gpus": 100.0, "whole_free_nodes": 1},
        "after": {"fragmented_gpus": 70.0, "whole_free_nodes": 12},
        "bound": None,
        "least": None,
        "certified": False,
        "cpu_seconds": 5.0,
        "descent": 71.0,
        "descent_cpu_seconds": 1.0,
    }
    return row | changes


def report() -> dict[str, Any]:
    machines = {"rows": [machine_row()], "peak_mebibytes": 200.0}
    nodes = {"rows": [gpu_row()], "peak_mebibytes": 200.0}
    fewest = machine_row(goal=0.2, reached=True, fewest=50)
    rolling = {"instance": "one", "nothing": 0.6, "static": 0.4, "anew": 0.3, "moves": {"static": 40.0, "anew": 50.0}}
    rival = {"instance": "high, seed 0", "moves_allowed": 50, "slots": 99, "bound": 101.0, "proven": False}
    evicted = {"instance": "one", "threshold": 0.2, "moves": 0, "fragment_rate_before": 0.5, "fragment_rate": 0.5}
    found = {
        "medium": machines,
        "xl": machines,
        "mixed": machines,
        "odd": machines,
        "fewest": {"rows": [fewest]},
        "rolling": {"rows": [rolling | {"most_cpu_seconds": 0.5}], "seeds": 5},
        "gpus": nodes,
        "large": nodes,
        "whole": nodes,
        "compact": {"limit_seconds": 60.0, "rows": [rival | {"cpu_seconds": 60.0}]},
        "descheduler": {"rows": [evicted | {"empty_before": 1, "empty": 2}]},
    }
    return copy.deepcopy(found)


def missed(found: dict[str, Any]) -> list[str]:
    return [verdict["what"] for verdict in judge_rescheduling(found) if not verdict["met"]]


def test_good_figures_keep_all_that_is_asked() -> None:
    assert missed(report()) == []


@pytest.mark.parametrize(
    ("part", "changes", "what"),
    [
        ("medium", {"valid": False}, "plans without a fault"),
        ("medium", {"certified": False}, "medium: certified"),
        ("medium", {"slots_below": 2.0}, "medium: slots below"),
        ("medium", {"slots_below": float("inf")}, "medium: slots below"),
        ("medium", {"cpu_seconds": 2.5}, "medium: CPU"),
        ("medium", {"waves": 13}, "waves beyond"),
        ("medium", {"heuristic_slots": 101}, "plans worse than the heuristic"),
        ("xl", {"cpu_seconds": 5.5}, "xl: CPU"),
        ("mixed", {"slots_below": 3.0}, "memory binds"),
        ("odd", {"rate_below": 0.03}, "49 odd shapes"),
        ("odd", {"cpu_seconds": 7.0}, "49 odd shapes"),
        ("fewest", {"moves": 52}, "fewest moves"),
        ("fewest", {"reached": False}, "fewest moves"),
        ("rolling", {"anew": 0.35}, "final fragment rate"),
        ("gpus", {"after": {"fragmented_gpus": 76.0, "whole_free_nodes": 12}, "descent": 80.0}, "F at 50 moves"),
        (
            "gpus",
            {"after": {"fragmented_gpus": 79.0, "whole_free_nodes": 12}, "descent": 80.0, "least": 78.0},
            "F where",
        ),
        ("gpus", {"descent": 69.0}, "plans worse than steepest descent"),
        ("whole", {"after": {"fragmented_gpus": 70.0, "whole_free_nodes": 10}}, "whole nodes"),
        ("large", {"cpu_seconds": 12.0}, "1,213 nodes: CPU"),
    ],
)
def test_a_figure_that_misses_is_told(part: str, changes: dict[str, Any], what: str) -> None:
    found = report()
    found[part]["rows"][0].update(changes)
    assert any(told.startswith(what) for told in missed(found))


def test_memory_of_the_largest_is_held_against_it() -> None:
    found = report()
    found["xl"]["peak_mebibytes"] = 1000.0  # more than 1 GB
    assert missed(found) == ["xl: memory"]


def test_all_tables_are_drawn() -> None:
    console = make_console()
    with console.capture() as captured:
        for table in rescheduling_tables(report()):
            console.print(table)
    told = captured.get()
    assert "60 → 100" in told
    assert "HighNodeUtilization" in told
    assert "100.0 → 70.0" in told


def test_it_is_a_part_of_the_benchmarks() -> None:
    assert "rescheduling" in PARTS
    assert make_parser().parse_args(["rescheduling"]).parts == ["rescheduling"]
