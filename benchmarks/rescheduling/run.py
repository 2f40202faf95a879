"""All of it: plans for VMs by size and family, waves, fewest moves, a plan that rolls, pods with GPUs, and rivals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.allocation.apart import Job, measure_apart
from benchmarks.rescheduling.machines import (
    measure_compact,
    measure_descheduler,
    measure_family,
    measure_fewest,
    measure_medium,
    measure_xl,
)
from benchmarks.rescheduling.pods import measure_gpus, measure_large, measure_whole
from benchmarks.rescheduling.rolling import measure_rolling
from benchmarks.rescheduling.tables import (
    compact_table,
    descheduler_table,
    fewest_table,
    gpu_table,
    machine_table,
    rolling_table,
    whole_table,
)
from benchmarks.rescheduling.verdicts import (
    judge_fewest,
    judge_gpus,
    judge_machines,
    judge_rolling,
    judge_validity,
    judge_waves,
)
from benchmarks.verdicts import Verdict

MACHINES = ("medium", "xl", "mixed", "odd")


@dataclass(frozen=True, slots=True)
class ReschedulingSettings:
    """What is measured.

    Args:
        cases: Folder of recorded instances; measured where it is there.
        seeds: Of the rolling plan; of instances that are made up, fewer.
        rival_seconds: That the compact program gets for one instance.
    """

    cases: Path
    seeds: int = 5
    rival_seconds: float = 60.0


def measure_rescheduling(settings: ReschedulingSettings, say: Callable[[str], None]) -> dict[str, Any]:
    """Every measurement in a process of its own."""
    if not settings.cases.is_dir():
        say(f"{settings.cases} is not there, so its instances are not measured")
    return measure_apart(dict(_jobs(settings)), say)


def judge_rescheduling(report: Mapping[str, Any]) -> list[Verdict]:
    """All verdicts."""
    return [
        *judge_validity(report),
        *judge_machines(report),
        *judge_waves(report["medium"]["rows"]),
        *judge_fewest(report["fewest"]["rows"]),
        *judge_rolling(report["rolling"]),
        *judge_gpus(report),
    ]


def rescheduling_tables(report: Mapping[str, Any]) -> Iterator[Table]:
    """All tables."""
    for name in MACHINES:
        yield machine_table(name, report[name])
    yield compact_table(report["compact"], report["medium"])
    yield descheduler_table(report["descheduler"]["rows"])
    yield fewest_table(report["fewest"]["rows"])
    yield rolling_table(report["rolling"])
    yield gpu_table("Pods with GPUs, 300 nodes", report["gpus"])
    yield gpu_table("Pods with GPUs, 1,213 nodes", report["large"])
    yield whole_table(report["whole"]["rows"])


def _jobs(settings: ReschedulingSettings) -> Iterator[tuple[str, Job]]:
    """The longest first."""
    folder, few = settings.cases, max((settings.seeds + 1) // 2, 1)
    yield "compact", (measure_compact, (folder, settings.rival_seconds))
    yield "gpus", (measure_gpus, (folder, 1))
    yield "rolling", (measure_rolling, (folder, settings.seeds))
    yield "medium", (measure_medium, (folder, few))
    yield "fewest", (measure_fewest, (folder,))
    yield "odd", (measure_family, (folder, "odd", 4))
    yield "mixed", (measure_family, (folder, "mixed", 4))
    yield "large", (measure_large, (folder,))
    yield "whole", (measure_whole, (folder, 1))
    yield "xl", (measure_xl, (folder,))
    yield "descheduler", (measure_descheduler, (folder,))
