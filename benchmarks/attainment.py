"""Hours of the shipped trace: is the attainment that was set delivered, with nothing tuned, and at what cost?

Foresail with two attainments, each with the example's profiles and without any, against the HPA's rule and a static
count: one race for each start-up time, so that all get the same requests. Servers are simulated, rivals modelled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from benchmarks.ramp import EXAMPLE, IN_FLIGHT, TRACE, documents, policies
from foresail.operator.resources import parse_accelerator, parse_workload
from foresail.sandbox.past import MODEL
from foresail.simulator.baselines import Policy
from foresail.simulator.cycle import ForesailPolicy
from foresail.simulator.replay import Outcome, RaceSettings, race
from foresail.simulator.score import limits_of
from foresail.simulator.server import load_rates
from foresail.simulator.trace import RateTrace

ATTAINMENTS = (0.97, 0.99)
STARTUPS_SECONDS = (45.0, 120.0)
MAX_REPLICAS = 30  # nothing is held back by the example's bounds
RIVALS = (IN_FLIGHT, "HPA's rule, work, 80 %", "static, sized for the peak")


def contenders(trace: RateTrace, settings: RaceSettings) -> dict[str, tuple[float | None, Policy]]:
    """By name: the attainment that was set, None for rivals, and the policy."""
    workload = parse_workload(documents(EXAMPLE / "03-model.yaml")[0])
    profiles = [parse_accelerator(document) for document in documents(EXAMPLE / "02-accelerators.yaml")]
    wide = (replace(workload.variants[0], max_replicas=MAX_REPLICAS),)
    found: dict[str, tuple[float | None, Policy]] = {}
    for attainment in ATTAINMENTS:
        described = replace(workload, slo=replace(workload.slo, attainment=attainment), variants=wide)
        for known in (profiles, []):
            name = f"Foresail, {attainment:.0%} set".replace("%", " %") + ("" if known else ", no profile")
            accelerators = {profile.name: profile for profile in known}
            model = MODEL if known else None
            found[name] = (
                attainment,
                ForesailPolicy(described, accelerators, startup_seconds=settings.startup_seconds, model=model),
            )
    rivals = policies(trace, settings, max_replicas=MAX_REPLICAS)
    return found | {name: (None, rivals[name]) for name in RIVALS}


def measure_attainment(*, hours: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Play the last hours of the trace."""
    trace = load_rates(TRACE)
    limits = limits_of(parse_workload(documents(EXAMPLE / "03-model.yaml")[0]).slo)
    report: dict[str, Any] = {"hours": hours, "stages": {}}
    for seconds in STARTUPS_SECONDS:
        stage = f"{hours:g} hours, start-up {seconds:g} s"
        say(f"{stage} …")
        base = RaceSettings(0.0, duration_seconds=3600.0 * hours, startup_seconds=seconds, limits=limits)
        settings = replace(base, play_from_seconds=trace.duration_seconds - base.duration_seconds * base.speed)
        running = contenders(trace, settings)
        outcomes = race(trace, {name: policy for name, (_, policy) in running.items()}, settings)
        report["stages"][stage] = {
            name: summarize(outcomes[name], attainment) for name, (attainment, _) in running.items()
        }
    return report


def summarize(outcome: Outcome, attainment: float | None) -> Mapping[str, Any]:
    """What became of one contender."""
    return {
        "attainment_set": attainment,
        "requests": outcome.requests,
        "violated": outcome.violated,
        "attainment": round(outcome.attainment or 0.0, 4),
        "gpu_hours": round(outcome.gpu_seconds / 3600, 2),
        "replica_changes": outcome.replica_changes,
        "ttft_p95_milliseconds": outcome.ttft_milliseconds.p95,
    }
