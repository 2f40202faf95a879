from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from foresail.domain.errors import InputError
from foresail.domain.forecast import Forecast
from foresail.domain.timeseries import Window
from foresail.forecasting.artifact import decode, encode
from foresail.forecasting.card import Card
from foresail.forecasting.demand.rehearsal import cut
from foresail.forecasting.demand.serve import ForecastRequest, MixtureForecaster
from foresail.forecasting.neural.encoder import Shape
from foresail.forecasting.neural.flow import Flow
from foresail.forecasting.neural.serving import FlowForecaster, bend, levels_of
from foresail.forecasting.neural.train import Recipe
from foresail.forecasting.neural.training import earned, train
from tests.unit.forecasting.demand.windows import KEY, make_days, make_demand_window

HORIZON_SECONDS = 240.0
QUICK = Recipe(epochs=2)
Trained = tuple[Card, dict[str, np.ndarray[Any, Any]]]


@pytest.fixture(scope="module")
def past() -> Window:
    return make_demand_window(make_days(1200)[0])


@pytest.fixture(scope="module")
def trained(past: Window) -> Trained:
    return train(past, horizon_seconds=HORIZON_SECONDS, recipe=QUICK)


def make_card(trained: Trained, *, ratio: float = 0.9, **settings: object) -> Card:
    """The trained card as if the flow had earned its seat, with so much of the mixture's CRPS on the rows held out."""
    scores = {**trained[0].scores, "crps": ratio * trained[0].scores["crps_mixture"]}
    return replace(trained[0], scores=scores, settings={**trained[0].settings, "serves": True, **settings})


def ask(window: Window, **changed: Any) -> ForecastRequest:
    recent = cut(window, len(window) - 240, len(window))
    return replace(ForecastRequest(recent, None, HORIZON_SECONDS), **changed)


def forecast(card: Card, weights: Mapping[str, Any], request: ForecastRequest) -> Forecast:
    made = FlowForecaster(card, dict(weights)).forecast(KEY, request)
    assert isinstance(made, Forecast)
    return made


def test_a_flow_that_learned_nothing_leaves_the_paths_as_they_are() -> None:
    flow = Flow(Shape(3, 9), (0, 1, 2), (0, 1, 2), seed=0).eval()
    samples = np.sort(np.random.default_rng(0).gamma(3.0, size=(4, 50, 3)), axis=1)

    bent = bend(flow, samples, np.random.default_rng(1).normal(size=(4, 3, 9)))

    np.testing.assert_allclose(bent, samples, rtol=1e-4, atol=1e-4)


def test_bending_keeps_the_order_and_what_is_not_negative() -> None:
    flow = Flow(Shape(3, 9), (0, 1, 2), (0, 1, 2), seed=0).eval()
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
        flow.trust.fill_(1.0)
    samples = np.sort(np.random.default_rng(0).gamma(0.5, size=(4, 50, 3)), axis=1)

    bent = bend(flow, samples, np.random.default_rng(1).normal(size=(4, 3, 9)))

    assert np.all(np.diff(bent, axis=1) >= 0.0)
    assert np.all(bent >= 0.0)
    assert not np.allclose(bent, samples)


def test_a_trained_flow_serves_joint_paths_and_says_why(past: Window, trained: Trained) -> None:
    made = forecast(make_card(trained, why="it earned its seat", outcomes=1000.0), trained[1], ask(past))

    assert made.source == "flow"
    assert made.reason == "it earned its seat; with what came since it weighs 100% beside the mixture"
    assert made.samples.shape == (200, 8, 3)
    assert np.isfinite(made.samples).all()
    ranks = np.argsort(np.argsort(made.samples[:, -1], axis=0), axis=0)
    assert np.corrcoef(ranks[:, 0], ranks[:, 1])[0, 1] > 0.9  # requests and their tokens go together


def test_the_card_says_what_was_trained_and_how_it_fared(past: Window, trained: Trained) -> None:
    card, _ = trained

    assert (card.indicators, card.step_seconds, card.rows) == (past.indicators, 30.0, len(past))
    assert card.horizons == (2, 4, 8)
    assert (card.train_start, card.train_end) == (past.start, past.end)
    assert 0.0 < card.scores["crps"] < card.scores["crps_naive"]
    assert card.settings["serves"] in {True, False}


def test_what_was_kept_and_read_again_forecasts_the_same(past: Window, trained: Trained) -> None:
    card, weights = decode(*encode(make_card(trained), trained[1]))

    kept = forecast(card, weights, ask(past))

    assert kept.samples.tobytes() == forecast(make_card(trained), trained[1], ask(past)).samples.tobytes()


def test_the_same_past_and_seed_train_the_same_bytes(past: Window, trained: Trained) -> None:
    again = train(past, horizon_seconds=HORIZON_SECONDS, recipe=QUICK)

    assert encode(*again) == encode(*trained)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"horizon_seconds": 900.0}, "trained to look 240 s ahead"),
        ({"recent": make_demand_window(make_days(240)[0], step_seconds=60.0)}, "trained on steps of 30 s"),
    ],
)
def test_what_it_was_not_trained_for_the_mixture_forecasts_and_says_so(
    past: Window, trained: Trained, changed: dict[str, Any], said: str
) -> None:
    made = forecast(make_card(trained), trained[1], ask(past, **changed))

    assert made.source != "flow"
    assert said in made.reason


