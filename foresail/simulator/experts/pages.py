"""The page table: which expert of which layer is on which page of which GPU, and which pages are free."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from foresail.policies.moe.placement import EMPTY, IntArray
from foresail.simulator.experts.child import Child
from foresail.simulator.experts.instance import Place

Key = tuple[int, int]  # layer and expert


@dataclass(slots=True, eq=False)
class Gpu:
    """A GPU with what it holds.

    Args:
        name: Of its segment.
        keeper: Its process.
        size_bytes: Of its segment, of which only pages in use take memory.
        free: Pages that hold nothing.
        pages: Where each expert is.
    """

    name: str
    keeper: Child
    size_bytes: int
    free: list[int]
    pages: dict[Key, int] = field(default_factory=dict)

    @property
    def alive(self) -> bool:
        """Whether its process is there."""
        return self.keeper.process.poll() is None

    def take(self, keys: Iterable[Key]) -> dict[Key, int]:
        """Pages for experts that come, which are not found there yet."""
        return {key: self.free.pop() for key in keys}

    def drop(self, keys: Iterable[Key]) -> list[int]:
        """Pages of experts that go; they are free once nobody reads them."""
        return [self.pages.pop(key) for key in keys]


def wanted(placement: IntArray, gpu: int) -> set[Key]:
    """Experts that a GPU shall hold."""
    return {
        (layer, int(expert)) for layer, slots in enumerate(placement[:, gpu]) for expert in slots if expert != EMPTY
    }


def places(gpus: Sequence[Gpu], layers: Iterable[int] | None = None) -> dict[Key, tuple[Place, ...]]:
    """Where each expert is found, of all layers or of some."""
    chosen = None if layers is None else set(layers)
    found: dict[Key, tuple[Place, ...]] = {}
    for gpu in gpus:
        for key, page in dict(gpu.pages).items():  # a copy: a change may be under way in another thread
            if chosen is None or key[0] in chosen:
                found[key] = (*found.get(key, ()), (gpu.name, page))
    return found


def sizes(gpus: Sequence[Gpu]) -> dict[str, int]:
    """Segments by name."""
    return {gpu.name: gpu.size_bytes for gpu in gpus}


def missing(gpus: Sequence[Gpu], layers: int, experts: int) -> Iterator[Key]:
    """Experts that no GPU holds."""
    there = {key for gpu in gpus for key in gpu.pages}
    yield from ((layer, expert) for layer in range(layers) for expert in range(experts) if (layer, expert) not in there)
