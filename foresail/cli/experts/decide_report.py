"""What `foresail moe decide` prints: everything for scripts, the best of each kind for people."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text

from foresail.cli.text import rendered
from foresail.policies.moe.decision import Situation
from foresail.policies.moe.width import Alternative, Decision, describe

WIDTH = 120


def to_json(situation: Situation, decision: Decision, cpu_seconds: float) -> str:
    """One object: the choice, every alternative with its expected cost in GPU-seconds, the engine's limits, why."""
    found = {
        "choice": _fields(decision.choice),
        "alternatives": [_fields(one) for one in decision.alternatives],
        "limits": asdict(situation.limits),
        "horizon_seconds": situation.demand.horizon_seconds,
        "paths": len(situation.demand.tokens_per_second),
        "cpu_seconds": cpu_seconds,
        "message": decision.message,
    }
    return json.dumps(found, allow_nan=False)


def _fields(one: Alternative) -> dict[str, Any]:
    change, cost = one.change, one.cost
    return {
        "action": change.action,
        "group_gpus": change.group_gpus,
        "replicas": change.replicas,
        "gpus": change.gpus,
        "expected_cost_gpu_seconds": None if cost is None else cost.total,
        "parts": None if cost is None else asdict(cost),
        "ready_seconds": None if cost is None else change.ready_seconds,
        "pause_seconds": None if cost is None else change.pause_seconds,
        "serves_gpus": None if cost is None else change.after,
        "ingress_bytes_per_gpu": round(change.ingress_bytes) if change.ingress_bytes else None,
        "refused": None if one.refused is None else asdict(one.refused),
    }


def to_text(situation: Situation, decision: Decision, *, color: bool = False) -> str:
    """The cheapest of each kind of change, what is refused, and the sentence."""
    refused = [one.refused.message for one in decision.alternatives if one.refused is not None]
    told = [*(f"refused: {message}" for message in refused), decision.message]
    return rendered(_table(situation, decision), *(Text(f"\n{line}") for line in told), color=color, width=WIDTH)


def _table(situation: Situation, decision: Decision) -> Table:
    title = f"Expected cost over {situation.demand.horizon_seconds:g} s, GPU-seconds; the best of each kind"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    for name in ("cost", "GPUs", "unmet until ready", "unmet after", "pause", "ready, s", "pause, s"):
        table.add_column(name, justify="right")
    best: dict[str, Alternative] = {decision.choice.change.action: decision.choice}
    for one in decision.alternatives:
        if one.cost is not None:
            best.setdefault(one.change.action, one)
    for one in sorted(best.values(), key=lambda one: 0.0 if one.cost is None else one.cost.total):
        table.add_row(*_row(situation, one), style="bold" if one is decision.choice else None)
    return table


def _row(situation: Situation, one: Alternative) -> list[str]:
    change, cost = one.change, one.cost
    if cost is None:
        return [describe(situation, change)]
    parts = (cost.total, cost.gpus, cost.unmet_until_ready, cost.unmet_after, cost.pause)
    figures = [f"{value:,.0f}" for value in parts]
    return [describe(situation, change), *figures, f"{change.ready_seconds:.1f}", f"{change.pause_seconds:.2f}"]
