"""The benchmark of plans for experts judges what it measured, and measures what is planned."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.moe import events, placement
from benchmarks.moe.events import EVENTS, make_change
from benchmarks.moe.placement import measure_events, measure_optima
from benchmarks.moe.verdicts import judge_placement, placement_tables

CASE = {
    "name": "flashlb-8x2-same-size",
    "loads": [600, 560, 120, 120, 20, 10, 10, 10],
    "current": [[0, 1], [0, 1], [0, 1], [0, 1], [0, 5], [2, 6], [3, 7], [1, 4]],
    "keep": list(range(8)),
    "gpus": 8,
    "slots": 2,
    "tau": 1.14,
    "best_balance": 1.085057,
    "fewest_copies": 4,
}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of two layers of one event."""
    file = tmp_path_factory.mktemp("cases") / "small.json"
    file.write_text(json.dumps([CASE]))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(events, "LAYERS", 2)
        patched.setattr(placement, "EVENTS", (replace(EVENTS[0], cpu_seconds=None),))
        rows = measure_events(1, lambda _: None)
    return {"layers": 2, "experts": 256, "tau": 1.02, "seeds": 1, "events": rows, "optima": measure_optima(file)}


@pytest.fixture
def report(measured: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(measured)


def test_what_is_measured_keeps_what_was_asked(report: dict[str, Any]) -> None:
    verdicts = judge_placement(report)
    assert [verdict["what"] for verdict in verdicts if not verdict["met"]] == []
    assert len(verdicts) == 5
    assert len(list(placement_tables(report))) == 2


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("copies", 0.34, "copies of those from scratch"),
        ("serving", 0.16, "copies of those from scratch"),
        ("mean", 1.021, "balance, mean"),
        ("worst", 1.2, "balance, mean"),
        ("scratch_off", 0.002, "from scratch"),
        ("scratch_cpu_seconds", 0.06, "from scratch"),
    ],
)
def test_what_misses_it_is_said(report: dict[str, Any], key: str, value: float, told: str) -> None:
    report["events"][0][key] = value
    assert [told in verdict["what"] for verdict in judge_placement(report) if not verdict["met"]] == [True]


def test_more_copies_than_are_proven_are_said(report: dict[str, Any]) -> None:
    report["optima"][0]["copies"] += 4
    assert sum(not verdict["met"] for verdict in judge_placement(report)) == 2


def test_without_cases_none_are_judged(tmp_path: Path, report: dict[str, Any]) -> None:
    report["optima"] = measure_optima(tmp_path / "none.json")
    assert len(judge_placement(report)) == 3
    assert len(list(placement_tables(report))) == 1


def test_the_same_seed_makes_the_same_change() -> None:
    one, other = make_change(EVENTS[6], 3), make_change(EVENTS[6], 3)
    assert np.array_equal(one.loads, other.loads)
    assert np.array_equal(one.current, other.current)
    assert not np.array_equal(one.loads, make_change(EVENTS[6], 4).loads)
