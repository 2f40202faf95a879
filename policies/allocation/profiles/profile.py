"""A capacity profile: requests per second by size bucket, where that is known from, and how far it may be off.

Of several sources the best is taken: live measurement, the user's own matrix, a shipped one, the roofline. A bucket
with capacity 0 cannot be served. What is missing, negative or not a number is never taken for capacity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import exp, isfinite

import numpy as np

from foresail.domain.accelerator import CapacityPoint
from foresail.domain.errors import InputError
from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.profiles.buckets import Buckets, resample
from foresail.policies.allocation.profiles.deployment import Deployment, Slo
from foresail.policies.allocation.profiles.roofline import ROOFLINE_LOG_ERROR, roofline
from foresail.policies.allocation.profiles.transfer import Belief, Known

USER_LOG_ERROR = 0.1  # a matrix that its owner measured
POINT_LOG_ERROR = 0.15  # a whole matrix scaled to one number


class Source(StrEnum):
    """Where a profile is known from, best first."""

    MEASURED = "measured"
    USER = "user"
    SHIPPED = "shipped"
    ROOFLINE = "roofline"


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """What one replica sustains.

    Args:
        buckets: Upper edges in tokens.
        capacity_rps: Shape (I, J); 0: cannot be served.
        source: Where it is known from.
        provenance: One sentence, with the tool and its version if one made it.
        relative_error: 1 sigma of the capacity's logarithm.
    """

    buckets: Buckets
    capacity_rps: FloatArray
    source: Source
    provenance: str
    relative_error: float


def with_headroom(profile: Profile, sigmas: float = 1.0) -> Profile:
    """The capacity to plan with: lower by so many sigmas of what the profile may be off."""
    return replace(profile, capacity_rps=profile.capacity_rps * exp(-sigmas * profile.relative_error))


def user_profile(rows: Sequence[Sequence[float | None]], buckets: Buckets, field: str) -> Profile:
    """The user's own matrix, checked.

    Raises:
        InputError: A row is missing or too long, or a rate is missing, negative or not finite.
    """
    wanted_rows, wanted_columns = buckets.shape
    if len(rows) != wanted_rows:
        raise _refused(field, f"needs one row for each of {wanted_rows} input lengths", len(rows), "add or drop rows")
    for index, row in enumerate(rows):
        if len(row) != wanted_columns:
            problem = f"needs one rate for each of {wanted_columns} output lengths"
            raise _refused(f"{field}[{index}]", problem, len(row), "add or drop rates")
        for column, rate in enumerate(row):
            if rate is None or not isfinite(rate) or rate < 0.0:
                remedy = "write the measured rate, or 0 where a replica cannot serve that size"
                raise _refused(f"{field}[{index}][{column}]", "is not a rate in requests per second", rate, remedy)
    return Profile(buckets, np.array(rows, dtype=np.float64), Source.USER, f"Given in {field}.", USER_LOG_ERROR)


def shipped_profile(
    deployment: Deployment, slo: Slo, buckets: Buckets, known: Sequence[Known], *, tool: str, relative_error: float
) -> Profile | None:
    """The shipped matrix of this deployment; None if there is none whose SLO is at least as strict.

    Of those with a stricter SLO the greatest capacities are taken: each is a rate that keeps the wanted SLO.
    """
    usable = [one for one in known if one.deployment == deployment and one.slo.is_at_least_as_strict_as(slo)]
    if not usable:
        return None
    capacity = np.max([resample(one.capacity_rps, one.buckets, buckets) for one in usable], axis=0)
    what = f"{deployment.model.name} on {deployment.gpus} {deployment.accelerator.name}"
    return Profile(buckets, capacity, Source.SHIPPED, f"Shipped for {what}: predicted by {tool}.", relative_error)


def roofline_profile(deployment: Deployment, slo: Slo, buckets: Buckets) -> Profile:
    """What data sheet and model config allow, with no other profile to learn from."""
    capacity = roofline(deployment, slo, buckets)
    what = f"{deployment.model.name} on {deployment.gpus} {deployment.accelerator.name}"
    provenance = f"Roofline of {what}: memory, bandwidth, arithmetic and links; nothing was measured."
    return Profile(buckets, capacity, Source.ROOFLINE, provenance, ROOFLINE_LOG_ERROR)


def belief_profile(belief: Belief, learned_from: int, points: int = 0) -> Profile:
    """What is believed of a deployment from its roofline, other profiles and points that were measured on it."""
    capacity = belief.capacity_rps()
    served = belief.log_error()[capacity > 0.0]
    error = float(np.sqrt(np.mean(served**2))) if served.size else ROOFLINE_LOG_ERROR
    source = Source.MEASURED if points else Source.ROOFLINE
    provenance = f"Roofline corrected by {learned_from} other profiles and {points} measured points."
    return Profile(belief.buckets, capacity, source, provenance, error)


def scaled_to_point(shape: Profile, point: CapacityPoint, mix: FloatArray | None = None) -> Profile:
    """A matrix from one measured number: a profile's shape, scaled to meet it.

    Args:
        shape: Whose proportions are kept.
        point: With both lengths, or measured on the workload's own mix.
        mix: Shares of the buckets in that mix, shape (I, J), needed for a point without lengths.

    Raises:
        InputError: The rate is not positive; lengths and mix are both missing; or the profile serves nothing there.
    """
    rate = point.requests_per_second
    if not isfinite(rate) or rate <= 0.0:
        raise _refused("requestsPerSecond", "is not a positive rate", rate, "write what one replica was seen to serve")
    expected = _capacity_at(shape, point, mix)
    if expected <= 0.0:
        remedy = "measure a size that fits, or give a matrix"
        raise _refused("requestsPerSecond", "is of a size that the profile says cannot be served", rate, remedy)
    provenance = f"{shape.provenance} Scaled by {rate / expected:.3g} to {rate:g} rps measured."
    capacity = shape.capacity_rps * (rate / expected)
    return replace(shape, capacity_rps=capacity, provenance=provenance, relative_error=POINT_LOG_ERROR)


def best_of(candidates: Sequence[Profile | None]) -> Profile | None:
    """The profile of the best source, the first of equals; None when nothing is known."""
    known = [candidate for candidate in candidates if candidate is not None]
    return min(known, key=lambda profile: list(Source).index(profile.source), default=None)


def corrected(profile: Profile, log_correction: float, log_error: float, samples: int) -> Profile:
    """The profile after replicas were seen to serve e^log_correction times its capacity."""
    provenance = f"{profile.provenance} Corrected by {exp(log_correction):.3g} from {samples} observations."
    return replace(
        profile,
        capacity_rps=profile.capacity_rps * exp(log_correction),
        source=Source.MEASURED,
        provenance=provenance,
        relative_error=log_error,
    )


def _capacity_at(shape: Profile, point: CapacityPoint, mix: FloatArray | None) -> float:
    if point.input_tokens is not None and point.output_tokens is not None:
        where = Buckets(np.array([max(point.input_tokens, 1.0)]), np.array([max(point.output_tokens, 1.0)]))
        return float(resample(shape.capacity_rps, shape.buckets, where)[0, 0])
    if mix is None or mix.sum() <= 0.0:
        raise _refused("inputTokens", "and outputTokens are missing, and the mix is unknown", None, "write both")
    used = mix > 0.0
    if (shape.capacity_rps[used] <= 0.0).any():
        return 0.0
    return float(mix.sum() / (mix[used] / shape.capacity_rps[used]).sum())  # shares of a replica add


def _refused(field: str, problem: str, value: object, remedy: str) -> InputError:
    return InputError("capacity profile", field, problem, value=value, remedy=remedy)
