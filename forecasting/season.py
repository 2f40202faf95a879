"""Seasons: periods found in the history by autocorrelation and tested, and the profile that a period implies.

A period is believed when the autocorrelation at its lag is a local peak, large, and further above zero than noise of
the same memory would lift it (Bartlett's standard error with the correlations up to the first zero).
A wrong period does little harm: the expert that follows it loses its weight; so the test may be liberal.

References:
    Bartlett (1946), On the theoretical specification and sampling properties of autocorrelated time-series, JRSS 8.
"""

from __future__ import annotations

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.past import Past

DAY_SECONDS, WEEK_SECONDS = 86400.0, 7 * 86400.0
LEAST_ROWS = 6  # shorter periods are noise of the step
LEAST_PERIODS = 2
LEAST_CORRELATION = 0.2
LEAST_Z = 4.0
MOST_PERIODS = 14
DECAY = 0.9  # weight of a period against the one after it
SEASONS = 2
LEAST_CHANGE = 1e-9  # of the mean: what is smaller is rounding
NEARLY = 0.85  # of the highest peak: two days repeat too when one does


def autocorrelation(series: FloatArray, observed: FloatArray) -> FloatArray:
    """Autocorrelation of a series with holes at lags 0 … n - 1, by FFT; each lag over the pairs that were observed.

    Args:
        series: Shape (n,); what stands in a hole means nothing.
        observed: 1 or 0, shape (n,).
    """
    n = series.size
    mean = float(series @ observed) / max(float(observed.sum()), 1.0)
    centered = (series - mean) * observed
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(np.stack([centered, observed]), size)) ** 2
    products, pairs = np.fft.irfft(spectrum, size)[:, :n]
    variance = products[0] / max(pairs[0], 1.0)
    if variance <= 0.0:
        return np.zeros(n)
    return np.asarray(products / np.maximum(pairs, 1.0) / variance)


def find_periods(history: Past) -> tuple[float, ...]:
    """Periods in seconds, the strongest first, each tested on what the ones before it left; at most two."""
    if history.observed.sum() < LEAST_ROWS * LEAST_PERIODS:
        return ()
    observed = history.observed.astype(np.float64)
    series = _combine(history)
    if float(np.abs(series).max()) < LEAST_CHANGE:
        return ()
    found: list[float] = []
    while len(found) < SEASONS:
        period = _strongest_period(autocorrelation(series, observed), int(observed.sum()))
        if period is None:
            break
        found.append(period * history.step_seconds)
        series = series - _phase_means(series, observed, period)
    return tuple(found)


def _combine(history: Past) -> FloatArray:
    """All indicators as one series, each over its own mean, less a straight trend, which would repeat at every lag."""
    mean = history.values.mean(axis=0)
    series = (history.values / np.where(mean > 0.0, mean, 1.0)).mean(axis=1)
    place = np.arange(series.size, dtype=np.float64)
    slope, level = np.polyfit(place[history.observed], series[history.observed], 1)
    return np.asarray(series - slope * place - level)


def _strongest_period(correlation: FloatArray, count: int) -> float | None:
    """The shortest period, in rows, whose peak is nearly the highest and passes the test."""
    longest = correlation.size // LEAST_PERIODS
    negative = np.flatnonzero(correlation[:longest] <= 0.0)
    memory = int(negative[0]) if negative.size else longest
    first = max(LEAST_ROWS, memory + 1)
    window = correlation[first - 1 : longest + 1]
    error = np.sqrt((1.0 + 2.0 * float(np.square(correlation[1:memory]).sum())) / count)
    least = max(LEAST_CORRELATION, LEAST_Z * error)
    if window.size < 3:
        return None
    middle = window[1:-1]
    peaks = np.flatnonzero((middle >= window[:-2]) & (middle >= window[2:]) & (middle >= least))
    if peaks.size == 0:
        return None
    return _refine(correlation, int(peaks[np.argmax(middle[peaks] >= NEARLY * middle[peaks].max())]) + first)


def _refine(correlation: FloatArray, lag: int) -> float:
    """The period to a quarter of a row: where its multiples together see the most correlation.

    Noise puts small peaks beside the large one; and an error of one row grows with every period.
    """
    periods = np.arange(4 * round(0.8 * lag), 4 * round(1.2 * lag) + 1) / 4.0
    multiples = np.arange(1, max(1, int(correlation.size // LEAST_PERIODS / periods[-1])) + 1)
    width = max(1, lag // 12)
    smooth = np.convolve(correlation, np.ones(width) / width, mode="same") if width > 1 else correlation
    comb = np.interp(periods[:, None] * multiples, np.arange(smooth.size), smooth).sum(axis=1)
    return float(periods[np.argmax(comb)])


def _phase_means(series: FloatArray, observed: FloatArray, period: float) -> FloatArray:
    phases = round(period)
    phase = (np.arange(series.size) / period * phases).astype(np.intp) % phases
    counts = np.bincount(phase, weights=observed, minlength=phases)
    return (np.bincount(phase, weights=series * observed, minlength=phases) / np.maximum(counts, 1.0))[phase]


def profile(history: Past, period_seconds: float, *, offsets: FloatArray, ahead_seconds: float) -> FloatArray | None:
    """What past periods showed at the same phase: a weighted mean, the latest period counting most.

    Args:
        history: Coarse past, T rows.
        period_seconds: The season.
        offsets: Instants asked for, seconds relative to the history's end, ascending, shape (N,).
        ahead_seconds: How far ahead of its origin each instant is forecast; only what was known then is used.

    Returns:
        Shape (N, I), or None when the past periods do not cover the span.
    """
    step = history.step_seconds
    skip = max(1, int(np.ceil((ahead_seconds + step) / period_seconds)))
    grid = np.arange(np.floor(offsets[0] / step), np.ceil(offsets[-1] / step) + 1.0)
    last = len(history) - 1
    periods = min(MOST_PERIODS, int((last + grid[-1]) * step / period_seconds) + 1 - skip)
    if periods < 1:
        return None
    back = np.arange(skip, skip + periods)
    rows = (last + grid)[None, :] - np.round(back * period_seconds / step)[:, None]
    inside = (rows >= 0) & (rows <= last)
    rows = np.where(inside, rows, 0).astype(np.intp)
    weights = (inside & history.observed[rows]) * (DECAY ** np.arange(periods))[:, None]
    total = weights.sum(axis=0)
    known = total > 0.0
    if known.sum() < max(2.0, 0.8 * grid.size):
        return None
    means = np.einsum("kn,kni->ni", weights, history.values[rows])[known] / total[known, None]
    places = grid[known] * step
    return np.stack([np.interp(offsets, places, column) for column in means.T], axis=1)
