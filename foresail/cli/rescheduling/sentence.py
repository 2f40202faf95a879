"""The sentence that says what a plan does, and how much better another could be: of VMs and of pods alike."""

from __future__ import annotations

from math import isfinite

from foresail.cli.rescheduling.wanted import Wanted


def sentence(
    wanted: Wanted,
    counts: tuple[int, int],
    told: str,
    better: str,
    *,
    bound: float | None,
    certified: bool,
    missed: bool,
) -> str:
    """Say it.

    Args:
        wanted: That was asked for.
        counts: Moves and waves.
        told: What the moves take from where to where.
        better: What a better plan would have, with a place for the bound.
        bound: What no plan can beat; None or infinite where nothing is proven.
        certified: Whether the plan comes up to it.
        missed: Whether a goal is.
    """
    moves, waves = counts
    fewest = wanted.objective == "fewest-moves"
    counted = f"{moves} move{'' if moves == 1 else 's'} in {waves} wave{'' if waves == 1 else 's'}"
    done = f"{counted} {'takes' if moves == 1 else 'take'} {told}" if moves else "Nothing is moved"
    if missed:
        return f"The goal of {wanted.goal:g} is not reached: {done[0].lower()}{done[1:]}."
    if certified:
        count = "fewer" if fewest else "as many" if moves else f"at most {wanted.moves}"
        return f"{done}; no plan of {count} moves does {'it' if fewest else 'better'}."
    if bound is None or not isfinite(bound):
        return f"{done}; nothing is proven of better plans."
    return f"{done}; a better plan would have {better.format(bound)}."


def price_told(wanted: Wanted, how: str) -> str:
    """That the price of the moves is in a bound, where they have one: taken off, or with it."""
    return f", the price of its moves {how}" if wanted.price_per_move else ""
