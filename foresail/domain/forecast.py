"""A forecast: joint sample paths, so that dependence between indicators and along the horizon is kept."""

from __future__ import annotations

from dataclasses import dataclass

from foresail.domain.timeseries import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """Equally likely futures of I indicators.

    Args:
        indicators: Names, length I, units in the names.
        origin: Instant from which it looks ahead, seconds since the epoch; row h of the horizon is at
            `origin + (h + 1) * step_seconds`.
        step_seconds: Spacing of the horizon.
        samples: Shape (S, H, I), never negative for demand.
        source: What made it: "flow", "mixture", "seasonal", "last-value", or "peers".
        reason: Why this source, one sentence.
        calibrated: None until enough forecasts have met their observations, then whether coverage is as promised.
        skill: What recent forecasts saved of the CRPS of the seasonal-naive forecast (of the last value where no season
            is known), as a share; below 0 they were worse, None while it cannot be told.
        fallback: Why a forecaster that was asked did not make it, empty where it did or none was asked.
    """

    indicators: tuple[str, ...]
    origin: float
    step_seconds: float
    samples: FloatArray
    source: str
    reason: str
    calibrated: bool | None = None
    skill: float | None = None
    fallback: str = ""

    def __post_init__(self) -> None:
        if self.samples.ndim != 3 or self.samples.shape[2] != len(self.indicators):
            raise ValueError(f"samples must have shape (S, H, {len(self.indicators)}), got {self.samples.shape}")
        self.samples.flags.writeable = False

    @property
    def horizon_seconds(self) -> float:
        """How far the forecast looks ahead."""
        return self.step_seconds * float(self.samples.shape[1])

    def between(self, start: float, end: float) -> FloatArray:
        """Samples of the steps whose instants lie in [start, end], at least one; shape (S, h, I).

        A span beyond the horizon is answered with the last step: the furthest that is known.
        """
        steps = self.samples.shape[1]
        first = min(max(round((start - self.origin) / self.step_seconds) - 1, 0), steps - 1)
        last = min(max(round((end - self.origin) / self.step_seconds) - 1, first), steps - 1)
        return self.samples[:, first : last + 1, :]
