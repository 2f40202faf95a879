"""The answer as JSON: `docs/allocation.md` says what each field means."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from foresail.cli.allocation.solve import Solved, refused
from foresail.domain.allocation import ModelDemand, ModelPlan, Unserved

Values = Callable[[ModelPlan], list[Any]]


def to_json(solved: Solved) -> str:
    """One object; what is not known is null."""
    return json.dumps(_fields(solved), allow_nan=False)


def _fields(solved: Solved) -> dict[str, Any]:
    found = solved.allocation
    known = not refused(solved)
    prices = {"shadow_price_usd_per_gpu_hour": _prices(solved)} if solved.case.is_fleet else {}
    return {
        "status": str(found.status),
        "cost_usd_per_hour": found.usd_per_hour,
        "bound_usd_per_hour": _number(found.bound_usd_per_hour) if known else None,
        "gap": _number(found.gap) if known else None,
        "replicas": _by_variant(solved, lambda plan: list(plan.replicas)),
        "routing": _by_variant(solved, lambda plan: plan.routing.tolist()),
        "utilization": _by_variant(solved, lambda plan: plan.utilization.tolist()),
        "unserved": [_unserved(solved, one) for one in found.unserved],
        **prices,
        "cpu_seconds": solved.cpu_seconds,
        "message": found.message,
    }


def _by_variant(solved: Solved, values: Values) -> dict[str, Any]:
    """Values by variant; in a fleet by model first."""
    models = solved.case.problem.models
    found = {model.name: _of_model(model, values(solved.allocation.plans[model.name])) for model in models}
    return found if solved.case.is_fleet else found[models[0].name]


def _of_model(model: ModelDemand, values: list[Any]) -> dict[str, Any]:
    return {candidate.name: value for candidate, value in zip(model.candidates, values, strict=True)}


def _unserved(solved: Solved, one: Unserved) -> dict[str, Any]:
    model = {"model": one.model} if solved.case.is_fleet else {}
    return {**model, "bucket": list(one.bucket), "rps": one.rps, "reason": one.reason}


def _prices(solved: Solved) -> dict[str, float]:
    """By accelerator, 0 for one without a cap."""
    found = solved.allocation.shadow_usd_per_gpu_hour
    return {name: float(found.get(name, 0.0)) for name in solved.case.accelerators}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
