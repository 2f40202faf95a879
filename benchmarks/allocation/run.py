"""All of it: proven optima, speed by size, many models in a pool, head-room in a simulation, profiles, nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.allocation.apart import Job, Report, measure_apart
from benchmarks.allocation.exact import measure_golden, measure_small
from benchmarks.allocation.fleets import FLEETS, measure_fleets
from benchmarks.allocation.nodes import judge_nodes, measure_nodes, nodes_tables
from benchmarks.allocation.profiles import measure_profiles
from benchmarks.allocation.simulate import FLEET_SIZES, measure_headroom, measure_weights
from benchmarks.allocation.solver import SIZES, compare, measure_rival, measure_size
from benchmarks.allocation.tables import fleet_table, headroom_table, size_table, weights_table
from benchmarks.allocation.verdicts import (
    judge_exact,
    judge_fleets,
    judge_headroom,
    judge_profiles,
    judge_sizes,
    judge_weights,
)
from benchmarks.verdicts import Verdict

WEIGHTS_TARGETS = (1.0, 0.85)


@dataclass(frozen=True, slots=True)
class AllocationSettings:
    """What is measured.

    Args:
        cases: Folder of cases with proven optima; measured where it is there.
        small_fleets: That are held against every plan.
        rival_seconds: CPU that the rival gets for one instance.
        seeds: Of fleets of twenty models; of fifty, half as many.
        node_seeds: Of the placement on nodes.
    """

    cases: Path
    small_fleets: int = 1000
    rival_seconds: float = 20.0
    seeds: int = 5
    node_seeds: int = 2


def measure_allocations(settings: AllocationSettings, say: Callable[[str], None]) -> dict[str, Any]:
    """Every measurement in a process of its own."""
    if not settings.cases.is_dir():
        say(f"{settings.cases} is not there, so its cases are not measured")
    found = measure_apart(dict(_jobs(settings)), say)
    own = {size.name: found[f"ours, {size.name}"] for size in SIZES}
    rival = {size.name: found[f"rival, {size.name}"] for size in SIZES}
    return {
        "golden": found["golden"],
        "small": found["small fleets"],
        "own": own,
        "rival": rival,
        "against": {name: compare(own[name], rival[name]) for name in own},
        "fleets": {fleet.name: found[fleet.name]["rows"] for fleet in FLEETS},
        "fleet_peaks": {fleet.name: found[fleet.name]["peak_mebibytes"] for fleet in FLEETS},
        "weights": found["weights"]["rows"],
        "headroom": [found[f"head-room, {size.rps:g} rps"] for size in FLEET_SIZES],
        "profiles": found["profiles"],
        "nodes": found["nodes"],
    }


def judge_allocations(report: Mapping[str, Any]) -> list[Verdict]:
    """All verdicts."""
    return [
        *judge_exact(report["golden"], report["small"]),
        *judge_sizes(report["own"], report["against"]),
        *judge_fleets(report["fleets"]),
        *judge_weights(report["weights"]),
        *judge_headroom(report["headroom"]),
        *judge_profiles(report["profiles"]),
        *judge_nodes(report["nodes"]),
    ]


def allocation_tables(report: Mapping[str, Any]) -> Iterator[Table]:
    """All tables."""
    yield size_table(report["own"], report["against"], report["rival"])
    yield fleet_table(report["fleets"], report["fleet_peaks"])
    yield weights_table(report["weights"])
    yield from map(headroom_table, report["headroom"])
    yield from nodes_tables(report["nodes"])


def _jobs(settings: AllocationSettings) -> Iterator[tuple[str, Job]]:
    """The longest first."""
    for size in reversed(SIZES):
        yield f"rival, {size.name}", (measure_rival, (size, settings.rival_seconds))
    for fleet in reversed(FLEETS):
        seeds = settings.seeds if fleet.models < 50 else (settings.seeds + 1) // 2
        yield fleet.name, (measure_fleets, (fleet, seeds))
    yield "nodes", (partial(measure_nodes, seeds=settings.node_seeds, say=_silent, bound=False), ())
    for fleets in reversed(FLEET_SIZES):
        yield f"head-room, {fleets.rps:g} rps", (measure_headroom, (fleets,))
    for size in SIZES:
        yield f"ours, {size.name}", (measure_size, (size,))
    yield "golden", (_golden, (settings.cases,))
    yield "small fleets", (measure_small, (settings.small_fleets,))
    yield "weights", (_weights, ())
    yield "profiles", (measure_profiles, ())


def _golden(folder: Path) -> Report:
    return {"cases": measure_golden(folder)}


def _weights() -> Report:
    return {"rows": measure_weights(WEIGHTS_TARGETS)}


def _silent(_: str) -> None:
    """Say nothing."""
