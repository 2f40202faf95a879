"""The answer for people: what runs, what it costs beside fleets of one type, what binds, what is left, the sentence."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from foresail.cli.allocation.solve import OneType, Solved, on_one_type, refused
from foresail.cli.text import rendered
from foresail.domain.allocation import TRAFFIC_RPS, Candidate, ModelDemand

MOST_UNSERVED = 10  # rows; the rest is counted
COLORS = {"optimal": "green", "feasible": "yellow", "infeasible": "red"}


def to_text(solved: Solved, *, color: bool = False) -> str:
    """Tables and a sentence, in color for a terminal."""
    return rendered(*_parts(solved), color=color)


def _parts(solved: Solved) -> list[RenderableType]:
    parts: list[RenderableType] = [_head(solved), _mix(solved), Text(), _rivals(solved, on_one_type(solved))]
    if solved.case.is_fleet:
        parts += [Text(), _stock(solved)]
    if solved.allocation.unserved:
        parts += [Text(), _left(solved)]
    return [*parts, Text(), Text(solved.allocation.message)]


def _head(solved: Solved) -> Text:
    models = solved.case.problem.models
    demand = [model.demand_rps[model.demand_rps > TRAFFIC_RPS] for model in models]
    rps, buckets = sum(float(one.sum()) for one in demand), sum(one.size for one in demand)
    status = solved.allocation.status
    head = Text(f"{solved.case.source}: ")
    head.append(str(status), style=f"bold {COLORS[str(status)]}")
    who = f"{_counted(len(models), 'model')}, " if solved.case.is_fleet else ""
    head.append(f"; {who}{rps:.4g} rps in {_counted(buckets, 'bucket')}, {solved.cpu_seconds:.2f} CPU s")
    if solved.case.note:
        head.append(f"\n{solved.case.note}")
    return head.append("\n")


def _mix(solved: Solved) -> Table:
    """A row for each variant that has or may have replicas, and their sum."""
    fleet = solved.case.is_fleet
    table = _table("Run", *(["model"] if fleet else []), "variant" if fleet else "GPU")
    for name in ("replicas", *(["now", "GPUs"] if fleet else []), "utilization", "USD/h"):
        table.add_column(name, justify="right")
    for model in solved.case.problem.models:
        _mix_of(solved, model, table)
    cost = solved.allocation.usd_per_hour
    unserved = cost - sum(float(usd) for _, _, usd in _runs(solved))
    blank = [""] * (len(table.columns) - 2)
    if unserved > 0.005:
        table.add_row("unserved demand", *blank, f"{unserved:.2f}")
    table.add_section()
    table.add_row(Text("total", style="bold"), *blank, Text(f"{cost:.2f}", style="bold"))
    return table


def _mix_of(solved: Solved, model: ModelDemand, table: Table) -> None:
    plan = solved.allocation.plans[model.name]
    fleet = solved.case.is_fleet
    for candidate, count, used in zip(model.candidates, plan.replicas, plan.utilization, strict=True):
        named = [Text(model.name)] if fleet else []
        now = "-" if candidate.current_replicas is None else str(candidate.current_replicas)
        gpus = f"{count * candidate.gpus_per_replica} {candidate.accelerator}" if count else "-"
        placed: list[RenderableType] = [now, Text(gpus)] if fleet else []
        row = [Text(candidate.name), _replicas(candidate, count), *placed]
        figures = [f"{100 * used:.1f} %", f"{count * candidate.usd_per_hour:.2f}"] if count else ["-", "-"]
        table.add_row(*named, *row, *figures, style=None if count else "dim")


def _replicas(candidate: Candidate, count: int) -> str:
    """How many, and whether there may not be more."""
    binds = candidate.max_replicas is not None and count >= candidate.max_replicas
    return f"{count or '-'}{' (max)' if binds else ''}"


def _runs(solved: Solved) -> list[tuple[Candidate, int, float]]:
    return [
        (candidate, count, count * candidate.usd_per_hour)
        for model in solved.case.problem.models
        for candidate, count in zip(model.candidates, solved.allocation.plans[model.name].replicas, strict=True)
    ]


def _rivals(solved: Solved, rivals: Sequence[OneType]) -> Table:
    """What each accelerator alone would cost beside the mix."""
    table = _table("The same demand on one type only, as many as it takes", "accelerator")
    for name in ("GPUs", "there are", "USD/h", "the mix saves"):
        table.add_column(name, justify="right")
    for rival in rivals:
        stock = "no cap" if rival.stock is None else str(rival.stock)
        if rival.unservable:
            cannot = f"cannot serve {_counted(rival.unservable, 'bucket')}"
            table.add_row(Text(rival.accelerator), "-", stock, "-", cannot, style="dim")
            continue
        short = rival.stock is not None and rival.gpus > rival.stock
        table.add_row(
            Text(rival.accelerator),
            Text(str(rival.gpus), style="red" if short else ""),
            stock,
            f"{rival.usd_per_hour:.2f}",
            _saving(solved, rival),
        )
    return table


def _saving(solved: Solved, rival: OneType) -> str:
    if refused(solved) or rival.usd_per_hour <= 0.0:
        return "-"
    return f"{100 * (1.0 - solved.allocation.usd_per_hour / rival.usd_per_hour):.1f} %"


def _stock(solved: Solved) -> Table:
    """GPUs in use, and what one more of each would be worth."""
    table = _table("GPUs", "accelerator")
    for name in ("in use", "there are", "one more is worth"):
        table.add_column(name, justify="right")
    for name in solved.case.accelerators:
        used = sum(count * one.gpus_per_replica for one, count, _ in _runs(solved) if one.accelerator == name)
        stock = solved.case.problem.gpus.get(name)
        price = solved.allocation.shadow_usd_per_gpu_hour.get(name, 0.0)
        worth = f"{price:.2f} USD/h" if price >= 0.005 else "-"
        binds = name in solved.allocation.binding
        there = "no cap" if stock is None else str(stock)
        table.add_row(Text(name), str(used), there, worth, style="bold" if binds else None)
    return table


def _left(solved: Solved) -> Table:
    """The dearest unserved buckets, with the reason and the cure."""
    fleet, unserved = solved.case.is_fleet, solved.allocation.unserved
    table = _table("Unserved, the dearest first", *(["model"] if fleet else []), "bucket")
    table.add_column("rps", justify="right")
    table.add_column("why, and what helps", overflow="fold")
    for one in unserved[:MOST_UNSERVED]:
        bucket = f"[{one.bucket[0]}, {one.bucket[1]}]"
        table.add_row(*([Text(one.model)] if fleet else []), Text(bucket), f"{one.rps:.3g}", Text(one.reason))
    if len(unserved) > MOST_UNSERVED:
        rest = unserved[MOST_UNSERVED:]
        more = [f"and {len(rest)} more", f"{sum(one.rps for one in rest):.3g}", ""]
        table.add_row(*([""] if fleet else []), *more)
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
