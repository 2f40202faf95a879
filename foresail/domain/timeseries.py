"""A window: the recent past of several indicators on a regular grid, with holes marked and never filled with zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

REQUESTS: Final = "requests_per_second"
INPUT_TOKENS: Final = "input_tokens_per_second"
OUTPUT_TOKENS: Final = "output_tokens_per_second"
DEMAND_INDICATORS: Final = (REQUESTS, INPUT_TOKENS, OUTPUT_TOKENS)


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """The past of I indicators at W instants.

    Args:
        indicators: Names, length I, units in the names.
        step_seconds: Spacing of the instants.
        end: Instant of the last row, seconds since the epoch.
        values: Shape (W, I); what stands where `observed` is False means nothing.
        observed: Shape (W, I).
    """

    indicators: tuple[str, ...]
    step_seconds: float
    end: float
    values: FloatArray
    observed: BoolArray

    def __post_init__(self) -> None:
        shape = (self.values.shape[0], len(self.indicators))
        if self.values.shape != shape or self.observed.shape != shape:
            raise ValueError(
                f"values and observed must have shape (W, {len(self.indicators)}), got {self.values.shape}"
            )
        if self.step_seconds <= 0:
            raise ValueError(f"step_seconds must be positive, got {self.step_seconds}")
        self.values.flags.writeable = False
        self.observed.flags.writeable = False

    def __len__(self) -> int:
        return int(self.values.shape[0])

    @property
    def start(self) -> float:
        """Instant of the first row, seconds since the epoch."""
        return self.end - self.step_seconds * (len(self) - 1)
