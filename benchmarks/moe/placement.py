"""Plans that stay put against a placement from scratch, that with its GPUs renamed, and EPLB's rule as published."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.moe.events import EVENTS, Event, make_change
from foresail.domain.timeseries import FloatArray
from foresail.policies.moe.balance import place
from foresail.policies.moe.placement import Change, balance, copies, floor_copies, held
from foresail.policies.moe.relabel import relabel
from foresail.policies.moe.stay import stay
from foresail.policies.moe.steps import steps
from tests.unit.policies.moe.placements import eplb

TAU = 1.02
EPLB_LAYERS = 6  # of which the published rule, in plain Python, places the experts
FLASHLB = "flashlb-8x2-same-size"


def measure_events(seeds: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """A row for each event: medians over the seeds, of the worst layer the worst."""
    rows = []
    for event in EVENTS:
        found = [_plan(make_change(event, seed)) for seed in range(seeds)]
        say(f"planned {event.name}")
        rows.append({"name": event.name, **_asked(event), **_over_seeds(found)})
    return rows


def _asked(event: Event) -> dict[str, Any]:
    return {
        "asked_copies": event.copies,
        "asked_serving": event.serving,
        "asked_cpu_seconds": event.cpu_seconds,
        "few_slots": event.slots < 3,
    }


def _over_seeds(found: list[dict[str, float]]) -> dict[str, float]:
    worst = ("worst", "eplb_worst", "copies", "serving")
    return {key: (max if key in worst else median)(row[key] for row in found) for key in found[0]}


def _plan(change: Change) -> dict[str, float]:
    started = time.process_time()
    plan = stay(change, TAU)
    waves = steps(change, plan.placement)
    planned = time.process_time()
    scratch = place(change.loads, change.gpus, change.slots)
    placed = time.process_time()
    made = copies(change, plan.placement)
    from_scratch = int(copies(change, scratch).sum())
    of_scratch = balance(change.loads, scratch)
    return {
        "copies": made.sum() / from_scratch,
        "serving": made[:, change.survivors].sum() / from_scratch,
        "floor": floor_copies(change) / from_scratch,
        "renamed": copies(change, relabel(scratch, held(change))).sum() / from_scratch,
        "mean": float(plan.balance.mean()),
        "worst": float(plan.balance.max()),
        "eplb_mean": float(of_scratch.mean()),
        "eplb_worst": float(of_scratch.max()),
        "scratch_off": _off(change, of_scratch),
        "most_at_once": float(waves.most_at_once),
        "waves": float(len(waves.received)),
        "cpu_seconds": planned - started,
        "scratch_cpu_seconds": placed - planned,
    }


def _off(change: Change, ours: FloatArray) -> float:
    """By how much our placement from scratch is balanced worse than by the published rule, as a share."""
    loads = change.loads[:EPLB_LAYERS]
    theirs = np.array([eplb(layer, change.gpus, change.slots) for layer in loads.tolist()])
    return float(ours[:EPLB_LAYERS].mean() / balance(loads, theirs).mean() - 1.0)


def measure_optima(file: Path) -> list[dict[str, Any]]:
    """Small cases whose fewest copies are proven; none where the file is not there."""
    if not file.exists():
        return []
    return [_optimum(case) for case in json.loads(file.read_text())]


def _optimum(case: Mapping[str, Any]) -> dict[str, Any]:
    arrays = (np.array([case["loads"]], float), np.array([case["current"]]), np.array(case["keep"]))
    change = Change(*arrays, case["gpus"], case["slots"])
    plan, best = stay(change, case["tau"]), stay(change, 1.0)
    return {
        "name": case["name"],
        "copies": int(copies(change, plan.placement).sum()),
        "fewest": case["fewest_copies"],
        "balance": float(plan.balance[0]),
        "tau": case["tau"],
        "lowest": float(best.balance[0]),
        "proven_lowest": case["best_balance"],
        "scratch": int(copies(change, plan.scratch).sum()),
    }
