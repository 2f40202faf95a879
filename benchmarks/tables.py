"""The figures as tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

WIDTH = 150  # without a terminal: a log is read unwrapped


def make_console() -> Console:
    """Where tables go."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def ramp_tables(report: Mapping[str, Any]) -> Iterator[Table]:
    """A table per stage, a row per policy."""
    for stage, policies in report["stages"].items():
        title = f"{stage}: medians of {report['seeds']} seeds (least to most); servers are simulated, rivals modelled"
        table = Table(title=title, title_justify="left")
        for name in (
            "",
            "requests",
            "violated",
            "attainment",
            "GPU-seconds",
            "changes",
            "TTFT p95",
            "first / worst lead",
        ):
            table.add_column(name, justify="right" if name else "left", no_wrap=not name)
        for name, row in policies.items():
            table.add_row(name, *_ramp_cells(row))
        yield table


def _ramp_cells(row: Mapping[str, Any]) -> Iterator[str]:
    least, most = row["violated_range"]
    yield f"{row['requests']:,.0f}"
    yield f"{row['violated']:,.0f} ({least:,}…{most:,})"
    yield f"{row['attainment']:.2%}".replace("%", " %")
    yield f"{row['gpu_seconds']:,} ({row['gpu_seconds_range'][0]:,}…{row['gpu_seconds_range'][1]:,})"
    yield f"{row['replica_changes']:g}"
    yield f"{row['ttft_p95_milliseconds']:,.0f} ms"
    yield f"{_seconds(row['first_lead_seconds'])} / {_seconds(row['least_lead_seconds'])}"


def attainment_tables(report: Mapping[str, Any]) -> Iterator[Table]:
    """A table per start-up time, a row per policy."""
    for stage, policies in report["stages"].items():
        table = Table(title=f"{stage}: servers are simulated, rivals modelled", title_justify="left")
        for name in ("", "requests", "violated", "attainment", "GPU-hours", "changes", "TTFT p95"):
            table.add_column(name, justify="right" if name else "left", no_wrap=not name)
        for name, row in policies.items():
            table.add_row(
                name,
                f"{row['requests']:,}",
                f"{row['violated']:,}",
                f"{row['attainment']:.2%}".replace("%", " %"),
                f"{row['gpu_hours']:,.1f}",
                str(row["replica_changes"]),
                f"{row['ttft_p95_milliseconds']:,.0f} ms",
            )
        yield table


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:+.0f} s"


def verdict_table(title: str, verdicts: Sequence[Mapping[str, Any]]) -> Table:
    """What was asked and what was measured."""
    table = Table(title=title, title_justify="left")
    for name in ("", "asked", "measured", "met"):
        table.add_column(name, justify="left" if name in ("", "met") else "right")
    for verdict in verdicts:
        met = "yes" if verdict["met"] else "NO"
        table.add_row(verdict["what"], verdict["asked"], verdict["measured"], met)
    return table
