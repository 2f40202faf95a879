"""Loads of experts that are made up, and changes of GPUs to plan for them.

No traces of real expert loads are public in a form that can be had. Popularity follows Zipf's law with a permutation of
its own in every layer; between the placement of now and the plan it drifts slowly, or shifts: then some experts
exchange their popularity too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.moe.balance import place
from foresail.policies.moe.placement import LEAVES, Change

LAYERS, EXPERTS = 58, 256
TOKENS = 1_600_000  # of a window, with eight experts each
SLOW, SHIFT = (0.05, 0.0), (0.1, 0.15)  # spread of the drift, share of the experts that exchange places


@dataclass(frozen=True, slots=True)
class Event:
    """A change that is asked for, and what was asked of its plan.

    Args:
        before: GPUs now.
        after: GPUs then.
        slots: Of each GPU.
        drift: Spread and share, as above.
        copies: Share of the copies from scratch that a plan may take.
        serving: Likewise into GPUs that serve.
        cpu_seconds: Of planning and waves; None: nothing was asked.
        skew: Zipf's exponent.
        slots_before: Of each GPU now; None: as many.
    """

    before: int
    after: int
    slots: int
    drift: tuple[float, float]
    copies: float
    serving: float
    cpu_seconds: float | None
    skew: float = 0.9
    slots_before: int | None = None

    @property
    def name(self) -> str:
        """Told of in tables."""
        kind = "slow" if self.drift == SLOW else "shift"
        skew = "" if self.skew == 0.9 else f", Zipf {self.skew:g}"
        slots = f"{self.slots_before} to {self.slots}" if self.slots_before else self.slots
        return f"{self.before} to {self.after}, {slots} slots, {kind}{skew}"


EVENTS = (
    Event(32, 40, 9, SLOW, 0.33, 0.15, 0.4),
    Event(32, 40, 9, SHIFT, 0.33, 0.15, 0.4),
    Event(32, 40, 9, SHIFT, 0.33, 0.15, 0.4, skew=1.2),
    Event(40, 32, 9, SLOW, 0.25, 0.25, 0.4),
    Event(40, 32, 9, SHIFT, 0.25, 0.25, 0.4),
    Event(32, 32, 9, SLOW, 0.12, 0.12, 0.1),
    Event(32, 32, 9, SHIFT, 0.12, 0.12, 0.1),
    Event(64, 72, 5, SLOW, 0.33, 0.20, 0.4),
    Event(64, 72, 5, SHIFT, 0.33, 0.20, 0.4),
    Event(144, 160, 2, SLOW, 0.45, 0.45, 0.4),
    Event(144, 160, 2, SHIFT, 0.45, 0.45, 0.4),
    Event(32, 40, 8, SHIFT, 0.37, 0.20, 0.4, slots_before=9),
)


def make_change(event: Event, seed: int) -> Change:
    """The change, from a placement from scratch for the loads before."""
    rng = np.random.default_rng(seed)
    before = _popularity(rng, event.skew)
    after = _drifted(rng, before, *event.drift)
    current = place(_window(rng, before), event.before, event.slots_before or event.slots)
    keep = np.array([gpu if gpu < event.after else LEAVES for gpu in range(event.before)])
    return Change(_window(rng, after), current, keep, event.after, event.slots)


def _popularity(rng: np.random.Generator, skew: float) -> FloatArray:
    ranks = np.arange(1, EXPERTS + 1) ** -skew
    found = np.stack([rng.permutation(ranks) for _ in range(LAYERS)])
    return _normal(found * np.exp(0.25 * rng.standard_normal(found.shape)))


def _drifted(rng: np.random.Generator, before: FloatArray, spread: float, share: float) -> FloatArray:
    found = before * np.exp(spread * rng.standard_normal(before.shape))
    for layer in found:
        chosen = rng.choice(EXPERTS, round(share * EXPERTS), replace=False)
        layer[chosen] = layer[rng.permutation(chosen)]
    return _normal(found)


def _window(rng: np.random.Generator, popularity: FloatArray) -> FloatArray:
    """What a window of that many tokens shows of it."""
    return np.asarray(rng.poisson(popularity * TOKENS) + 1.0, np.float64)


def _normal(found: FloatArray) -> FloatArray:
    return np.asarray(found / found.sum(axis=1, keepdims=True))
