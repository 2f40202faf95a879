from __future__ import annotations

from foresail.domain.workload import Mode
from foresail.policies.allocation.greedy import by_priority
from tests.builders import make_observation, make_workload


def test_those_that_act_take_first_then_by_priority_then_by_name() -> None:
    observations = [
        make_observation(make_workload("advised", mode=Mode.ADVISORY, priority=9)),
        make_observation(make_workload("b")),
        make_observation(make_workload("a")),
        make_observation(make_workload("urgent", priority=5)),
    ]
    assert [o.workload.key.name for o in by_priority(observations)] == ["urgent", "a", "b", "advised"]
