"""A plan of one model, as it is offered to whoever picks one of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from foresail.domain.timeseries import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """A plan of one model.

    Args:
        replicas: By candidate.
        usd_per_hour: Replicas and unserved demand at list prices.
        gpus: Shape (A,), in use by accelerator with a cap.
    """

    replicas: tuple[int, ...]
    usd_per_hour: float
    gpus: FloatArray


def usd_of(plan: Sequence[Offer]) -> float:
    """What a plan of a fleet costs, USD per hour."""
    return sum(offer.usd_per_hour for offer in plan)
