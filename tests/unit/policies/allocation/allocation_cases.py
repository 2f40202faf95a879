"""Random small fleets, and references that share no code with what is tested.

Serving costs the least, for given replicas c of one model, what the dual of a small linear program says:

    least unserved(c) = max over w ≥ 0 of  Σ_b min(p_b, min_v w_v · load_bv) - w · c

with p_b the price of leaving all of bucket b. The maximum of a concave, piecewise linear function lies where as many of
its kinks meet as there are variants, and where they meet does not depend on c: all corners are listed once, and then
every c is tried.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations, product
from typing import Any

import numpy as np
from hypothesis import strategies as st

from foresail.domain.allocation import AllocationProblem, Candidate, ModelDemand
from foresail.domain.timeseries import FloatArray

ACCELERATORS = ("A", "B", "C")
SHAPES = ((1, 1), (1, 2), (2, 1), (2, 2), (1, 3), (3, 1))
LARGE = ((2, 3), (1, 6))  # as many kinks as the reference lists in reasonable time for two variants
HARD = 1e-8  # a share of what must be served that is no more than rounding

Choose = Callable[[Sequence[Any]], Any]
Usage = tuple[int, ...]


def make_fleet(
    choose: Choose, *, most_models: int = 3, must_serve: bool | None = None, switching: bool = True
) -> AllocationProblem:
    """A fleet whose every property is one that `choose` took out of a few."""
    models = tuple(
        _model(choose, f"m{place}", must_serve, switching=switching)
        for place in range(choose(range(1, most_models + 1)))
    )
    needed = {name: sum(least_gpus(model, name) for model in models) for name in ACCELERATORS}
    stock = {name: needed[name] + choose((4, 0, 1, 2, 7, 30)) for name in ACCELERATORS if choose((True, True, False))}
    return AllocationProblem(models, stock)


def _model(choose: Choose, name: str, must_serve: bool | None, *, switching: bool) -> ModelDemand:
    count = choose((2, 1, 3))
    shape = choose(SHAPES if count == 3 else SHAPES + LARGE)
    must = choose((False, False, False, True)) if must_serve is None else must_serve
    return ModelDemand(
        name,
        _grid(choose, shape, (1.0, 0.0, 0.25, 0.5, 1.5, 2.5, 1e-6)),
        tuple(_candidate(choose, f"v{place}", shape, switching=switching) for place in range(count)),
        None if must else choose((1e-3, 2e-4, 4e-4, 0.01, 0.1, 0.0)),
        choose((0, 0, 100)),
    )


def _candidate(choose: Choose, name: str, shape: tuple[int, int], *, switching: bool) -> Candidate:
    least, gpus = choose((0, 0, 0, 0, 1, 2)), choose((1, 1, 2, 4))
    more = choose((None, None, None, 0, 1, 3))
    return Candidate(
        name,
        choose(ACCELERATORS),
        gpus,
        choose((1.0, 0.7, 2.5, 4.1)) * gpus,
        _grid(choose, shape, (2.0, 1.0, 0.0, 1.5, 3.0, 5.0, 8.0)),
        least,
        None if more is None else least + more,
        choose((None, None, 0, 1, 3)) if switching else None,
        start_usd_per_hour=choose((0.0, 0.5)) if switching else 0.0,
        stop_usd_per_hour=choose((0.0, 0.25, 6.0)) if switching else 0.0,
    )


def _grid(choose: Choose, shape: tuple[int, int], values: Sequence[float]) -> FloatArray:
    return np.array([choose(values) for _ in range(shape[0] * shape[1])]).reshape(shape)


def fleets(**wishes: Any) -> st.SearchStrategy[AllocationProblem]:
    """Fleets that hypothesis can shrink."""

    @st.composite
    def drawn(draw: st.DrawFn) -> AllocationProblem:
        return make_fleet(lambda options: draw(st.sampled_from(options)), **wishes)

    return drawn()


def random_fleet(seed: int, **wishes: Any) -> AllocationProblem:
    """The fleet of this seed."""
    generator = np.random.default_rng(seed)
    return make_fleet(lambda options: options[int(generator.integers(len(options)))], **wishes)


def least_gpus(model: ModelDemand, accelerator: str) -> int:
    """GPUs of an accelerator that a model's minima take."""
    return sum(own.min_replicas * own.gpus_per_replica for own in model.candidates if own.accelerator == accelerator)


def least_usd(problem: AllocationProblem, target: float = 1.0, slack: float = 0.0) -> float:
    """Cost of the best plan, by trying all of them; infinite when what must be served cannot be.

    `slack`: load beyond what they hold that replicas carry.
    """
    names = sorted(problem.gpus)
    fleet: dict[Usage, float] = {(0,) * len(names): 0.0}
    for model in problem.models:
        fleet = _joined(fleet, _by_usage(model, problem.gpus, target, slack), [problem.gpus[name] for name in names])
    return min(fleet.values(), default=math.inf)


def least_usd_at(problem: AllocationProblem, extra_usd_per_gpu_hour: Mapping[str, float], slack: float = 0.0) -> float:
    """Lagrangian bound: each model's best plan on its own when GPUs cost more, less what the stock is worth."""
    worth = sum(extra_usd_per_gpu_hour.get(name, 0.0) * count for name, count in problem.gpus.items())
    total = -worth
    for model in problem.models:
        names = sorted(problem.gpus)
        extra = [extra_usd_per_gpu_hour.get(name, 0.0) for name in names]
        plans = _by_usage(model, problem.gpus, 1.0, slack).items()
        total += min((usd + float(np.dot(extra, usage)) for usage, usd in plans), default=math.inf)
    return total


