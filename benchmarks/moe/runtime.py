"""The reference runtime against a cold restart and a placement from scratch: `python -m benchmarks.moe.runtime`.

One run: 4 GPUs serve an open loop of requests; they grow to 6 and shrink to 4 by the planner that stays put, then the
same from a placement from scratch, then by a cold restart, and 6 come from processes that stood by but read storage.
Times are from the order on and include the plan. Every answer is compared bit by bit with one process that never
changed.

Layers and experts are as many as in DeepSeek-V2-Lite, the smallest model for which such times were published. There a
restart spent 52 s on processes and 7 to 10 s on weights from storage, so reading takes a seventh to a fifth of what
starting takes. Experts are as large as they have to be for that share here; what else there is of a restart (graphs,
the interpreter's large imports) is left out, in favour of the rival.

References:
    Singh et al., 2025: ElasticMoE, https://arxiv.org/abs/2510.02613 (tables 1 and 3)
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks.moe.alone import tell
from benchmarks.verdicts import Verdict
from foresail.policies.moe.balance import place
from foresail.policies.moe.placement import EMPTY, LEAVES, Change, IntArray
from foresail.policies.moe.stay import stay
from foresail.simulator.experts.child import ONE_THREAD
from foresail.simulator.experts.model import Shape, write_checkpoint
from foresail.simulator.experts.resize import Resize
from foresail.simulator.experts.restart import restart
from foresail.simulator.experts.runtime import Runtime
from foresail.simulator.experts.traffic import Traffic, failed, longest_gap_seconds, mismatched

SMALL, LARGE, SLOTS = 4, 6, 18
TAU = 1.1
RATE = 40.0
CALM_SECONDS = 1.0
GAP_SECONDS, FACTOR, GOAL = 0.15, 5.0, 9.0
STANDING = "standing by to 6, from storage"
KEEP = {LARGE: np.arange(SMALL), SMALL: np.array([0, 1, 2, 3, LEAVES, LEAVES])}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)  # what `measure_apart` starts
    arguments = parser.parse_args(argv)
    if arguments.inside:
        print(json.dumps(measure_runtime(arguments.runs)))
        return 0
    report = measure_apart(arguments.runs)
    return tell("runtime", report, runtime_table(report), judge_runtime(report), as_json=arguments.json)


def measure_apart(runs: int) -> dict[str, Any]:
    """Some runs, in a process with one thread: numbers are compared that several would make in another order."""
    command = [sys.executable, "-m", "benchmarks.moe.runtime", "--inside", "--runs", str(runs)]
    done = subprocess.run(command, env={**os.environ, **ONE_THREAD}, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure_runtime(runs: int, shape: Shape | None = None) -> dict[str, Any]:
    """Some runs."""
    shape = shape or Shape(layers=26, experts=64, width=64, inner=128)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        checkpoint = Path(folder) / "experts.bin"
        write_checkpoint(shape, checkpoint)
        rows = [_run(shape, checkpoint) for _ in range(runs)]
    return {"shape": asdict(shape), "expert_bytes": shape.expert_bytes, "tau": TAU, "runs": rows}


def _run(shape: Shape, checkpoint: Path) -> dict[str, Any]:
    runtime = Runtime(shape, checkpoint, staging_experts=SLOTS)
    found: dict[str, Any] = {"load_before": os.getloadavg()[0]}
    even = np.ones((shape.layers, shape.experts))
    try:
        runtime.start(place(even, SMALL, SLOTS))
        with Traffic(runtime, requests_per_second=RATE) as traffic:
            time.sleep(2 * CALM_SECONDS)
            windows = {
                "grow": _resize(runtime, LARGE, found, "grow", _stay),
                "shrink": _resize(runtime, SMALL, found, "shrink", _stay),
                "grow from scratch": _resize(runtime, LARGE, found, "grow from scratch", _scratch),
                "shrink from scratch": _resize(runtime, SMALL, found, "shrink from scratch", _scratch),
                "cold restart to 6": _restart(runtime, LARGE, found, "cold restart to 6"),
                "cold restart to 4": _restart(runtime, SMALL, found, "cold restart to 4"),
                STANDING: _restart(runtime, LARGE, found, STANDING, standing_by=True),
            }
    finally:
        runtime.close()
    for name, (start, end) in windows.items():
        found[name]["added_gap_seconds"] = longest_gap_seconds(traffic.served, start, end) - traffic.spacing_seconds
    wrong = mismatched(shape, checkpoint, traffic.served)
    return found | {
        "requests": len(traffic.served),
        "failed": failed(traffic.served),
        "mismatched": wrong,
        "sessions_lost_by_restarts": runtime.sessions_lost,
    }


def _resize(
    runtime: Runtime, gpus: int, found: dict[str, Any], name: str, plan: Callable[[Change], IntArray]
) -> tuple[float, float]:
    """Change the size while requests are served, with what joins standing by; from when to when to look for gaps."""
    runtime.stand_by(max(gpus - len(runtime.gpus), 0), SLOTS)
    time.sleep(CALM_SECONDS / 2)
    started = time.perf_counter()
    change = Change(runtime.loads(), _placement(runtime), KEEP[gpus], gpus, SLOTS)
    placement = plan(change)
    planned = time.perf_counter()
    resized = Resize(runtime, change, placement).run()
    ended = time.perf_counter()
    time.sleep(CALM_SECONDS)
    found[name] = asdict(resized) | {"plan_seconds": planned - started, "seconds": ended - started}
    return started - CALM_SECONDS / 4, ended + CALM_SECONDS / 4


def _stay(change: Change) -> IntArray:
    return stay(change, TAU).placement


def _scratch(change: Change) -> IntArray:
    """EPLB's greedy packing, whatever is where now."""
    return place(change.loads, change.gpus, change.slots)


