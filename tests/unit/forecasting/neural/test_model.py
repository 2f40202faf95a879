"""The flow as a model: never far from the mixture it rests on, joint, and the same after a round trip through bytes."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: what needs no training is tested without")
pytest.importorskip("pyro", reason="pyro is not installed: what needs no training is tested without")

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.neural.model import FlowModel
from foresail.forecasting.neural.train import Recipe
from foresail.forecasting.scores import crps
from foresail.forecasting.series.copula import couple
from foresail.forecasting.series.panel import make_model
from foresail.forecasting.series.task import Task, make_task
from tests.unit.forecasting.series.tables import make_series, make_values

QUICK = Recipe(epochs=3)


def make_pair(rows: int = 560, *, seed: int = 0) -> FloatArray:
    """Two loads whose noise is almost the same, and one that goes alone."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=rows)
    loads = [10.0 + common + 0.2 * rng.normal(size=rows) for _ in range(2)]
    return np.stack([*loads, rng.normal(size=rows)], axis=1)


def make_small_task(values: FloatArray, train_rows: int, horizon: int = 1) -> Task:
    return make_task(make_series(values), horizon, train_rows)


@pytest.fixture(scope="module")
def pair() -> tuple[FlowModel, Task]:
    task = make_small_task(make_pair(), 460)
    model = FlowModel(Recipe(epochs=15, rate=5e-3, batch=32))
    model.fit(task)
    return model, task


def test_samples_are_the_quantiles_in_another_order(pair: tuple[FlowModel, Task]) -> None:
    model, task = pair
    quantiles, samples = model.quantiles(task), model.samples(task)
    assert samples.shape == (100, 100, 3)
    np.testing.assert_array_equal(np.sort(samples, axis=1), quantiles)


def test_samples_are_ordered_as_rows_that_the_origin_knew_came_out_together(pair: tuple[FlowModel, Task]) -> None:
    """Those before the first target in the mixture's forecasts, those behind it in the flow's."""
    model, task = pair
    warm = 153  # a third of the 460 to train on
    before = make_model("mixture").quantiles(replace(task, train_rows=warm))[: 460 - warm]
    known = np.concatenate([before, model.quantiles(task)])
    expected = couple(known, task.values[warm:], task.levels, horizon=1, first=460 - warm, seed=task.seed)
    np.testing.assert_array_equal(model.samples(task), expected)


def test_columns_that_go_together_do_so_in_the_samples(pair: tuple[FlowModel, Task]) -> None:
    model, task = pair
    samples = model.samples(task)
    centered = samples - samples.mean(axis=1, keepdims=True)
    found = np.corrcoef(centered.reshape(-1, 3).T)
    assert found[0, 1] > 0.5
    assert abs(found[0, 2]) < 0.2


def test_on_what_the_mixture_knows_all_about_it_is_hardly_worse(pair: tuple[FlowModel, Task]) -> None:
    model, task = pair
    outcomes = task.values[task.targets]
    flow, mixture = (
        crps(found.transpose(1, 0, 2), outcomes).mean()
        for found in (model.quantiles(task), make_model("mixture").quantiles(task))
    )
    assert flow < 1.02 * mixture


def test_too_little_to_train_on_leaves_the_mixture_to_the_last_bit() -> None:
    task = make_small_task(make_values(120), 84)
    model = FlowModel(QUICK)
    model.fit(task)
    rolled = replace(task, train_rows=28)
    mixture = make_model("mixture").quantiles(rolled)[84 - 28 :]
    np.testing.assert_array_equal(model.quantiles(task), mixture)


def test_columns_that_cannot_be_foreseen_keep_the_mixture_to_the_last_bit() -> None:
    task = make_small_task(make_values(330), 300)
    model = FlowModel(QUICK)
    model.fit(task)
    mixture = make_model("mixture").quantiles(replace(task, train_rows=100))[200:]
    found = model.quantiles(task)
    np.testing.assert_array_equal(found[:, :, [1, 3]], mixture[:, :, [1, 3]])
    assert not model.weights()["trust"][[1, 3]].any()


