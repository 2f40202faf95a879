"""The answer as a picture: what the mix costs beside fleets of one type, and which variant serves which sizes."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from foresail.cli.allocation.solve import OneType, Solved, on_one_type, refused
from foresail.cli.figures import drawing, save
from foresail.domain.allocation import TRAFFIC_RPS, ModelDemand, ModelPlan
from foresail.domain.timeseries import FloatArray

COLORS = ("#0b4f8a", "#e07b39", "#2a9d63", "#b23a48", "#7b5ea7", "#c9a227", "#3aa6b9", "#8c6d46")
UNSERVED, EMPTY = "#bbbbbb", "#f0f0f0"
MOST_MODELS, MOST_VARIANTS = 4, 5
MOST_WRITTEN = 4  # columns of a map in which the shares are written
BAR_INCHES = 1.0  # at most, of a bar and the gap below it
CHARACTERS_AN_INCH = 11


def plot(solved: Solved, file: Path) -> None:
    """Draw the plan.

    Raises:
        InputError: The file cannot be written.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - lazy

    rivals, models = on_one_type(solved), _dearest(solved)
    widest = max(len(_serving(solved.allocation.plans[model.name])) for model in models)
    height = max(1.4 + 0.42 * (len(rivals) + 1), 2.5 * len(models)) + 1.0
    with drawing():
        figure = Figure(figsize=(6.2 + 2.3 * max(widest, 1), height), dpi=110, layout="constrained")
        halves: Any = figure.subfigures(1, 2, width_ratios=(5.6, 0.6 + 2.3 * max(widest, 1)))
        _draw_costs(halves[0].subplots(), solved, rivals, rows=height / BAR_INCHES)
        _draw_models(halves[1], solved, models, max(widest, 1))
        title = f"{Path(solved.case.source).name}: {solved.allocation.message}"
        figure.suptitle(
            textwrap.shorten(title, int(CHARACTERS_AN_INCH * figure.get_figwidth()), placeholder=" …"),
            x=0.01,
            ha="left",
        )
        save(figure, file)


def _draw_costs(axis: Any, solved: Solved, rivals: Sequence[OneType], *, rows: float) -> None:
    """A bar for the mix, in the colors of its accelerators, above one for each alone; there is room for `rows`."""
    parts = _costs(solved)
    start = 0.0
    for name, usd in parts.items():
        color = UNSERVED if name not in solved.case.accelerators else _color(solved, name)
        axis.barh(0, usd, left=start, color=color, edgecolor="white")
        start += usd
    left = len(solved.allocation.unserved) if refused(solved) else 0
    said = f" {start:.2f}" + (f", leaves {left} bucket{'s' if left > 1 else ''}" if left else "")
    axis.text(start, 0, said, va="center", fontweight="bold")
    for place, rival in enumerate(rivals, start=1):
        axis.barh(place, rival.usd_per_hour, color=_color(solved, rival.accelerator), alpha=0.45)
        axis.text(rival.usd_per_hour, place, f" {_said(rival, 0.0 if left else start)}", va="center")
    axis.set_yticks(range(len(rivals) + 1), ["this plan", *(f"{rival.accelerator} only" for rival in rivals)])
    axis.set_ylim(max(len(rivals) + 0.6, rows), -0.6)
    axis.set_xlim(0.0, 1.45 * max([start, 0.01, *(rival.usd_per_hour for rival in rivals)]))
    axis.set(xlabel="USD per hour", title="cost of serving the same demand")
    axis.grid(visible=True, axis="x")
    if "unserved" in parts:
        axis.text(start - parts["unserved"] / 2, 0, "unserved", ha="center", va="center", rotation=90, fontsize=8)


def _said(rival: OneType, usd: float) -> str:
    if rival.unservable:
        return f"cannot serve {rival.unservable} bucket" + ("s" if rival.unservable > 1 else "")
    more = f" ({100 * (rival.usd_per_hour / usd - 1.0):+.0f} %)" if usd > 0.0 else ""
    short = rival.stock is not None and rival.gpus > rival.stock
    return f"{rival.usd_per_hour:.2f}{more}" + (f"\n {rival.gpus} GPUs, there are {rival.stock}" if short else "")


