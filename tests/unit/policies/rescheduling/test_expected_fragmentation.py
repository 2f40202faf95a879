from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

from foresail.policies.allocation.nodes.cluster import Cluster
from foresail.policies.allocation.nodes.fragmentation import Fragmentation
from foresail.policies.allocation.nodes.node import Mix, Node, Shape
from foresail.policies.rescheduling.expected_fragmentation import ExpectedFragmentation
from tests.unit.policies.rescheduling.gpu_cases import State, raw_clusters, read_pods, recorded


@given(raw=raw_clusters())
def test_it_is_the_papers_measure(raw: dict[str, Any]) -> None:
    instance = read_pods(raw)
    measure = ExpectedFragmentation(instance.mix)

    found = measure.fragmented_cards(instance.free_cpu_milli, instance.free_memory_mebibytes, instance.free_cards_milli)

    assert found.sum() == pytest.approx(State(raw).fragmented(), abs=1e-9)
    assert (found >= -1e-9).all()


@pytest.mark.parametrize(
    ("name", "cards"), [("openb-60-bestfit-0", 32.96), ("openb-300-bestfit-0", 178.80), ("openb-full-random-0", 807.72)]
)
def test_recorded_clusters_have_the_fragmentation_that_was_recorded(name: str, cards: float) -> None:
    instance = recorded(name)
    free = instance.free_cards_milli

    found = ExpectedFragmentation(instance.mix).fragmented_cards(
        instance.free_cpu_milli, instance.free_memory_mebibytes, free
    )

    assert found.sum() == pytest.approx(cards, abs=0.01)


def test_it_is_what_placing_replicas_measures() -> None:
    instance = recorded("openb-60-random-1")
    mix = instance.mix
    columns = (mix.cards, mix.share_milli, mix.cpu_milli, mix.memory_mebibytes)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    shapes = [Shape(cards, share or 1000, cpu, memory) for cards, share, cpu, memory in rows]
    nodes = [
        Node(name, "A", tuple(int(free) for free in cards if free), int(cpu), int(memory))
        for name, cards, cpu, memory in zip(
            instance.nodes,
            instance.free_cards_milli.tolist(),
            instance.free_cpu_milli,
            instance.free_memory_mebibytes,
            strict=True,
        )
    ]

    placing = Fragmentation(Cluster(nodes), Mix(dict(zip(shapes, mix.part.tolist(), strict=True))))
    moving = ExpectedFragmentation(mix).fragmented_cards(
        instance.free_cpu_milli, instance.free_memory_mebibytes, instance.free_cards_milli
    )

    assert placing.expected(np.arange(len(nodes))) == pytest.approx(moving, rel=1e-6, abs=1e-9)
