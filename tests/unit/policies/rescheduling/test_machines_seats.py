"""Room that serves smaller VMs: against every pair of shapes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from foresail.policies.rescheduling.machines.seats import handovers

shapes = st.lists(
    st.tuples(st.integers(1, 4), st.integers(1, 4), st.booleans()), min_size=1, max_size=8, unique=True
).map(lambda rows: np.array([(2 * cpu, 2 * memory, double) for cpu, memory, double in rows], np.int64))


def reached(kinds: np.ndarray) -> set[tuple[int, int]]:
    """Pairs of shapes of which the second can have the room of the first, over any number of handovers."""
    found = {(of, to[0]) for of, to in handovers(kinds) if len(to) == 1}
    while more := {(of, to) for of, by in found for also, to in found if by == also} - found:
        found |= more
    return found


@given(kinds=shapes)
def test_a_smaller_vm_of_the_same_form_can_have_the_room_over_some_handovers(kinds: np.ndarray) -> None:
    expected = {
        (of, to)
        for of, large in enumerate(kinds.tolist())
        for to, small in enumerate(kinds.tolist())
        if of != to and small[0] <= large[0] and small[1] <= large[1] and small[2] == large[2]
    }

    assert reached(kinds) == expected


@given(kinds=shapes)
def test_two_have_no_more_room_than_the_one(kinds: np.ndarray) -> None:
    for of, to in handovers(kinds):
        if len(to) == 2:
            cpu, memory, double = kinds[of]
            assert not kinds[list(to), 2].any()
            if double:  # one on each NUMA node
                assert (2 * kinds[list(to), 0] == cpu).all()
                assert (2 * kinds[list(to), 1] <= memory).all()
            else:
                assert kinds[list(to), 0].sum() == cpu
                assert kinds[list(to), 1].sum() <= memory


@given(kinds=shapes)
def test_what_was_handed_over_comes_later_so_that_it_may_be_again(kinds: np.ndarray) -> None:
    ways = [(of, to[0]) for of, to in handovers(kinds) if len(to) == 1]

    for place, (_, to) in enumerate(ways):
        assert to not in [of for of, _ in ways[: place + 1]]
