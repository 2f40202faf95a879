"""What changing one's mind costs: plans of a recorded hour of conversation, window by window.

`python -m benchmarks.allocation.churn` prints the tables; exit status 1 when something that was asked is not met. JSON
goes to FILE with `--out FILE`.

Llama-3.1-8B on one GPU of six types, within 40 ms a token; the conversation trace alone, its rates times twelve, in
windows of two minutes. Every policy plans for the demand of its own window, so that all of it is served; what comes
next it may only guess from windows that have passed. A replica is paid for while it runs, and for five more minutes for
each start, in which it serves nothing; what the first window starts is free. That is repeated with windows that begin
half a minute later, three times, since one hour has few windows and a plan of whole replicas has much luck in it.
Perfect foresight, one program over all windows, tells what is left to gain: no policy can cost less than its bound.

The damping and number of scenarios were chosen on this hour, among few: 2 to 5 scenarios, damped by 0.5, are within 1 %
of one another in the sum over the four beginnings.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks.allocation.conversation import make_model, read_windows
from benchmarks.allocation.foresight import foresee
from benchmarks.tables import make_console, verdict_table
from foresail.domain.allocation import Allocation, AllocationProblem, ModelDemand
from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.allocate import allocate
from foresail.policies.allocation.transitions.ahead import Scenario, Span, look_ahead
from foresail.policies.allocation.transitions.grid import on_grid
from foresail.policies.allocation.transitions.near import stay_near
from foresail.policies.allocation.transitions.outlook import from_windows
from foresail.policies.allocation.transitions.peak import peak_demand

WINDOW_SECONDS, STARTUP_SECONDS, TIMES = 120.0, 300.0, 12.0
OFFSETS = (0.0, 30.0, 60.0, 90.0)
ASKED = 0.90  # of what independent plans cost
INDEPENDENT, OURS, FORESIGHT = "independent", "look-ahead", "perfect foresight"
LATER_SECONDS = 2 * WINDOW_SECONDS  # about as long as a start takes

Policy = Callable[[AllocationProblem, Sequence[FloatArray]], Allocation]  # the fleet now, and its windows until now


@dataclass(frozen=True, slots=True)
class Fare:
    """What came of a policy: USD in all, replicas started and stopped, requests that nobody served."""

    run_usd: float
    start_usd: float
    started: int
    stopped: int
    unserved_requests: float
    milliseconds: float

    @property
    def total_usd(self) -> float:
        """Replicas that serve and replicas that start."""
        return self.run_usd + self.start_usd


def policies() -> dict[str, Policy]:
    """Ours and what it is compared with."""
    return {
        INDEPENDENT: lambda problem, _: allocate(problem),
        "nearest within 5 %": lambda problem, _: stay_near(problem, allocate(problem), tolerance=0.05),
        "nearest within 10 %": lambda problem, _: stay_near(problem, allocate(problem), tolerance=0.10),
        "start price": lambda problem, _: allocate(priced(problem)),
        "start price, grid": _on_grid,
        "peak of 3 windows": _peak,
        OURS: _look_ahead,
    }


def priced(problem: AllocationProblem) -> AllocationProblem:
    """A start costs what it wastes, spread over one window."""
    models = tuple(
        replace(
            model,
            candidates=tuple(
                replace(one, start_usd_per_hour=one.usd_per_hour * one.startup_seconds / WINDOW_SECONDS)
                for one in model.candidates
            ),
        )
        for model in problem.models
    )
    return replace(problem, models=models)


def fare_of(policy: Policy, model: ModelDemand, windows: Sequence[FloatArray]) -> Fare:
    """Let a policy plan every window, knowing what runs and the windows until then."""
    counts: list[tuple[int, ...]] = []
    began = time.process_time()
    unserved = 0.0
    for place, demand in enumerate(windows):
        now = with_current(replace(model, demand_rps=demand), counts[-1] if counts else None)
        plan = policy(AllocationProblem((now,), {}), windows[: place + 1])
        counts.append(plan.plans[model.name].replicas)
        unserved += sum(one.rps for one in plan.unserved) * WINDOW_SECONDS
    milliseconds = 1000.0 * (time.process_time() - began) / len(windows)
    return replace(fare_of_counts(model, np.array(counts)), unserved_requests=unserved, milliseconds=milliseconds)


def fare_of_counts(model: ModelDemand, counts: np.ndarray[Any, np.dtype[np.int64]]) -> Fare:
    """What replicas cost, shape (windows, V); whether they serve is not looked at."""
    usd = np.array([candidate.usd_per_hour for candidate in model.candidates])
    startup = np.array([candidate.startup_seconds for candidate in model.candidates])
    change = np.diff(counts, axis=0)
    started = np.maximum(change, 0)
    run_usd = float((counts @ usd).sum()) * WINDOW_SECONDS / 3600.0
    start_usd = float((started @ (usd * startup)).sum()) / 3600.0
    return Fare(run_usd, start_usd, int(started.sum()), int(np.maximum(-change, 0).sum()), 0.0, 0.0)


def with_current(model: ModelDemand, counts: Sequence[int] | None) -> ModelDemand:
    """The model with what runs of it, None: nothing is known and starts are free."""
    if counts is None:
        return model
    pairs = zip(model.candidates, counts, strict=True)
    return replace(model, candidates=tuple(replace(own, current_replicas=count) for own, count in pairs))


def _look_ahead(problem: AllocationProblem, windows: Sequence[FloatArray]) -> Allocation:
    outlook = from_windows(windows)
    name = problem.models[0].name
    scenarios = [Scenario({name: demand}, 1.0 / len(outlook)) for demand in outlook]
    return look_ahead(problem, allocate(problem), scenarios, Span(WINDOW_SECONDS, LATER_SECONDS))


def _on_grid(problem: AllocationProblem, windows: Sequence[FloatArray]) -> Allocation:
    held: FloatArray | None = None
    for window in windows:
        held = on_grid(window, held)
    return allocate(priced(_asking(problem, held)))


def _peak(problem: AllocationProblem, windows: Sequence[FloatArray]) -> Allocation:
    past = np.array(windows[-3:])
    return allocate(priced(_asking(problem, peak_demand(windows[-1], past, len(past)))))


def _asking(problem: AllocationProblem, demand: FloatArray | None) -> AllocationProblem:
    if demand is None:
        return problem
    return replace(problem, models=tuple(replace(model, demand_rps=demand) for model in problem.models))


def measure_churn(file: Path, *, offsets: Sequence[float] = OFFSETS, say: Callable[[str], None]) -> dict[str, Any]:
    """All policies on the hour, once for each beginning; and what could be had with foresight."""
    model, bounds = make_model(STARTUP_SECONDS), []
    rows: dict[str, list[Fare]] = {name: [] for name in (*policies(), FORESIGHT)}
    for offset in offsets:
        windows = read_windows(file, window_seconds=WINDOW_SECONDS, offset_seconds=offset, times=TIMES)
        for name, policy in policies().items():
            say(f"{name}, windows from {offset:g} s …")
            rows[name].append(fare_of(policy, model, windows))
        say(f"{FORESIGHT}, windows from {offset:g} s …")
        counts, bound = foresee(model, windows, WINDOW_SECONDS)
        rows[FORESIGHT].append(fare_of_counts(model, counts))
        bounds.append(bound)
    return {"offsets_seconds": list(offsets), "bound_usd": bounds, "policies": shares_of(rows)}


def shares_of(rows: Mapping[str, Sequence[Fare]]) -> dict[str, Any]:
    """What policies cost next to independent plans, each beginning by itself and all together."""
    base = [fare.total_usd for fare in rows[INDEPENDENT]]
    return {
        name: {
            "share": [fare.total_usd / own for fare, own in zip(fares, base, strict=True)],
            "share_of_all": sum(fare.total_usd for fare in fares) / sum(base),
            "total_usd": [fare.total_usd for fare in fares],
            **{
                field: sum(getattr(fare, field) for fare in fares)
                for field in ("run_usd", "start_usd", "started", "stopped", "unserved_requests")
            },
            "milliseconds": max(fare.milliseconds for fare in fares),
        }
        for name, fares in rows.items()
    }


def judge_churn(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was asked of the hour from its first request, what it is worth elsewhere, and that nothing goes unserved."""
    ours = report["policies"][OURS]
    others = [row["share_of_all"] for name, row in report["policies"].items() if name not in (OURS, FORESIGHT)]
    unserved, base = ours["unserved_requests"], report["policies"][INDEPENDENT]["unserved_requests"]
    first, whole = ours["share"][0], ours["share_of_all"]
    best = f"≤ {min(others):.1%} (best other)"
    return [
        _verdict("run and starts, windows from 0 s", f"≤ {ASKED:.0%}", f"{first:.1%}", met=first <= ASKED),
        _verdict("all beginnings", best, f"{whole:.1%}", met=whole <= min(others)),
        _verdict("requests unserved", f"≤ {base:.1f}", f"{unserved:.1f}", met=unserved <= base + 1e-6),
    ]


