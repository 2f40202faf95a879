"""Training where it serves: a rehearsal of a workload's past, a flow, and the judgement whether it may serve.

A flow serves only what it has proven: on the last fifth of the past, which it neither learned from nor was chosen on,
it must score better than the mixture and hold what it promises.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
import torch

from foresail.domain.errors import InputError
from foresail.domain.timeseries import FloatArray, Window
from foresail.forecasting.artifact import Weights
from foresail.forecasting.card import Card
from foresail.forecasting.demand.rehearsal import Rehearsal, rehearse
from foresail.forecasting.neural.dataset import Examples
from foresail.forecasting.neural.marginals import Marginals
from foresail.forecasting.neural.model import save_flow
from foresail.forecasting.neural.serving import bend, levels_of
from foresail.forecasting.neural.train import Recipe, fit_flow
from foresail.forecasting.scores import crps

LEARN_SHARE, JUDGE_SHARE = 0.7, 0.2  # of the origins: learned from, and at the end judged on; chosen on between
LEAST_ORIGINS = 400
MUST_GAIN = 0.005  # of the mixture's CRPS
COVERAGE = 0.9
TOLERATED = 0.03  # of the coverage
SAMPLES = 100  # of the mixture while training
REHEARSING_SHARE = 0.5  # of the time, for progress


def train(
    past: Window,
    *,
    horizon_seconds: float,
    seed: int = 0,
    recipe: Recipe | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> tuple[Card, Weights]:
    """Rehearse a past, train a flow on it, and judge it.

    Args:
        past: A day or more at the step at which forecasts will be asked for.
        horizon_seconds: The furthest step that will be asked for.
        seed: Same seed and past, same bytes.
        recipe: How to train.
        progress: Told what is being done, and the share of all that is done.

    Returns:
        The card, `settings["serves"]` of which says whether the flow earned its seat and `settings["why"]` why, and
        the weights.

    Raises:
        InputError: The past is too short or has too many holes.
    """
    tell = progress or (lambda _what, _share: None)
    rehearsal = rehearse(
        past,
        horizon_seconds=horizon_seconds,
        samples=SAMPLES,
        progress=lambda share: tell("rehearsing", share * REHEARSING_SHARE),
    )
    count = len(rehearsal)
    if count < LEAST_ORIGINS:
        raise InputError(
            "history",
            "rows",
            f"allows forecasts from {count} instants, training needs {LEAST_ORIGINS}",
            value=len(past),
            remedy="wait until more history is there, or see whether Prometheus scrapes the engines",
        )
    learn, choose, judge = split(rehearsal, horizon_seconds)
    tell("training", REHEARSING_SHARE)
    fitted = fit_flow(make_examples(learn, seed), make_examples(choose, seed + 1), seed=seed, recipe=recipe)
    scores = score(judge, bend(fitted.flow, judge.samples, judge.context))
    serves, why = earned(scores)
    settings, weights = save_flow(fitted.flow)
    told = {
        "flow": settings,
        "serves": serves,
        "why": why,
        "horizon_seconds": horizon_seconds,
        "outcomes": float(np.ptp(judge.origins)) / horizon_seconds,  # that it was judged on and do not overlap
    }
    tell("trained", 1.0)
    return make_card(past, rehearsal.steps, scores, told, seed), weights


def make_card(
    past: Window, steps: tuple[int, ...], scores: Mapping[str, float], settings: Mapping[str, Any], seed: int
) -> Card:
    """What is written beside the weights."""
    return Card(
        model="flow",
        indicators=past.indicators,
        step_seconds=past.step_seconds,
        horizons=steps,
        train_start=past.start,
        train_end=past.end,
        rows=len(past),
        settings=settings,
        scores=scores,
        versions={"python": platform.python_version(), "torch": str(torch.__version__), "numpy": np.__version__},
        seed=seed,
    )


def split(rehearsal: Rehearsal, horizon_seconds: float) -> tuple[Rehearsal, Rehearsal, Rehearsal]:
    """Origins to learn from, to choose on and to judge on, in this order, a horizon apart: outcomes reach that far."""
    origins = rehearsal.origins
    first, second = (
        origins[min(int(share * len(origins)), len(origins) - 1)] for share in (LEARN_SHARE, 1.0 - JUDGE_SHARE)
    )
    return (
        rehearsal.take(origins < first - horizon_seconds),
        rehearsal.take((origins >= first) & (origins < second - horizon_seconds)),
        rehearsal.take(origins >= second),
    )


def make_examples(rehearsal: Rehearsal, seed: int) -> Examples:
    """Every origin and step as a row to learn from, in the order of time."""
    samples = rehearsal.samples.reshape(-1, *rehearsal.samples.shape[2:])
    outcomes = rehearsal.outcomes.reshape(len(samples), -1)
    marginals = Marginals(samples, levels_of(samples.shape[1]))
    scores = marginals.scores(outcomes, np.random.default_rng(seed).random(outcomes.shape))
    context = cast(FloatArray, rehearsal.context.reshape(*outcomes.shape, -1).astype(np.float32))  # as torch has it
    return Examples(scores, context, marginals, outcomes)


def score(judge: Rehearsal, bent: FloatArray) -> dict[str, float]:
    """CRPS of flow, mixture and naive forecast over the mean outcome, means over steps and indicators; coverage."""
    size = np.maximum(np.nanmean(np.abs(judge.outcomes), axis=(0, 1)), 1e-300)
    lowest, highest = (bent[:, :, int(level * (bent.shape[2] - 1))] for level in (0.05, 0.95))
    seen = np.isfinite(judge.outcomes)
    inside = (judge.outcomes >= lowest) & (judge.outcomes <= highest)
    return {
        "crps": _mean_crps(bent, judge.outcomes, size),
        "crps_mixture": _mean_crps(judge.samples, judge.outcomes, size),
        "crps_naive": _mean_crps(judge.references[:, :, None], judge.outcomes, size),
        "coverage_90": float(inside[seen].mean()) if seen.any() else 0.0,
    }


def _mean_crps(samples: FloatArray, outcomes: FloatArray, size: FloatArray) -> float:
    found = crps(np.moveaxis(samples, 2, 0), outcomes) / size
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("inf")


def earned(scores: Mapping[str, float]) -> tuple[bool, str]:
    """Whether a flow with these scores serves, and why, one sentence."""
    gain = 1.0 - scores["crps"] / scores["crps_mixture"] if scores["crps_mixture"] > 0.0 else 0.0
    held = scores["coverage_90"]
    told = f"CRPS {abs(gain):.1%} {'below' if gain >= 0.0 else 'above'} the mixture's and {held:.0%} within its 90 %"
    if gain < MUST_GAIN:
        return False, f"the flow gained too little on the last fifth of its history: {told}"
    if abs(held - COVERAGE) > TOLERATED:
        return False, f"the flow did not hold its promises on the last fifth of its history: {told}"
    return True, f"the flow earned its seat on the last fifth of its history: {told}"
