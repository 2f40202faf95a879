from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from foresail.domain.errors import InputError
from foresail.domain.forecast import Forecast
from foresail.domain.timeseries import DEMAND_INDICATORS, Window
from foresail.domain.workload import WorkloadKey
from foresail.forecaster import peering
from foresail.forecaster.peering import fit_peers, read_peers
from foresail.forecaster.shelf import restore_model, write_past
from foresail.forecasting.artifact import decode, encode
from foresail.forecasting.demand.serve import ForecastRequest
from tests.builders import NOW
from tests.unit.forecaster.artifacts import KEY

DAY_SECONDS = 86_400.0
HORIZON_SECONDS = 600.0


def make_days(days: float, *, level: float, step_seconds: float = 300.0, seed: int = 0) -> Window:
    """Demand that is three times as high at noon as at midnight."""
    rows = int(days * DAY_SECONDS / step_seconds)
    instants = NOW + step_seconds * np.arange(1.0 - rows, 1.0)
    wave = level * np.exp(0.55 * np.sin(2.0 * np.pi * instants / DAY_SECONDS - np.pi / 2.0))
    noise = np.exp(0.05 * np.random.default_rng(seed).normal(size=rows))
    values = (wave * noise)[:, None] * np.array([1.0, 1000.0, 250.0])
    return Window(DEMAND_INDICATORS, step_seconds, NOW, values, np.ones(values.shape, dtype=np.bool_))


def keep(folder: Path, name: str, past: Window) -> None:
    place = folder / "prod" / name / "000000000000001"
    place.mkdir(parents=True)
    write_past(place, past)


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    for number in range(3):
        keep(tmp_path, f"peer-{number}", make_days(3.0, level=10.0 * (number + 1), seed=number))
    keep(tmp_path, "young", make_days(0.1, level=5.0))
    keep(tmp_path, "coarse", make_days(3.0, level=5.0, step_seconds=360.0))
    keep(tmp_path, "chat", make_days(3.0, level=5.0))
    return tmp_path


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peering, "STEPS", 10)


def test_peers_are_the_others_whose_past_is_long_enough_and_on_the_same_step(shelf: Path) -> None:
    found = read_peers(shelf, KEY, step_seconds=300.0)

    assert [past.indicators for past in found] == [DEMAND_INDICATORS[:1]] * 3


def test_a_young_workload_borrows_the_season_of_its_peers_and_says_so(shelf: Path) -> None:
    recent = make_days(2.0 / 24.0, level=40.0, step_seconds=15.0)

    made = restore_model(*decode(*encode(*fit_peers(shelf, KEY, recent, HORIZON_SECONDS, 0)))).forecast(
        KEY, ForecastRequest(recent, None, HORIZON_SECONDS)
    )

    assert isinstance(made, Forecast)
    assert made.source == "peers"
    assert "too young for a model of its own, so it learns from 3 peers" in made.reason
    assert "a season of its peers was found" in made.reason
    assert np.isfinite(made.samples).all()


def test_the_same_peers_make_the_same_bytes(shelf: Path) -> None:
    recent = make_days(2.0 / 24.0, level=40.0, step_seconds=15.0)

    first, second = (encode(*fit_peers(shelf, KEY, recent, HORIZON_SECONDS, 0)) for _ in range(2))

    assert first == second


def test_too_few_peers_are_refused(tmp_path: Path) -> None:
    keep(tmp_path, "peer", make_days(3.0, level=10.0))

    with pytest.raises(InputError, match="peers"):
        fit_peers(tmp_path, WorkloadKey("prod", "young"), make_days(0.1, level=1.0), HORIZON_SECONDS, 0)
