"""Plans for pods with GPUs: expected fragmentation, whole nodes, the trace's size; steepest descent beside them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import process_time

from benchmarks.rescheduling.descent import Descent
from benchmarks.rescheduling.instances import gpus, recorded_gpus
from benchmarks.rescheduling.planned import Row, plan
from benchmarks.rescheduling.verdicts import FRAGMENTED
from foresail.cli.rescheduling.pods import PodInstance
from foresail.cli.rescheduling.wanted import Wanted

MOVES = (25, 50, 100)
JUDGED_MOVES = WHOLE_MOVES = 50
LARGE_SECONDS, PROOF_SECONDS = 10.0, 30.0


def measure_gpus(folder: Path, seeds: int) -> Row:
    """300 nodes."""
    _warm()
    rows = []
    for name, instance in _medium(folder, seeds):
        descent = Descent(instance)
        for moves in MOVES:
            descent.run(moves)
            _, row = plan(instance, Wanted(moves))
            row["least"] = _least(instance, row) if moves == JUDGED_MOVES else row["bound"]
            rows.append({"instance": name, "descent": descent.fragmented_gpus(), **row})
    return {"rows": rows}


def _least(instance: PodInstance, row: Row) -> float | None:
    """F that no plan is below; where the plan misses what is asked, more time is taken to prove it."""
    if row["after"]["fragmented_gpus"] <= FRAGMENTED * row["before"]["fragmented_gpus"]:
        return float(row["bound"])
    _, proof = plan(instance, Wanted(row["moves_allowed"], seconds=PROOF_SECONDS))
    return max(float(row["bound"]), float(proof["bound"]))


def measure_whole(folder: Path, seeds: int) -> Row:
    """Whole nodes of 8 GPUs on 300 nodes."""
    _warm()
    wanted = Wanted(WHOLE_MOVES, objective="whole-nodes")
    return {"rows": [{"instance": name, **plan(one, wanted)[1]} for name, one in _medium(folder, seeds)]}


def measure_large(folder: Path) -> Row:
    """1,213 nodes."""
    _warm()
    rows = []
    for name, instance in (("scatter 0", gpus("large", 0, scatter=0.0)), *recorded_gpus(folder, "openb-full-*.json")):
        begin = process_time()
        descent = Descent(instance)
        descent.run(WHOLE_MOVES)
        seconds = process_time() - begin
        _, row = plan(instance, Wanted(WHOLE_MOVES, seconds=LARGE_SECONDS))
        rows.append({"instance": name, "descent": descent.fragmented_gpus(), "descent_cpu_seconds": seconds, **row})
    return {"rows": rows}


def _medium(folder: Path, seeds: int) -> Iterator[tuple[str, PodInstance]]:
    for scatter in (0.0, 1.0):
        for seed in range(seeds):
            yield f"scatter {scatter:g}, seed {seed}", gpus("medium", seed, scatter=scatter)
    yield from recorded_gpus(folder, "openb-300-*.json")


def _warm() -> None:
    """What is loaded once is not the plan's."""
    plan(gpus("small", 0, scatter=0.0), Wanted(2, seconds=1.0))
