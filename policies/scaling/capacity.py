"""What one replica sustains, as work: seconds of one replica per input and per output token.

A rate of tokens times the seconds of one replica per token is a number of replicas:

    required = input tokens/s · p + output tokens/s · d        (p = 1/prefill capacity, d = 1/decode capacity)

p and d come from the AcceleratorProfile, or from a prediction where it lists nothing: 1/rps = input · p + output · d at
each point, solved by non-negative least squares of relative errors with one faint equation that holds p : d to a prior
ratio. With many points it decides nothing; with a single one it decides the split. Without any point the prior is all
there is, and its scale is learned.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from foresail.domain.accelerator import Accelerator, CapacityPoint
from foresail.domain.snapshot import Demand, WorkloadObservation
from foresail.domain.timeseries import INPUT_TOKENS, OUTPUT_TOKENS, REQUESTS, FloatArray, Window
from foresail.domain.workload import Role, Variant

# Seconds of an output token over seconds of an input token. An engine whose iteration takes
# a + b · prefill tokens + c · batch has c/b: 0.25 ms per sequence against 1/12 ms per prompt token for an 8B model.
OUTPUT_TO_INPUT_SECONDS = 3.0
PRIOR_RATIO_WEIGHT = 1e-3  # faint: decides only what the points leave open
LEARNED = "learned"
PROFILE_DEVIATION = 0.05  # a profile is right within 10 % in nineteen cases of twenty
NEAR = 4.0  # a prediction is fitted where lengths are within this factor of the mix: work is linear there


@dataclass(frozen=True, slots=True)
class Work:
    """Seconds of one replica per token; `source` tells what they were made of, `log_error` how far off they may be."""

    seconds_per_input_token: float
    seconds_per_output_token: float
    source: str
    log_error: float = PROFILE_DEVIATION

    def of(self, demand: Demand) -> float:
        """Replicas that a demand keeps busy."""
        return (
            demand.input_tokens_per_second * self.seconds_per_input_token
            + demand.output_tokens_per_second * self.seconds_per_output_token
        )


class Mix(NamedTuple):
    """Mean tokens of a request."""

    input_tokens: float
    output_tokens: float


def mix_of(observation: WorkloadObservation) -> Mix | None:
    """The workload's own mix over its history, else its recent past, else now; None when nothing was asked."""
    for window in (observation.history, observation.recent):
        mix = None if window is None else _mix_of_window(window)
        if mix is not None:
            return mix
    return mix_now(observation)


def mix_now(observation: WorkloadObservation) -> Mix | None:
    """The mix of what arrives; None when nothing does or demand is unknown."""
    demand = observation.demand
    if isinstance(demand, Demand) and demand.requests_per_second > 0:
        rate = demand.requests_per_second
        return Mix(demand.input_tokens_per_second / rate, demand.output_tokens_per_second / rate)
    return None


def _mix_of_window(window: Window) -> Mix | None:
    columns = [window.indicators.index(name) for name in (REQUESTS, INPUT_TOKENS, OUTPUT_TOKENS)]
    complete = window.observed[:, columns].all(axis=1)
    requests, inputs, outputs = window.values[:, columns][complete].sum(axis=0)
    return Mix(float(inputs / requests), float(outputs / requests)) if requests > 0 else None


def prior_work(
    variant: Variant, accelerator: Accelerator | None, observation: WorkloadObservation, *, held: Work | None = None
) -> Work | None:
    """Work of a variant before anything is learned.

    Points without lengths hold for the workload's own mix as it was when they were first used: later drift of the mix
    changes the rate that a replica sustains, which is why it is counted in work. So `held`, the work that is already
    in use, is kept while it rests on the same points, and while nothing runs that would tell the model's name. Without
    any point a prediction counts, fitted around that mix; without one the prior is one output token per second, whose
    scale has to be learned. None: the points lack lengths and the mix is unknown.
    """
    model = observation.workload.model or observation.model
    if model is None and held is not None and held.source != LEARNED:
        return held
    points = () if accelerator is None else accelerator.points_of(model, variant.gpus_per_replica)
    points = tuple(point for point in points if 0 < point.requests_per_second < math.inf)
    with_lengths = tuple(point for point in points if (point.input_tokens or 0) + (point.output_tokens or 0) > 0)
    if with_lengths:
        return fit_work(with_lengths, variant.role)
    if not points:
        return _work_without_points(variant, observation, held)
    rate = sum(point.requests_per_second for point in points) / len(points)
    source = f"own mix at {rate:g} rps"
    if held is not None and held.source == source:
        return held
    mix = mix_of(observation)
    if mix is None:
        return None
    own = CapacityPoint(points[0].model, variant.gpus_per_replica, rate, mix.input_tokens, mix.output_tokens)
    return replace(fit_work((own,), variant.role), source=source)