def test_saved_and_restored_it_forecasts_the_same_bytes(pair: tuple[FlowModel, Task]) -> None:
    model, task = pair
    settings = json.loads(json.dumps(model.settings()))
    again = FlowModel.restore(settings, model.weights())
    frozen = replace(task, refits=False)  # what was restored does not go on learning
    assert again.quantiles(frozen).tobytes() == model.quantiles(frozen).tobytes()
    assert again.samples(frozen).tobytes() == model.samples(frozen).tobytes()
    assert again.settings() == model.settings()
    assert again.parameters == model.parameters > 1000
    assert {name: one.tobytes() for name, one in again.weights().items()} == {
        name: one.tobytes() for name, one in model.weights().items()
    }


def test_weights_are_a_copy(pair: tuple[FlowModel, Task]) -> None:
    model, _ = pair
    model.weights()["trust"][:] = -1.0
    assert (model.weights()["trust"] >= 0.0).all()


def test_what_belongs_to_no_such_flow_is_refused_by_name(pair: tuple[FlowModel, Task]) -> None:
    model, _ = pair
    settings, weights = model.settings(), model.weights()
    with pytest.raises(ValueError, match=r"weight trust must have shape \(3,\), got None"):
        FlowModel.restore(settings, {name: one for name, one in weights.items() if name != "trust"})
    with pytest.raises(ValueError, match=r"weight trust must have shape \(3,\), got \(4,\)"):
        FlowModel.restore(settings, {**weights, "trust": np.ones(4)})
    with pytest.raises(ValueError, match="weights strange belong to no flow"):
        FlowModel.restore(settings, {**weights, "strange": np.ones(4)})
    with pytest.raises(ValueError, match="settings are not those of a flow"):
        FlowModel.restore({"levels": [0, 1, 2]}, weights)
    with pytest.raises(ValueError, match="settings are not those of a flow"):
        FlowModel.restore({**settings, "shape": {**settings["shape"], "width": -1}}, weights)


def test_a_series_of_other_columns_is_refused(pair: tuple[FlowModel, Task]) -> None:
    model, _ = pair
    with pytest.raises(ValueError, match="trained on 3 indicators"):
        FlowModel.restore(model.settings(), model.weights()).quantiles(make_small_task(make_pair()[:, :2], 460))


def test_it_must_be_fitted_first() -> None:
    with pytest.raises(ValueError, match="must be fitted or restored"):
        FlowModel().quantiles(make_small_task(make_pair(200), 150))


def test_after_a_block_it_has_learned_from_what_came_since() -> None:
    """Unless it was restored: what is kept does not change."""
    values = make_pair(420)
    task = make_small_task(values, 260)
    moved = values.copy()
    moved[260:320] += 0.5
    model, other = FlowModel(QUICK), FlowModel(QUICK)
    model.fit(task)
    other.fit(make_small_task(moved, 260))
    assert all(np.array_equal(a, b) for a, b in zip(model.weights().values(), other.weights().values(), strict=True))
    live, frozen = model.quantiles(task), FlowModel.restore(model.settings(), model.weights()).quantiles(task)
    np.testing.assert_allclose(live[:144], frozen[:144], rtol=1e-5)
    assert np.abs(live[144:] - frozen[144:]).max() > 1e-3


def test_the_unit_of_a_column_scales_its_forecast_and_no_other() -> None:
    """With a flow that was trained, through training, going on and averaging."""
    values, unit = make_pair(300), np.array([2.0**12, 1.0, 2.0**-9])
    found = []
    for one in (values, values * unit):
        task = make_small_task(one, 260)
        model = FlowModel(QUICK)
        model.fit(task)
        found.append((model.quantiles(task), model.samples(task), model.weights()["trust"]))
    np.testing.assert_allclose(found[1][0], found[0][0] * unit, rtol=1e-6)
    np.testing.assert_allclose(found[1][1], found[0][1] * unit, rtol=1e-6)
    assert found[0][2].any()
