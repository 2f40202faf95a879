"""Live correction: by what factor replicas serve more or less than their profile says.

The logarithm of the factor is a random walk that is seen with noise: a Kalman filter of one number (Kalman, 1960). What
is forgotten is the walk's variance per observation; an observation far from what is believed counts as if it were at
the edge of what is plausible (Huber's psi), so one outlier moves little and a lasting change is followed.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, log, sqrt

OBSERVATION_LOG_ERROR = 0.15  # of a rate seen at saturation within one window
DRIFT_LOG_ERROR = 0.02  # per observation: steps of versions and mixes are forgotten over about 50
PLAUSIBLE_SIGMAS = 2.0
MAX_LOG_CORRECTION = log(4.0)  # beyond a factor of four the profile is of something else


@dataclass(frozen=True, slots=True)
class Correction:
    """Logarithm of the factor, its standard error, and of how many observations."""

    log_factor: float
    log_error: float
    observations: int = 0

    def observed(self, served_rps: float | None, profile_rps: float) -> Correction:
        """After a saturated replica was seen to serve a rate whose profile says `profile_rps`.

        What cannot be a rate at saturation (missing, zero, negative, not finite) changes nothing.
        """
        if served_rps is None or not _is_rate(served_rps) or not _is_rate(profile_rps):
            return self
        variance = self.log_error**2 + DRIFT_LOG_ERROR**2
        spread = sqrt(variance + OBSERVATION_LOG_ERROR**2)
        surprise = log(served_rps / profile_rps) - self.log_factor
        surprise = min(max(surprise, -PLAUSIBLE_SIGMAS * spread), PLAUSIBLE_SIGMAS * spread)
        gain = variance / spread**2
        moved = self.log_factor + gain * surprise
        bounded = min(max(moved, -MAX_LOG_CORRECTION), MAX_LOG_CORRECTION)
        return Correction(bounded, sqrt(variance * (1.0 - gain)), self.observations + 1)


def uncorrected(relative_error: float) -> Correction:
    """Before anything was observed: the profile, as far off as it may be."""
    return Correction(0.0, relative_error)


def _is_rate(value: float) -> bool:
    return isfinite(value) and value > 0.0
