"""The answer for people: what the plan and one from scratch cost and bring, how it is carried out, and a sentence."""

from __future__ import annotations

import numpy as np
from rich.table import Table
from rich.text import Text

from foresail.cli.experts.planned import Planned, message
from foresail.cli.text import rendered
from foresail.domain.timeseries import FloatArray

UNITS = ("bytes", "kB", "MB", "GB", "TB")


def to_text(planned: Planned, *, color: bool = False) -> str:
    """Tables and a sentence, in color for a terminal."""
    tables = (_head(planned), _comparison(planned), Text(), _waves(planned))
    return rendered(*tables, Text(), Text(message(planned)), color=color)


def _head(planned: Planned) -> Text:
    change = planned.case.change
    layers, experts = change.loads.shape
    head = Text(f"{planned.case.source}: ")
    head.append(f"{len(change.keep)} to {change.gpus} GPUs", style="bold")
    shape = f"{change.current.shape[2]} to {change.slots}" if change.current.shape[2] != change.slots else change.slots
    what = f"; {layers} layer{_s(layers)} of {experts} expert{_s(experts)}, {shape} slot{_s(shape)}, "
    return head.append(f"{what}tau {planned.case.tau:g}, {planned.cpu_seconds:.2f} CPU s\n")


def _s(count: int | str) -> str:
    return "" if count == 1 else "s"


def _comparison(planned: Planned) -> Table:
    """As things stand, the plan, and one from scratch."""
    table = _table("", "now", "this plan", "from scratch")
    table.add_row("copies of experts", "-", f"{planned.copies:,}", f"{planned.scratch_copies:,}")
    table.add_row("  that no plan can do without", "-", f"{planned.floor:,}", f"{planned.floor:,}")
    table.add_row("  into GPUs that serve", "-", f"{planned.into_survivors:,}", "-")
    if planned.sizes.expert_bytes is not None:
        each = planned.sizes.expert_bytes
        table.add_row("bytes", "-", _bytes(each * planned.copies), _bytes(each * planned.scratch_copies))
    now, after, scratch = planned.balance_now, planned.balance, planned.balance_scratch
    table.add_row("busiest GPU over the mean", *(f"{np.mean(one):.3f}" for one in (now, after, scratch)))
    if len(now) > 1:
        table.add_row("  in the worst layer", *(f"{np.max(one):.3f}" for one in (now, after, scratch)))
    return table


def _waves(planned: Planned) -> Table:
    table = _table("In waves, one after another", "")
    steps = planned.steps
    if steps is None:
        table.add_row("waves", Text("none: the staging budget is too small", style="red"))
        return table
    table.add_row("waves", str(len(steps.received)))
    table.add_row("most experts into one GPU at once", str(steps.most_at_once))
    if planned.peak_extra_bytes is not None:
        table.add_row("memory that takes beside what it holds", _bytes(planned.peak_extra_bytes))
    if planned.seconds is not None:
        table.add_row("time on the links", f"{planned.seconds:.3g} s")
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    for name in columns:
        table.add_column(name, justify="right")
    table.title = title or None
    return table


def _bytes(count: float) -> str:
    """In a unit that leaves at most three digits."""
    for unit in UNITS:
        if count < 1000 or unit == UNITS[-1]:
            break
        count /= 1000
    return f"{count:.3g} {unit}"


def spread(loads: FloatArray) -> FloatArray:
    """Load of every GPU over the mean of its layer, shape (L, M); 1 where a layer has none."""
    mean = loads.mean(axis=1, keepdims=True)
    return np.asarray(np.where(mean > 0.0, loads / np.where(mean > 0.0, mean, 1.0), 1.0))
