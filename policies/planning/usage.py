"""GPUs that counts take beyond what runs, by accelerator that was counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from foresail.domain.timeseries import FloatArray
from foresail.policies.scaling.case import Case

Gpus = Mapping[str, int]


def gpus_per_replica(case: Case, seats: Sequence[int], accelerators: Sequence[str]) -> FloatArray:
    """GPUs of one replica, shape (V, A): zero where its accelerator is none of those."""
    variants = [case.seats[v].variant for v in seats]
    return np.array([[v.gpus_per_replica * (v.accelerator == name) for name in accelerators] for v in variants], float)


def starts(case: Case, seats: Sequence[int], counts: NDArray[np.intp], accelerators: Sequence[str]) -> FloatArray:
    """GPUs that replicas more than now would take, shape (N, A); those that would go are not free before they are.

    Args:
        case: For the current replicas.
        seats: Indexes of its seats, V of them.
        counts: Shape (N, V).
        accelerators: A of them.
    """
    current = np.array([case.current[v] for v in seats])
    gpus: FloatArray = np.maximum(counts - current, 0) @ gpus_per_replica(case, seats, accelerators)
    return gpus
