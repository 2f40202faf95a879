"""Figures of plans as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import geometric_mean, median
from typing import Any

from rich.table import Table

Report = Mapping[str, Any]


def size_table(own: Mapping[str, Report], against: Mapping[str, Report], rival: Mapping[str, Report]) -> Table:
    """A row per size."""
    title = "One model: CPU seconds from the problem to plan, routing and proof, and of the paper's program on CBC"
    names = (
        "instances",
        "median",
        "p95",
        "MiB",
        "CBC finished",
        "CBC median",
        "factor",
        "at least",
        "CBC dearer",
        "MiB",
    )
    table = _table(title, names)
    for name, found in own.items():
        other, theirs = against[name], rival[name]
        finished = other["factors_where_finished"]
        table.add_row(
            name,
            str(len(found["instances"])),
            f"{found['median_seconds']:.3f}",
            f"{found['p95_seconds']:.3f}",
            f"{found['peak_mebibytes']:.0f}",
            f"{other['finished']} of {other['instances']}",
            f"{other['rival_median_seconds']:.2f}",
            f"{geometric_mean(finished):.0f}" if finished else "-",
            f"{geometric_mean(other['factors_at_least']):.0f}",
            f"{other['rival_dearer']} of {other['instances']}",
            f"{theirs['peak_mebibytes']:.0f} + {theirs['child_peak_mebibytes']:.0f}",
        )
    return table


def fleet_table(found: Mapping[str, Sequence[Report]], peaks: Mapping[str, float]) -> Table:
    """A row per kind of fleet: medians and worst of the seeds."""
    title = "Many models in a pool of 70 to 90 % of what they want: median (worst) of the seeds"
    names = (
        "seeds",
        "variants",
        "gap, %",
        "CPU s",
        "load changed: gap, %",
        "CPU s",
        "one program: gap, %",
        "cost",
        "MiB",
    )
    table = _table(title, names)
    for name, rows in found.items():
        table.add_row(
            name,
            str(len(rows)),
            f"{median(row['variants'] for row in rows):.0f}",
            _spread(rows, "gap", 100.0, 2),
            _spread(rows, "cpu_seconds", 1.0, 1),
            _spread(rows, "warm_gap", 100.0, 2),
            _spread(rows, "warm_cpu_seconds", 1.0, 1),
            f"{peaks[name]:.0f}",
        )
    return table


def headroom_table(size: Report) -> Table:
    """A row per target, a column per way."""
    title = f"Fleets of about {size['replicas']:.0f} replicas ({size['rps']:g} rps), profiles ±20 %: requests in time"
    ways = list(dict.fromkeys(row["way"] for row in size["rows"]))
    table = _table(f"{title} (worst fleet), cost over target 1", ways)
    for target in dict.fromkeys(row["target"] for row in size["rows"]):
        rows = [row for row in size["rows"] if row["target"] == target]
        cells = (f"{row['in_time']:.2%} ({row['in_time_worst']:.1%}), +{row['cost'] - 1:.1%}" for row in rows)
        table.add_row(f"target {target:g}", *cells)
    return table


def weights_table(rows: Sequence[Report]) -> Table:
    """Ours and the paper's balancer."""
    names = ("our weights", "weights by throughput")
    table = _table("Utilization of the busiest replica, evenly spaced arrivals at 64 rps", names)
    for row in rows:
        cells = (f"{row['busiest']:.3f}", f"{row['busiest_by_throughput']:.3f}")
        table.add_row(f"{row['mix']}, target {row['target']:g}", *cells)
    return table


def _spread(rows: Sequence[Report], key: str, scale: float, digits: int) -> str:
    values = [scale * row[key] for row in rows]
    return f"{median(values):.{digits}f} ({max(values):.{digits}f})"


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in ("", *columns):
        table.add_column(name, justify="right" if name else "left")
    return table
