from __future__ import annotations

import pytest

from foresail.domain.accelerator import CapacityPoint, Prediction
from foresail.domain.snapshot import Unknown
from foresail.domain.workload import Role
from foresail.policies.scaling.capacity import LEARNED, Work, fit_work, mix_of, prior_work
from tests.builders import (
    MODEL,
    make_accelerator,
    make_demand,
    make_forecast,
    make_observation,
    make_variant,
    make_window,
    make_workload,
)
from tests.unit.policies.cases import decide_one


def point(rps: float, inputs: float | None = None, outputs: float | None = None) -> CapacityPoint:
    return CapacityPoint(MODEL, 1, rps, inputs, outputs)


def sustained(work: Work, inputs: float, outputs: float) -> float:
    """Requests per second that one replica sustains at these lengths."""
    return 1 / work.of(make_demand(1, input_tokens=inputs, output_tokens=outputs))


def test_many_points_are_fitted_whatever_the_prior_ratio() -> None:
    # 12,000 input tokens/s and 2,000 output tokens/s: an output token costs six input tokens, not three.
    truth = Work(1 / 12_000, 1 / 2_000, "")
    lengths = [(200, 400), (1000, 250), (4000, 50), (500, 500)]
    work = fit_work(tuple(point(sustained(truth, i, o), i, o) for i, o in lengths))
    assert work.seconds_per_input_token == pytest.approx(truth.seconds_per_input_token, rel=1e-3)
    assert work.seconds_per_output_token == pytest.approx(truth.seconds_per_output_token, rel=1e-3)


def test_a_single_point_is_met_and_split_by_the_prior_ratio() -> None:
    work = fit_work((point(6, 1000, 250),))
    assert sustained(work, 1000, 250) == pytest.approx(6)
    # 1/6 s = 1000 · p + 250 · 3p
    assert work.seconds_per_input_token == pytest.approx(1 / 6 / 1750)
    assert work.seconds_per_output_token == pytest.approx(3 * work.seconds_per_input_token)


def test_points_of_equal_lengths_are_averaged_and_split_by_the_prior_ratio() -> None:
    work = fit_work((point(6, 1000, 250), point(6, 1000, 250), point(3, 2000, 500)))
    assert sustained(work, 1000, 250) == pytest.approx(6)
    assert work.seconds_per_output_token == pytest.approx(3 * work.seconds_per_input_token, rel=1e-3)


def test_no_token_ever_costs_less_than_nothing() -> None:
    # Longer prompts that are served faster: noise, and an input token that costs nothing.
    work = fit_work((point(5, 100, 200), point(6, 1000, 200), point(7, 2000, 200)))
    assert work.seconds_per_input_token == 0
    assert work.seconds_per_output_token > 0


def test_a_role_carries_its_own_part_of_a_request() -> None:
    prefill = fit_work((point(6, 1000, 250),), Role.PREFILL)
    decode = fit_work((point(6, 1000, 250),), Role.DECODE)
    assert [prefill.seconds_per_input_token, prefill.seconds_per_output_token] == pytest.approx([1 / 6000, 0])
    assert [decode.seconds_per_input_token, decode.seconds_per_output_token] == pytest.approx([0, 1 / 1500])


def test_a_point_without_lengths_holds_for_the_own_mix_of_history() -> None:
    observation = make_observation(history=make_window([10, None, 20], input_tokens=500, output_tokens=100))
    work = prior_work(make_variant(), make_accelerator(points=[point(6)]), observation)
    assert work is not None
    assert sustained(work, 500, 100) == pytest.approx(6)


def test_a_point_without_lengths_keeps_the_mix_at_which_it_was_first_used() -> None:
    accelerator = make_accelerator(points=[point(6)])
    before = prior_work(make_variant(), accelerator, make_observation(history=make_window([10], input_tokens=500)))
    now = make_observation(history=make_window([10], input_tokens=3000))
    assert prior_work(make_variant(), accelerator, now, held=before) == before
    assert prior_work(make_variant(), make_accelerator(points=[point(7)]), now, held=before) != before


def test_a_point_without_lengths_says_nothing_before_any_request() -> None:
    observation = make_observation(demand=Unknown("NoSeries", ""))
    assert prior_work(make_variant(), make_accelerator(points=[point(6)]), observation) is None


def test_points_with_lengths_win_over_points_without() -> None:
    work = prior_work(make_variant(), make_accelerator(points=[point(50), point(6, 1000, 250)]), make_observation())
    assert work is not None
    assert sustained(work, 1000, 250) == pytest.approx(6)