def _restart(
    runtime: Runtime, gpus: int, found: dict[str, Any], name: str, *, standing_by: bool = False
) -> tuple[float, float]:
    time.sleep(CALM_SECONDS / 2)
    placement = place(runtime.loads(), gpus, SLOTS)
    started = time.perf_counter()
    found[name] = restart(runtime, placement, standing_by=standing_by)
    ended = time.perf_counter()
    time.sleep(CALM_SECONDS)
    return started - CALM_SECONDS / 4, ended + CALM_SECONDS / 4


def _placement(runtime: Runtime) -> IntArray:
    """What is where now, shape (L, N, S)."""
    found = np.full((runtime.shape.layers, len(runtime.gpus), SLOTS), EMPTY)
    for index, gpu in enumerate(runtime.gpus):
        used = [0] * runtime.shape.layers
        for layer, expert in gpu.pages:
            found[layer, index, used[layer]] = expert
            used[layer] += 1
    return found


RIVALS = {"grow": "cold restart to 6", "shrink": "cold restart to 4"}
NAMES = (
    "grow",
    "shrink",
    "grow from scratch",
    "shrink from scratch",
    "cold restart to 6",
    "cold restart to 4",
    STANDING,
)


def _median(report: Mapping[str, Any], name: str, key: str) -> float:
    return float(median(run[name].get(key, 0.0) for run in report["runs"]))


def judge_runtime(report: Mapping[str, Any]) -> list[Verdict]:
    """Nothing lost, nothing changed, little held up, little memory, much faster."""
    runs = report["runs"]
    lost, wrong = sum(run["failed"] for run in runs), sum(run["mismatched"] for run in runs)
    requests = sum(run["requests"] for run in runs)
    budget = SLOTS * report["expert_bytes"]
    peak = max(run[name]["peak_extra_bytes"] for run in runs for name in ("grow", "shrink"))
    gap = max(_median(report, name, "added_gap_seconds") for name in ("grow", "shrink"))
    return [
        _verdict(f"requests failed, of {requests:,}", "0", str(lost), lost == 0),
        _verdict("answers of which a bit differs", "0", str(wrong), wrong == 0),
        _verdict("added gap, median, the worse of both", f"≤ {GAP_SECONDS} s", f"{gap:.3f} s", gap <= GAP_SECONDS),
        _verdict(
            "peak extra memory of a GPU, worst", f"≤ {budget / 1e6:.1f} MB", f"{peak / 1e6:.1f} MB", peak <= budget
        ),
        *(_factor(runs, name, rival) for name, rival in RIVALS.items()),
    ]


def _factor(runs: Sequence[Mapping[str, Any]], name: str, rival: str) -> Verdict:
    factors = [run[rival]["seconds"] / run[name]["seconds"] for run in runs]
    told = f"{median(factors):.1f} ({min(factors):.1f} to {max(factors):.1f})"
    return _verdict(f"{name}: faster than a {rival} (goal {GOAL:g})", f"≥ {FACTOR:g}", told, median(factors) >= FACTOR)


def _verdict(what: str, asked: str, measured: str, met: bool) -> Verdict:
    return {"what": what, "asked": asked, "measured": measured, "met": met}


def runtime_table(report: Mapping[str, Any]) -> Table:
    """A row per way, medians of the runs and the range of the whole."""
    shape, runs = report["shape"], report["runs"]
    title = f"{SMALL} and {LARGE} GPUs of {shape['layers']} x {SLOTS} experts of {report['expert_bytes'] / 1e3:.0f} kB"
    table = Table(title=f"{title}, {RATE:g} requests/s: medians of {len(runs)} runs", title_justify="left")
    for name in ("", "seconds (range)", "plan", "without plan", "copies", "into survivors", "added gap, s", "peak, MB"):
        table.add_column(name, justify="right" if name else "left")
    for name in NAMES:
        seconds = [run[name]["seconds"] for run in runs]
        plan = _median(report, name, "plan_seconds")
        figures = [f"{_median(report, name, key):.0f}" for key in ("copies", "copies_into_survivors")]
        table.add_row(
            name,
            f"{median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})",
            f"{plan:.2f}",
            f"{median(seconds) - plan:.2f}",
            *(figures if "copies" in runs[0][name] else ("-", "-")),
            f"{_median(report, name, 'added_gap_seconds'):.3f}",
            f"{_median(report, name, 'peak_extra_bytes') / 1e6:.1f}",
        )
    loads = [run["load_before"] for run in runs]
    table.caption = f"load average {min(loads):.1f} to {max(loads):.1f} on {os.cpu_count()} cores"
    return table


if __name__ == "__main__":
    sys.exit(main())
