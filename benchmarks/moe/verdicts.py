"""What was asked of plans for experts, and whether they keep it; and their figures as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

from benchmarks.moe.placement import FLASHLB
from benchmarks.verdicts import Verdict

Row = Mapping[str, Any]
SCRATCH_SECONDS, SCRATCH_OFF = 0.05, 0.001
MORE, MORE_IN_SUM = 3, 1.25
GOAL = 1.09
ROUNDING = 1e-9


def judge_placement(report: Mapping[str, Any]) -> list[Verdict]:
    """Few copies at the balance, in time, near what is proven."""
    verdicts = [verdict for row in report["events"] for verdict in _judge_event(row)]
    seconds = max(row["scratch_cpu_seconds"] for row in report["events"])
    off = max(abs(row["scratch_off"]) for row in report["events"])
    what = "from scratch: CPU; balance beside the published rule"
    met = seconds <= SCRATCH_SECONDS and off <= SCRATCH_OFF
    asked = f"≤ {SCRATCH_SECONDS:g} s; ± {100 * SCRATCH_OFF:g} %"
    verdicts.append(_verdict(what, asked, f"{seconds:.3f} s; {100 * off:.3f} %", met=met))
    return verdicts + list(_judge_optima(report["optima"]))


def _judge_event(row: Row) -> Iterator[Verdict]:
    asked = f"≤ {100 * row['asked_copies']:.0f} %; ≤ {100 * row['asked_serving']:.0f} %"
    told = f"{100 * row['copies']:.1f} %; {100 * row['serving']:.1f} %"
    met = row["copies"] <= row["asked_copies"] and row["serving"] <= row["asked_serving"]
    yield _verdict(f"{row['name']}: copies of those from scratch; into GPUs that serve", asked, told, met=met)
    mean, worst = _balances(row)
    told = f"{row['mean']:.4f}; {row['worst']:.4f}"
    met = row["mean"] <= mean * (1 + ROUNDING) and row["worst"] <= worst * (1 + ROUNDING)
    yield _verdict(f"{row['name']}: balance, mean; worst layer", f"≤ {mean:.4f}; ≤ {worst:.4f}", told, met=met)
    if row["asked_cpu_seconds"] is not None:
        met = row["cpu_seconds"] <= row["asked_cpu_seconds"]
        asked = f"≤ {row['asked_cpu_seconds']:g} s"
        yield _verdict(f"{row['name']}: CPU", asked, f"{row['cpu_seconds']:.3f} s", met=met)


def _balances(row: Row) -> tuple[float, float]:
    """That were asked for: with few slots EPLB's own."""
    if row["few_slots"]:
        return row["eplb_mean"], row["eplb_worst"]
    return max(1.02, 1.015 * row["eplb_mean"]), max(1.03, 1.03 * row["eplb_worst"])


def _judge_optima(optima: Sequence[Row]) -> Iterator[Verdict]:
    if not optima:
        return
    found, fewest = sum(row["copies"] for row in optima), sum(row["fewest"] for row in optima)
    most = max(row["copies"] - row["fewest"] for row in optima)
    within = all(row["balance"] <= row["tau"] * (1 + ROUNDING) for row in optima)
    asked = f"≤ {MORE} more each; ≤ {MORE_IN_SUM:g} in sum"
    met = within and most <= MORE and found <= MORE_IN_SUM * fewest
    yield _verdict(
        f"copies of {len(optima)} small cases over the proven", asked, f"{most:+d}; {found / fewest:.2f}", met=met
    )
    for row in optima:
        if row["name"] == FLASHLB:
            told = f"{row['balance']:.3f} with {row['copies']}; {row['lowest']:.4f}"
            met = row["balance"] <= row["tau"] and row["copies"] <= row["fewest"] and row["lowest"] <= GOAL
            asked = f"≤ {row['tau']:g} with {row['fewest']}; ≤ {GOAL:g}"
            yield _verdict("FlashLB's eight GPUs of two slots: balance; lowest", asked, told, met=met)


def placement_tables(report: Mapping[str, Any]) -> Iterator[Table]:
    """A row per event; a row per small case."""
    title = f"{report['layers']} layers of {report['experts']} experts, tau {report['tau']:g}, {report['seeds']} seeds"
    names = (
        "copies of scratch's",
        "… into serving",
        "floor",
        "scratch renamed",
        "balance",
        "worst",
        "EPLB",
        "CPU",
        "waves",
    )
    table = _table(f"{title}: medians, of copies and layers the worst", names)
    for row in report["events"]:
        shares = (f"{100 * row[key]:.1f} %" for key in ("copies", "serving", "floor", "renamed"))
        balances = (f"{row[key]:.4f}" for key in ("mean", "worst", "eplb_mean"))
        table.add_row(row["name"], *shares, *balances, f"{row['cpu_seconds']:.2f} s", f"{row['waves']:.0f}")
    yield table
    if report["optima"]:
        figures = ("copies", "fewest proven", "from scratch", "balance", "tau", "lowest", "lowest proven")
        table = _table("Small cases with a proof", figures)
        for row in report["optima"]:
            counts = (str(row[key]) for key in ("copies", "fewest", "scratch"))
            balances = (f"{row[key]:.4f}" for key in ("balance", "tau", "lowest", "proven_lowest"))
            table.add_row(row["name"], *counts, *balances)
        yield table


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in ("", *columns):
        table.add_column(name, justify="right" if name else "left")
    return table


def _verdict(what: str, asked: str, measured: str, *, met: bool) -> Verdict:
    return {"what": what, "asked": asked, "measured": measured, "met": bool(met)}
