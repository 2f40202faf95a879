"""Fit what workloads are like from many of them: a hierarchical model, by stochastic variational inference in pyro.

    share ~ Dirichlet; means, spreads                 archetypes of daily and weekly shape
    rest ~ Dirichlet                                  which kinds of rest are common: long or short memory, bursts
    noise_w ~ LogNormal(noise_mean, noise_spread)     its own scale of the rest
    demand_w ~ Σ share · rest · Gaussian(noise_w)     level and coefficients integrated out: `evidence.update`

A workload's level, coefficients, archetype and kind of rest are not sampled: their sum is exact, and the guide need
only be right about the few numbers that are left, for which independent normals are enough. Rows are read once, not in
every step, so the cost of a step does not depend on how long the histories are.

References:
    Hoffman, Blei, Wang and Paisley (2013), Stochastic Variational Inference, JMLR 14.
    Bingham et al. (2019), Pyro: Deep Universal Probabilistic Programming, JMLR 20.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyro
import torch
from pyro import distributions as dist
from pyro.infer import SVI, Trace_ELBO
from pyro.infer.autoguide import AutoNormal, init_to_median, init_to_value
from pyro.optim import ClippedAdam
from torch.distributions import biject_to

from foresail.domain.timeseries import FloatArray, Window
from foresail.forecasting.demand.borrowed import Prior
from foresail.forecasting.demand.evidence import (
    COEFFICIENTS,
    MEMORY,
    Told,
    counted,
    own_measure,
    tell,
    to_logs,
    update,
)

LEAST_ROWS = 12
LEAST_NOISE = 0.01
MOST_ARCHETYPES = 3
WORKLOADS_PER_ARCHETYPE = 8
DRAWS = 400
RATE, LAST_RATE = 0.05, 0.005
POPULATION = ("share", "means", "spreads", "rest", "noise_mean", "noise_spread")


def fit_prior(
    histories: Sequence[Window],
    *,
    seed: int,
    steps: int = 400,
    progress: Callable[[int, float], None] | None = None,
) -> Prior:
    """What these workloads are like.

    Args:
        histories: Coarse pasts on one step; each indicator counts as a workload of its own, so give one of each
            workload.
        seed: Of the inference; the same seed gives the same prior.
        steps: Of gradient ascent.
        progress: Told after each step its number and the loss (negative ELBO).

    Raises:
        ValueError: The steps of the rows differ, none has enough rows, or there is no step to take.
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    peers = _gather(histories)
    with torch.random.fork_rng(devices=[]), pyro.get_param_store().scope():
        torch.manual_seed(seed)
        archetypes = min(MOST_ARCHETYPES, 1 + len(peers.rows) // WORKLOADS_PER_ARCHETYPE)
        start = _start(peers, archetypes)
        guide = AutoNormal(_model, init_loc_fn=init_to_value(values=start, fallback=init_to_median), init_scale=0.05)
        decay = (LAST_RATE / RATE) ** (1.0 / steps)
        svi = SVI(_model, guide, ClippedAdam({"lr": RATE, "lrd": decay}), Trace_ELBO())
        for step in range(steps):
            loss = svi.step(peers, archetypes)
            if progress is not None:
                progress(step, loss)
        return _summarize({name: _draw(guide, name) for name in POPULATION}, histories[0].step_seconds)


def _gather(histories: Sequence[Window]) -> Told:
    """What every series tells, as tensors with an axis for them."""
    steps = {history.step_seconds for history in histories}
    if len(steps) > 1:
        raise ValueError(f"histories: steps must agree, got {sorted(steps)} seconds; read them again on one step")
    series = [rows for history in histories for rows in _columns(history)]
    told = [tell(times, to_logs(values, own_measure(values))) for times, values in series if _is_enough(values)]
    if not told:
        raise ValueError(f"histories: none has {LEAST_ROWS} rows of demand; wait, or see whether Prometheus scrapes")
    return Told(*(torch.from_numpy(np.stack(part)).double() for part in zip(*told, strict=True)))


def _columns(history: Window) -> list[tuple[FloatArray, FloatArray]]:
    times = history.end - history.step_seconds * np.arange(len(history) - 1.0, -1.0, -1.0)
    return [counted(times, column) for column in np.where(history.observed, history.values, np.nan).T]


def _is_enough(values: FloatArray) -> bool:
    return values.size >= LEAST_ROWS and float(values.max()) > 0.0


def _start(peers: Told, archetypes: int) -> dict[str, Any]:
    """Where inference starts: each workload's regression under its likeliest kind of rest.

    Much noise of a long memory looks like little of a short one, and a guide with one place for the noise cannot walk
    from one to the other. Archetypes start at the mean of the workloads, then each at the one farthest from all before.
    """
    ridge = peers.gram + torch.eye(COEFFICIENTS + 1, dtype=torch.float64)
    found = torch.linalg.solve(ridge, peers.cross[..., None])[..., 0]
    noise = ((peers.square - (peers.cross * found).sum(dim=-1)) / peers.rows[:, None]).clamp(min=LEAST_NOISE**2).sqrt()
    likeliest = (0.5 * peers.sharpness - peers.rows[:, None] * noise.log()).argmax(dim=1)
    each = torch.arange(len(likeliest))
    fits = found[each, likeliest, 1:]
    chosen = [fits.mean(dim=0)]
    while len(chosen) < archetypes:
        chosen.append(fits[torch.cdist(fits, torch.stack(chosen)).min(dim=1).values.argmax()])
    noise = noise[each, likeliest]
    return {"means": torch.stack(chosen), "noise": noise, "noise_mean": noise.log().mean()}


def _model(peers: Told, archetypes: int) -> None:
    zero = peers.square.new_zeros(())
    share = pyro.sample("share", dist.Dirichlet(zero.expand(archetypes) + 2.0))
    means = pyro.sample("means", dist.Normal(zero, 0.5).expand([archetypes, COEFFICIENTS]).to_event(2))
    spreads = pyro.sample("spreads", dist.HalfNormal(zero + 0.3).expand([archetypes, COEFFICIENTS]).to_event(2))
    rest = pyro.sample("rest", dist.Dirichlet(zero.expand(MEMORY.size) + 0.5))
    noise_mean = pyro.sample("noise_mean", dist.Normal(zero - 1.0, 1.0))
    noise_spread = pyro.sample("noise_spread", dist.HalfNormal(zero + 0.5))
    with pyro.plate("workloads", len(peers.rows)):
        noise = pyro.sample("noise", dist.LogNormal(noise_mean, noise_spread))
        evidence = update(peers, means, spreads, noise[:, None], module=torch)[2][:, 0]
        pyro.factor("demand", torch.logsumexp(evidence + rest.log()[:, None] + share.log(), dim=(1, 2)))


def _draw(guide: Any, name: str) -> FloatArray:
    """Draws of one number or array from the fitted guide, shape (DRAWS, …)."""
    loc, scale = getattr(guide.locs, name).detach(), getattr(guide.scales, name).detach()
    support = guide.prototype_trace.nodes[name]["fn"].support
    return biject_to(support)(loc + scale * torch.randn(DRAWS, *loc.shape, dtype=loc.dtype)).numpy()


def _summarize(found: Mapping[str, FloatArray], step_seconds: float) -> Prior:
    """The population's moments over draws of the guide: what is unsure of a mean widens what it is the mean of."""

    def moments(mean: str, spread: str) -> tuple[FloatArray, FloatArray]:
        square = np.square(found[spread]).mean(axis=0) + found[mean].var(axis=0)
        return found[mean].mean(axis=0), np.sqrt(square)

    means, spreads = moments("means", "spreads")
    return Prior(
        share=found["share"].mean(axis=0),
        means=means,
        spreads=spreads,
        noise=np.stack(moments("noise_mean", "noise_spread")),
        rest=found["rest"].mean(axis=0),
        step=np.array([step_seconds]),
    )
