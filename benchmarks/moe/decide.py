"""Decisions of width against fixed rules, on forecasts that are made up: `python -m benchmarks.moe.decide`.

A fixed rule takes the best change of its kind, whatever it costs. Costs are counted second by second and path by path,
apart from the product, once over the forecast's own paths and once over as many that were not seen.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks.moe.alone import tell
from benchmarks.verdicts import Verdict
from foresail.domain.timeseries import FloatArray
from foresail.policies.moe.decision import Change, Demand, Group, Situation, Weights
from foresail.policies.moe.limits import Engine
from foresail.policies.moe.width import decide

RULES = {"always grow": "grow", "always a replica": "add-replica", "nothing": "nothing"}
WORST_SHARE = 0.02
STEP_SECONDS = 15.0
MODELS = {
    "DeepSeek-V3": Weights(44_050_944, 256, 58, 19.1e9, 70_272),
    "Qwen3-235B": Weights(18_878_976, 128, 94, 8.3e9, 192_512),
    "gpt-oss-120b": Weights(13_236_480, 128, 36, 4.2e9, 73_728),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--forecasts", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    report = measure_decisions(arguments.forecasts)
    return tell("decide", report, decisions_table(report), judge_decisions(report), as_json=arguments.json)


def measure_decisions(forecasts: int) -> dict[str, Any]:
    """Decide each and count what it and the fixed rules cost."""
    rows = [_row(seed) for seed in range(forecasts)]
    return {"forecasts": forecasts, "rows": rows, "worst": {paths: _worst(rows, paths) for paths in ("seen", "unseen")}}


def _worst(rows: Sequence[Mapping[str, Any]], paths: str) -> dict[str, float]:
    """What the choice costs beyond the best fixed rule: at worst, as a share of it, and in sum."""
    own = np.array([row[paths]["choice"] for row in rows])
    best = np.array([min(row[paths][rule] for rule in RULES) for row in rows])
    sums = {rule: float(sum(row[paths][rule] for row in rows)) for rule in RULES}
    shares = (own - best) / np.maximum(np.abs(best), 1.0)
    return {"share": float(shares.max()), "sum": float(own.sum()), "best of each": float(best.sum()), **sums}


def _row(seed: int) -> dict[str, Any]:
    situation, unseen = random_situation(seed)
    started = time.process_time()
    decision = decide(situation)
    spent = time.process_time() - started
    chosen = {"choice": decision.choice.change}
    for rule, action in RULES.items():
        chosen[rule] = next(
            (one.change for one in decision.alternatives if one.change.action == action and one.cost), NOT
        )
    seen, other = situation.demand.tokens_per_second, unseen
    return {
        "action": decision.choice.change.action,
        "cpu_seconds": spent,
        "seen": {rule: count_cost(situation, change, seen) for rule, change in chosen.items()},
        "unseen": {rule: count_cost(situation, change, other) for rule, change in chosen.items()},
    }


NOT = Change("nothing", 0, 0, 0, 0.0, 0.0, 0.0)  # where a rule has nothing to do: filled in by `count_cost`


def random_situation(seed: int) -> tuple[Situation, FloatArray]:
    """A model, a group, a forecast, and as many paths of the same that the decision does not see."""
    chance = np.random.default_rng(seed)
    weights = list(MODELS.values())[int(chance.integers(len(MODELS)))]
    gpus = int(chance.choice([16, 32, 64]))
    redundant = gpus - weights.experts % gpus if chance.random() < 0.5 else (-weights.experts) % gpus
    engine = Engine("vllm", weights.experts, int(redundant), gpus, most_gpus=2 * gpus)
    group = Group(
        replicas=int(chance.integers(1, 4)),
        tokens_per_second_per_gpu=2000.0,
        standby_gpus=int(chance.choice([0, 0, gpus])),
        spare_in_fabric=int(chance.integers(1, gpus + 1)),
        spare_elsewhere=int(chance.integers(8, 4 * gpus)),
    )
    steps = int(chance.choice([8, 20, 60, 240]))
    paths = _paths(chance, gpus * group.replicas * 2000.0, 2 * 50, steps)
    situation = Situation(weights, engine, group, Demand(paths[:50], STEP_SECONDS))
    return situation, paths[50:]


def _paths(chance: np.random.Generator, capacity: float, count: int, steps: int) -> FloatArray:
    """Ramps to an end of their own, a spike in some, noise."""
    start, end = chance.uniform(0.4, 1.2), chance.uniform(0.3, 2.5)
    ends = np.maximum(end + chance.normal(0.0, chance.uniform(0.02, 0.4), count), 0.05)
    share = np.clip(np.arange(steps) / max(1, int(chance.integers(1, steps + 1))), 0.0, 1.0)
    found: FloatArray = start + (ends[:, None] - start) * share
    at = int(chance.integers(steps))
    found[:, at : at + 4] *= chance.uniform(1.0, 1.6)
    return capacity * np.maximum(found * chance.normal(1.0, 0.04, found.shape), 0.0)


def count_cost(situation: Situation, change: Change, paths: FloatArray) -> float:
    """Expected cost in GPU-seconds, a second at a time."""
    have = situation.engine.gpus * situation.group.replicas
    if change is NOT:
        change = replace(NOT, before=have, after=have)
    need = np.repeat(paths / situation.group.tokens_per_second_per_gpu, int(STEP_SECONDS), axis=1)
    seconds = np.arange(need.shape[1])
    late = np.clip(change.ready_seconds - seconds, 0.0, 1.0)
    unmet = late * np.maximum(need - change.before, 0.0) + (1.0 - late) * np.maximum(need - change.after, 0.0)
    held = np.ones(len(seconds)) if change.gpus >= 0 else 1.0 - late
    pause, at = 0.0, int(change.ready_seconds)
    if change.pause_seconds and at < len(seconds):
        pause = (
            change.pause_seconds * change.paused / change.before * float(np.minimum(need[:, at], change.before).mean())
        )
    c = situation.prices.unmet
    return float(change.gpus * held.sum() + c * (unmet.sum(axis=1).mean() + pause))


def judge_decisions(report: Mapping[str, Any]) -> list[Verdict]:
    """Never dearer than the best fixed rule by more than a little."""
    seen, unseen = report["worst"]["seen"], report["worst"]["unseen"]
    share = unseen["sum"] / unseen["best of each"] - 1.0
    return [
        {
            "what": f"dearer than the best fixed rule, worst of {report['forecasts']} forecasts",
            "asked": f"≤ {WORST_SHARE:.0%}",
            "measured": f"{max(0.0, seen['share']):.2%}",
            "met": seen["share"] <= WORST_SHARE,
        },
        {
            "what": "the same in sum, on paths that were not seen, each against its own best rule",
            "asked": f"≤ {WORST_SHARE:.0%}",
            "measured": f"{share:.2%}",
            "met": share <= WORST_SHARE,
        },
    ]


def decisions_table(report: Mapping[str, Any]) -> Table:
    """Sums of costs by rule, and how often each kind of change was chosen."""
    rows, worst = report["rows"], report["worst"]
    table = Table(title=f"Expected cost in 1,000 GPU-seconds, sum of {len(rows)} forecasts", title_justify="left")
    for name in ("", "paths of the forecast", "paths not seen"):
        table.add_column(name, justify="right" if name else "left")
    for name in ("sum", "best of each", *RULES):
        told = {"sum": "decided", "best of each": "the best fixed rule, chosen afterwards each time"}.get(name, name)
        table.add_row(told, *(f"{worst[paths][name] / 1000:,.0f}" for paths in ("seen", "unseen")))
    counts = {
        action: sum(row["action"] == action for row in rows) for action in sorted({row["action"] for row in rows})
    }
    told = ", ".join(f"{action} {count}" for action, count in counts.items())
    cpu = sorted(row["cpu_seconds"] for row in rows)
    table.caption = f"chosen: {told}; {1000 * cpu[len(cpu) // 2]:.0f} CPU ms each (at most {1000 * cpu[-1]:.0f})"
    return table


if __name__ == "__main__":
    sys.exit(main())
