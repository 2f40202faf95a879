from __future__ import annotations

import numpy as np
import pytest

from foresail.policies.moe.loads import arrivals, series, weighted

NAN = float("nan")


def of(*samples: list[float]) -> np.ndarray:
    """Counters of one layer."""
    return np.array(samples)[:, None, :]


def test_what_arrived_is_what_counters_grew_by() -> None:
    found = arrivals(of([0, 10], [20, 10], [20, 40]), 10.0)
    assert found.tokens_per_second[:, 0].tolist() == [[2.0, 0.0], [0.0, 3.0]]
    assert found.observed.tolist() == [True, True]


def test_after_a_restart_all_counters_tell_what_came_since() -> None:
    """The second expert's counter is above what it was, and yet it has started again: the first's fell."""
    found = arrivals(of([100, 10], [20, 30]), 10.0)
    assert found.tokens_per_second[:, 0].tolist() == [[2.0, 3.0]]


def test_what_was_missed_is_spread_over_its_time_and_never_zero() -> None:
    found = arrivals(of([0, 0], [NAN, 5], [40, 20], [NAN, NAN]), 10.0)
    assert found.tokens_per_second[:2, 0].tolist() == [[2.0, 1.0], [2.0, 1.0]]
    assert found.observed.tolist() == [True, True, False]
    assert not arrivals(of([0, 0], [NAN, NAN]), 10.0).observed.any()


def test_a_step_counts_half_of_one_that_is_a_half_life_younger() -> None:
    """Weights 1/2 and 1: (1/2 · 3 + 1 · 6) / 1.5 = 5."""
    found = arrivals(of([0, 0], [30, 0], [90, 0]), 10.0)
    (layer,) = weighted(found, 10.0)  # type: ignore[misc]
    assert layer.tolist() == pytest.approx([5.0, 0.0])


def test_what_was_not_observed_has_no_weight() -> None:
    found = arrivals(of([0, 0], [30, 0], [NAN, NAN]), 10.0)
    assert weighted(found, 10.0).tolist() == [pytest.approx([3.0, 0.0])]  # type: ignore[union-attr]


def test_without_any_observation_the_load_is_not_known() -> None:
    assert weighted(arrivals(of([0, 0], [NAN, NAN]), 10.0), 10.0) is None
    assert weighted(arrivals(of([0, 0]), 10.0), 10.0) is None


def test_load_is_a_series_like_any_other() -> None:
    window = series(arrivals(of([0, 10], [20, 10], [NAN, 40]), 10.0), 0, end=1000.0)
    assert window.indicators == ("expert_0_tokens_per_second", "expert_1_tokens_per_second")
    assert window.values[0].tolist() == [2.0, 0.0]
    assert window.observed.tolist() == [[True, True], [False, False]]
    assert (window.start, window.end) == (990.0, 1000.0)


def test_times_must_be_positive() -> None:
    with pytest.raises(ValueError, match="step_seconds"):
        arrivals(of([0, 0]), 0.0)
    with pytest.raises(ValueError, match="half_life_seconds"):
        weighted(arrivals(of([0, 0], [1, 1]), 1.0), 0.0)
