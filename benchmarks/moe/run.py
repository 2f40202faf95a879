"""Everything that is measured of mixture-of-experts models, for `python -m benchmarks moe`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.moe.decide import decisions_table, judge_decisions, measure_decisions
from benchmarks.moe.events import EXPERTS, LAYERS
from benchmarks.moe.placement import TAU, measure_events, measure_optima
from benchmarks.moe.runtime import judge_runtime, measure_apart, runtime_table
from benchmarks.moe.verdicts import judge_placement, placement_tables
from benchmarks.verdicts import Verdict

FORECASTS = 200
RUNS = 5  # of the reference runtime


@dataclass(frozen=True, slots=True)
class MoeSettings:
    """What is measured.

    Args:
        cases: File of small cases with proven optima; measured where it is there.
        seeds: Of loads that are made up.
    """

    cases: Path
    seeds: int = 5


def measure_moe(settings: MoeSettings, say: Callable[[str], None]) -> dict[str, Any]:
    """Plans, then decisions, then the reference runtime."""
    if not settings.cases.exists():
        say(f"{settings.cases} is not there, so its cases are not measured")
    placement = {
        "layers": LAYERS,
        "experts": EXPERTS,
        "tau": TAU,
        "seeds": settings.seeds,
        "events": measure_events(settings.seeds, say),
        "optima": measure_optima(settings.cases),
    }
    say(f"deciding on {FORECASTS} forecasts")
    decisions = measure_decisions(FORECASTS)
    say(f"changing the size of a running model, {RUNS} times")
    return {"placement": placement, "decisions": decisions, "runtime": measure_apart(RUNS)}


def judge_moe(report: Mapping[str, Any]) -> list[Verdict]:
    """All that was asked."""
    return [
        *judge_placement(report["placement"]),
        *judge_decisions(report["decisions"]),
        *judge_runtime(report["runtime"]),
    ]


def moe_tables(report: Mapping[str, Any]) -> Iterator[Table]:
    """All tables."""
    yield from placement_tables(report["placement"])
    yield decisions_table(report["decisions"])
    yield runtime_table(report["runtime"])
