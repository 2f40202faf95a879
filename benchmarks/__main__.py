"""`make bench`: measure, print tables, write JSON. Exit status 1 when something that was asked is not met."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.allocation.run import (
    AllocationSettings,
    allocation_tables,
    judge_allocations,
    measure_allocations,
)
from benchmarks.attainment import measure_attainment
from benchmarks.fleet import FleetSettings, measure_fleet
from benchmarks.forecasting.data import CONTAINERS
from benchmarks.forecasting.run import (
    ForecastSettings,
    forecast_tables,
    judge_forecasts,
    measure_forecasts,
    usable_models,
)
from benchmarks.machine import describe_machine, usage_of, used_by_this_process
from benchmarks.moe.run import MoeSettings, judge_moe, measure_moe, moe_tables
from benchmarks.ramp import measure_ramp
from benchmarks.rescheduling.run import (
    ReschedulingSettings,
    judge_rescheduling,
    measure_rescheduling,
    rescheduling_tables,
)
from benchmarks.tables import attainment_tables, make_console, ramp_tables, verdict_table
from benchmarks.verdicts import Verdict, judge_attainment, judge_fleet, judge_ramp
from foresail.sandbox.chart import ROOT

PARTS = ("ramp", "attainment", "fleet", "forecasting", "allocation", "moe", "rescheduling")
Part = tuple[dict[str, Any], list[Verdict], Sequence[Table]]


def main(argv: list[str] | None = None) -> int:
    """Measure the chosen parts."""
    arguments = make_parser().parse_args(argv)
    console, met = make_console(), True
    print("machine:", ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in describe_machine().items()))
    parts: dict[str, Callable[[argparse.Namespace], Part]] = {
        "ramp": measure_ramps,
        "attainment": measure_hours,
        "fleet": measure_fleets,
        "forecasting": measure_forecasting,
        "allocation": measure_plans,
        "rescheduling": measure_moves,
        "moe": measure_experts,
    }
    for name in arguments.parts or parts:
        before, machine = usage_of(), describe_machine()
        report, verdicts, tables = parts[name](arguments)
        report |= {"machine": machine, "benchmark_used": used_by_this_process(before), "verdicts": verdicts}
        path = write(arguments.out / f"{name}.json", report)
        for table in (*tables, verdict_table(f"{name}: asked and measured", verdicts)):
            console.print(table)
        used = report["benchmark_used"]
        print(
            f"{name}: {used['cpu_seconds']:.0f} s of CPU, {used['peak_mebibytes']:.0f} MiB at most; figures in {path}"
        )
        met = met and all(verdict["met"] for verdict in verdicts)
    return 0 if met else 1


def make_parser() -> argparse.ArgumentParser:
    """The flags."""
    defaults = FleetSettings()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="|".join(PARTS), help="what to measure; all when none is named")
    parser.add_argument(
        "--seeds",
        type=int,
        default=5,
        help="of the ramp's requests, of forecasts that are random, of fleets that are planned",
    )
    parser.add_argument("--hours", type=float, default=6.0, help="of the trace, for the attainment")
    parser.add_argument("--models", type=int, default=defaults.models, help="ModelDeployments of the fleet")
    parser.add_argument("--cycles", type=int, default=defaults.cycles, help="measured on the fleet at rest")
    parser.add_argument(
        "--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of series to forecast"
    )
    parser.add_argument("--containers", type=_numbers, default=CONTAINERS, help="of Fisher's, such as 1,5,8")
    parser.add_argument(
        "--forecasters", type=_names, default=usable_models(), help="that forecast, such as mixture,last"
    )
    parser.add_argument(
        "--cases", type=Path, default=ROOT.parent / "shared" / "golden" / "allocation", help="folder of plans' optima"
    )
    parser.add_argument(
        "--clusters",
        type=Path,
        default=ROOT.parent / "shared" / "golden" / "rescheduling",
        help="folder of recorded clusters to reschedule",
    )
    parser.add_argument("--quick", action="store_true", help="forecasts of three containers, one seed")
    parser.add_argument("--out", type=Path, default=ROOT / ".foresail" / "bench", help="folder of the JSON")
    return parser


def measure_ramps(arguments: argparse.Namespace) -> Part:
    """The ramp's figures."""
    report = measure_ramp(seeds=arguments.seeds, say=_say)
    return report, judge_ramp(report), list(ramp_tables(report))


def measure_hours(arguments: argparse.Namespace) -> Part:
    """The attainment that is delivered."""
    report = measure_attainment(hours=arguments.hours, say=_say)
    return report, judge_attainment(report), list(attainment_tables(report))


def measure_fleets(arguments: argparse.Namespace) -> Part:
    """The fleet's figures."""
    report = measure_fleet(FleetSettings(models=arguments.models, cycles=arguments.cycles), _say)
    return report, judge_fleet(report), []


def measure_forecasting(arguments: argparse.Namespace) -> Part:
    """Forecasts of public series."""
    containers, seeds = ((1, 5, 8), 1) if arguments.quick else (arguments.containers, arguments.seeds)
    report = measure_forecasts(ForecastSettings(arguments.data, containers, arguments.forecasters, seeds), _say)
    return report, judge_forecasts(report), list(forecast_tables(report))


def measure_plans(arguments: argparse.Namespace) -> Part:
    """Plans of GPUs."""
    report = measure_allocations(AllocationSettings(arguments.cases, seeds=arguments.seeds), _say)
    return report, judge_allocations(report), list(allocation_tables(report))


def measure_experts(arguments: argparse.Namespace) -> Part:
    """Plans and decisions for mixture-of-experts models."""
    cases = arguments.cases.parent / "moe" / "small.json"
    report = measure_moe(MoeSettings(cases, seeds=arguments.seeds), _say)
    return report, judge_moe(report), list(moe_tables(report))


def measure_moves(arguments: argparse.Namespace) -> Part:
    """Plans of moves."""
    report = measure_rescheduling(ReschedulingSettings(arguments.clusters, seeds=arguments.seeds), _say)
    return report, judge_rescheduling(report), list(rescheduling_tables(report))


def write(path: Path, report: dict[str, Any]) -> Path:
    """Write a report."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _names(text: str) -> tuple[str, ...]:
    unknown = [name for name in text.split(",") if name not in usable_models()]
    if unknown:
        raise argparse.ArgumentTypeError(f"choose from {', '.join(usable_models())}, got {unknown[0]!r}")
    return tuple(text.split(","))


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
