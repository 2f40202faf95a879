from __future__ import annotations

import numpy as np
import pytest

from foresail.forecasting.demand.gate import LEAST_OUTCOMES, Standing, Tally, judge

ORDER = ("flow", "mixture", "seasonal", "last-value")


def standing(source: str, crps: float, *, covered: float = 0.9, outcomes: float = 100.0) -> Standing:
    return Standing(source, np.array([crps, 1000.0 * crps]), covered, outcomes)


def panel(*scores: float, covered: tuple[float, ...] = (0.9, 0.9, 0.9, 0.9)) -> list[Standing]:
    return [standing(name, score, covered=share) for name, score, share in zip(ORDER, scores, covered, strict=True)]


def test_the_flow_is_served_while_it_is_no_worse() -> None:
    verdict = judge(panel(1.0, 1.02, 1.5, 1.5))
    assert (verdict.source, verdict.reason) == ("flow", "")


@pytest.mark.parametrize(
    ("scores", "source"),
    [
        ((1.2, 1.0, 1.5, 1.5), "mixture"),
        ((1.5, 1.3, 1.0, 1.5), "seasonal"),
        ((1.5, 1.4, 1.3, 1.0), "last-value"),
        ((1.04, 1.0, 1.5, 1.5), "flow"),  # hardly worse: the order of trust decides
    ],
)
def test_who_is_clearly_worse_gives_way_to_the_next_that_is_not(scores: tuple[float, ...], source: str) -> None:
    assert judge(panel(*scores)).source == source


def test_it_says_why_each_was_passed_over() -> None:
    verdict = judge(panel(1.5, 1.3, 1.0, 1.5))
    assert verdict.reason == (
        "flow scored 1.15 times the CRPS of mixture lately; mixture scored 1.30 times the CRPS of seasonal lately"
    )


def test_who_covers_less_than_promised_gives_way_to_one_that_does_not() -> None:
    verdict = judge(panel(1.0, 1.01, 1.5, 1.5, covered=(0.7, 0.9, 0.9, 0.9)))
    assert verdict.source == "mixture"
    assert verdict.reason == "flow covered 70% where 90% were promised"


def test_who_covers_less_but_scores_far_better_stays() -> None:
    assert judge(panel(1.0, 1.3, 1.5, 1.5, covered=(0.7, 0.9, 0.9, 0.9))).source == "flow"


def test_where_nobody_covers_what_was_promised_the_order_of_trust_decides() -> None:
    assert judge(panel(1.0, 1.0, 1.0, 1.0, covered=(0.7, 0.7, 0.7, 0.7))).source == "flow"


def test_nobody_is_passed_over_on_a_few_outcomes() -> None:
    few = [standing(name, score, outcomes=LEAST_OUTCOMES - 1) for name, score in zip(ORDER, (9, 8, 7, 1), strict=True)]
    assert judge(few).source == "flow"
    assert judge(few).skill is None


def test_who_was_passed_over_returns_only_when_it_is_hardly_worse() -> None:
    worse, hardly_worse = panel(1.03, 1.0, 1.5, 1.5), panel(1.01, 1.0, 1.5, 1.5)
    assert judge(worse, seated="mixture").source == "mixture"
    assert judge(worse, seated="flow").source == "flow"
    assert judge(hardly_worse, seated="mixture").source == "flow"


def test_a_wider_margin_keeps_the_one_that_is_trusted_more() -> None:
    assert judge(panel(1.1, 1.0, 1.5, 1.5)).source == "mixture"
    assert judge(panel(1.1, 1.0, 1.5, 1.5), margin=0.15).source == "flow"


def test_skill_is_what_is_saved_of_the_seasonal_naive_error_and_of_the_last_value_without_a_season() -> None:
    assert judge(panel(0.6, 0.8, 1.0, 2.0)).skill == pytest.approx(0.4)
    without = [standing("mixture", 0.8), standing("last-value", 1.6)]
    assert judge(without).skill == pytest.approx(0.5)


def test_the_last_value_has_no_skill_over_itself() -> None:
    assert judge([standing("last-value", 1.0)]).skill == pytest.approx(0.0)


def test_scores_of_zero_are_as_good_as_each_other() -> None:
    verdict = judge([standing("mixture", 0.0), standing("last-value", 0.0)])
    assert (verdict.source, verdict.skill) == ("mixture", 0.0)


def test_no_candidate_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one candidate"):
        judge([])


def test_a_tally_scores_all_candidates_on_the_same_outcomes_and_forgets_slowly() -> None:
    rng, tally = np.random.default_rng(0), Tally()
    wide = 10.0 * np.linspace(-1.7, 1.7, 50)[:, None]
    for _ in range(200):
        tally.note({"mixture": 0.1 * wide, "last-value": wide}, rng.normal(size=1))
    mixture, last = tally.standings(ORDER)
    assert (mixture.source, last.source) == ("mixture", "last-value")
    assert mixture.calibrated
    assert last.covered == 1.0
    assert last.over(mixture) > 3.0
    for _ in range(200):
        tally.note({"mixture": 0.1 * wide + 99.0, "last-value": wide}, rng.normal(size=1))
    assert judge(tally.standings(ORDER)).source == "last-value"


def test_who_no_longer_promises_is_forgotten() -> None:
    tally, samples = Tally(), np.zeros((5, 1))
    tally.note({"mixture": samples, "seasonal": samples}, np.zeros(1))
    tally.note({"mixture": samples}, np.zeros(1))
    assert [standing.source for standing in tally.standings(ORDER)] == ["mixture"]
