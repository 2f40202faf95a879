"""What is wanted of a plan."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass

from foresail.cli.rescheduling.past import Rest
from foresail.cli.rescheduling.verification.replay import Limits

SECONDS = 5.0  # of CPU, unless said otherwise
USUAL = Limits()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A plan that is wanted.

    Args:
        moves: At most so many.
        limits: Of a wave, and what units must have behind them.
        objective: fragments, whole-nodes or fewest-moves.
        goal: A fragment rate that is not to be exceeded, None for none.
        seconds: Of CPU for the search.
        seed: Of everything random.
        price_per_move: What each move must earn, in the objective's unit.
    """

    moves: int
    limits: Limits = USUAL
    objective: str = "fragments"
    goal: float | None = None
    seconds: float = SECONDS
    seed: int = 0
    price_per_move: float = 0.0


def parse_wanted(arguments: Namespace) -> Wanted:
    """What the command line asks for; a goal asks for as few moves as reach it, unless another objective is named."""
    usual = "fragments" if arguments.goal is None else "fewest-moves"
    rest = Rest(arguments.minimum_age, arguments.cool_down)
    return Wanted(
        moves=arguments.moves,
        limits=Limits(arguments.parallel, arguments.max_in, arguments.max_out, arguments.moves, rest),
        objective=arguments.objective or usual,
        goal=arguments.goal,
        seconds=arguments.time_limit,
        seed=arguments.seed,
        price_per_move=arguments.price_per_move,
    )