def _costs(solved: Solved) -> dict[str, float]:
    """USD per hour by accelerator, and of what nobody serves."""
    usd: Counter[str] = Counter()
    for model in solved.case.problem.models:
        for candidate, count in zip(model.candidates, solved.allocation.plans[model.name].replicas, strict=True):
            usd[candidate.accelerator] += count * candidate.usd_per_hour  # type: ignore[assignment]
    unserved = solved.allocation.usd_per_hour - sum(usd.values())
    found = {name: float(usd[name]) for name in solved.case.accelerators if usd[name] > 0.0}
    return {**found, "unserved": unserved} if unserved > 0.005 else found


def _draw_models(figure: Any, solved: Solved, models: Sequence[ModelDemand], widest: int) -> None:
    axes = figure.subplots(len(models), widest, squeeze=False)
    for row, model in zip(axes, models, strict=True):
        plan = solved.allocation.plans[model.name]
        for axis, variant in zip(row, _serving(plan), strict=False):
            _draw_map(axis, solved, model, variant)
        for axis in row[len(_serving(plan)) :]:
            axis.set_axis_off()
        row[0].set_ylabel(f"{model.name}\ninput size".lstrip())
    for axis in axes[-1]:
        axis.set_xlabel("output size")
    drawn, there = len(models), len(solved.case.problem.models)
    some = "" if drawn == there else f", of the {drawn} dearest of {there} models"
    figure.suptitle(f"share of each size bucket by variant{some} (gray: no traffic)", x=0.02, ha="left", fontsize=10)


def _draw_map(axis: Any, solved: Solved, model: ModelDemand, variant: int) -> None:
    """Shares of one variant by bucket; numbers are written where there is room."""
    from matplotlib.colors import LinearSegmentedColormap  # noqa: PLC0415 - lazy

    plan, candidate = solved.allocation.plans[model.name], model.candidates[variant]
    shares = np.where(model.demand_rps > TRAFFIC_RPS, plan.routing[variant], np.nan)
    scale = LinearSegmentedColormap.from_list("share", ["white", _color(solved, candidate.accelerator)])
    colors = scale.with_extremes(bad=EMPTY)
    axis.imshow(shares, cmap=colors, vmin=0.0, vmax=1.0, aspect="auto")
    for side in axis.spines.values():
        side.set(visible=True, color="#cccccc")
    rows, columns = shares.shape
    axis.set(xticks=range(0, columns, -(-columns // 6)), yticks=range(0, rows, -(-rows // 6)))
    used = 100 * plan.utilization[variant]
    count = plan.replicas[variant]
    axis.set_title(f"{candidate.name}\n{count} replica{'s' if count > 1 else ''}, {used:.0f} % used")
    if columns <= MOST_WRITTEN:
        _write_shares(axis, shares)


def _write_shares(axis: Any, shares: FloatArray) -> None:
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.005:
            color = "white" if share > 0.55 else "#333333"
            axis.text(column, row, f"{100 * share:.0f} %", ha="center", va="center", color=color, fontsize=8)


def _serving(plan: ModelPlan) -> list[int]:
    """Variants with replicas, the busiest first where there are too many to draw."""
    running = [variant for variant, count in enumerate(plan.replicas) if count]
    most = sorted(running, key=lambda variant: -plan.replicas[variant] * plan.utilization[variant])[:MOST_VARIANTS]
    return sorted(most)


def _dearest(solved: Solved) -> list[ModelDemand]:
    """The models that cost most, in the case's order."""
    usd = {
        model.name: sum(
            count * candidate.usd_per_hour
            for candidate, count in zip(model.candidates, solved.allocation.plans[model.name].replicas, strict=True)
        )
        for model in solved.case.problem.models
    }
    drawn = sorted(usd, key=lambda name: -usd[name])[:MOST_MODELS]
    return [model for model in solved.case.problem.models if model.name in drawn]


def _color(solved: Solved, accelerator: str) -> str:
    return COLORS[solved.case.accelerators.index(accelerator) % len(COLORS)]
