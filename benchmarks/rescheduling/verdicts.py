"""What was asked of plans of moves, and whether the figures keep it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.verdicts import Verdict

Report = Mapping[str, Any]
CERTIFIED, MEDIUM_SECONDS, XL_SECONDS, FAMILY_SECONDS, GPU_SECONDS = 0.95, 2.0, 5.0, 5.0, 10.0
XL_MEBIBYTES = 1e9 / 2**20
RATE_BELOW = 0.02  # of the fragment rate, odd shapes at fifty moves
MIXED_BELOW = 2  # slots
ROLLING = 0.8  # of the static plan's final fragment rate
FRAGMENTED, WHOLE = 0.75, 10  # of the start at fifty moves; nodes of eight cards more
PLANS = ("medium", "xl", "mixed", "odd", "fewest", "gpus", "large", "whole")
NEAREST = 0.005  # of the least F that is proven, where that is more than is asked
ROUNDING = 1e-6
OVERRUN = 1.1  # of a CPU limit: what is under way is ended


def judge_validity(report: Report) -> Iterator[Verdict]:
    """Every plan has no fault in its replay."""
    rows = [row for name in PLANS for row in report[name]["rows"]]
    valid = sum(row["valid"] for row in rows)
    yield verdict("plans without a fault in their replay", f"{len(rows)}", f"{valid}", met=valid == len(rows))


def judge_machines(report: Report) -> Iterator[Verdict]:
    """Slots below the bound, CPU, memory, and the heuristic, by size and family."""
    medium, xl = report["medium"]["rows"], report["xl"]["rows"]
    share = sum(row["certified"] for row in medium) / len(medium)
    below, p95 = worst(medium, "slots_below"), float(np.percentile([row["cpu_seconds"] for row in medium], 95))
    yield verdict("medium: certified", f"≥ {CERTIFIED:.0%}", f"{share:.1%} of {len(medium)}", met=share >= CERTIFIED)
    yield verdict("medium: slots below the bound, worst", "≤ 1", f"{below:g}", met=below <= 1)
    yield verdict("medium: CPU, p95", f"≤ {MEDIUM_SECONDS:g} s", f"{p95:.2f} s", met=p95 <= MEDIUM_SECONDS)
    below, seconds, peak = worst(xl, "slots_below"), worst(xl, "cpu_seconds"), report["xl"]["peak_mebibytes"]
    yield verdict("xl: slots below the bound, worst", "≤ 1", f"{below:g}", met=below <= 1)
    yield verdict("xl: CPU, worst", f"≤ {XL_SECONDS:g} s", f"{seconds:.2f} s", met=seconds <= XL_SECONDS)
    yield verdict("xl: memory", f"< {XL_MEBIBYTES:.0f} MiB", f"{peak:.0f} MiB", met=peak < XL_MEBIBYTES)
    yield from _judge_families(report)
    rows = [row for name in ("medium", "xl", "mixed", "odd") for row in report[name]["rows"]]
    worse = sum(row["after"]["free_slots"] < row["heuristic_slots"] for row in rows)
    yield verdict("plans worse than the heuristic", "0", f"{worse} of {len(rows)}", met=not worse)


def judge_waves(rows: Sequence[Report]) -> Iterator[Verdict]:
    """At most one more than the least there can be, or than the best of the packings."""
    beyond = max(row["waves"] - max(_targets(row)) for row in rows)
    least = max(row["waves"] - row["least_waves"] for row in rows)
    yield verdict(
        "waves beyond the lower bound or the best first-fit packing",
        "≤ 1",
        f"{beyond} ({least} beyond the bound)",
        met=beyond <= 1,
    )


def judge_fewest(rows: Sequence[Report]) -> Iterator[Verdict]:
    """Moves beyond the fewest that a bound allows; goals that a bound puts out of reach need not be reached."""
    able = [row for row in rows if row["reached"]]
    beyond = max((row["moves"] - row["fewest"] for row in able), default=0)
    told = f"{beyond} ({len(able)} of {len(rows)} goals reached)"
    yield verdict("fewest moves: beyond the optimum, worst", "≤ 1", told, met=beyond <= 1 and len(able) == len(rows))


def judge_rolling(report: Report) -> Iterator[Verdict]:
    """A plan made anew before every wave ends lower than one that is carried out as it was made."""
    for row in report["rows"]:
        share = row["anew"] / row["static"]
        what = f"final fragment rate, planned anew, {row['instance']}"
        asked = f"≤ {ROLLING:.0%} of {row['static']:.3f}"
        yield verdict(what, asked, f"{share:.0%} ({row['anew']:.3f})", met=share <= ROLLING)


def judge_gpus(report: Report) -> Iterator[Verdict]:
    """Expected fragmentation, whole nodes, steepest descent, and the trace's size."""
    rows, large, whole = report["gpus"]["rows"], report["large"]["rows"], report["whole"]["rows"]
    fifty = [row for row in rows if row["moves_allowed"] == 50]
    yield from _judge_fragments(fifty)
    more = min(row["after"]["whole_free_nodes"] - row["before"]["whole_free_nodes"] for row in whole)
    yield verdict("whole nodes at ≤ 50 moves, fewest", f"≥ +{WHOLE}", f"+{more:g}", met=more >= WHOLE)
    worse = sum(row["after"]["fragmented_gpus"] > row["descent"] + ROUNDING for row in (*rows, *large))
    count = len(rows) + len(large)
    yield verdict("plans worse than steepest descent", "0", f"{worse} of {count}", met=not worse)
    seconds = worst(large, "cpu_seconds")
    limit = GPU_SECONDS * OVERRUN
    yield verdict("1,213 nodes: CPU, worst", f"≤ {GPU_SECONDS:g} s (+10 %)", f"{seconds:.1f} s", met=seconds <= limit)


