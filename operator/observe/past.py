"""The past demand of workloads, made of what Prometheus tells of their flows; the forecaster's training reads it too.

In the past, pods belong to the owner that their names tell, since nobody remembers their labels. A workload's past is
read from the engine that it names; under Auto, at each instant from the one whose series were there, vLLM's if both
were. So pods with the series of both are not counted double; while a rollout goes from the one engine to the other, the
past is a little too low.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.domain.workload import Engine, Role, Variant, Workload
from foresail.operator.observe.answers import Matrix
from foresail.operator.observe.demand import arrivals_of_past
from foresail.operator.observe.labels import engine_of
from foresail.operator.observe.queries import ENGINES
from foresail.operator.observe.telemetry import Flow

Flows = Mapping[tuple[Engine, str, str], FloatArray]
_FLOWS: Final = {name: column for column, name in enumerate(Flow._fields)}


def flows_by_owner(answer: Matrix) -> Flows:
    """Flows by engine, namespace and owner, shape (N, 5) in the order of `Flow`, NaN in every row that lacks one."""
    rows: dict[tuple[Engine, str, str], int] = {}
    found: list[tuple[int, int, int]] = []
    for series, labels in enumerate(answer.labels):
        column, engine = _FLOWS.get(labels.get("flow", "")), engine_of(labels)
        if column is not None and engine is not None:
            owner = (engine, labels.get("namespace", ""), labels.get("owner", ""))
            found.append((series, rows.setdefault(owner, len(rows)), column))
    flows = np.full((len(rows), answer.values.shape[1], len(_FLOWS)), np.nan)
    for series, row, column in found:
        flows[row, :, column] = answer.values[series]
    flows[~np.isfinite(flows).all(axis=2)] = np.nan
    return dict(zip(rows, flows, strict=True))


def _flow_of(workload: Workload, variant: Variant, flows: Flows) -> FloatArray | None:
    """The flows of one target as its engine tells them, shape (N, 5); None when it had no series."""
    engines = ENGINES if workload.engine is Engine.AUTO else (workload.engine,)
    found = [flows.get((engine, workload.key.namespace, variant.target.name)) for engine in engines]
    told = [flow for flow in found if flow is not None]
    return np.where(np.isnan(told[0]), told[-1], told[0]) if told else None


def demand_of_past(workload: Workload, flows: Flows, step_seconds: float) -> FloatArray | None:
    """The demand of one workload, shape (N, 3); None when none of its targets had series."""
    found = [(variant.role, _flow_of(workload, variant, flows)) for variant in workload.variants]
    owned = [(role, flow) for role, flow in found if flow is not None]
    if not owned:
        return None
    front = [flow for role, flow in owned if role is not Role.DECODE]
    back = [flow for role, flow in owned if role is not Role.PREFILL]
    entering = _add(front or back)
    generating = entering if len(front) == len(back) == len(owned) else _add(back or front)
    return arrivals_of_past(entering, generating, step_seconds)


def _add(flows: Sequence[FloatArray]) -> FloatArray:
    """Sum over targets. One without series ran no replica then; only where none has any, nothing is known."""
    stacked = np.stack(flows)
    total: FloatArray = np.nansum(stacked, axis=0)
    total[np.isnan(stacked).all(axis=(0, 2))] = np.nan
    return total
