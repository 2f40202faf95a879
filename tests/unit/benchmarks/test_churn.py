from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.allocation.churn import (
    FORESIGHT,
    INDEPENDENT,
    OFFSETS,
    OURS,
    STARTUP_SECONDS,
    WINDOW_SECONDS,
    churn_table,
    fare_of,
    fare_of_counts,
    judge_churn,
    policies,
    shares_of,
)
from benchmarks.allocation.conversation import make_model, read_windows
from benchmarks.allocation.foresight import foresee
from foresail.domain.timeseries import FloatArray

HEAD = "TIMESTAMP,ContextTokens,GeneratedTokens\n"


def waves(windows: int) -> list[FloatArray]:
    """Sixty to a hundred requests per second of a few sizes, with noise."""
    rng, shape = np.random.default_rng(0), make_model(STARTUP_SECONDS).demand_rps.shape
    mix = np.zeros(shape)
    mix[4:7, 2:4] = rng.dirichlet(np.ones(6)).reshape(3, 2)
    rate = 80.0 + 20.0 * np.sin(np.arange(windows)) + rng.normal(0.0, 5.0, windows)
    return [one * mix for one in rate]


def test_a_start_is_paid_for_five_minutes_beyond_the_windows_it_runs_in() -> None:
    model = make_model(STARTUP_SECONDS)
    small = replace(model, candidates=tuple(replace(own, usd_per_hour=6.0) for own in model.candidates[:1]))
    fare = fare_of_counts(small, np.array([[2], [3], [1]]))
    assert fare.run_usd == pytest.approx(6 * 6.0 * 120 / 3600)  # six replica windows
    assert fare.start_usd == pytest.approx(6.0 * 300 / 3600)  # the first two are free
    assert (fare.started, fare.stopped) == (1, 2)


def test_windows_count_requests_by_size_and_leave_out_what_is_not_a_whole_window(tmp_path: Path) -> None:
    file = tmp_path / "conv.csv"
    told = [(0.0, 40, 20), (30.0, 40, 20), (59.0, 20000, 2000), (61.0, 5, 5), (119.9, 5, 5), (125.0, 5, 5)]
    rows = [f"2023-11-16 18:{int(s // 60):02}:{s % 60:09.6f}0,{i},{o}\n" for s, i, o in told]
    file.write_text(HEAD + "".join(rows))

    first, second = read_windows(file, window_seconds=60.0, offset_seconds=0.0, times=12.0)
    assert first[1, 0] == pytest.approx(12 * 2 / 60)
    assert first[-1, -1] == pytest.approx(12 / 60)  # longer than all buckets
    assert second.sum() == second[0, 0] == pytest.approx(12 * 2 / 60)
    (only,) = read_windows(file, window_seconds=60.0, offset_seconds=60.0, times=1.0)
    assert only == pytest.approx(second / 12)


def test_every_policy_serves_all_and_foresight_bounds_them() -> None:
    model, windows = make_model(STARTUP_SECONDS), waves(5)
    fares = {name: fare_of(policy, model, windows) for name, policy in policies().items()}
    counts, bound = foresee(model, windows, WINDOW_SECONDS, seconds=20.0)
    assert all(fare.unserved_requests == 0.0 for fare in fares.values())
    assert bound <= fare_of_counts(model, counts).total_usd + 1e-6
    assert all(fare.total_usd >= bound - 1e-6 for fare in fares.values())
    assert fares[INDEPENDENT].run_usd == min(fare.run_usd for fare in fares.values())
    assert fares[OURS].started <= fares[INDEPENDENT].started

    rows = {name: [fare] for name, fare in fares.items()} | {FORESIGHT: [fare_of_counts(model, counts)]}
    shares = shares_of(rows)
    assert shares[INDEPENDENT]["share"] == [1.0]
    assert churn_table({"offsets_seconds": [OFFSETS[0]], "policies": shares}).row_count == len(rows)


@pytest.mark.parametrize(("share", "unserved", "met"), [(0.88, 0.0, True), (0.91, 0.0, False), (0.88, 1.0, False)])
def test_verdicts_hold_ours_to_what_was_asked(share: float, unserved: float, met: bool) -> None:
    row = {"share": [1.0], "share_of_all": 1.0, "unserved_requests": 0.0}
    ours = {"share": [share], "share_of_all": share, "unserved_requests": unserved}
    verdicts = judge_churn({"policies": {INDEPENDENT: row, OURS: ours, FORESIGHT: {**row, "share_of_all": 0.8}}})
    assert all(verdict["met"] for verdict in verdicts) == met
