"""What can be wrong with a plan."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Of a fault."""

    START = "start"  # the instance is over-committed, or contradicts itself, before anything is moved
    UNIT = "unknown-unit"
    NODE = "unknown-node"
    PINNED = "pinned"
    TWICE = "moved-twice"
    SAME = "same-node"
    SEAT = "seat"  # no such NUMA node or card, or not as many as the unit takes
    MODEL = "gpu-model"
    ROOM = "no-room"  # at the destination while the unit still holds its source
    APART = "anti-affinity"
    LIMIT = "too-many-moves"
    WAVES = "waves"  # a move in none, in two, or one that is not there
    PARALLEL = "parallel"
    IN = "max-in"
    OUT = "max-out"
    WORKLOAD = "workload"  # two units of one at the same time
    REST = "rest"  # too young, or moved too recently
    PRICE = "price"  # moves that earn less than their price
    CLAIM = "claim"  # a figure of the plan is not what the replay gives


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong with a plan.

    Args:
        kind: Of fault.
        message: A sentence that names unit and node.
        move: Place in `moves`, None where it is of no single one.
        wave: Place in `waves`, None when it is of the order alone.
    """

    kind: Kind
    message: str
    move: int | None = None
    wave: int | None = None
