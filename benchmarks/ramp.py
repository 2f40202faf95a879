"""The shipped trace under Foresail's own cycle, the HPA's rule and a static count: same requests, same start-up.

Foresail is not imitated: the operator's forecaster and decision run on the observations of a simulated fleet, with the
spec and the profiles of examples/01-one-model and nothing tuned. The rivals are modelled: the HPA's rule as
kube-controller-manager has it (foresail/simulator/baselines.py), not a running HPA. Servers are simulated.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from benchmarks.readiness import leads
from foresail.operator.resources import parse_accelerator, parse_workload
from foresail.sandbox.chart import ROOT
from foresail.sandbox.past import MODEL
from foresail.simulator.arrivals import RateArrivals
from foresail.simulator.baselines import (
    HpaRule,
    Policy,
    StaticCount,
    in_flight,
    in_flight_target,
    peak_replicas,
    work_rate,
)
from foresail.simulator.cycle import ForesailPolicy
from foresail.simulator.replay import Outcome, RaceSettings, race
from foresail.simulator.score import limits_of
from foresail.simulator.server import load_rates, play_from
from foresail.simulator.steady import work
from foresail.simulator.trace import RateTrace

TRACE = ROOT / "examples" / "data" / "servegen-chat.csv"
EXAMPLE = ROOT / "examples" / "01-one-model"
FORESAIL, IN_FLIGHT = "Foresail, untuned", "HPA's rule, in flight, 80 %"
LOWER_TARGETS = (0.65, 0.5, 0.4)  # of the rule on work: what it costs to be as safe


@dataclass(frozen=True, slots=True)
class Stage:
    """One thing that is played.

    Args:
        name: As the table calls it.
        settings: Of the race; the seed is set for each run.
    """

    name: str
    settings: RaceSettings


@dataclass(frozen=True, slots=True)
class Run:
    """One policy on one seed."""

    outcome: Outcome
    leads: dict[int, float | None]


def stages(trace: RateTrace) -> list[Stage]:
    """The ramp with three start-up times, and the hour that ends with the trace as a check that no harm is done."""
    workload = parse_workload(documents(EXAMPLE / "03-model.yaml")[0])
    begin = play_from(TRACE, trace, None)
    ramp = RaceSettings(begin, initial_replicas=2, limits=limits_of(workload.slo))
    hour = replace(ramp, play_from_seconds=trace.duration_seconds - 3600.0 * ramp.speed, duration_seconds=3600.0)
    ramps = [
        Stage(f"ten minutes with the ramp, start-up {seconds} s", replace(ramp, startup_seconds=float(seconds)))
        for seconds in (45, 30, 60)
    ]
    return [*ramps, Stage("an hour, start-up 45 s", hour)]


def policies(trace: RateTrace, settings: RaceSettings, *, max_replicas: int | None = None) -> dict[str, Policy]:
    """All contenders, with the bounds of the example's spec; rivals with another maximum, if one is given."""
    workload = parse_workload(documents(EXAMPLE / "03-model.yaml")[0])
    profiles = [parse_accelerator(document) for document in documents(EXAMPLE / "02-accelerators.yaml")]
    bounds = (workload.variants[0].min_replicas, max_replicas or workload.variants[0].max_replicas)
    first = int(settings.play_from_seconds // trace.step_seconds)
    rows = round(settings.duration_seconds * settings.speed / trace.step_seconds)
    own = ForesailPolicy(
        workload,
        {profile.name: profile for profile in profiles},
        startup_seconds=settings.startup_seconds,
        model=MODEL,
    )
    target = in_flight_target(trace.rows(0, first), settings.engine)
    signal = work_rate(settings.engine)
    reactive = {f"HPA's rule, work, {t:.0%}".replace("%", " %"): t for t in (0.8, *LOWER_TARGETS)}
    return {
        FORESAIL: own,
        IN_FLIGHT: HpaRule(in_flight, target=target, bounds=bounds),
        **{name: HpaRule(signal, target=t, bounds=bounds) for name, t in reactive.items()},
        "static, sized for the peak": StaticCount(peak_replicas(trace.rows(first, first + rows), settings.engine)),
    }


def measure_ramp(*, seeds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Play every stage with every seed."""
    trace = load_rates(TRACE)
    report: dict[str, Any] = {"seeds": seeds, "stages": {}}
    for stage in stages(trace):
        say(f"{stage.name}, {seeds} seeds …")
        runs = [play(trace, replace(stage.settings, seed=seed)) for seed in range(seeds)]
        report["stages"][stage.name] = {name: summarize([run[name] for run in runs]) for name in runs[0]}
    return report


def play(trace: RateTrace, settings: RaceSettings) -> dict[str, Run]:
    """All policies on the same requests."""
    arrivals, offset = RateArrivals(trace.faster(settings.speed)), settings.play_from_seconds / settings.speed

    def need(seconds: float) -> float:
        return work(arrivals.expected(offset + seconds), settings.engine)

    outcomes = race(trace, policies(trace, settings), settings)
    return {name: Run(outcome, leads(outcome.timeline, need, settings)) for name, outcome in outcomes.items()}


def summarize(runs: Sequence[Run]) -> Mapping[str, Any]:
    """Medians over the seeds, and the range where it tells something."""
    outcomes = [run.outcome for run in runs]
    violated = [outcome.violated for outcome in outcomes]
    return {
        "requests": statistics.median(outcome.requests for outcome in outcomes),
        "violated": statistics.median(violated),
        "violated_range": [min(violated), max(violated)],
        "attainment": round(statistics.median(outcome.attainment or 0.0 for outcome in outcomes), 4),
        "gpu_seconds": round(statistics.median(outcome.gpu_seconds for outcome in outcomes)),
        "gpu_seconds_range": [round(f(o.gpu_seconds for o in outcomes)) for f in (min, max)],
        "replica_changes": statistics.median(outcome.replica_changes for outcome in outcomes),
        "ttft_p95_milliseconds": statistics.median(outcome.ttft_milliseconds.p95 for outcome in outcomes),
        "first_lead_seconds": _median_lead(runs, lambda levels: next(iter(levels), None)),
        "least_lead_seconds": _median_lead(runs, _least),
        "levels_too_late": statistics.median(
            sum(lead is None or lead < 0 for lead in run.leads.values()) for run in runs
        ),
        "levels": len(runs[0].leads),
    }


def _least(leads_by_level: Sequence[float | None]) -> float | None:
    known = [lead for lead in leads_by_level if lead is not None]
    return min(known) if len(known) == len(leads_by_level) and known else None


def _median_lead(runs: Sequence[Run], choose: Callable[[Sequence[float | None]], float | None]) -> float | None:
    """Median over the seeds; None when in half of them the replica was never asked for."""
    found = sorted(
        float("-inf") if lead is None else lead for lead in (choose(list(run.leads.values())) for run in runs)
    )
    median = found[(len(found) - 1) // 2]
    return None if median == float("-inf") else round(median, 1)


def documents(path: Path) -> list[dict[str, Any]]:
    """The objects of a manifest."""
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