@pytest.mark.parametrize("points", [[], [point(0, 1000, 250)], [CapacityPoint("another", 1, 6, 1000, 250)]])
def test_without_a_point_the_scale_has_to_be_learned(points: list[CapacityPoint]) -> None:
    work = prior_work(make_variant(), make_accelerator(points=points), make_observation())
    assert work is not None
    assert work.source == LEARNED


def test_a_model_without_a_name_is_the_only_one_that_is_listed() -> None:
    nameless = make_observation(make_workload(model=None), model=None)
    only = prior_work(make_variant(), make_accelerator(points=[point(6, 1000, 250)]), nameless)
    assert only is not None
    assert sustained(only, 1000, 250) == pytest.approx(6)
    two = make_accelerator(points=[point(6, 1000, 250), CapacityPoint("another", 1, 9, 1000, 250)])
    unknown = prior_work(make_variant(), two, nameless)
    assert unknown is not None
    assert unknown.source == LEARNED


def test_a_name_that_is_no_longer_told_since_nothing_runs_is_remembered() -> None:
    two = make_accelerator(points=[point(6, 1000, 250), CapacityPoint("another", 1, 9, 1000, 250)])
    before = prior_work(make_variant(), two, make_observation())
    assert (
        prior_work(make_variant(), two, make_observation(make_workload(model=None), model=None), held=before) == before
    )


def test_points_of_another_size_of_replica_do_not_count() -> None:
    two_gpus = [CapacityPoint(MODEL, 2, 12, 1000, 250)]
    work = prior_work(make_variant(), make_accelerator(points=two_gpus), make_observation())
    assert work is not None
    assert work.source == LEARNED


def test_the_mix_is_that_of_history_then_recent_then_now() -> None:
    history, recent = make_window([1, 1], input_tokens=10), make_window([1], input_tokens=20)
    demand = make_demand(2, input_tokens=30)
    assert mix_of(make_observation(demand=demand, history=history, recent=recent)) == (10, 250)
    assert mix_of(make_observation(demand=demand, history=make_window([None]), recent=recent)) == (20, 250)
    assert mix_of(make_observation(demand=demand, recent=make_window([0]))) == (30, 250)
    assert mix_of(make_observation(demand=0)) is None


def predicted(*points: CapacityPoint, log_error: float = 0.25) -> dict[str, Prediction]:
    return {"h100": Prediction(points, "shipped", "Shipped for a test.", log_error)}


UNLISTED = make_accelerator(rps=None)
NEAR_AND_FAR = (point(6, 1000, 250), point(4, 2000, 250), point(1, 16_000, 1000))


def test_without_points_a_prediction_counts_around_the_mix() -> None:
    work = prior_work(make_variant(), UNLISTED, make_observation(predicted=predicted(*NEAR_AND_FAR)))
    assert work is not None
    assert (work.source, work.log_error) == ("Shipped for a test.", 0.25)
    assert sustained(work, 1000, 250) == pytest.approx(6, rel=1e-3)
    assert sustained(work, 16_000, 1000) < 0.7  # linear from the near ones, whatever the far one says


def test_before_the_mix_is_known_all_sizes_count_and_then_it_is_fitted_once() -> None:
    asleep = make_observation(demand=Unknown("NoReplicas", "none"), predicted=predicted(*NEAR_AND_FAR))
    before = prior_work(make_variant(), UNLISTED, asleep)
    assert before is not None
    awake = make_observation(predicted=predicted(*NEAR_AND_FAR))
    fitted = prior_work(make_variant(), UNLISTED, awake, held=before)
    assert fitted is not None
    assert fitted.source != before.source
    drifted = make_observation(demand=make_demand(5, input_tokens=9000), predicted=predicted(*NEAR_AND_FAR))
    assert prior_work(make_variant(), UNLISTED, drifted, held=fitted) == fitted


def test_what_was_written_down_comes_before_a_prediction() -> None:
    work = prior_work(make_variant(), make_accelerator(), make_observation(predicted=predicted(point(60, 1000, 250))))
    assert work is not None
    assert sustained(work, 1000, 250) == pytest.approx(6)


def test_what_a_prediction_may_be_off_becomes_head_room() -> None:
    exact, rough = (
        decide_one(
            make_observation(predicted=predicted(point(6, 1000, 250), log_error=error)),
            forecast=make_forecast(54),
            accelerators=[UNLISTED],
        ).desired
        for error in (0.01, 0.25)
    )
    assert (exact, rough > exact) == (9, True)
