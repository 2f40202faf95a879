"""Routing weights in `status.variants`: whole per cent that sum to 100 over a role, and stay while they only waver."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from foresail.domain.decision import Decision
from foresail.domain.workload import Role, Workload
from foresail.operator.apportion import apportion

WEIGHT: Final = "weightPercent"
MATERIAL_PERCENT: Final = 2

Weights = Mapping[str, int]


def weights_of(decision: Decision, workload: Workload | None) -> Weights:
    """Per cent by variant; those of which nothing is known are absent."""
    roles = {variant.name: variant.role for variant in workload.variants} if workload is not None else {}
    shares: defaultdict[Role, dict[str, float]] = defaultdict(dict)
    for variant in decision.variants:
        if variant.weight is not None:
            shares[roles.get(variant.name, Role.UNIFIED)][variant.name] = variant.weight
    known = [role for role in shares.values() if sum(role.values()) > 0.0]
    return {name: part for role in known for name, part in zip(role, apportion([*role.values()], 100), strict=True)}


def weights_in(status: Mapping[str, Any]) -> Weights:
    """What a status says of them."""
    return {entry["name"]: entry[WEIGHT] for entry in status.get("variants", []) if WEIGHT in entry}


def without_weights(status: Mapping[str, Any]) -> dict[str, Any]:
    """A status that says nothing of them."""
    if "variants" not in status:
        return dict(status)
    variants = [{name: value for name, value in entry.items() if name != WEIGHT} for entry in status["variants"]]
    return {**status, "variants": variants}


def weighed(
    status: Mapping[str, Any], decision: Decision, workload: Workload | None, standing: Weights | None
) -> dict[str, Any]:
    """A status with its weights: the decision's, or the `standing` ones while these have not moved materially."""
    weights = weights_of(decision, workload)
    if standing is not None and not _have_moved(standing, weights):
        weights = standing
    variants = [
        entry | ({WEIGHT: weights[entry["name"]]} if entry["name"] in weights else {}) for entry in status["variants"]
    ]
    return {**status, "variants": variants}


def _have_moved(before: Weights, after: Weights) -> bool:
    return before.keys() != after.keys() or any(abs(after[name] - before[name]) >= MATERIAL_PERCENT for name in after)
