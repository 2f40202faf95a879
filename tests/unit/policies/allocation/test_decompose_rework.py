from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from foresail.domain.allocation import AllocationProblem, Candidate, ModelDemand
from foresail.policies.allocation.rework import rework
from tests.unit.policies.allocation.allocation_cases import fleets, held_usd, least_unserved_usd, least_usd


def usd_of(model: ModelDemand, replicas: tuple[int, ...]) -> float:
    return held_usd(model, replicas) + float(least_unserved_usd(model, np.array([replicas]))[0])


@settings(max_examples=40, deadline=None)
@given(fleets(must_serve=False))
def test_all_models_anew_are_the_optimum(problem: AllocationProblem) -> None:
    nothing = [[own.min_replicas for own in model.candidates] for model in problem.models]
    found = rework(problem, nothing, range(len(problem.models)), 1.0)
    assert found.replicas is not None
    total = sum(usd_of(model, own) for model, own in zip(problem.models, found.replicas, strict=True))
    best = least_usd(problem)
    assert best - 1e-6 * max(best, 1.0) <= total <= best * (1.0 + 2e-4) + 1e-2  # to the gap, and a tolerance's worth


def test_a_group_has_what_the_others_leave() -> None:
    """Two want the same GPU of which three are taken; the third, outside the group, keeps its own."""
    own = Candidate("v", "A", 1, 1.0, np.array([[1.0]]))
    fleet = tuple(ModelDemand(name, np.array([[2.0]]), (own,), price) for name, price in (("a", 1.0), ("b", 2.0)))
    keeper = ModelDemand("c", np.array([[3.0]]), (own,), 3.0)
    found = rework(AllocationProblem((*fleet, keeper), {"A": 6}), [(2,), (1,), (3,)], [0, 1], 1.0)
    assert found.replicas == ((1,), (2,))  # the dearer demand first, within three
