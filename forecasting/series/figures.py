"""Figures of a forecast: every score and share of the contract, from the quantiles and samples that are saved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.scores import crps, pinball
from foresail.forecasting.series.copula import read_at, shuffle_columns
from foresail.forecasting.series.energy import energy_score


@dataclass(frozen=True, slots=True)
class Figures:
    """How a forecast fared; means over all targets and columns that were observed, None where none was.

    Args:
        crps: Continuous ranked probability score of the quantiles as an ensemble.
        crps_per_column: The same by column.
        mse: Squared error of the mean of the quantiles.
        coverage_80: Share of outcomes from the .1 to the .9 quantile.
        coverage_95: From .025 to .975.
        violation_99: Share of outcomes above the .99 quantile.
        energy_score: Of the joint samples; targets with a hole do not count.
        energy_score_shuffled: Of the same samples, each column shuffled.
        pinball_90: Pinball loss of the .9 quantile.
        pinball_99: Of the .99 quantile; times 100 it is the newsvendor's cost at 99 : 1.
    """

    crps: float | None
    crps_per_column: dict[str, float | None]
    mse: float | None
    coverage_80: float | None
    coverage_95: float | None
    violation_99: float | None
    energy_score: float | None
    energy_score_shuffled: float | None
    pinball_90: float | None
    pinball_99: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """What figures are computed from.

    Args:
        columns: Names, length I.
        levels: Shape (Q,).
        quantiles: Shape (T, Q, I).
        samples: Shape (T, S, I).
        outcomes: NaN where missing, shape (T, I).
    """

    columns: tuple[str, ...]
    levels: FloatArray
    quantiles: FloatArray
    samples: FloatArray
    outcomes: FloatArray

    def scaled(self, low: FloatArray, span: FloatArray) -> Scored:
        """The same with `low` at 0 and `low + span` at 1, each shape (I,)."""
        return Scored(
            self.columns,
            self.levels,
            (self.quantiles - low) / span,
            (self.samples - low) / span,
            (self.outcomes - low) / span,
        )


def make_figures(scored: Scored, seed: int) -> Figures:
    """All figures; `seed` is that of the shuffle."""
    outcomes, seen = scored.outcomes, np.isfinite(scored.outcomes)
    known = np.where(seen, outcomes, 0.0)
    # About the outcome: what is small beside the level is not lost, and certainty scores 0 exactly.
    missed = scored.quantiles - known[:, None]
    scores = crps(missed.transpose(1, 0, 2), np.zeros_like(known))
    wanted = np.array([0.1, 0.9, 0.025, 0.975, 0.99])
    tenth, ninety, low, high, ninety_nine = read_at(scored.quantiles, scored.levels, wanted).transpose(1, 0, 2)
    whole = seen.all(axis=1)
    samples, rows = scored.samples[whole], outcomes[whole]
    return Figures(
        crps=_mean(scores[seen]),
        crps_per_column={name: _mean(scores[seen[:, i], i]) for i, name in enumerate(scored.columns)},
        mse=_mean(np.square(missed.mean(axis=1))[seen]),
        coverage_80=_mean(((tenth <= known) & (known <= ninety))[seen]),
        coverage_95=_mean(((low <= known) & (known <= high))[seen]),
        violation_99=_mean((known > ninety_nine)[seen]),
        energy_score=_mean(energy_score(samples, rows)),
        energy_score_shuffled=_mean(energy_score(shuffle_columns(samples, seed), rows)),
        pinball_90=_mean(pinball(known - ninety, 0.9)[seen]),
        pinball_99=_mean(pinball(known - ninety_nine, 0.99)[seen]),
    )


def _mean(values: FloatArray | np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> float | None:
    return float(values.mean()) if values.size else None
