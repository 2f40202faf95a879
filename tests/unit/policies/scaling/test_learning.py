from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from foresail.domain.memory import CapacityBelief
from foresail.domain.snapshot import VariantObservation
from foresail.policies.scaling.capacity import LEARNED, Work
from foresail.policies.scaling.learning import (
    SMALLEST_DEVIATION,
    evidence_of,
    is_full,
    is_usable,
    learn,
    scale_samples,
    start_belief,
)
from tests.builders import make_demand, make_replicas, make_variant_observation

PROFILE = Work(1 / 6 / 1750, 3 / 6 / 1750, "6 rps at 1000/250")
NOTHING = Work(1 / 3, 1.0, LEARNED)


def seen(rps_per_replica: float, pressure: float | None, *, ready: int = 4) -> VariantObservation:
    return make_variant_observation(replicas=ready, served=make_demand(ready * rps_per_replica), pressure=pressure)


def learn_for(belief: CapacityBelief, observation: VariantObservation, cycles: int) -> CapacityBelief:
    for _ in range(cycles):
        belief = learn(belief, observation)
    return belief


def but_for_most(belief: CapacityBelief) -> CapacityBelief:
    """The belief without what it remembers of the most work seen."""
    return replace(belief, log_most=-math.inf)


def sustained(belief: CapacityBelief) -> float:
    """Requests per second per replica at the ordinary lengths."""
    work = Work(belief.seconds_per_input_token, belief.seconds_per_output_token, belief.source)
    return math.exp(belief.log_mean) / work.of(make_demand(1))


def test_full_replicas_reveal_a_capacity_that_no_profile_knows() -> None:
    belief = learn_for(start_belief(NOTHING), seen(8, 1.0), 20)
    assert is_usable(belief)
    assert sustained(belief) == pytest.approx(8, rel=0.01)


def test_full_replicas_correct_a_wrong_profile_within_ten_minutes() -> None:
    belief = learn_for(start_belief(PROFILE), seen(4.5, 1.0), 40)
    assert sustained(belief) == pytest.approx(4.5, rel=0.15)
    assert sustained(learn_for(belief, seen(4.5, 1.0), 120)) == pytest.approx(4.5, rel=0.02)


@pytest.mark.parametrize("rps", [2e-313, 1e300])
def test_a_load_that_no_engine_can_have_teaches_nothing(rps: float) -> None:
    """Learned from a full replica, e^-700 of a prior would overflow when its inverse is taken."""
    for prior in (PROFILE, NOTHING):
        assert learn(start_belief(prior), seen(rps, 1.0)) == start_belief(prior)


def test_without_a_profile_half_full_replicas_are_scaled_by_their_pressure() -> None:
    belief = learn_for(start_belief(NOTHING), seen(6, 0.64), 20)
    assert sustained(belief) == pytest.approx(7.5, rel=0.01)  # their load is between 0.64 and 1: 0.8


def test_replicas_beyond_their_limit_serve_more_than_they_sustain() -> None:
    belief = learn_for(start_belief(PROFILE), seen(6, 1.44), 400)
    assert sustained(belief) == pytest.approx(5, rel=0.01)


def test_moderate_pressure_does_not_change_a_profile_that_is_right() -> None:
    """An engine with 8 ms of 40 ms when idle: at 0.8 of the load it sustains it takes 22 ms, so 0.56 of its limit."""
    believed = start_belief(PROFILE)
    assert but_for_most(learn_for(believed, seen(0.8 * 6, 0.56), 400)) == believed


def test_idle_replicas_never_lower_a_belief() -> None:
    believed = start_belief(PROFILE)
    for observation in (seen(0.5, 0.1), seen(0.5, None), seen(1.0, 0.4)):
        assert but_for_most(learn(believed, observation)) == believed


def test_replicas_that_serve_more_than_believed_while_idle_raise_the_belief() -> None:
    belief = learn_for(start_belief(PROFILE), seen(9, None), 400)
    assert sustained(belief) == pytest.approx(9, rel=0.02)
    assert sustained(belief) <= 9


def test_what_idle_replicas_serve_is_no_capacity_to_rest_on() -> None:
    belief = learn_for(start_belief(NOTHING), seen(2, 0.01), 50)
    assert not is_usable(belief)
    assert is_usable(learn(belief, seen(2, 0.25)))


def test_not_knowing_better_asks_for_no_more_replicas_than_serve_now() -> None:
    for pressure in (0.05, 0.3, 0.8, 1.0):
        belief = learn(start_belief(NOTHING), seen(2, pressure, ready=3))
        required = 6 / sustained(belief) * np.exp(math.sqrt(belief.log_variance) * 1.645)
        assert required <= 3 * 1.3


IDLE, LIMIT, RPS, SUSTAINS = 0.010, 0.050, 10.0, 6.25  # TPOT in seconds, requests per second, of a replica


