"""The program of one model: whole replicas of each variant, shares of each size bucket (Mélange §4, made continuous).

    min   Σ_v usd_v · y_v + Σ_b usd · rps_b · u_b + Σ_v (start_v · up_v + stop_v · down_v)
    s.t.  Σ_v x_bv + u_b = 1                      every bucket with traffic is served or said to be unserved
          Σ_b load_bv · x_bv ≤ y_v                load within replicas; load = rps / (capacity · target utilization)
          Σ_{v able} y_v + u_b ≥ 1                a share needs a replica, however small its load (cover cut)
          y_v - up_v + down_v = current_v         changes, where they have a price

The paper cuts every bucket into slices and gives each slice to one GPU type, which forbids what a weighted router does
anyway and costs up to 40 % more; `slices` keeps that meaning for comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from foresail.domain.allocation import LOAD_TOLERANCE, TRAFFIC_RPS, Candidate, ModelDemand
from foresail.domain.timeseries import BoolArray, FloatArray
from foresail.policies.programs.linear import INFINITY, IntArray, LinearProgram

SECONDS_PER_HOUR = 3600.0
NEARLY_WHOLE = 0.1 * LOAD_TOLERANCE  # replicas: so little more is rounding; what the solver may object to is not
LARGE_LOAD, LARGEST_LOAD = 1e7, 1e9  # replicas for one bucket: looked at twice, and for no bucket at all
FAR_MORE = 1e6  # times as much as another
TIE = 5e-7  # by this share the demand of the least priority is cheaper to leave: below what a proof may leave open


@dataclass(frozen=True, slots=True, eq=False)
class Traffic:
    """The buckets of a model that have traffic.

    Args:
        bucket: Shape (B,), flat index of each bucket.
        rps: Shape (B,).
        load: Shape (B, V): replicas of a variant that the whole bucket would fill, infinite where it cannot serve it.
    """

    bucket: IntArray
    rps: FloatArray
    load: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class ModelColumns:
    """Where a model stands in a program: indexes of columns.

    Args:
        replicas: Shape (V,).
        shares: Shape (P,), of pairs of a bucket with traffic and a variant that can serve it.
        pair_bucket: Shape (P,), which bucket with traffic.
        pair_variant: Shape (P,).
        unserved: Shape (B,), empty when all must be served.
        all: Every column of the model, those of changes included; replicas come first.
    """

    replicas: IntArray
    shares: IntArray
    pair_bucket: IntArray
    pair_variant: IntArray
    unserved: IntArray
    all: IntArray


def by_priority(models: Sequence[ModelDemand]) -> tuple[ModelDemand, ...]:
    """The same models, with demand the cheaper to leave the less its priority: by so little that it only breaks ties.

    What any plan costs so is no more than what it costs, so that a bound stays one.
    """
    ranks = sorted({model.priority for model in models}, reverse=True)
    return tuple(
        model
        if model.unserved_usd_per_request is None or len(ranks) == 1
        else replace(
            model,
            unserved_usd_per_request=model.unserved_usd_per_request
            * (1.0 - TIE * ranks.index(model.priority) / (len(ranks) - 1)),
        )
        for model in models
    )


def traffic_of(model: ModelDemand, target_utilization: float = 1.0) -> Traffic:
    """What of a model's demand counts, as load at the target utilization."""
    rps = model.demand_rps.ravel()
    bucket = np.flatnonzero(rps > TRAFFIC_RPS)
    capacity = np.array([candidate.capacity_rps.ravel()[bucket] for candidate in model.candidates]).T
    capacity = capacity.reshape(len(bucket), len(model.candidates)) * target_utilization
    with np.errstate(divide="ignore", over="ignore"):
        load = rps[bucket, None] / capacity
    return Traffic(bucket, rps[bucket], np.where(_next_to_nothing(model, rps[bucket], load), INFINITY, load))


def _next_to_nothing(model: ModelDemand, rps: FloatArray, load: FloatArray) -> BoolArray:
    """Which capacities no plan has a use for, shape (B, V): beside them a solver's numbers drown in rounding.

    A replica carries no more of such a bucket than rounding, and others far more, or it costs more than that is worth.
    """
    usd = np.array([candidate.usd_per_hour for candidate in model.candidates])
    price = np.inf if model.unserved_usd_per_request is None else model.unserved_usd_per_request
    idle = usd * np.minimum(load, LARGEST_LOAD) >= SECONDS_PER_HOUR * price * rps[:, None]
    others = load > FAR_MORE * load.min(axis=1, initial=INFINITY, keepdims=True)
    return np.asarray((load > LARGEST_LOAD) | ((load > LARGE_LOAD) & (others | idle)))


