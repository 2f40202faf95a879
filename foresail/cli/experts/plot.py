"""The plan as a picture: the load of every GPU before and after, as a mean over layers and in its busiest layer."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import numpy as np

from foresail.cli.experts.planned import Planned, message
from foresail.cli.experts.table import spread
from foresail.cli.figures import drawing, save
from foresail.domain.timeseries import BoolArray, FloatArray
from foresail.policies.moe.placement import LEAVES, gpu_loads

STAYS, LEAVING, JOINS, BUSIEST = "#0b4f8a", "#bbbbbb", "#2a9d63", "#b23a48"
CHARACTERS = 150  # of a line of the title


def plot(planned: Planned, file: Path) -> None:
    """Draw the loads.

    Raises:
        InputError: The file cannot be written.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - lazy

    change = planned.case.change
    now = spread(gpu_loads(change.loads, change.current))
    after = spread(gpu_loads(change.loads, planned.plan.placement))
    with drawing():
        figure = Figure(figsize=(11.0, 6.0), dpi=110, layout="constrained")
        axes: Any = figure.subplots(2, 1)
        _draw(axes[0], now, change.keep != LEAVES, ("before", LEAVING, "leaves"))
        _draw(axes[1], after, change.survivors, ("after", JOINS, "joins"))
        top = 1.08 * max(now.max(), after.max())
        for axis in axes:
            axis.set(xlim=(-0.6, max(now.shape[1], after.shape[1]) - 0.4), ylim=(0.0, top))
            axis.xaxis.get_major_locator().set_params(integer=True)
        title = textwrap.fill(f"{Path(planned.case.source).name}: {message(planned)}", CHARACTERS)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
        save(figure, file)


def _draw(axis: Any, loads: FloatArray, stays: BoolArray, words: tuple[str, str, str]) -> None:
    """A bar for each GPU, a mark for its busiest layer."""
    when, color, other = words
    places = np.arange(loads.shape[1])
    for chosen, shade, name in ((stays, STAYS, "stays"), (~stays, color, other)):
        if chosen.any():
            axis.bar(places[chosen], loads.mean(axis=0)[chosen], color=shade, label=name)
    if len(loads) > 1:
        axis.plot(places, loads.max(axis=0), ".", color=BUSIEST, label="its busiest layer")
    axis.axhline(1.0, color="#333333", linewidth=0.8)
    axis.set(title=f"{when}: load of each GPU over the mean", xlabel="GPU", ylabel="share of the mean")
    axis.grid(visible=True, axis="y")
    axis.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, borderaxespad=0.1)