def of_engine(rps: float, replicas: int) -> VariantObservation:
    """What replicas show whose TPOT rises with load as an engine's does."""
    load = rps / SUSTAINS / replicas
    return seen(rps / replicas, IDLE / (1 - load * (1 - IDLE / LIMIT)) / LIMIT, ready=replicas)


def test_a_bound_that_is_too_careful_mends_itself() -> None:
    """Ten replicas for what 1.6 carry: as fewer are asked for, they are fuller and tell more."""
    belief, replicas = start_belief(NOTHING), 10
    for _ in range(400):
        belief = learn(belief, of_engine(RPS, replicas))
        replicas = math.ceil(RPS / sustained(belief) / 0.8)
    assert replicas in (2, 3)


def test_a_quiet_night_unlearns_nothing() -> None:
    belief = learn_for(start_belief(NOTHING), of_engine(RPS, 2), 100)
    assert sustained(belief) == pytest.approx(SUSTAINS, rel=0.15)
    assert but_for_most(learn_for(belief, of_engine(RPS / 20, 2), 2000)) == but_for_most(belief)


def test_a_replica_that_never_starts_does_not_stop_learning() -> None:
    starting = make_replicas(5, ready=4, starting=1)
    observation = make_variant_observation(replicas=starting, served=make_demand(4 * 4.5), pressure=1.0)
    assert sustained(learn_for(start_belief(PROFILE), observation, 60)) == pytest.approx(4.5, rel=0.05)


def test_the_most_that_was_served_is_gathered_slowly_from_replicas_that_are_not_full() -> None:
    seen_often = learn_for(start_belief(PROFILE), seen(3, 0.3), 10)
    peak = learn(seen_often, seen(6, 0.8))
    assert seen_often.log_most < peak.log_most < math.log(6 / 6)
    assert learn_for(seen_often, seen(6, 0.8), 30).log_most == pytest.approx(math.log(6 / 6), abs=0.01)
    assert learn_for(seen_often, seen(6, 1.2), 30).log_most <= seen_often.log_most


def test_a_limit_that_the_engine_misses_even_when_idle_does_not_run_away() -> None:
    """TPOT is above its limit however many replicas there are, and each that is added serves less."""
    belief, replicas = start_belief(PROFILE), 5
    for _ in range(2000):
        belief = learn(belief, seen(20 / replicas, 1.1, ready=replicas))
        replicas = max(replicas, math.ceil(20 / sustained(belief) / 0.8))
    assert replicas <= 20


def test_replicas_that_miss_a_limit_even_when_idle_are_not_full() -> None:
    belief = learn_for(start_belief(PROFILE), seen(6, 1.1), 5)
    assert is_full(belief, seen(6, 1.1))
    assert not is_full(belief, seen(2, 1.1))
    assert not is_full(belief, seen(6, 0.9))
    assert is_full(belief, make_variant_observation(replicas=make_replicas(4, draining=1), pressure=1.1))


def test_certainty_has_a_limit() -> None:
    belief = learn_for(start_belief(PROFILE), seen(6, 1.0), 1000)
    assert belief.log_variance == pytest.approx(SMALLEST_DEVIATION**2)


def test_a_fuller_replica_tells_more_surely() -> None:
    unsure = [evidence.deviation for p in (0.5, 0.7, 0.9, 1.0) if (evidence := evidence_of(NOTHING, seen(6, p)))]
    assert unsure == sorted(unsure, reverse=True)
    assert unsure[-1] == 0


@pytest.mark.parametrize(
    "observation",
    [
        make_variant_observation(replicas=4, served=None, pressure=1.0),
        make_variant_observation(replicas=4, served=make_demand(0), pressure=1.0),
        make_variant_observation(replicas=4, served=make_demand(float("nan")), pressure=1.0),
        make_variant_observation(replicas=make_replicas(4, ready=0), served=make_demand(9), pressure=1.0),
        make_variant_observation(replicas=make_replicas(4, draining=1), served=make_demand(9), pressure=1.0),
        make_variant_observation(replicas=None),
    ],
)
def test_nothing_is_learned_from_replicas_in_transition_or_without_traffic(observation: VariantObservation) -> None:
    assert learn(start_belief(PROFILE), observation) == start_belief(PROFILE)


def test_samples_of_the_scale_have_the_beliefs_spread_and_another_order_per_variant() -> None:
    belief = CapacityBelief(log_mean=math.log(2), log_variance=0.04)
    one, other = scale_samples(belief, 200), scale_samples(belief, 200, stream=1)
    assert np.log(one).mean() == pytest.approx(-math.log(2))
    assert np.log(one).std() == pytest.approx(0.2, rel=0.02)
    assert sorted(one) == pytest.approx(sorted(other))
    assert abs(float(np.corrcoef(one, other)[0, 1])) < 0.25