@pytest.mark.parametrize(
    ("ratio", "outcomes", "percent"),
    # Σ .998^s of n outcomes, each told by a half of its excess over the mean of both: 1 / (1 + exp(-½ Σ excess)).
    [(1.0, 50.0, 50), (0.95, 50.0, 77), (0.8, 0.0, 50), (0.9, 100.0, 99), (1.05, 50.0, 24)],
)
def test_the_flow_weighs_what_its_score_on_the_rows_held_out_says(
    past: Window, trained: Trained, ratio: float, outcomes: float, percent: int
) -> None:
    made = forecast(make_card(trained, ratio=ratio, outcomes=outcomes), trained[1], ask(past))

    assert made.reason.endswith(f"weighs {percent}% beside the mixture")


def test_as_many_paths_are_bent_as_the_flow_weighs_each_in_all_of_it_or_not_at_all(
    past: Window, trained: Trained
) -> None:
    mixture = MixtureForecaster().forecast({KEY: ask(past)})[KEY]
    assert isinstance(mixture, Forecast)
    bent = forecast(make_card(trained, outcomes=1000.0), trained[1], ask(past)).samples
    served = forecast(make_card(trained, ratio=0.95, outcomes=50.0), trained[1], ask(past)).samples

    of_flow, of_mixture = (np.all(served == paths, axis=(1, 2)) for paths in (bent, mixture.samples))
    assert of_flow.sum() == 154  # 77 % of 200
    assert (of_flow ^ of_mixture).all()


def make_too_wide(trained: Trained) -> dict[str, np.ndarray[Any, Any]]:
    weights = {name: weight.copy() for name, weight in trained[1].items()}
    own = next(name for name in weights if name.endswith("encoder.own"))
    weights[own][:, 1] = -5.0
    weights["trust"][:] = 1.0
    return weights


def serve(forecaster: FlowForecaster, past: Window) -> list[Forecast]:
    made = [forecaster.forecast(KEY, ask(cut(past, 0, row))) for row in range(300, len(past), 4)]
    return [each for each in made if isinstance(each, Forecast)]


def test_a_flow_that_scores_worse_on_what_comes_loses_its_weight_by_degrees(past: Window, trained: Trained) -> None:
    made = serve(FlowForecaster(make_card(trained, outcomes=20.0), make_too_wide(trained)), past)

    weights = [int(each.reason.split("weighs ")[1].split("%")[0]) for each in made if each.source == "flow"]
    assert weights[0] > 70
    assert {15 < weight < 60 for weight in weights} == {True, False}
    assert min(weights) < 5


def test_a_flow_that_weighs_too_little_for_a_path_leaves_all_to_the_mixture_and_says_so(
    past: Window, trained: Trained
) -> None:
    made = forecast(make_card(trained, ratio=1.3, outcomes=100.0), trained[1], ask(past))

    assert made.source == "mixture"
    assert made.reason.startswith("the flow weighs nothing: it scored 1.30 times the mixture's CRPS; instead: ")


def test_a_flow_out_of_calibration_has_no_weight_however_it_scored(past: Window, trained: Trained) -> None:
    made = serve(FlowForecaster(make_card(trained, ratio=0.1, outcomes=1e6), make_too_wide(trained)), past)

    assert made[0].source == "flow"
    assert made[-1].source == "mixture"
    assert made[-1].reason.startswith("the flow no longer holds what it promises; instead: ")


def test_where_the_mixture_gave_way_there_is_nothing_to_bend(past: Window, trained: Trained) -> None:
    made = forecast(make_card(trained), trained[1], ask(past, recent=cut(past, 0, 12)))

    assert made.source == "last-value"
    assert "samples allow no more than the last value" in made.reason


def test_a_flow_that_did_not_earn_its_seat_leaves_it_to_the_mixture(past: Window, trained: Trained) -> None:
    made = forecast(make_card(trained, serves=False, why="the flow gained too little"), trained[1], ask(past))
    mixture = MixtureForecaster().forecast({KEY: ask(past)})[KEY]

    assert isinstance(mixture, Forecast)
    assert made.samples.tobytes() == mixture.samples.tobytes()
    assert made.source == mixture.source
    assert made.reason.startswith("the flow gained too little")


def test_a_short_history_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="rows"):
        train(make_demand_window(make_days(600)[0]), horizon_seconds=HORIZON_SECONDS, recipe=QUICK)


@pytest.mark.parametrize(
    ("crps", "coverage", "serves"), [(0.95, 0.9, True), (0.999, 0.9, False), (1.1, 0.9, False), (0.95, 0.8, False)]
)
def test_a_seat_is_earned_by_score_and_by_kept_promises(crps: float, coverage: float, serves: bool) -> None:
    answer, why = earned({"crps": crps, "crps_mixture": 1.0, "crps_naive": 2.0, "coverage_90": coverage})

    assert answer is serves
    assert f"{coverage:.0%} within its 90 %" in why


def test_levels_stand_in_the_middle_of_equal_parts() -> None:
    assert levels_of(4).tolist() == [0.125, 0.375, 0.625, 0.875]
