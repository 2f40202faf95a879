from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from foresail.policies.allocation.profiles.buckets import Buckets
from foresail.policies.allocation.profiles.deployment import AcceleratorSpec, Deployment, ModelSpec, Slo
from foresail.policies.allocation.profiles.profile import Source, belief_profile
from foresail.policies.allocation.profiles.roofline import roofline
from foresail.policies.allocation.profiles.transfer import Known, believe

BUCKETS = Buckets(np.array([64.0, 512.0, 4096.0]), np.array([32.0, 128.0, 512.0]))
CHAT = Slo(0.04, 2.0)
LLAMA = ModelSpec("llama-8b", 8.03, 8.03, 32, 4096, 131072.0)
H100 = AcceleratorSpec("h100", 80.0, 3350.0, 989.0, 450.0)
TARGET = Deployment(LLAMA, H100, 1)
SIBLING = Deployment(LLAMA, H100, 2)


def known(deployment: Deployment, factor: float) -> Known:
    return Known(deployment, CHAT, BUCKETS, factor * roofline(deployment, CHAT, BUCKETS))


def test_without_kin_the_belief_is_the_roofline() -> None:
    assert believe(TARGET, CHAT, BUCKETS, ()).capacity_rps() == pytest.approx(roofline(TARGET, CHAT, BUCKETS))


def test_kin_pull_towards_their_own_distance_from_the_roofline_and_near_kin_pull_more() -> None:
    stranger = Deployment(replace(LLAMA, name="other"), replace(H100, name="gpu", link_gb_per_second=32.0), 8)
    base = roofline(TARGET, CHAT, BUCKETS)

    near = believe(TARGET, CHAT, BUCKETS, [known(SIBLING, 0.7)]).capacity_rps() / base
    far = believe(TARGET, CHAT, BUCKETS, [known(stranger, 0.7)]).capacity_rps() / base
    assert ((near > 0.65) & (near < 1.0)).all()
    assert near.mean() < far.mean() < 1.0


def test_the_order_of_the_known_changes_nothing() -> None:
    others = [known(SIBLING, 0.7), known(Deployment(LLAMA, replace(H100, name="h200"), 1), 1.2)]

    one, other = (believe(TARGET, CHAT, BUCKETS, kin).capacity_rps() for kin in (others, others[::-1]))
    assert one == pytest.approx(other)


def test_a_measured_bucket_is_believed_and_the_error_shrinks_everywhere() -> None:
    belief = believe(TARGET, CHAT, BUCKETS, ())
    cell = belief.next_cell()
    assert cell is not None
    rate = 1.4 * float(belief.capacity_rps()[cell])

    after = belief.measured(cell, rate)
    assert after.capacity_rps()[cell] == pytest.approx(rate, rel=0.05)
    assert (after.log_error() < belief.log_error()).all()


def test_updates_do_not_depend_on_the_order_of_points() -> None:
    belief = believe(TARGET, CHAT, BUCKETS, ())

    one = belief.measured((0, 0), 40.0).measured((2, 1), 3.0).capacity_rps()
    other = belief.measured((2, 1), 3.0).measured((0, 0), 40.0).capacity_rps()
    assert one == pytest.approx(other)


def test_kin_and_points_are_weighed_as_a_plain_gaussian_process_does() -> None:
    """The same belief, written with covariances of all observed cells instead of coefficients."""
    sibling = known(SIBLING, 0.7)
    belief = believe(TARGET, CHAT, BUCKETS, [sibling]).measured((0, 0), 50.0)
    x = (np.log2(BUCKETS.input_edges) - 9.5) / 3.0
    y = (np.log2(BUCKETS.output_edges) - 7.5) / 2.0
    basis = np.array([[1.0, a, b, a * b, a * a, b * b] for a in x for b in y])
    cells = basis @ np.diag(np.array([1.0, 0.25, 0.25, 0.09, 0.09, 0.09]) / 1.3) @ basis.T
    shared = 3 * 0.3**2 + 0.12**2 + 0.2**2  # any, dense, fast links; accelerator; model
    own = shared + 3 * 0.1**2 + 0.2**2
    serving = (sibling.capacity_rps > 0.0).ravel()
    seen = np.append(np.full(serving.sum(), np.log(0.7)), np.log(50.0 / roofline(TARGET, CHAT, BUCKETS)[0, 0]))
    among = own * cells[np.ix_(serving, serving)]
    across = shared * cells[serving][:, :1]
    covariance = np.block([[among, across], [across.T, own * cells[:1, :1]]]) + 0.1**2 * np.eye(len(seen))
    to_target = np.hstack([shared * cells[:, serving], own * cells[:, :1]])
    expected = np.exp(to_target @ np.linalg.solve(covariance, seen)).reshape(3, 3)

    found = belief.capacity_rps() / roofline(TARGET, CHAT, BUCKETS)
    assert found[belief.roofline_rps > 0] == pytest.approx(expected[belief.roofline_rps > 0], rel=1e-5)


def test_only_buckets_that_can_be_served_are_asked_for_and_none_twice() -> None:
    belief = believe(TARGET, Slo(0.04, 0.1), BUCKETS, ())
    asked: list[tuple[int, int]] = []
    while (cell := belief.next_cell(asked)) is not None:
        asked.append(cell)

    assert set(asked) == {(int(i), int(j)) for i, j in np.argwhere(belief.roofline_rps > 0.0)}
    assert 0 < len(asked) < 9


def test_the_profile_says_what_it_was_made_of() -> None:
    belief = believe(TARGET, CHAT, BUCKETS, [known(SIBLING, 0.7)])

    guessed = belief_profile(belief, 1)
    assert guessed.source is Source.ROOFLINE
    assert 0.0 < belief_profile(belief.measured((0, 0), 50.0), 1, 1).relative_error < guessed.relative_error
    assert belief_profile(belief.measured((0, 0), 50.0), 1, 1).source is Source.MEASURED
