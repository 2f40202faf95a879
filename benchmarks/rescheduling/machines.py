"""Plans for virtual machines: medium, xl, memory that binds, odd sizes, fewest moves; rivals on the same instances."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.rescheduling.compact import solve_compact
from benchmarks.rescheduling.descheduler import high_node_utilization
from benchmarks.rescheduling.heuristic import filter_and_score
from benchmarks.rescheduling.instances import machines, medium, recorded
from benchmarks.rescheduling.planned import Row, plan, rate_below, slots_below, waves_beyond
from foresail.cli.rescheduling.machines import VmInstance
from foresail.cli.rescheduling.wanted import Wanted

MEDIUM_MOVES, FAMILY_MOVES, XL_MOVES = (25, 50, 75, 100), (25, 50, 100), (50, 200)
GOALS = (0.4, 0.35, 0.3, 0.25, 0.2)
MOST_MOVES = 100
THRESHOLDS = (0.2, 0.5)
RIVAL_MOVES = (50, 100)


def measure_medium(folder: Path, seeds: int) -> Row:
    """279 machines, four limits; waves beside packings."""
    _warm()
    return {"rows": [row for name, one in medium(folder, seeds) for row in _rows(name, one, MEDIUM_MOVES, waves=True)]}


def measure_xl(folder: Path) -> Row:
    """1,400 machines, about 10,000 VMs."""
    _warm()
    instances = [("high, seed 0", machines("high", 0, size="xl")), *recorded(folder, ("xl-c1-0",))]
    return {"rows": [row for name, one in instances for row in _rows(name, one, XL_MOVES)]}


def measure_family(folder: Path, family: str, seeds: int) -> Row:
    """Memory that binds, in even sizes or in odd ones."""
    _warm()
    name = "mixed-279-0" if family == "mixed" else "mixed-odd-279-0"
    own = [(f"{family}, seed {seed}", machines("high", seed, family=family)) for seed in range(seeds)]
    instances = [*own, *recorded(folder, (name,))]
    return {"rows": [row for title, one in instances for row in _rows(title, one, FAMILY_MOVES)]}


def measure_fewest(folder: Path) -> Row:
    """Fewest moves to goals, beside the fewest that a bound on slots allows."""
    _warm()
    instances = [("high, seed 0", machines("high", 0)), *recorded(folder, ("medium-H-0",))]
    rows = []
    for name, instance in instances:
        before = filter_and_score(instance, 0).fragment_rate()
        for goal in (goal for goal in GOALS if goal < before):
            _, row = plan(instance, Wanted(MOST_MOVES, objective="fewest-moves", goal=goal))
            reached = row["after"]["fragment_rate"] <= goal
            rows.append({"instance": name, "goal": goal, "reached": reached, **row, **_optimum(instance, goal)})
    return {"rows": rows}


def measure_compact(folder: Path, seconds: float) -> Row:
    """The compact program on HiGHS."""
    instances = [("high, seed 0", machines("high", 0)), *recorded(folder, ("medium-H-0",))]
    rows = []
    for name, instance in instances:
        for moves in RIVAL_MOVES:
            found = solve_compact(instance, moves, seconds)
            rows.append(
                {
                    "instance": name,
                    "moves_allowed": moves,
                    "slots": found.slots,
                    "bound": found.bound,
                    "proven": found.proven,
                    "cpu_seconds": found.cpu_seconds,
                }
            )
    return {"limit_seconds": seconds, "rows": rows}


def measure_descheduler(folder: Path) -> Row:
    """HighNodeUtilization at two thresholds, fifty evictions."""
    rows = []
    for name, instance in medium(folder, 1):
        before = filter_and_score(instance, 0)
        for threshold in THRESHOLDS:
            after = high_node_utilization(instance, 50, threshold=threshold)
            rows.append(
                {
                    "instance": name,
                    "threshold": threshold,
                    "moves": len(after.moves),
                    "fragment_rate_before": before.fragment_rate(),
                    "fragment_rate": after.fragment_rate(),
                    "empty_before": before.empty(),
                    "empty": after.empty(),
                }
            )
    return {"rows": rows}


def _rows(name: str, instance: VmInstance, limits: Sequence[int], *, waves: bool = False) -> Iterator[Row]:
    for moves in limits:
        wanted = Wanted(moves)
        answer, row = plan(instance, wanted)
        heuristic = filter_and_score(instance, moves)
        row |= {
            "instance": name,
            "vms": len(instance.vms),
            "slots_below": slots_below(row),
            "rate_below": rate_below(instance, row),
            "heuristic_slots": heuristic.slots(),
            "heuristic_rate": heuristic.fragment_rate(),
        }
        yield row | (waves_beyond(answer, wanted) if waves else {})


def _optimum(instance: VmInstance, goal: float) -> Row:
    """Fewest moves whose bound on slots reaches the goal: no plan has fewer, where bounds are right."""
    low, high = 0, MOST_MOVES
    while low < high:
        middle = (low + high) // 2
        _, row = plan(instance, Wanted(middle))
        if row["after"]["fragment_rate"] - rate_below(instance, row) <= goal + 1e-9:
            high = middle
        else:
            low = middle + 1
    return {"fewest": low}


def _warm() -> None:
    """What is loaded once is not the plan's."""
    plan(machines("high", 0, size="small"), Wanted(5))
