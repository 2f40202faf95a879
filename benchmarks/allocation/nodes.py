"""The placement on nodes against rivals, on a cluster like Alibaba's openb and on 32 nodes that pods come to and leave.

`python -m benchmarks.allocation.nodes` prints the tables; exit status 1 when something that was asked is not met.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks.allocation.node_rivals import COSTS, Rival
from benchmarks.allocation.openb import arrivals, make_mix, make_nodes
from benchmarks.tables import make_console, verdict_table
from foresail.policies.allocation.nodes.node import Mix, Node, Placement, Shape
from foresail.policies.allocation.nodes.place import Placer

OURS = "Foresail"
ALLOCATED, FRAGMENTED, MILLISECONDS = 0.954, 0.047, 10.0
CARDS = 6212
CHURN_SIZES = {1: 0.5, 2: 0.2, 4: 0.2, 8: 0.1}
Make = Callable[[Sequence[Node], Mix, int], Placer | Rival]


def contenders() -> dict[str, Make]:
    """Ours and the rivals."""
    rivals: dict[str, Make] = {name: partial(_rival, name) for name in COSTS}
    return {OURS: lambda nodes, mix, _: Placer(nodes, mix), **rivals}


def measure_nodes(*, seeds: int, say: Callable[[str], None], bound: bool = True) -> dict[str, Any]:
    """All figures, as means over the seeds; `bound`: also of pods that ask for types, which takes most of the time."""
    clusters = {"openb": False} | ({"openb, a third bound to types": True} if bound else {})
    report: dict[str, Any] = {"seeds": seeds, **{title: {} for title in clusters}, "churn": {}}
    for name, make in contenders().items():
        say(f"{name}, {seeds} seeds …")
        for title, asks in clusters.items():
            report[title][name] = _means([fill(make, seed, bound=asks) for seed in range(seeds)])
        report["churn"][name] = _means([churn(make, seed) for seed in range(seeds)])
    return report


def fill(make: Make, seed: int, *, bound: bool = False) -> dict[str, float]:
    """Pods arrive and stay, until 130 % of all cards have been asked for; times are of the CPU."""
    mix = make_mix(bound=bound)
    placer = make(make_nodes(), mix, seed)
    asked = allocated = 0.0
    fragmented, milliseconds = None, []
    for shape in arrivals(mix, seed):
        begin = time.process_time()
        placement = placer.place(shape)
        milliseconds.append(1000 * (time.process_time() - begin))
        cards = shape.cards * shape.share_milli / 1000
        asked, allocated = asked + cards, allocated + (cards if placement else 0.0)
        if fragmented is None and asked >= CARDS:
            fragmented = placer.fragmentation() / CARDS
        if asked >= 1.3 * CARDS:
            break
    return {
        "allocated_at_130_percent": allocated / CARDS,
        "fragmented_at_100_percent": fragmented or 0.0,
        "milliseconds_mean": statistics.fmean(milliseconds),
        "milliseconds_p99": float(np.percentile(milliseconds, 99)),
    }


def churn(make: Make, seed: int, *, pods: int = 20_000, load: float = 0.92) -> dict[str, float]:
    """32 nodes of 8 cards, pods of 1, 2, 4 and 8 come at random and stay for a random time (Poisson, exponential).

    Counted are pods of 8 cards that are turned away although 8 cards are free.
    """
    mix = Mix({Shape(size): part for size, part in CHURN_SIZES.items()})
    placer = make([Node(str(place), "any", (1000,) * 8) for place in range(32)], mix, seed)
    rng = np.random.default_rng(seed)
    rate = 32 * 8 * load / sum(size * part for size, part in CHURN_SIZES.items())
    sizes = rng.choice(list(CHURN_SIZES), size=pods, p=list(CHURN_SIZES.values()))
    leaving: list[tuple[float, int, Placement]] = []
    free, turned_away, used = 32 * 8, 0, 0
    instants = itertools.accumulate(rng.exponential(1 / rate, pods))
    for order, (instant, size, stay) in enumerate(zip(instants, sizes.tolist(), rng.exponential(1, pods), strict=True)):
        while leaving and leaving[0][0] <= instant:
            _, _, gone = heapq.heappop(leaving)
            placer.release(gone)
            free += gone.shape.cards
        if placement := placer.place(Shape(size)):
            heapq.heappush(leaving, (instant + stay, order, placement))
            free -= size
        else:
            turned_away += size == 8 and free >= 8
        used += 32 * 8 - free
    return {"turned_away": turned_away / int((sizes == 8).sum()), "used": used / pods / (32 * 8)}


def judge_nodes(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was asked, and that no rival does better."""
    openb, turned_away = report["openb"], {name: row["turned_away"] for name, row in report["churn"].items()}
    own = openb[OURS]
    rivals = [row for name, row in openb.items() if name != OURS]
    allocated, fragmented = own["allocated_at_130_percent"], own["fragmented_at_100_percent"]
    best = max(row["allocated_at_130_percent"] for row in rivals)
    least = min(row["fragmented_at_100_percent"] for row in rivals)
    p99 = own["milliseconds_p99"]
    return [
        _verdict("cards allocated at 130 %", f"≥ {ALLOCATED:.1%}", f"{allocated:.1%}", met=allocated >= ALLOCATED),
        _verdict("… against the best rival", f"> {best:.1%}", f"{allocated:.1%}", met=allocated > best),
        _verdict("cards fragmented at 100 %", f"≤ {FRAGMENTED:.1%}", f"{fragmented:.1%}", met=fragmented <= FRAGMENTED),
        _verdict("… against the best rival", f"< {least:.1%}", f"{fragmented:.1%}", met=fragmented < least),
        _verdict("CPU of a placement, p99", f"≤ {MILLISECONDS:g} ms", f"{p99:.1f} ms", met=p99 <= MILLISECONDS),
        _verdict(
            "8-card pods turned away, 8 free",
            f"≤ {turned_away['best fit']:.1%} (best fit)",
            f"{turned_away[OURS]:.1%}",
            met=turned_away[OURS] <= turned_away["best fit"],
        ),
    ]


