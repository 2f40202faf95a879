"""What everybody achieved on the same demand, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from foresail.sandbox.view import number

TITLES = {
    "live": "Foresail (this run)",
    "hpa-in-flight": "HPA's rule on requests in flight",
    "hpa-work-rate": "HPA's rule on our work signal",
    "static-peak": "static, sized for the peak afterwards",
}
DEFINITION = "attainment = 1 - violated / judged; judged: finished, refused, or beyond the TTFT limit without a token"


def summary_table(summary: Mapping[str, Any]) -> Table:
    """A row per policy; all served the same requests on simulated replicas."""
    minutes = summary["played_seconds"] / 60.0
    limits = summary["limits"]
    promise = f"TTFT ≤ {limits['ttft_seconds']:g} s and TPOT ≤ {1000 * limits['tpot_seconds']:g} ms"
    table = Table(
        title=f"{minutes:.1f} minutes of the same demand on simulated replicas ({promise})\n{DEFINITION}",
        title_justify="left",
    )
    for name in ("", "attainment", "violated", "of judged", "GPU-hours", "changes", "TTFT p95"):
        table.add_column(name, justify="right" if name else "left")
    for policy in summary["policies"]:
        attainment = policy["attainment"]
        table.add_row(
            TITLES.get(policy["name"], policy["name"]),
            "-" if attainment is None else f"{100 * attainment:.2f} %",
            f"{policy['violated']:,}",
            f"{policy['judged']:,}",
            number(policy["gpu_seconds"] / 3600.0, ".2f"),
            str(policy["replica_changes"]),
            f"{policy['ttft_milliseconds']['p95']:,.0f} ms",
        )
    return table


def print_summary(summary: Mapping[str, Any] | None) -> None:
    """Print the table, or say why there is none."""
    if summary is None or not summary["policies"] or not summary["played_seconds"]:
        print("no summary: nothing was played yet")
        return
    console = Console()
    # Without a terminal there is no width to keep to: a log is read unwrapped.
    (console if console.is_terminal else Console(width=140)).print(summary_table(summary))
