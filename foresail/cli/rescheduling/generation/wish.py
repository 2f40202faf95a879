"""What kind of instance is wanted."""

from __future__ import annotations

from dataclasses import dataclass

MACHINES = {"small": 20, "medium": 279, "large": 1176, "xl": 1400}
GPU_NODES = {"small": 60, "medium": 300, "large": 1213, "xl": 2426}
FAMILIES = ("c1", "mixed", "odd")


@dataclass(frozen=True, slots=True)
class Wish:
    """An instance that is wanted; shares lie in 0…1.

    Args:
        nodes: How many.
        load: Share of the CPU, or of the cards, that is in use.
        churn: How often each unit has left and come back.
        scatter: Share of units that were placed at random, the others where they fit best.
        pinned: Share of units that may not be moved.
        seed: Of everything random.
        family: Of VMs.
        double: Share of VMs of 8 to 32 cores that lie on both NUMA nodes; None: as the family has it.
        affinity: Share of VMs in groups of five that must be on different machines.
        bound: Share of pods with cards that ask for a type of card.
    """

    nodes: int
    load: float
    churn: float
    scatter: float
    pinned: float
    seed: int
    family: str = "c1"
    double: float | None = None
    affinity: float = 0.0
    bound: float = 0.0
