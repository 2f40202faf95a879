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
COLUMNS = ("workload", "demand now", "at lead: median", "q95", "lead time", "current/ready/desired", "attained", "cost")


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
    table = Table(box=None, padding=(0, 2))
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == "workload" else "right")
    for view in views:
        attained = None if view.attainment is None else 100 * view.attainment
        table.add_row(
            view.name,
            f"{number(view.demand_rps)} rps",
            f"{number(view.median_rps)} rps",
            f"{number(view.q95_rps)} rps",
            f"{number(view.lead_time_seconds, '.0f')} s",
            counts_of(view),
            f"{number(attained)} %",
            f"{number(view.usd_per_hour, '.2f')} USD/h",
        )
    return table


def counts_of(view: View) -> str:
    """Replicas current/ready/desired."""
    return "/".join(number(count, "d") for count in (view.current, view.ready, view.desired))


def picture(scope: Scope) -> RenderableType:
    """The whole screen."""
    views = scope.read()
    sentences = Group(*(Text(f"{view.time}  {view.reason}: {view.message}") for view in views))
    places = Table.grid(padding=(0, 2))
    for name, address in scope.addresses.items():
        places.add_row(Text(name, style="dim"), Text(address, overflow="fold"))
    waiting = Text(scope.waiting, style="dim")
    return Group(
        Text(f"{time.strftime('%H:%M:%S')}  {scope.headline()}", style="bold"),
        Panel(table_of(views) if views else waiting, title="Foresail", title_align="left"),
        Panel(sentences if views else waiting, title="last decision", title_align="left"),
        places,
        Text("Ctrl-C ends it and leaves nothing running.", style="dim"),
    )


def line_of(view: View) -> str:
    """One decision as one line."""
    forecast = f"{number(view.median_rps)} (q95 {number(view.q95_rps)})"
    return (
        f"{view.time} {view.name} demand={number(view.demand_rps)}rps forecast={forecast}rps "
        f"current/ready/desired={counts_of(view)} cost={number(view.usd_per_hour, '.2f')}USD/h "
        f"{view.reason}: {view.message}"
    )


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
