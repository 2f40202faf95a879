"""What a young workload borrows from its peers: the profile of their days, and how sure one may be of it.

A `Prior` tells what workloads of one population are like (`neural/prior.py` fits it over many); it is a handful of
numbers and needs numpy only. With any number of a new workload's own rows, none included, it becomes a `Posterior`: a
mixture of Gaussians, one for each archetype, each kind of rest and a few scales of it, weighed by their evidence.
Nothing depends on a unit: demand is measured in the workload's own mean, and its level is not borrowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from foresail.domain.timeseries import FloatArray, Window
from foresail.forecasting.demand.evidence import (
    BURST,
    COEFFICIENTS,
    FLOOR,
    MEMORY,
    aged,
    counted,
    design,
    own_measure,
    tell,
    to_logs,
    update,
)
from foresail.forecasting.demand.paths import normal_quantiles
from foresail.forecasting.moving import IntArray

SCALES = 5  # nodes for the noise, which has no closed form
LEAST_WEIGHT = 1e-3  # of the likeliest Gaussian's
POINTS = 100  # that a Gaussian is made of where quantiles of several are wanted
MOST_LOG = 40.0


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """What workloads of one population are like.

    Args:
        share: Of each archetype, shape (K,), sum 1.
        means: Of the coefficients of its shape, shape (K, P).
        spreads: Their standard deviations from workload to workload, with what is unsure of the means, shape (K, P).
        noise: Mean and standard deviation of the log of the rest's scale, shape (2,).
        rest: Share of each kind of rest, shape (G,), sum 1.
        step: Seconds of the rows it was fitted on, shape (1,).
    """

    share: FloatArray
    means: FloatArray
    spreads: FloatArray
    noise: FloatArray
    rest: FloatArray
    step: FloatArray

    def __post_init__(self) -> None:
        count = self.share.size
        wanted = ((count,), (count, COEFFICIENTS), (count, COEFFICIENTS), (2,), MEMORY.shape, (1,))
        for field, right in zip(fields(self), wanted, strict=True):
            value = getattr(self, field.name)
            if count == 0 or value.shape != right or not np.isfinite(value).all():
                raise ValueError(f"prior: {field.name} must be finite and of shape {right}; fit the prior again")
        for name in ("share", "spreads", "rest", "step"):
            if getattr(self, name).min() <= 0.0:
                raise ValueError(f"prior: {name} must be positive; fit the prior again")

    def arrays(self) -> dict[str, FloatArray]:
        """All of it under flat names, for an artifact."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def restore(cls, arrays: Mapping[str, FloatArray]) -> Prior:
        """A prior from its arrays.

        Raises:
            ValueError: One lacks, has another shape, or is not finite.
        """
        lacking = [field.name for field in fields(cls) if field.name not in arrays]
        if lacking:
            raise ValueError(f"prior: {', '.join(lacking)} lacks; fit the prior again")
        return cls(*(np.asarray(arrays[field.name], dtype=np.float64) for field in fields(cls)))

    def learn(self, times: FloatArray, values: FloatArray) -> Posterior:
        """What is known of a workload after its rows: ascending instants (n,) and demand (n,), NaN where missing."""
        times, values = counted(*_on_step(times, values, float(self.step[0])))
        measure = own_measure(values)
        told = tell(times, to_logs(values, measure))
        places, shares = np.polynomial.hermite_e.hermegauss(SCALES)
        scale = np.exp(self.noise[0] + self.noise[1] * places)
        means, precision, evidence = update(told, self.means, self.spreads, scale)
        evidence += np.log(shares)[:, None, None] + np.log(self.rest)[:, None] + np.log(self.share)
        weights = np.exp(evidence - evidence.max())
        heard = weights >= LEAST_WEIGHT
        noise, rest, _ = np.nonzero(heard)
        return Posterior(
            measure=measure,
            last=float(times[-1]) if times.size else -np.inf,
            weights=weights[heard] / weights[heard].sum(),
            means=means[heard],
            covariances=np.linalg.inv(precision[heard]),
            scale=scale[noise],
            rest=rest,
            state=told.state[rest],
            doubt=told.doubt[rest],
        )


