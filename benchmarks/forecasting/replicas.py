"""Required replicas: what a forecast of demand comes to, and how its distribution fared.

Demand becomes replicas by the policy's own rule (`foresail/policies/scaling/required.py`), path by path, for one
variant whose capacity is known exactly: an output token is worth three of input, and the demand of the training part
keeps twenty replicas busy on average. Only how indicators and steps go together differs between the rows that are
compared: their marginals are the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from benchmarks.forecasting.work import Row
from foresail.domain.forecast import Forecast
from foresail.domain.memory import CapacityBelief
from foresail.domain.timeseries import DEMAND_INDICATORS, FloatArray
from foresail.forecasting.scores import crps, pinball
from foresail.forecasting.series.energy import energy_score
from foresail.forecasting.series.series import Series
from foresail.policies.scaling.capacity import OUTPUT_TO_INPUT_SECONDS
from foresail.policies.scaling.required import Reach, needs_of_forecast

LEADS_SECONDS = (60.0, 180.0, 600.0)
CYCLE_SECONDS = 15.0
FLEET = 20.0  # replicas that mean demand keeps busy
TRAIN = 0.5  # of the rows; all others are forecast, as one in a hundred is looked for
SPEED = 20.0  # at which fleets are played, as in the ramp: rows of ten minutes become rows of 30 s
SEEDS = 5  # of what is drawn by chance
INDEPENDENT = "independent"  # ways in which samples go together: of an instant, in orders.py …
PAST, OWN = "past rows", "own mixing"
JOINT, INDICATORS_APART, STEPS_APART = "whole paths", "indicators apart", "steps apart"  # … and along, in served.py
TENTHS = 10


class Required(NamedTuple):
    """Replicas of S paths, shape (S,) each: when what is decided now is ready, and at the peak until then."""

    ready: FloatArray
    peak: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Fared:
    """How T forecasts of a number fared, shape (T,) each.

    Args:
        crps: Of the distribution of required replicas.
        energy: Energy score of the demand that they were made of, over mean demand.
        bought: Their .99 quantile, rounded up.
        needed: What came, not rounded.
    """

    crps: FloatArray
    energy: FloatArray
    bought: FloatArray
    needed: FloatArray


def demand_of(conversation: Series | None, fleets: Mapping[str, Series]) -> dict[str, Series]:
    """Requests and tokens a second of whatever is there, by name."""
    found = {name: _played(series) for name, series in fleets.items()}
    if conversation is not None:
        columns = [conversation.columns.index(name) for name in DEMAND_INDICATORS]
        values = conversation.values[:, columns]
        found["conversation"] = Series("conversation", DEMAND_INDICATORS, conversation.times, values)
    return found


def _played(series: Series) -> Series:
    names = ("requests_per_second", "mean_input_tokens", "mean_output_tokens")
    requests, inputs, outputs = (series.values[:, series.columns.index(name)] for name in names)
    values = np.stack([requests, requests * inputs, requests * outputs], axis=1)
    return Series(series.name, DEMAND_INDICATORS, series.times / SPEED, values)


def fleet_of(demand: FloatArray) -> CapacityBelief:
    """A capacity, known exactly, with which demand (n, 3) keeps the fleet busy on average."""
    _, inputs, outputs = demand.mean(axis=0)
    seconds = FLEET / float(inputs + OUTPUT_TO_INPUT_SECONDS * outputs)
    return CapacityBelief(
        0.0, 0.0, seconds_per_input_token=seconds, seconds_per_output_token=OUTPUT_TO_INPUT_SECONDS * seconds
    )


def required(paths: FloatArray, fleet: CapacityBelief, step_seconds: float, lead_seconds: float) -> Required:
    """Replicas of paths (S, H, 3), the first step of which is one step ahead."""
    forecast = Forecast(DEMAND_INDICATORS, 0.0, step_seconds, paths, source="", reason="")
    reach = Reach(0.0, lead_seconds, CYCLE_SECONDS)
    needs = needs_of_forecast(forecast, [fleet], None, reach=reach, factor=1.0)
    return Required(needs.ahead[0], needs.until[0])


def fare(replicas: FloatArray, needed: FloatArray, energy: FloatArray) -> Fared:
    """How samples of required replicas (T, S) fared against what was needed (T,)."""
    top = np.quantile(replicas, 0.99, axis=1, method="hazen")
    return Fared(crps(replicas.T, needed), energy, np.ceil(top), needed)


def fare_instant(samples: FloatArray, outcomes: FloatArray, fleet: CapacityBelief) -> Fared:
    """How samples of one instant, shape (T, S, 3), fared against what came, shape (T, 3)."""
    paths, came = samples[:, :, None], outcomes[:, None]
    replicas, needed = (
        np.array([required(one, fleet, 1.0, 1.0).ready for one in each]) for each in (paths, came[:, None])
    )
    return fare(replicas, needed[:, 0], energy_of(paths, came))


def energy_of(paths: FloatArray, outcomes: FloatArray) -> FloatArray:
    """Energy score of paths (T, S, H, 3) as a whole, each indicator over its mean outcome (T, H, 3), shape (T,)."""
    size = outcomes.mean(axis=(0, 1))
    count, drawn = paths.shape[:2]
    return energy_score((paths / size).reshape(count, drawn, -1), (outcomes / size).reshape(count, -1))


def compare(found: Mapping[str, Sequence[Fared]], told: Mapping[str, Any]) -> list[Row]:
    """A row for each way in which samples go together, means over its seeds, against independent ones.

    Args:
        found: By way, INDEPENDENT among them.
        told: What all rows say.
    """
    apart = _mean_of(found[INDEPENDENT])
    return [dict(told) | {"dependence": way} | _figures(_mean_of(seeds), apart, seeds) for way, seeds in found.items()]


def _mean_of(seeds: Sequence[Fared]) -> tuple[FloatArray, FloatArray]:
    """CRPS and energy score of each target, means over seeds."""
    return np.mean([one.crps for one in seeds], axis=0), np.mean([one.energy for one in seeds], axis=0)


def _figures(
    own: tuple[FloatArray, FloatArray], apart: tuple[FloatArray, FloatArray], seeds: Sequence[Fared]
) -> dict[str, float]:
    tenths = [part.mean() for part in np.array_split(own[0] - apart[0], TENTHS)]
    short = [np.ceil(one.needed) - one.bought for one in seeds]
    return {
        "crps": float(own[0].mean()),
        "crps_over_independent": float(own[0].mean() / apart[0].mean()),
        "tenths_better": int(np.sum(np.array(tenths) < 0.0)),
        "energy_over_independent": float(own[1].mean() / apart[1].mean()),
        "violation_99": float(np.mean([one.needed > one.bought for one in seeds])),
        "bought": float(np.mean([one.bought for one in seeds])),
        "needed": float(np.mean([np.ceil(one.needed) for one in seeds])),
        "newsvendor": float(100.0 * pinball(np.array(short), 0.99).mean()),
    }