def _judge_fragments(rows: Sequence[Report]) -> Iterator[Verdict]:
    """A quarter less, where a plan can; elsewhere as little as can be."""
    left = max((_share(row) for row in rows if not _is_out_of_reach(row)), default=0.0)
    yield verdict("F at 50 moves, 300 nodes, worst", f"≤ {FRAGMENTED:.0%}", f"{left:.1%}", met=left <= FRAGMENTED)
    least = [row["after"]["fragmented_gpus"] / row["least"] - 1.0 for row in rows if _is_out_of_reach(row)]
    what = f"F where it is proven that no plan comes to {FRAGMENTED:.0%}: above the least"
    beyond = max(least, default=0.0)
    yield verdict(what, f"≤ {NEAREST:.1%}", f"{beyond:.2%} ({len(least)})", met=beyond <= NEAREST)


def _share(row: Report) -> float:
    return float(row["after"]["fragmented_gpus"] / row["before"]["fragmented_gpus"])


def _is_out_of_reach(row: Report) -> bool:
    """Whether it is proven that no plan comes to what is asked."""
    return row["least"] is not None and row["least"] > FRAGMENTED * row["before"]["fragmented_gpus"]


def worst(rows: Sequence[Report], key: str) -> float:
    """The largest."""
    return max(float(row[key]) for row in rows)


def verdict(what: str, asked: str, measured: str, *, met: bool) -> Verdict:
    """A row of the last table."""
    return {"what": what, "asked": asked, "measured": measured, "met": bool(met)}


def _judge_families(report: Report) -> Iterator[Verdict]:
    mixed, odd = report["mixed"]["rows"], [row for row in report["odd"]["rows"] if row["moves_allowed"] == 50]
    for what, rows, key, most in (
        ("memory binds, 20 shapes: slots below the bound", mixed, "slots_below", MIXED_BELOW),
        ("49 odd shapes, 50 moves: fragment rate above the bound", odd, "rate_below", RATE_BELOW),
    ):
        below, seconds = worst(rows, key), worst(rows, "cpu_seconds")
        shown = f"{below:g}" if key == "slots_below" else f"{below:.2%}"
        asked = f"≤ {most:g} in ≤ {FAMILY_SECONDS:g} s (+10 %)"
        met = below <= most and seconds <= FAMILY_SECONDS * OVERRUN
        yield verdict(f"{what}, worst of {len(rows)}", asked, f"{shown} in {seconds:.1f} s", met=met)


def _targets(row: Report) -> tuple[int, ...]:
    packed = row["first_fit_waves"]
    return (row["least_waves"],) if packed is None else (row["least_waves"], packed)