def churn_table(report: Mapping[str, Any]) -> Table:
    """A row per policy."""
    offsets = report["offsets_seconds"]
    table = Table(title=f"run and starts, as shares of {INDEPENDENT} plans", title_justify="left")
    names = ("", *(f"from {offset:g} s" for offset in offsets), "all", "run", "starts", "started", "stopped", "CPU")
    for name in names:
        table.add_column(name, justify="right" if name else "left", no_wrap=not name)
    for name, row in report["policies"].items():
        shares = [f"{100 * share:.1f} %" for share in (*row["share"], row["share_of_all"])]
        usd = [f"{row[field]:.2f} $" for field in ("run_usd", "start_usd")]
        counts = [str(row["started"]), str(row["stopped"]), f"{row['milliseconds']:.0f} ms"]
        table.add_row(name, *shares, *usd, *counts)
    return table


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write JSON when a file is named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.allocation.churn", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with azure_llm_2023/conv.csv")
    parser.add_argument("--out", type=Path, help="JSON")
    arguments = parser.parse_args(argv)
    file = arguments.data / "azure_llm_2023" / "conv.csv"
    if not file.is_file():
        parser.error(f"--data: no azure_llm_2023/conv.csv, got {arguments.data}; name the folder that holds it")
    report = measure_churn(file, say=partial(print, flush=True))
    verdicts = judge_churn(report)
    for table in (churn_table(report), verdict_table("churn: asked and measured", verdicts)):
        make_console().print(table)
    if arguments.out is not None:
        arguments.out.write_text(json.dumps({**report, "verdicts": verdicts}, indent=1), encoding="utf-8")
    return 0 if all(verdict["met"] for verdict in verdicts) else 1


def _verdict(what: str, asked: str, measured: str, *, met: bool) -> dict[str, Any]:
    return {"what": what, "asked": asked, "measured": measured, "met": met}


if __name__ == "__main__":
    sys.exit(main())