def _work_without_points(variant: Variant, observation: WorkloadObservation, held: Work | None) -> Work:
    """Work from a prediction, around the mix once it is known and over all sizes before; or of an unknown scale."""
    prediction, mix, role = observation.predicted.get(variant.name), mix_of(observation), variant.role
    if prediction is None:
        return _masked(1.0 / OUTPUT_TO_INPUT_SECONDS, 1.0, role, LEARNED)
    points, source = prediction.points, f"{prediction.provenance} Any mix."
    if mix is not None:
        source = prediction.provenance
        if held is not None and held.source == source:
            return held
        points = tuple(point for point in points if _is_near(point, mix)) or points
    return replace(fit_work(points, role), source=source, log_error=prediction.log_error)


def _is_near(point: CapacityPoint, mix: Mix) -> bool:
    pairs = ((point.input_tokens or 1.0, mix.input_tokens), (point.output_tokens or 1.0, mix.output_tokens))
    return all(max(mine, own) <= NEAR * min(mine, own) for mine, own in pairs)


@lru_cache(maxsize=1024)
def fit_work(points: tuple[CapacityPoint, ...], role: Role = Role.UNIFIED) -> Work:
    """Fit seconds per token to points that have lengths; the split follows the prior where they leave it open."""
    rates = np.array([point.requests_per_second for point in points])
    lengths = np.array([[point.input_tokens or 0.0, point.output_tokens or 0.0] for point in points])
    rows = rates[:, None] * lengths
    scale = PRIOR_RATIO_WEIGHT * float(np.abs(rows).max(initial=1.0))
    rows = np.vstack([rows, [scale * OUTPUT_TO_INPUT_SECONDS, -scale]])
    targets = np.append(np.ones(len(points)), 0.0)
    source = "; ".join(
        f"{point.requests_per_second:g} rps at {point.input_tokens:g}/{point.output_tokens:g}" for point in points
    )
    match role:
        case Role.PREFILL:
            return Work(float(_least_squares(rows[:-1, :1], targets[:-1])[0]), 0.0, source)
        case Role.DECODE:
            return Work(0.0, float(_least_squares(rows[:-1, 1:], targets[:-1])[0]), source)
        case Role.UNIFIED:
            seconds = _non_negative_least_squares(rows, targets)
            return Work(float(seconds[0]), float(seconds[1]), source)


def _masked(seconds_per_input: float, seconds_per_output: float, role: Role, source: str) -> Work:
    return Work(
        0.0 if role is Role.DECODE else seconds_per_input,
        0.0 if role is Role.PREFILL else seconds_per_output,
        source,
    )


def _least_squares(rows: FloatArray, targets: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.lstsq(rows, targets, rcond=None)[0], dtype=np.float64)


def _non_negative_least_squares(rows: FloatArray, targets: FloatArray) -> FloatArray:
    """Two unknowns: the free solution if it is feasible, else the better of the two edges."""
    free = _least_squares(rows, targets)
    if (free >= 0).all():
        return free
    edges: Sequence[FloatArray] = [
        np.array([max(float(_least_squares(rows[:, :1], targets)[0]), 0.0), 0.0]),
        np.array([0.0, max(float(_least_squares(rows[:, 1:], targets)[0]), 0.0)]),
    ]
    return min(edges, key=lambda edge: float(np.sum((rows @ edge - targets) ** 2)))