def nodes_tables(report: Mapping[str, Any]) -> list[Table]:
    """A table per cluster, a row per contender."""
    return [_table(title, report["seeds"], rows) for title, rows in report.items() if isinstance(rows, dict)]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.allocation.nodes", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    report = measure_nodes(seeds=parser.parse_args(argv).seeds, say=partial(print, flush=True))
    verdicts = judge_nodes(report)
    for table in (*nodes_tables(report), verdict_table("nodes: asked and measured", verdicts)):
        make_console().print(table)
    return 0 if all(verdict["met"] for verdict in verdicts) else 1


def _rival(name: str, nodes: Sequence[Node], mix: Mix, seed: int) -> Rival:
    return Rival(nodes, mix, COSTS[name], seed)


def _means(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: statistics.fmean(run[name] for run in runs) for name in runs[0]}


def _table(title: str, seeds: int, rows: Mapping[str, Mapping[str, float]]) -> Table:
    table = Table(title=f"{title}: means of {seeds} seeds", title_justify="left")
    names = list(next(iter(rows.values())))
    for name in ("", *names):
        table.add_column(name.replace("_", " "), justify="right" if name else "left")
    for contender, row in rows.items():
        cells = (f"{row[n]:.2f}" if n.startswith("milliseconds") else f"{100 * row[n]:.2f} %" for n in names)
        table.add_row(contender, *cells)
    return table


def _verdict(what: str, asked: str, measured: str, *, met: bool) -> dict[str, Any]:
    return {"what": what, "asked": asked, "measured": measured, "met": met}


if __name__ == "__main__":
    sys.exit(main())
