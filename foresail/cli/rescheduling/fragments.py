"""The slots that an instance of virtual machines counts: of one size, or of several that each have a share."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from foresail.cli.fields import Field
from foresail.cli.rescheduling.document import optional, whole

FIELDS = ("cpu", "mem", "share", "memory_counts")
FINEST = 1000  # parts of a whole in which shares come


@dataclass(frozen=True, slots=True)
class Fragment:
    """Slots of a size.

    Args:
        cpu: Of one NUMA node.
        memory: Likewise.
        share: Of what is counted.
        memory_counts: Whether a slot needs its memory too.
    """

    cpu: int
    memory: int = 0
    share: Fraction = Fraction(1)
    memory_counts: bool = False


def parse_fragments(field: Field) -> tuple[Fragment, ...]:
    """An object, or a list of them.

    Raises:
        InputError: It cannot be understood.
    """
    return tuple(map(_fragment, field.items() if isinstance(field.value, list) else (field,)))


def _fragment(field: Field) -> Fragment:
    field.know(FIELDS)
    counts = optional(field["memory_counts"], _yes, otherwise=False)
    memory = whole(field["mem"], least=int(counts))
    share = optional(field["share"], _share, Fraction(1))
    return Fragment(whole(field["cpu"], least=1), memory, share, memory_counts=counts)


def _share(field: Field) -> Fraction:
    share = Fraction(str(field.number())).limit_denominator(FINEST)
    if share <= 0:
        field.fail("is no share", f"give more than 0, in steps of 1/{FINEST}, or leave it out for 1")
    return share


def _yes(field: Field) -> bool:
    if not isinstance(field.value, bool | int) or field.value not in (0, 1):
        field.fail("is neither true nor false", "give true or false")
    return bool(field.value)
