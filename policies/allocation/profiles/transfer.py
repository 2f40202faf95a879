"""From profiles that are known to one that is not: how far truth is from the roofline, learned from kin.

The logarithm of truth over roofline is a quadratic in the logarithms of the lengths. Its six coefficients are sums of
effects that deployments share (same accelerator, same model, same number of GPUs, …), each Gaussian: a linear mixed
model (Henderson, Biometrics 31(2), 1975), whose best predictor of a new deployment is exact and cheap, and whose
posterior takes measured points one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.profiles.buckets import Buckets
from foresail.policies.allocation.profiles.deployment import Deployment, Slo
from foresail.policies.allocation.profiles.roofline import roofline

# 1 sigma of the logarithm for what deployments with the same key share. Set by hand on the shipped matrices.
EFFECTS: tuple[tuple[float, Callable[[Deployment], Hashable]], ...] = (
    (0.3, lambda _: "any"),
    (0.3, lambda d: d.model.is_mixture_of_experts),
    (0.3, lambda d: d.accelerator.has_slow_links),
    (0.12, lambda d: d.accelerator.name),
    (0.2, lambda d: d.model.name),
    (0.1, lambda d: (d.accelerator.has_slow_links, d.gpus)),
    (0.1, lambda d: (d.accelerator.name, d.gpus)),
    (0.1, lambda d: (d.model.name, d.gpus)),
    (0.2, lambda d: (d.model.name, d.accelerator.name, d.gpus)),
)
COEFFICIENT_VARIANCES = np.array([1.0, 0.25, 0.25, 0.09, 0.09, 0.09]) / 1.3  # 1, x, y, xy, xx, yy; 1: the mean cell's
CELL_LOG_ERROR = 0.1  # what no quadratic explains: engines try batches in steps


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A profile to learn from: capacities (I, J) of a deployment under an SLO."""

    deployment: Deployment
    slo: Slo
    buckets: Buckets
    capacity_rps: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """What is believed of a deployment: its roofline, and the correction's coefficients with their covariance."""

    buckets: Buckets
    roofline_rps: FloatArray
    coefficients: FloatArray
    covariance: FloatArray

    def capacity_rps(self) -> FloatArray:
        """Expected capacity (the median), 0 where the roofline serves nothing. Shape (I, J)."""
        correction = np.exp(_basis(self.buckets) @ self.coefficients).reshape(self.buckets.shape)
        return self.roofline_rps * correction

    def log_error(self) -> FloatArray:
        """1 sigma of the logarithm of capacity. Shape (I, J)."""
        basis = _basis(self.buckets)
        variance = np.einsum("ci,ij,cj->c", basis, self.covariance, basis) + CELL_LOG_ERROR**2
        return np.asarray(np.sqrt(variance).reshape(self.buckets.shape))

    def measured(self, cell: tuple[int, int], requests_per_second: float) -> Belief:
        """The belief after one bucket that the roofline serves was measured at a positive rate (Kalman's update)."""
        basis = _basis(self.buckets)[cell[0] * self.buckets.shape[1] + cell[1]]
        seen = np.log(requests_per_second / self.roofline_rps[cell])
        gain = self.covariance @ basis / (basis @ self.covariance @ basis + CELL_LOG_ERROR**2)
        moved = self.coefficients + gain * (seen - basis @ self.coefficients)
        return Belief(
            self.buckets,
            self.roofline_rps,
            moved,
            self.covariance - np.outer(gain, basis @ self.covariance),
        )

    def next_cell(self, excluded: Sequence[tuple[int, int]] = ()) -> tuple[int, int] | None:
        """The bucket to measure next: it lowers the variance of all that can be served most (A-optimal design)."""
        serves = (self.roofline_rps > 0.0).ravel().copy()
        for row, column in excluded:
            serves[row * self.buckets.shape[1] + column] = False
        if not serves.any():
            return None
        basis = _basis(self.buckets)
        covariance = basis @ self.covariance @ basis.T
        lowered = (covariance[(self.roofline_rps > 0.0).ravel()] ** 2).sum(axis=0)
        gain = np.where(serves, lowered / (np.diag(covariance) + CELL_LOG_ERROR**2), -1.0)
        row, column = divmod(int(gain.argmax()), self.buckets.shape[1])
        return row, column


def believe(deployment: Deployment, slo: Slo, buckets: Buckets, known: Sequence[Known]) -> Belief:
    """Predict a deployment from the roofline and from its kin; `known` may be empty."""
    deployments = [*(one.deployment for one in known), deployment]
    size, dim = len(deployments), len(COEFFICIENT_VARIANCES)
    prior = np.kron(_kinship(deployments), np.diag(COEFFICIENT_VARIANCES))
    precision = np.linalg.inv(prior)
    evidence = np.zeros(size * dim)
    for index, one in enumerate(known):
        weight, pull = _evidence(one)
        block = slice(index * dim, (index + 1) * dim)
        precision[block, block] += weight
        evidence[block] = pull
    covariance = np.linalg.inv(precision)
    return Belief(buckets, roofline(deployment, slo, buckets), (covariance @ evidence)[-dim:], covariance[-dim:, -dim:])


def _evidence(known: Known) -> tuple[FloatArray, FloatArray]:
    """Precision and precision-weighted coefficients that a profile gives. Shapes (6, 6) and (6,)."""
    floor = roofline(known.deployment, known.slo, known.buckets)
    used = ((known.capacity_rps > 0.0) & (floor > 0.0)).ravel()
    basis = _basis(known.buckets)[used]
    residual = np.log(known.capacity_rps.ravel()[used] / floor.ravel()[used])
    return basis.T @ basis / CELL_LOG_ERROR**2, basis.T @ residual / CELL_LOG_ERROR**2


def _kinship(deployments: Sequence[Deployment]) -> FloatArray:
    """Covariance between deployments: the variances of all effects that two of them share."""
    size = len(deployments)
    shared = np.eye(size) * 1e-9
    for sigma, key in EFFECTS:
        keys = [key(deployment) for deployment in deployments]
        shared += sigma**2 * np.array([[one == other for other in keys] for one in keys])
    return shared


def _basis(buckets: Buckets) -> FloatArray:
    """Quadratic in the lengths' logarithms, shape (I · J, 6); scaled so that usual lengths lie within -1.5 to 1.5."""
    rows = (np.log2(buckets.input_edges) - 9.5) / 3.0
    columns = (np.log2(buckets.output_edges) - 7.5) / 2.0
    x, y = (axis.ravel() for axis in np.meshgrid(rows, columns, indexing="ij"))
    return np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=1)
