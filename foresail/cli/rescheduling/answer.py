"""A plan as `foresail reschedule plan` gives it, for virtual machines and for pods alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from foresail.cli.rescheduling.document import IntArray
from foresail.cli.rescheduling.instance import Instance
from foresail.cli.rescheduling.verification.claim import Claim, Move
from foresail.cli.rescheduling.verification.replay import Limits, replay
from foresail.cli.rescheduling.verification.room import State, start_faults
from foresail.cli.rescheduling.verification.seats import room_of
from foresail.cli.rescheduling.verification.verify import verify


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A plan.

    Args:
        instance: That it is for.
        objective: That was asked for.
        moves: In order.
        waves: Places in `moves`.
        before: Measures by name.
        after: Likewise.
        bound: What no plan can beat, in the objective's unit; None where nothing is proven.
        certified: Whether the plan comes up to it.
        skipped: Units that were left alone, each with the reason.
        cpu_seconds: Of the solve.
        message: One sentence.
        refused: Whether the answer is no.
        price_per_move: That is taken off what the moves earn, in the bound too.
    """

    instance: Instance
    objective: str
    moves: tuple[Move, ...]
    waves: tuple[tuple[int, ...], ...]
    before: Mapping[str, float]
    after: Mapping[str, float]
    bound: float | None
    certified: bool
    skipped: tuple[tuple[str, str], ...]
    cpu_seconds: float
    message: str
    refused: bool = False
    price_per_move: float = 0.0

    def claim(self) -> Claim:
        """The plan as the verifier takes it."""
        return Claim(
            moves=self.moves,
            waves=self.waves,
            before=self.before,
            after=self.after,
            objective=self.objective,
            bound=self.bound,
            certified=self.certified,
            price_per_move=self.price_per_move,
        )


def checked(answer: Answer, limits: Limits) -> Answer:
    """The plan when its replay finds no fault; else none, with the first fault: what is not safe is not said.

    A start that contradicts itself is the instance's fault, and the answer to that stands.
    """
    room = room_of(answer.instance)
    if next(start_faults(room), None) is not None and not answer.moves:
        return answer
    faults = verify(answer.instance, answer.claim(), limits).faults
    if not faults:
        return answer
    message = f"No plan: the one that was found did not pass its replay ({faults[0].message}). Please report this."
    return replace(
        answer, moves=(), waves=(), after=answer.before, bound=None, certified=False, message=message, refused=True
    )


def free_before_and_after(answer: Answer) -> tuple[IntArray, IntArray]:
    """What is free of each resource of each node, shape (N, R)."""
    room = room_of(answer.instance)
    return State(room).free, replay(room, answer.claim(), Limits())[1]