def _on_step(times: FloatArray, values: FloatArray, step: float) -> tuple[FloatArray, FloatArray]:
    """Finer rows as means over the prior's step, each at the last of its instants; the noise of others is not known."""
    times, values = counted(times, values)
    blocks = np.ceil((times - times[-1]) / step - 1e-6) if times.size else times
    starts = np.flatnonzero(np.diff(blocks, prepend=-np.inf))
    if starts.size in (0, times.size):
        return times, values
    rows = np.diff(starts, append=times.size)
    return times[starts + rows - 1], np.add.reduceat(values, starts) / rows


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """What is known of one workload: N Gaussians over level and coefficients.

    Args:
        measure: What demand is measured in.
        last: Instant of the last row, minus infinity without one.
        weights: Shape (N,), sum 1.
        means: Shape (N, 1 + P), the level first.
        covariances: Shape (N, 1 + P, 1 + P).
        scale: Of the rest, shape (N,).
        rest: Its kind, shape (N,).
        state: As in `evidence.Told`, shape (N, 2 + P).
        doubt: Likewise, shape (N,).
    """

    measure: float
    last: float
    weights: FloatArray
    means: FloatArray
    covariances: FloatArray
    scale: FloatArray
    rest: IntArray
    state: FloatArray
    doubt: FloatArray

    def profile(self, times: FloatArray) -> FloatArray:
        """The workload's own season at any instants (T,), in units of its demand: the median without the rest."""
        return self._to_demand(design(times) @ (self.weights @ self.means))

    def quantiles(self, times: FloatArray, levels: FloatArray) -> FloatArray:
        """Quantiles of demand at instants (T,) after the last row, at ascending levels (Q,), shape (T, Q).

        Raises:
            ValueError: An instant is not after the last row.
        """
        centers, spreads = self._ahead(times)
        points = (centers + spreads * normal_quantiles(POINTS)[:, None, None]).reshape(-1, times.size).T
        order = np.argsort(points, axis=1)
        below = np.cumsum(np.tile(self.weights / POINTS, POINTS)[order], axis=1)
        places = np.stack([np.searchsorted(row, levels * row[-1]) for row in below])
        return self._to_demand(np.take_along_axis(points, np.take_along_axis(order, places, axis=1), axis=1))

    def samples(self, times: FloatArray, *, count: int, seed: int) -> FloatArray:
        """Joint paths along ascending instants (T,) after the last row, shape (count, T)."""
        rng = np.random.default_rng(seed)
        drawn = rng.choice(self.weights.size, size=count, p=self.weights)
        roots = np.linalg.cholesky(self.covariances)[drawn]
        coefficients = self.means[drawn] + np.einsum("spq,sq->sp", roots, rng.normal(size=(count, COEFFICIENTS + 1)))
        scale, burst, memory = self.scale[drawn], BURST[self.rest[drawn]], MEMORY[self.rest[drawn]]
        state, doubt = self.state[drawn], self.doubt[drawn]
        lasting = state[:, -1] - np.einsum("sp,sp->s", state[:, :-1], coefficients)
        lasting = lasting + scale * np.sqrt(doubt) * rng.normal(size=count)
        logs = coefficients @ design(times).T + (scale * np.sqrt(burst))[:, None] * rng.normal(size=(count, times.size))
        for row, gap in enumerate(np.diff(times, prepend=self.last)):
            carried = np.exp(-gap / memory)
            lasting = carried * lasting + scale * np.sqrt(aged(0.0 * doubt, carried, burst)) * rng.normal(size=count)
            logs[:, row] += lasting
        return self._to_demand(logs)

    def _ahead(self, times: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of each Gaussian's logarithm at instants after the last row, shape (N, T)."""
        if np.any(times <= self.last):
            raise ValueError(f"times must be after the last row at {self.last:.0f}; use the profile for those before")
        carried = np.exp(-(times - self.last) / MEMORY[self.rest, None])
        rows = design(times) - carried[..., None] * self.state[:, None, :-1]
        centers = np.einsum("ntp,np->nt", rows, self.means) + carried * self.state[:, -1:]
        variances = np.einsum("ntp,npq,ntq->nt", rows, self.covariances, rows, optimize=True)
        burst = BURST[self.rest, None]
        rest = aged(self.doubt[:, None], carried, burst) + burst
        return centers, np.sqrt(variances + self.scale[:, None] ** 2 * rest)

    def _to_demand(self, logs: FloatArray) -> FloatArray:
        return np.asarray(self.measure * np.maximum(np.exp(np.minimum(logs, MOST_LOG)) - FLOOR, 0.0))


def borrow(prior: Prior, past: Window, *, until: float) -> Window:
    """The season of a young workload, from its past's first row until an instant, as far as peers and past tell.

    Each indicator learns for itself. This is what the mixture's seasonal experts can follow.
    """
    values = np.where(past.observed, past.values, np.nan)
    instants = past.end + past.step_seconds * np.arange(1.0 - len(past), 0.5)
    rows = len(past) + max(0, int(np.ceil((until - past.end) / past.step_seconds)))
    all_instants = instants[0] + past.step_seconds * np.arange(rows) if len(past) else instants
    profiles = np.stack([prior.learn(instants, column).profile(all_instants) for column in values.T], axis=1)
    seen = np.ones(profiles.shape, dtype=np.bool_)
    return Window(past.indicators, past.step_seconds, float(all_instants[-1]), profiles, seen)
