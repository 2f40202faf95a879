"""The live screen on a terminal, and a line per decision where there is none."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from foresail.sandbox.view import View, number

REFRESH_SECONDS = 1.0
# Heads of two lines, the unit below: what is shown fits 80 columns.
COLUMNS = (
    "workload",
    "now\nrps",
    "median\nrps",
    "95 %\nrps",
    "lead\ns",
    "replicas\ncur/ready/want",
    "attained\n%",
    "cost\nUSD/h",
)
LEGEND = "demand now, and expected one lead time ahead: median and 95 % quantile"


@dataclass(frozen=True, slots=True)
class Scope:
    """What is shown.

    Args:
        read: The workloads as they are now.
        headline: One sentence on where things stand.
        addresses: Where to look further, by name.
        check: Raises when something that should run has ended.
        waiting: What to say while there is no decision.
    """

    read: Callable[[], list[View]]
    headline: Callable[[], str]
    addresses: Mapping[str, str]
    check: Callable[[], None]
    waiting: str = "waiting for the first decision …"


def table_of(views: list[View]) -> Table:
    """All workloads, a row each."""
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    for name in COLUMNS:
        # Numbers keep their width; a long name goes on in the next line, and nothing of it is left out.
        if name == "workload":
            table.add_column(name, overflow="fold")
        else:
            table.add_column(name, justify="right", no_wrap=True)
    for view in views:
        attained = None if view.attainment is None else 100 * view.attainment
        table.add_row(
            view.name,
            number(view.demand_rps),
            number(view.median_rps),
            number(view.q95_rps),
            number(view.lead_time_seconds, ".0f"),
            counts_of(view),
            number(attained),
            number(view.usd_per_hour, ".2f"),
        )
    return table


def counts_of(view: View, unknown: str = "-") -> str:
    """Replicas current/ready/desired."""
    return "/".join(unknown if count is None else str(count) for count in (view.current, view.ready, view.desired))


def clock_of(view: View) -> str:
    """The time of day, UTC, at which this decision was said first; the numbers in the table are of now."""
    return view.time.partition("T")[2] or view.time


def picture(scope: Scope) -> RenderableType:
    """The whole screen."""
    views = scope.read()
    sentences = Group(*(Text(f"since {clock_of(view)}  {view.reason}: {view.message}") for view in views))
    places = Table.grid(padding=(0, 2))
    for name, address in scope.addresses.items():
        places.add_row(Text(name, style="dim"), Text(address, overflow="fold"))
    waiting = Text(scope.waiting, style="dim")
    table = Group(table_of(views), Text(LEGEND, style="dim"))
    return Group(
        Text(f"{time.strftime('%H:%M:%SZ', time.gmtime())}  {scope.headline()}", style="bold"),
        Panel(table if views else waiting, title="Foresail", title_align="left"),
        Panel(sentences if views else waiting, title="last decision", title_align="left"),
        places,
        Text("Ctrl-C ends it and leaves nothing running.", style="dim"),
    )


def line_of(view: View) -> str:
    """One decision as one line."""
    return (
        f"{view.time} {view.name} demand={known(view.demand_rps, 'rps')} forecast={known(view.median_rps, 'rps')} "
        f"q95={known(view.q95_rps, 'rps')} current/ready/desired={counts_of(view, 'unknown')} "
        f"cost={known(view.usd_per_hour, 'USD/h', '.2f')} {view.reason}: {view.message}"
    )


def known(value: float | None, unit: str, form: str = ".1f") -> str:
    """A number with its unit, or that it is unknown."""
    return "unknown" if value is None else f"{value:{form}}{unit}"


def show(scope: Scope, *, seconds: float | None) -> None:
    """Show decisions until `seconds` have passed (None: until interrupted)."""
    console = Console()
    deadline = None if seconds is None else time.monotonic() + seconds
    shown = show_screen if console.is_terminal else show_lines

    def is_over() -> bool:
        scope.check()
        return deadline is not None and time.monotonic() > deadline

    shown(console, scope, is_over)


def show_screen(console: Console, scope: Scope, is_over: Callable[[], bool]) -> None:
    """Redraw one screen."""
    with Live(console=console, auto_refresh=False) as live:
        while not is_over():
            live.update(picture(scope), refresh=True)
            time.sleep(REFRESH_SECONDS)


def show_lines(_: Console, scope: Scope, is_over: Callable[[], bool]) -> None:
    """Print a line for every new decision."""
    print(scope.headline(), flush=True)
    for name, address in scope.addresses.items():
        print(f"  {name}: {address}", flush=True)
    print(scope.waiting, flush=True)
    said: dict[str, str] = {}
    while not is_over():
        for view in scope.read():
            if said.get(view.name) != view.decision_id:
                said[view.name] = view.decision_id
                print(line_of(view), flush=True)
        time.sleep(REFRESH_SECONDS)
