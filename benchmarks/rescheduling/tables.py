"""Figures of plans of moves as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

Report = Mapping[str, Any]


def machine_table(name: str, report: Report) -> Table:
    """A row an instance and limit."""
    title = f"Virtual machines, {name} ({report['peak_mebibytes']:.0f} MiB at most): slots, fragment rate, waves, CPU"
    columns = (
        "VMs",
        "moves",
        "slots",
        "bound",
        "below",
        "certified",
        "heuristic",
        "rate",
        "heuristic's",
        "waves",
        "CPU s",
    )
    table = _table(title, columns)
    for row in report["rows"]:
        bound = "-" if row["bound"] is None else f"{row['bound']:.1f}"
        least = f" (≥ {row['least_waves']})" if "least_waves" in row else ""
        table.add_row(
            row["instance"],
            f"{row['vms']:,}",
            f"{row['moves']} of {row['moves_allowed']}",
            f"{row['before']['free_slots']:g} → {row['after']['free_slots']:g}",
            bound,
            f"{row['slots_below']:g}",
            "yes" if row["certified"] else "no",
            f"{row['heuristic_slots']}",
            f"{row['before']['fragment_rate']:.3f} → {row['after']['fragment_rate']:.3f}",
            f"{row['heuristic_rate']:.3f}",
            f"{row['waves']}{least}",
            f"{row['cpu_seconds']:.2f}",
        )
    return table


def compact_table(report: Report, medium: Report) -> Table:
    """The compact program beside our plans of the same instances."""
    ours = {(row["instance"], row["moves_allowed"]): row for row in medium["rows"]}
    title = (
        f"The compact program on HiGHS, {report['limit_seconds']:g} s at most; without order, so that it may not run"
    )
    table = _table(title, ("moves", "slots", "bound", "proven", "CPU s", "our slots", "our bound", "our CPU s"))
    for row in report["rows"]:
        own = ours.get((row["instance"], row["moves_allowed"]))
        found = "-" if row["slots"] is None else str(row["slots"])
        figures = (found, f"{row['bound']:.1f}", "yes" if row["proven"] else "no", f"{row['cpu_seconds']:.1f}")
        table.add_row(row["instance"], str(row["moves_allowed"]), *figures, *_own(own))
    return table


def descheduler_table(rows: Sequence[Report]) -> Table:
    """What evicting from little used machines does."""
    title = "HighNodeUtilization with MostAllocated, modelled, 50 evictions at most"
    table = _table(title, ("threshold", "evictions", "fragment rate", "empty machines"))
    for row in rows:
        rate = f"{row['fragment_rate_before']:.3f} → {row['fragment_rate']:.3f}"
        empty = f"{row['empty_before']} → {row['empty']}"
        table.add_row(row["instance"], f"{row['threshold']:.0%}", str(row["moves"]), rate, empty)
    return table


def fewest_table(rows: Sequence[Report]) -> Table:
    """A row a goal."""
    table = _table("Fewest moves to a fragment rate", ("goal", "reached", "moves", "fewest there can be", "CPU s"))
    for row in rows:
        reached = f"{row['after']['fragment_rate']:.3f}{'' if row['reached'] else ' (no)'}"
        counts = (str(row["moves"]), str(row["fewest"]), f"{row['cpu_seconds']:.2f}")
        table.add_row(row["instance"], f"{row['goal']:g}", reached, *counts)
    return table


def rolling_table(report: Report) -> Table:
    """A row an instance."""
    title = f"50 moves in waves of 45 s, 40 changes a minute, means of {report['seeds']} seeds: final fragment rate"
    table = _table(
        title, ("no moves", "static plan", "anew before each wave", "lower by", "moves", "most CPU s a plan")
    )
    for row in report["rows"]:
        rates = (f"{row[way]:.3f}" for way in ("nothing", "static", "anew"))
        moves = f"{row['moves']['static']:.1f}, {row['moves']['anew']:.1f}"
        lower = f"{1 - row['anew'] / row['static']:.0%}"
        table.add_row(row["instance"], *rates, lower, moves, f"{row['most_cpu_seconds']:.2f}")
    return table


def gpu_table(title: str, report: Report) -> Table:
    """A row an instance and limit."""
    table = _table(
        f"{title}: expected fragmentation F, GPUs", ("moves", "F", "of it", "bound", "descent", "waves", "CPU s")
    )
    for row in report["rows"]:
        before, after = row["before"]["fragmented_gpus"], row["after"]["fragmented_gpus"]
        table.add_row(
            row["instance"],
            f"{row['moves']} of {row['moves_allowed']}",
            f"{before:.1f} → {after:.1f}",
            f"{after / before:.1%}",
            "-" if row["bound"] is None else f"{row['bound']:.1f}",
            f"{row['descent']:.1f}",
            str(row["waves"]),
            f"{row['cpu_seconds']:.2f}",
        )
    return table


def whole_table(rows: Sequence[Report]) -> Table:
    """A row an instance."""
    table = _table("Whole free nodes of 8 GPUs", ("moves", "whole nodes", "bound", "certified", "waves", "CPU s"))
    for row in rows:
        nodes = f"{row['before']['whole_free_nodes']:g} → {row['after']['whole_free_nodes']:g}"
        bound = "-" if row["bound"] is None else f"{row['bound']:.1f}"
        moves = f"{row['moves']} of {row['moves_allowed']}"
        proven = "yes" if row["certified"] else "no"
        table.add_row(row["instance"], moves, nodes, bound, proven, str(row["waves"]), f"{row['cpu_seconds']:.2f}")
    return table


def _own(row: Report | None) -> tuple[str, str, str]:
    if row is None:
        return "-", "-", "-"
    bound = "-" if row["bound"] is None else f"{row['bound']:.1f}"
    return f"{row['after']['free_slots']:g}", bound, f"{row['cpu_seconds']:.2f}"


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in ("", *columns):
        table.add_column(name, justify="right" if name else "left")
    return table
