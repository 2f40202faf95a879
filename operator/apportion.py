"""Shares as whole parts of a total, by largest remainder: the parts sum to the total and none is off by a whole one."""

from __future__ import annotations

import math
from collections.abc import Sequence


def apportion(shares: Sequence[float], total: int) -> list[int]:
    """Whole parts of `total` in proportion to `shares`; of equal remainders the first is rounded up.

    Args:
        shares: None below zero, and not all of them zero. A share of zero is a part of zero.
        total: What the parts sum to.

    References:
        Hamilton's method, see M. Balinski and H. P. Young, "Fair Representation" (1982).
    """
    scale = total / sum(shares)
    exact = [share * scale for share in shares]
    parts = [math.floor(part) for part in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: (parts[i] - exact[i], i))
    for i in by_remainder[: total - sum(parts)]:
        parts[i] += 1
    return parts
