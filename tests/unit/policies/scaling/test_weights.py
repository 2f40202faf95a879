from __future__ import annotations

import pytest

from foresail.domain.snapshot import Unknown
from foresail.domain.workload import Role
from foresail.policies.scaling.weights import weights_of
from tests.builders import (
    make_accelerator,
    make_forecast,
    make_observation,
    make_replicas,
    make_variant,
    make_variant_observation,
    make_workload,
)
from tests.unit.policies.cases import decide_one, make_case

PROFILES = [make_accelerator("h100", rps=6.0), make_accelerator("l4", rps=2.0)]
WORKLOAD = make_workload(variants=(make_variant("h100"), make_variant("l4")))


def test_all_replicas_are_loaded_alike() -> None:
    """Three at 6 rps and three at 2 rps: three quarters of the requests go to the former."""
    observed = [make_variant_observation("h100", 3), make_variant_observation("l4", 3)]
    case = make_case(make_observation(WORKLOAD, variants=observed), accelerators=PROFILES)
    assert weights_of(case, (3, 3)) == pytest.approx({"h100": 0.75, "l4": 0.25})


def test_who_is_not_ready_yet_or_is_to_go_gets_nothing() -> None:
    observed = [
        make_variant_observation("h100", 3),
        make_variant_observation("l4", make_replicas(3, ready=0, starting=3)),
    ]
    case = make_case(make_observation(WORKLOAD, variants=observed), accelerators=PROFILES)
    assert weights_of(case, (3, 3)) == {"h100": 1.0, "l4": 0.0}
    observed = [make_variant_observation("h100", 3), make_variant_observation("l4", 3)]
    case = make_case(make_observation(WORKLOAD, variants=observed), accelerators=PROFILES)
    assert weights_of(case, (3, 0)) == {"h100": 1.0, "l4": 0.0}


@pytest.mark.parametrize(("ready", "share"), [(0, 0.0), (1, 0.25)])
def test_one_of_unknown_capacity_counts_like_the_weakest_and_gets_nothing_without_a_replica(
    ready: int, share: float
) -> None:
    """Else its Service would keep the weight that it had, whether a replica stands behind it or not."""
    observed = [make_variant_observation("h100", 3), make_variant_observation("l4", ready)]
    profiles = [PROFILES[0], make_accelerator("l4", rps=None)]
    case = make_case(make_observation(WORKLOAD, variants=observed), accelerators=profiles)
    assert weights_of(case, (3, ready)) == {"h100": 1.0 - share, "l4": share}


def test_each_role_has_its_own_weights() -> None:
    variants = (make_variant("h100", role=Role.PREFILL), make_variant("l4", role=Role.DECODE))
    case = make_case(make_observation(make_workload(variants=variants), replicas=4), accelerators=PROFILES)
    assert weights_of(case, (4, 4)) == {"h100": 1.0, "l4": 1.0}


def test_they_outlive_a_loss_of_metrics() -> None:
    lost = make_observation(WORKLOAD, demand=Unknown("NoSeries", "none"))
    case = make_case(lost, forecast=Unknown("No", "none"), accelerators=PROFILES)
    assert sum(weights_of(case, (5, 5)).values()) == pytest.approx(1.0)


def test_nothing_is_said_while_nothing_is_ready() -> None:
    asleep = [make_variant_observation("h100", 0), make_variant_observation("l4", 0)]
    assert weights_of(make_case(make_observation(WORKLOAD, variants=asleep)), (0, 0)) == {}


def test_the_decision_carries_them() -> None:
    decision = decide_one(forecast=make_forecast(24))
    assert [variant.weight for variant in decision.variants] == [1.0]
