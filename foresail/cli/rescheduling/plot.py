"""The nodes before and after: of each, what is used, what is free in whole slots or cards, and what is free else."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foresail.cli.figures import drawing, save
from foresail.cli.rescheduling.answer import Answer, free_before_and_after
from foresail.cli.rescheduling.document import STDIN, IntArray
from foresail.cli.rescheduling.machines import VmInstance
from foresail.cli.rescheduling.pods import WHOLE_MILLI

USED, WHOLE, FRAGMENT = "#d9d9d9", "#0b4f8a", "#e07b39"
MOST_NODES = 300  # more are no longer told apart: then only those that change are drawn
CHARACTERS_A_LINE = 150
Parts = NDArray[np.float64]  # (N, 3): used, free in whole pieces, the rest


def plot(answer: Answer, file: Path) -> None:
    """Draw the nodes.

    Raises:
        InputError: The file cannot be written.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - lazy

    before, after = (parts(answer, free) for free in free_before_and_after(answer))
    rows, told = _drawn(answer, before, after)
    vms = isinstance(answer.instance, VmInstance)
    with drawing():
        figure = Figure(figsize=(13.0, 6.4), dpi=110, layout="constrained")
        axes: Any = figure.subplots(2, 1, sharex=True, sharey=True)
        for axis, title, which in ((axes[0], "before", before), (axes[1], "after", after)):
            _draw(axis, which[rows], vms=vms)
            axis.set_title(f"{title}: {_summary(answer, which)}")
        axes[1].set_xlabel(f"{told}, those with most in {'fragments' if vms else 'parts of cards'} first")
        figure.supylabel("CPU of a machine" if vms else "GPUs of a node", fontsize=9)
        source = answer.instance.source
        name = "standard input" if source == STDIN else Path(source).name
        title = textwrap.shorten(f"{name}: {answer.message}", CHARACTERS_A_LINE)
        figure.suptitle(title, x=0.01, ha="left")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower left", ncols=3)
        save(figure, file)


def parts(answer: Answer, free: IntArray) -> Parts:
    """Used, free in whole slots or cards, and the rest that is free: of each node, shape (N, 3)."""
    instance = answer.instance
    if isinstance(instance, VmInstance):
        cpu, slot = free[:, :2], instance.fragment_cpu
        rest = (cpu % slot).sum(axis=1)
        total = instance.machine_cpu.sum(axis=1)
        return np.column_stack((total - cpu.sum(axis=1), cpu.sum(axis=1) - rest, rest)).astype(float)
    cards = np.where(np.arange(free.shape[1] - 2) < instance.node_gpus[:, None], free[:, 2:], 0) / WHOLE_MILLI
    whole = (cards >= 1.0).sum(axis=1)
    left = cards.sum(axis=1)
    return np.column_stack((instance.node_gpus - left, whole, left - whole))


def _drawn(answer: Answer, before: Parts, after: Parts) -> tuple[IntArray, str]:
    """Nodes to draw, in order, and what they are."""
    noun = "machines" if isinstance(answer.instance, VmInstance) else "nodes"
    order = np.lexsort((before[:, 1], -before[:, 2])).astype(np.int64)
    if len(order) <= MOST_NODES:
        return order, f"all {len(order)} {noun}"
    changed = order[(before != after).any(axis=1)[order]][:MOST_NODES]
    return changed, f"{len(changed)} of {len(order):,} {noun}, of those that change"


def _draw(axis: Any, drawn: Parts, *, vms: bool) -> None:
    places, start = np.arange(len(drawn)), np.zeros(len(drawn))
    whole, rest = ("whole slots", "fragments") if vms else ("whole cards", "parts of cards")
    legend = ((USED, "used"), (FRAGMENT, f"free in {rest}"), (WHOLE, f"free in {whole}"))
    for column, (color, label) in zip((0, 2, 1), legend, strict=True):
        axis.bar(places, drawn[:, column], bottom=start, width=0.9, color=color, label=label)
        start = start + drawn[:, column]
    axis.margins(x=0.005)
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.grid(visible=True, axis="y")


def _summary(answer: Answer, which: Parts) -> str:
    whole, rest = which[:, 1].sum(), which[:, 2].sum()
    if isinstance(answer.instance, VmInstance):
        return f"{whole:,.0f} CPU free in whole slots of {answer.instance.fragment_cpu}, {rest:,.0f} in fragments"
    return f"{whole:,.0f} GPUs free in whole cards, {rest:,.1f} in parts of cards"
