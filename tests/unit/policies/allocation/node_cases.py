"""Random nodes and shapes, and a reference in plain Python that shares no code with what is tested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import product

from hypothesis import strategies as st

from foresail.policies.allocation.nodes.node import Mix, Node, Shape

TYPES = ("A", "B")
SHARES = (100, 250, 300, 500, 700, 1000)

shapes = st.one_of(
    st.builds(
        Shape,
        cards=st.sampled_from((1, 2, 4)),
        cpu_milli=st.integers(0, 5) | st.just(0),
        memory_mebibytes=st.integers(0, 3),
        accelerators=st.sets(st.sampled_from(TYPES), max_size=2).map(frozenset),
    ),
    st.builds(Shape, cards=st.just(1), share_milli=st.sampled_from(SHARES), cpu_milli=st.integers(0, 5)),
    st.builds(Shape, cards=st.just(0), cpu_milli=st.integers(1, 5)),
)
mixes = st.dictionaries(shapes, st.floats(0.1, 5.0), min_size=1, max_size=4).map(Mix)


@st.composite
def clusters(draw: st.DrawFn, most: int = 5) -> list[Node]:
    """Up to some nodes, all resources scarce enough to bind."""
    cards = st.lists(st.sampled_from((0, 200, 300, 500, 900, 1000, 1000, 1000)), max_size=4).map(tuple)
    return [
        Node(
            f"node-{place}",
            draw(st.sampled_from(TYPES)),
            draw(cards),
            draw(st.none() | st.integers(0, 12)),
            draw(st.none() | st.integers(0, 8)),
            draw(st.sampled_from(((), (), (250, 500), (1000,)))),
        )
        for place in range(draw(st.integers(1, most)))
    ]


def share_taken(node: Node, shape: Shape) -> int | None:
    """Thousandths of each card that a shape takes on a node, None where its type will not do."""
    if shape.accelerators and node.accelerator not in shape.accelerators:
        return None
    larger = [size for size in sorted(node.slices_milli) if size >= shape.share_milli]
    return (larger or [1000])[0] if node.slices_milli else shape.share_milli


def ways(node: Node, shape: Shape) -> list[Node]:
    """What is left of a node after each way to place a replica on it."""
    share = share_taken(node, shape)
    cpu = None if node.free_cpu_milli is None else node.free_cpu_milli - shape.cpu_milli
    memory = None if node.free_memory_mebibytes is None else node.free_memory_mebibytes - shape.memory_mebibytes
    if share is None or (cpu is not None and cpu < 0) or (memory is not None and memory < 0):
        return []
    able = [place for place, free in enumerate(node.free_cards_milli) if free >= share]
    if len(able) < shape.cards:
        return []
    choices = [[place] for place in able] if shape.cards == 1 else [able[: shape.cards]]
    return [
        Node(
            node.name,
            node.accelerator,
            tuple(free - share * (place in chosen) for place, free in enumerate(node.free_cards_milli)),
            cpu,
            memory,
            node.slices_milli,
        )
        for chosen in choices
    ]


@cache
def most_copies(node: Node, shape: Shape) -> int:
    """Replicas that fit on a node, by placing one after another in every way."""
    # The order of the cards makes no difference, so states are told apart without it.
    sorted_ways = (replace(left, free_cards_milli=tuple(sorted(left.free_cards_milli))) for left in ways(node, shape))
    return max((1 + most_copies(left, shape) for left in sorted_ways), default=0)


def expected_fragment(node: Node, mix: Mix) -> float:
    """F of the paper, as its section 3 has it, in cards."""
    total = 0.0
    for shape, part in mix.parts.items():
        share = share_taken(node, shape)
        useless = sum(node.free_cards_milli)
        if shape.cards and ways(node, shape) and share is not None:
            useless = sum(free for free in node.free_cards_milli if free < share)
        total += part * useless
    return total / sum(mix.parts.values()) / 1000


def unused_by_many(node: Node, mix: Mix) -> float:
    """L: free cards that many copies would not take, counting cards one by one, in cards."""
    total = 0.0
    for shape, part in mix.parts.items():
        share, taken = share_taken(node, shape), 0
        if shape.cards and share is not None:
            places = sum(free // share for free in node.free_cards_milli)
            pairs = ((node.free_cpu_milli, shape.cpu_milli), (node.free_memory_mebibytes, shape.memory_mebibytes))
            beside = min((left // asked for left, asked in pairs if asked and left is not None), default=places)
            taken = min(places, shape.cards * beside) * share
        total += part * (sum(node.free_cards_milli) - taken)
    return total / sum(mix.parts.values()) / 1000


def most_cards(free: Sequence[int], wanted: Sequence[int]) -> int:
    """Most whole cards that any choice and placement of replicas takes, by trying all of them."""
    best = 0
    for homes in product(range(-1, len(free)), repeat=len(wanted)):
        used = [
            sum(size for size, home in zip(wanted, homes, strict=True) if home == node) for node in range(len(free))
        ]
        if all(taken <= room for taken, room in zip(used, free, strict=True)):
            best = max(best, sum(used))
    return best