def add_model(
    program: LinearProgram, model: ModelDemand, traffic: Traffic, most: IntArray, *, slices: int | None = None
) -> ModelColumns:
    """Add the columns and rows of a model.

    Args:
        program: Changed.
        model: Whose variants and prices.
        traffic: Of that model.
        most: Shape (V,): no more replicas than these, whatever the reason.
        slices: Shares come in multiples of 1/slices, as in the paper; None: any share.
    """
    first = program.columns
    pair_bucket, pair_variant = np.nonzero(np.isfinite(traffic.load))
    replicas = _add_replicas(program, model, most)
    shares = program.add_columns(len(pair_bucket), upper=float(slices or 1), whole=slices is not None)
    unserved = _add_unserved(program, model, traffic)
    _switch(program, model, replicas)
    every = np.arange(first, program.columns)
    columns = ModelColumns(replicas, shares, pair_bucket, pair_variant, unserved, every)
    _serve(program, traffic, columns, slices or 1)
    _fit(program, traffic, columns, slices or 1)
    _cover(program, traffic, columns)
    return columns


def gpus_of(model: ModelDemand, accelerators: tuple[str, ...]) -> IntArray:
    """GPUs of one replica by accelerator, shape (V, A)."""
    place: Mapping[str, int] = {name: index for index, name in enumerate(accelerators)}
    gpus = np.zeros((len(model.candidates), len(accelerators)), np.int64)
    for row, candidate in enumerate(model.candidates):
        if candidate.accelerator in place:
            gpus[row, place[candidate.accelerator]] = candidate.gpus_per_replica
    return gpus


def most_replicas(model: ModelDemand, traffic: Traffic, gpus: Mapping[str, int]) -> IntArray:
    """Replicas beyond which nothing is gained or nothing is left, shape (V,); never below the minimum.

    Args:
        model: Whose variants.
        traffic: Of that model.
        gpus: By accelerator; one that is not named has no cap.
    """
    useful = np.ceil(np.where(np.isfinite(traffic.load), traffic.load, 0.0).sum(axis=0) - NEARLY_WHOLE)
    useful = np.maximum(useful, [_kept(candidate) for candidate in model.candidates])
    most = [
        min(
            INFINITY if candidate.max_replicas is None else candidate.max_replicas,
            gpus.get(candidate.accelerator, INFINITY) // candidate.gpus_per_replica,
        )
        for candidate in model.candidates
    ]
    least = [candidate.min_replicas for candidate in model.candidates]
    serves = np.isfinite(traffic.load).any(axis=0)
    limits: IntArray = np.maximum(np.minimum(np.maximum(useful, serves), most), least).astype(np.int64)
    return limits


def _kept(candidate: Candidate) -> int:
    """Replicas that are cheaper kept than stopped, even where they serve nothing."""
    return candidate.current_replicas or 0 if candidate.stop_usd_per_hour > candidate.usd_per_hour else 0


def _add_replicas(program: LinearProgram, model: ModelDemand, most: IntArray) -> IntArray:
    least = [candidate.min_replicas for candidate in model.candidates]
    usd = [candidate.usd_per_hour for candidate in model.candidates]
    return program.add_columns(len(model.candidates), cost=usd, lower=least, upper=most, whole=True)


def _add_unserved(program: LinearProgram, model: ModelDemand, traffic: Traffic) -> IntArray:
    if model.unserved_usd_per_request is None:
        return np.empty(0, np.int64)
    usd = traffic.rps * SECONDS_PER_HOUR * model.unserved_usd_per_request
    return program.add_columns(len(traffic.rps), cost=usd, upper=1.0)


def _serve(program: LinearProgram, traffic: Traffic, columns: ModelColumns, slices: int) -> None:
    rows = program.add_rows(len(traffic.rps), lower=slices, upper=slices)
    program.put(rows[columns.pair_bucket], columns.shares, 1.0)
    if len(columns.unserved):
        program.put(rows, columns.unserved, slices)


def _fit(program: LinearProgram, traffic: Traffic, columns: ModelColumns, slices: int) -> None:
    rows = program.add_rows(len(columns.replicas), upper=0.0)
    load = traffic.load[columns.pair_bucket, columns.pair_variant]
    program.put(rows[columns.pair_variant], columns.shares, load / slices)
    program.put(rows, columns.replicas, -1.0)


def _cover(program: LinearProgram, traffic: Traffic, columns: ModelColumns) -> None:
    able = np.isfinite(traffic.load)
    if len(columns.unserved):  # each bucket has its own way out
        rows = program.add_rows(len(able), lower=1.0)
        program.put(rows, columns.unserved, 1.0)
    else:
        able = np.unique(able, axis=0)
        rows = program.add_rows(len(able), lower=1.0)
    row, variant = np.nonzero(able)
    program.put(rows[row], columns.replicas[variant], 1.0)


def add_changes(program: LinearProgram, column: int, now: int, *, cost: ArrayLike = 0.0) -> IntArray:
    """Columns of the replicas that are started and stopped, so that those of `column` come of those that run now."""
    changes = program.add_columns(2, cost=cost)
    row = program.add_rows(1, lower=now, upper=now)
    program.put(row[0], np.append(changes, column), [-1.0, 1.0, 1.0])
    return changes


def _switch(program: LinearProgram, model: ModelDemand, replicas: IntArray) -> None:
    for candidate, column in zip(model.candidates, replicas, strict=True):
        now = candidate.current_replicas
        if now is None or max(candidate.start_usd_per_hour, candidate.stop_usd_per_hour) <= 0.0:
            continue
        add_changes(program, column, now, cost=[candidate.start_usd_per_hour, candidate.stop_usd_per_hour])
