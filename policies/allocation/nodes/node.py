"""Nodes with cards, and the shapes of what is placed on them.

Cards and their shares are counted in thousandths of a card ("milli", as Kubernetes counts CPU): whole numbers, so that
nothing is ever given away twice by rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

WHOLE_CARD_MILLI: Final = 1000


@dataclass(frozen=True, slots=True)
class Node:
    """What is free on a node that takes new pods.

    Args:
        name: Of the node.
        accelerator: Type of its cards, empty when it has none.
        free_cards_milli: Free share of each card, 0…1000; a card that is all taken may be left out.
        free_cpu_milli: Free CPU; None: unknown, and binds nothing.
        free_memory_mebibytes: Free memory; None: unknown, and binds nothing.
        slices_milli: Sizes that a card can be cut into, as MIG's profiles cut one; a share then takes the smallest
            slice that holds it. Empty: any share. (1000,): cards are given out whole. Where on a card a slice may
            start is not modelled.
        host: Which machine's CPU and memory these are, where it is listed as several nodes, one for each kind of its
            cards; empty: its own.

    Raises:
        ValueError: A field that is out of its range.
    """

    name: str
    accelerator: str
    free_cards_milli: tuple[int, ...]
    free_cpu_milli: int | None = None
    free_memory_mebibytes: int | None = None
    slices_milli: tuple[int, ...] = ()
    host: str = ""

    def __post_init__(self) -> None:
        if not all(0 <= milli <= WHOLE_CARD_MILLI for milli in self.free_cards_milli):
            raise ValueError(f"{self.name}: free_cards_milli must lie in 0…1000, got {self.free_cards_milli}")
        if not all(0 < milli <= WHOLE_CARD_MILLI for milli in self.slices_milli):
            raise ValueError(f"{self.name}: slices_milli must lie in 1…1000, got {self.slices_milli}")
        if min(self.free_cpu_milli or 0, self.free_memory_mebibytes or 0) < 0:
            raise ValueError(f"{self.name}: free CPU and memory must not be negative, got {self}")


@dataclass(frozen=True, slots=True)
class Shape:
    """What one replica asks of a node.

    Args:
        cards: Cards on one node; 0 for a pod without any.
        share_milli: Of each card: 1000, or less of a single one.
        cpu_milli: CPU.
        memory_mebibytes: Memory.
        accelerators: Types of card that will do; empty: every type.

    Raises:
        ValueError: A field that is out of its range, or nothing asked for at all.
    """

    cards: int
    share_milli: int = WHOLE_CARD_MILLI
    cpu_milli: int = 0
    memory_mebibytes: int = 0
    accelerators: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if min(self.cards, self.cpu_milli, self.memory_mebibytes) < 0:
            raise ValueError(f"cards, CPU and memory must not be negative, got {self}")
        if not (self.cards or self.cpu_milli or self.memory_mebibytes):
            raise ValueError(f"a shape must ask for something, got {self}")
        if not 0 < self.share_milli <= WHOLE_CARD_MILLI:
            raise ValueError(f"share_milli must lie in 1…1000, got {self.share_milli}")
        if self.share_milli < WHOLE_CARD_MILLI and self.cards != 1:
            raise ValueError(f"only a single card can be asked for in part, got {self}")

    def share_on(self, accelerator: str, slices_milli: Sequence[int]) -> int | None:
        """Share that it takes of each card of a type, at least what it asks for; None: the type will not do."""
        if self.accelerators and accelerator not in self.accelerators:
            return None
        if not self.cards or not slices_milli:
            return self.share_milli if self.cards else 0
        return min((size for size in slices_milli if size >= self.share_milli), default=WHOLE_CARD_MILLI)


@dataclass(frozen=True, slots=True)
class Mix:
    """The shapes that are expected, each with its part of the pods: a target workload of the paper on fragmentation.

    Raises:
        ValueError: No shape, or a part that is not positive.
    """

    parts: Mapping[Shape, float]

    def __post_init__(self) -> None:
        if not self.parts or not all(part > 0 for part in self.parts.values()):
            raise ValueError(f"a mix must have shapes, each with a positive part, got {dict(self.parts)}")


@dataclass(frozen=True, slots=True)
class Placement:
    """A replica on a node, `cards` the places of its cards there."""

    node: str
    shape: Shape
    cards: tuple[int, ...]
