"""One plan, measured and replayed: every row of every table has been through the verifier."""

from __future__ import annotations

from math import floor
from typing import Any

from benchmarks.rescheduling.packing import first_fit, least_waves
from foresail.cli.rescheduling.answer import Answer
from foresail.cli.rescheduling.instance import Instance
from foresail.cli.rescheduling.machines import VmInstance
from foresail.cli.rescheduling.solve import solve
from foresail.cli.rescheduling.verification.verify import verify
from foresail.cli.rescheduling.wanted import Wanted

Row = dict[str, Any]
ROUNDING = 1e-6


def plan(instance: Instance, wanted: Wanted) -> tuple[Answer, Row]:
    """Plan, and what came of it."""
    answer = solve(instance, wanted)
    verdict = verify(instance, answer.claim(), wanted.limits)
    row: Row = {
        "moves_allowed": wanted.moves,
        "moves": len(answer.moves),
        "waves": len(answer.waves),
        "valid": not verdict.faults and not answer.refused,
        "before": dict(answer.before),
        "after": dict(answer.after),
        "bound": answer.bound,
        "certified": answer.certified,
        "cpu_seconds": answer.cpu_seconds,
    }
    return answer, row


def slots_below(row: Row) -> float:
    """Slots that the bound leaves open; infinite without one."""
    return float("inf") if row["bound"] is None else floor(row["bound"] + ROUNDING) - float(row["after"]["free_slots"])


def rate_below(instance: VmInstance, row: Row) -> float:
    """Fragment rate that the bound leaves open, absolute."""
    free = float(instance.machine_cpu.sum() - instance.cpu.sum())
    return slots_below(row) * instance.fragment_cpu / free if free else 0.0


def waves_beyond(answer: Answer, wanted: Wanted) -> Row:
    """Waves beside the fewest that there can be, and beside the best of the first-fit packings."""
    return {
        "least_waves": least_waves(answer.instance, answer.moves, wanted.limits),
        "first_fit_waves": first_fit(answer.instance, answer.moves, wanted.limits, wanted.seed),
    }
