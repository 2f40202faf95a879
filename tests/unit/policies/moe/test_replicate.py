from __future__ import annotations

import numpy as np
import pytest

from foresail.policies.moe.replicate import replicate


def test_the_next_replica_goes_to_the_largest_share() -> None:
    """600 and 560 take turns: 600, 560, 300, 280, 200, 186.7, 150, 140 are the largest shares."""
    loads = np.array([[600.0, 560, 120, 120, 20, 10, 10, 10]])
    assert replicate(loads, 16, 8).tolist() == [[5, 5, 1, 1, 1, 1, 1, 1]]


def test_no_expert_has_more_replicas_than_there_are_gpus() -> None:
    assert replicate(np.array([[1000.0, 1.0, 1.0]]), 6, 2).tolist() == [[2, 2, 2]]
    assert replicate(np.array([[5.0, 1.0]]), 9, 2).tolist() == [[2, 2]]


def test_every_expert_needs_a_slot() -> None:
    with pytest.raises(ValueError, match="at least 3"):
        replicate(np.ones((1, 3)), 2, 2)
