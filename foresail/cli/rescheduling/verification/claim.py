"""A plan as somebody claims it: JSON of moves, with waves and figures where it has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from foresail.cli.fields import Field
from foresail.cli.rescheduling.document import at, items, read_document, whole, whole_numbers

LEAST = -(10**6)  # a wrong index is a fault of the plan, and to be shown as such


@dataclass(frozen=True, slots=True)
class Move:
    """A unit and where it goes.

    Args:
        unit: Its name.
        to: Name of the node.
        numa_node: Of a VM, -1 for a double one; None where the plan does not say.
        cards: Of a pod; None where the plan does not say.
    """

    unit: str
    to: str
    numa_node: int | None = None
    cards: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A plan.

    Args:
        moves: In order.
        waves: Places in `moves`; None where the plan has no waves.
        before: Measures by name.
        after: Likewise.
        objective: What was asked, empty where the plan does not say.
        bound: What no plan can beat, the price of its moves included; None where nothing is proven.
        certified: Whether the plan says that it reaches the bound; None where it does not say.
        price_per_move: What each move earns, or is more than it is worth.
    """

    moves: tuple[Move, ...]
    waves: tuple[tuple[int, ...], ...] | None
    before: Mapping[str, float]
    after: Mapping[str, float]
    objective: str
    bound: float | None
    certified: bool | None
    price_per_move: float = 0.0


def read_claim(name: str) -> Claim:
    """Read a plan; `-` is standard input.

    Raises:
        InputError: It cannot be understood. What is understood and wrong is a fault, and found by the replay.
    """
    return parse_claim(read_document(name, "PLAN"))


def parse_claim(document: Field) -> Claim:
    """The plan in a document.

    Raises:
        InputError: It cannot be understood.
    """
    moves, objective, bound = document["moves"], document["objective"], document["bound"]
    price = document["price_per_move"]
    return Claim(
        moves=tuple(_move(at(moves, place)) for place in range(len(items(moves)))),
        waves=None if document["waves"].absent else _waves(document["waves"]),
        before=_measures(document["before"]),
        after=_measures(document["after"]),
        objective="" if objective.absent else objective.text(),
        bound=None if bound.absent else bound.number(),
        certified=None if document["certified"].absent else _yes(document["certified"]),
        price_per_move=0.0 if price.absent else price.number(),
    )


def _move(field: Field) -> Move:
    numa_node, cards = field["numa_node"], field["cards"]
    return Move(
        unit=field["unit"].text(),
        to=field["to"].text(),
        numa_node=None if numa_node.absent else whole(numa_node, least=LEAST),
        cards=None if cards.absent else _indexes(cards),
    )


def _waves(field: Field) -> tuple[tuple[int, ...], ...]:
    return tuple(_indexes(at(field, place)) for place in range(len(items(field))))


def _indexes(field: Field) -> tuple[int, ...]:
    return tuple(whole_numbers(field, least=LEAST).tolist())


def _measures(field: Field) -> dict[str, float]:
    return {} if field.absent else {name: field[name].number() for name in field.object() if _known(field[name])}


def _known(field: Field) -> bool:
    return field.value is not None


def _yes(field: Field) -> bool:
    value: Any = field.value
    if not isinstance(value, bool):
        field.fail("is neither true nor false", "give true or false")
    return bool(value)