def _joined(fleet: dict[Usage, float], own: dict[Usage, float], stock: Sequence[int]) -> dict[Usage, float]:
    joined: dict[Usage, float] = {}
    for (before, usd), (more, own_usd) in product(fleet.items(), own.items()):
        usage = tuple(a + b for a, b in zip(before, more, strict=True))
        if all(used <= has for used, has in zip(usage, stock, strict=True)):
            joined[usage] = min(joined.get(usage, math.inf), usd + own_usd)
    return joined


def _by_usage(model: ModelDemand, stock: Mapping[str, int], target: float, slack: float = 0.0) -> dict[Usage, float]:
    """The least cost of a model by GPUs in use of each accelerator with a cap."""
    counts = np.array(list(product(*(_choices(model, own, stock, target) for own in model.candidates))))
    usd = least_unserved_usd(model, counts + slack * (counts > 0), target) + [
        held_usd(model, row) for row in counts.tolist()
    ]
    found: dict[Usage, float] = {}
    for row, cost in zip(counts.tolist(), usd.tolist(), strict=True):
        usage = tuple(
            sum(
                n * own.gpus_per_replica
                for n, own in zip(row, model.candidates, strict=True)
                if own.accelerator == name
            )
            for name in sorted(stock)
        )
        if math.isfinite(cost):
            found[usage] = min(found.get(usage, math.inf), cost)
    return found


def _choices(model: ModelDemand, own: Candidate, stock: Mapping[str, int], target: float) -> range:
    """Replicas of a variant that may make sense: enough for all that it can carry, or as many as run now."""
    able = own.capacity_rps > 0.0
    alone = math.ceil((model.demand_rps[able] / own.capacity_rps[able]).sum() / target - 1e-9)
    most = max(alone, own.current_replicas or 0)
    if own.max_replicas is not None:
        most = min(most, own.max_replicas)
    if own.accelerator in stock:
        most = min(most, stock[own.accelerator] // own.gpus_per_replica)
    return range(own.min_replicas, max(most, own.min_replicas) + 1)


def held_usd(model: ModelDemand, replicas: Sequence[int]) -> float:
    """Price of replicas and of changes."""
    total = 0.0
    for count, own in zip(replicas, model.candidates, strict=True):
        now = count if own.current_replicas is None else own.current_replicas
        total += count * own.usd_per_hour
        total += own.start_usd_per_hour * max(count - now, 0) + own.stop_usd_per_hour * max(now - count, 0)
    return total


def least_unserved_usd(model: ModelDemand, counts: FloatArray, target: float = 1.0) -> FloatArray:
    """Price of what must be left by each row of replicas, shape (C, V), infinite where nothing may be left."""
    busy = model.demand_rps.ravel() > 1e-9
    rps = model.demand_rps.ravel()[busy]
    capacity = np.array([own.capacity_rps.ravel()[busy] for own in model.candidates]).T * target
    with np.errstate(divide="ignore"):
        load = np.where(capacity > 0.0, rps[:, None] / capacity, np.inf)
    worth = np.ones(len(rps))
    if model.unserved_usd_per_request is not None:
        worth = rps * 3600.0 * model.unserved_usd_per_request
    corners = _corners(load, worth)
    gain = np.minimum(worth, _at_infinity_infinite(corners, load)).sum(axis=1)
    left: FloatArray = (gain[:, None] - corners @ counts.T).max(axis=0)
    return left if model.unserved_usd_per_request is not None else np.where(left > HARD, np.inf, 0.0)


def _at_infinity_infinite(corners: FloatArray, load: FloatArray) -> FloatArray:
    """Price of a bucket on its cheapest variant at each corner, shape (K, B)."""
    prices = np.where(np.isfinite(load), load, 0.0)[None] * corners[:, None, :]
    cheapest: FloatArray = np.where(np.isfinite(load)[None], prices, np.inf).min(axis=2)
    return cheapest


def _corners(load: FloatArray, worth: FloatArray) -> FloatArray:
    """Where as many kinks meet as there are variants, shape (K, V)."""
    count = load.shape[1]
    unit = np.eye(count)
    planes = [np.append(unit[v], 0.0) for v in range(count)]
    for own, price in zip(load, worth, strict=True):
        able = np.flatnonzero(np.isfinite(own))
        planes += [np.append(own[v] * unit[v], price) for v in able]
        planes += [np.append(own[u] * unit[u] - own[v] * unit[v], 0.0) for u, v in combinations(able, 2)]
    scaled = np.array([plane / np.abs(plane[:-1]).max() for plane in planes])
    kinks = np.unique(scaled.round(12), axis=0)
    chosen = kinks[np.array(list(combinations(range(len(kinks)), count)))]
    chosen = chosen[np.abs(np.linalg.det(chosen[:, :, :-1])) > 1e-9]
    corners = np.linalg.solve(chosen[:, :, :-1], chosen[:, :, -1:])[:, :, 0]
    inside: FloatArray = np.unique(np.maximum(corners[(corners >= -1e-12).all(axis=1)], 0.0).round(12), axis=0)
    return inside
