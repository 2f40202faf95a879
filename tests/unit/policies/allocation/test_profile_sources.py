from __future__ import annotations

from dataclasses import replace
from math import exp, inf, nan

import numpy as np
import pytest

from foresail.domain.accelerator import CapacityPoint
from foresail.domain.errors import InputError
from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.profiles.buckets import Buckets
from foresail.policies.allocation.profiles.deployment import AcceleratorSpec, Deployment, ModelSpec, Slo
from foresail.policies.allocation.profiles.profile import (
    Profile,
    Source,
    best_of,
    corrected,
    roofline_profile,
    scaled_to_point,
    shipped_profile,
    user_profile,
    with_headroom,
)
from foresail.policies.allocation.profiles.transfer import Known

BUCKETS = Buckets(np.array([64.0, 256.0]), np.array([32.0, 128.0]))
DEPLOYMENT = Deployment(
    ModelSpec("llama-8b", 8.03, 8.03, 32, 4096, 131072.0), AcceleratorSpec("h100", 80.0, 3350.0, 989.0, 450.0), 1
)
CHAT = Slo(0.04, 2.0)
USER = user_profile([[8.0, 4.0], [2.0, 0.0]], BUCKETS, "spec.capacity")
ROOFLINE = roofline_profile(DEPLOYMENT, CHAT, BUCKETS)


def shipped(slo: Slo, *known: Known) -> Profile | None:
    return shipped_profile(DEPLOYMENT, slo, BUCKETS, known, tool="tool 1.2.3", relative_error=0.2)


@pytest.mark.parametrize("rate", [nan, inf, -1.0, None])
def test_what_is_no_rate_in_the_users_matrix_is_refused_by_name(rate: float | None) -> None:
    with pytest.raises(InputError, match=r"spec\.capacity\[1\]\[0\].*rate.*0 where a replica cannot serve") as caught:
        user_profile([[8.0, 4.0], [rate, 1.0]], BUCKETS, "spec.capacity")
    assert repr(rate) in str(caught.value)


@pytest.mark.parametrize("rows", [[[1.0, 2.0]], [[1.0, 2.0], [1.0]]])
def test_a_matrix_of_another_shape_is_refused(rows: list[list[float]]) -> None:
    with pytest.raises(InputError, match="needs one"):
        user_profile(rows, BUCKETS, "spec.capacity")


def test_zero_means_that_it_cannot_be_served_and_stays_so() -> None:
    assert with_headroom(USER).capacity_rps[1, 1] == 0.0
    assert corrected(USER, 0.5, 0.1, 9).capacity_rps[1, 1] == 0.0


def test_headroom_is_the_error_band() -> None:
    assert with_headroom(USER, 2.0).capacity_rps == pytest.approx(USER.capacity_rps * exp(-2.0 * USER.relative_error))


def test_sources_are_preferred_in_order() -> None:
    measured = corrected(USER, 0.1, 0.05, 9)
    tool = shipped(CHAT, Known(DEPLOYMENT, CHAT, BUCKETS, USER.capacity_rps))

    assert best_of([ROOFLINE, tool, USER, measured]) is measured
    assert best_of([ROOFLINE, tool, USER]) is USER
    assert best_of([ROOFLINE, None, tool]) is tool
    assert best_of([None, ROOFLINE]) is ROOFLINE
    assert best_of([None]) is None


def test_a_shipped_matrix_serves_its_own_slo_and_looser_ones_only() -> None:
    known = Known(DEPLOYMENT, CHAT, BUCKETS, USER.capacity_rps)
    looser = Known(DEPLOYMENT, Slo(0.05, 2.0), BUCKETS, 2.0 * USER.capacity_rps)

    found = shipped(Slo(0.12, 2.0), known, looser)
    assert found is not None
    assert found.capacity_rps == pytest.approx(2.0 * USER.capacity_rps)
    assert found.source is Source.SHIPPED
    assert "tool 1.2.3" in found.provenance
    assert shipped(Slo(0.02, 2.0), known) is None
    assert shipped(CHAT, replace(known, deployment=replace(DEPLOYMENT, gpus=2))) is None


def test_a_measured_number_scales_the_whole_matrix() -> None:
    point = CapacityPoint("llama-8b", 1, 6.0, 64.0, 128.0)

    found = scaled_to_point(USER, point)
    assert found.capacity_rps == pytest.approx(1.5 * USER.capacity_rps)
    assert "1.5" in found.provenance


def test_a_number_measured_on_the_own_mix_is_met_by_the_mix() -> None:
    mix = np.array([[0.5, 0.25], [0.25, 0.0]])
    point = CapacityPoint("llama-8b", 1, 10.0)

    found = scaled_to_point(USER, point, mix)
    used = mix > 0.0
    assert 1.0 / (mix[used] / found.capacity_rps[used]).sum() == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("point", "mix"),
    [
        (CapacityPoint("m", 1, 0.0, 64.0, 32.0), None),
        (CapacityPoint("m", 1, nan, 64.0, 32.0), None),
        (CapacityPoint("m", 1, 5.0), None),
        (CapacityPoint("m", 1, 5.0), np.full((2, 2), 0.25)),
        (CapacityPoint("m", 1, 5.0, 9999.0, 32.0), None),
    ],
)
def test_a_number_that_cannot_be_placed_is_refused(point: CapacityPoint, mix: FloatArray | None) -> None:
    with pytest.raises(InputError, match="capacity profile"):
        scaled_to_point(USER, point, mix)
