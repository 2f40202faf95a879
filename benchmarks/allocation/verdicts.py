"""What was asked of plans of GPUs, and whether they keep it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf
from statistics import geometric_mean
from typing import Any

from benchmarks.allocation.fleets import FLEETS, GAP, WARM_SECONDS, Fleet
from benchmarks.allocation.profiles import ALLOWED
from benchmarks.allocation.solver import SIZES
from benchmarks.verdicts import Verdict

Report = Mapping[str, Any]
RIVAL_FACTOR = 25.0
IN_TIME, COST = 0.995, 1.15
WHOLE_REQUESTS = 0.005  # by which a replica may be busier than the weights have it, as requests are whole


def judge_exact(golden: Report, small: Report) -> Iterator[Verdict]:
    """Nothing is dearer than what is proven to be the best."""
    if golden["cases"]:
        right = [all(meaning["right"] for meaning in case.values()) for case in golden["cases"].values()]
        told = f"{sum(right)} of {len(right)}"
        yield _verdict("cases at the proven optimum, both meanings", "all", told, met=all(right))
    what = f"random small fleets dearer than the best of all plans, of {small['fleets']:,}"
    yield _verdict(what, "0", str(small["above"]), met=small["above"] == 0)
    yield _verdict("… cheaper, so wrong", "0", str(small["below"]), met=small["below"] == 0)


def judge_sizes(own: Mapping[str, Report], against: Mapping[str, Report]) -> Iterator[Verdict]:
    """Quick enough at every size, always with a proof, and much quicker than the paper's program."""
    for size in SIZES:
        found = own[size.name]
        p95, count, proven = found["p95_seconds"], len(found["instances"]), found["proven"]
        allowed = size.allowed_seconds
        yield _verdict(
            f"{size.name}: CPU to the proof, p95 of {count}",
            f"≤ {allowed:g} s, all proven",
            f"{p95:.3f} s, {proven} proven",
            met=p95 <= allowed and proven == count,
        )
    factors = [factor for found in against.values() for factor in found["factors_where_finished"]]
    factor = geometric_mean(factors) if factors else 0.0
    what = f"CPU of the paper's program on CBC over ours, where it finished ({len(factors)})"
    yield _verdict(what, f"≥ {RIVAL_FACTOR:g}", f"{factor:.0f}", met=factor >= RIVAL_FACTOR)
    dearer = sum(found["own_dearer"] for found in against.values())
    yield _verdict("… plans of ours that are dearer", "0", str(dearer), met=dearer == 0)


def judge_fleets(found: Mapping[str, Sequence[Report]]) -> Iterator[Verdict]:
    """A small gap, proven in time, cold and warm, within the caps."""
    for fleet in FLEETS:
        rows = found[fleet.name]
        yield from _judge_fleet(fleet, rows)
    within = all(row["within_caps"] for rows in found.values() for row in rows)
    yield _verdict("caps exceeded", "never", "never" if within else "yes", met=within)


def _judge_fleet(fleet: Fleet, rows: Sequence[Report]) -> Iterator[Verdict]:
    for title, key, allowed in (("", "", fleet.allowed_seconds), ("; load changed", "warm_", WARM_SECONDS)):
        gap = max(row[f"{key}gap"] for row in rows)
        seconds = max(row[f"{key}cpu_seconds"] for row in rows)
        yield _verdict(
            f"{fleet.name}{title}: gap and CPU, worst of {len(rows)}",
            f"≤ {GAP:.0%} in ≤ {allowed:g} s",
            f"{gap:.2%} in {seconds:.1f} s",
            met=gap <= GAP and seconds <= allowed,
        )


def judge_weights(rows: Sequence[Report]) -> Iterator[Verdict]:
    """No replica is busier than it was meant to be."""
    worst = max(rows, key=lambda row: float(row["busiest"] - row["target"]))
    over = worst["busiest"] - worst["target"]
    told = f"{worst['busiest']:.3f} at a target of {worst['target']:g}"
    asked = "≤ target, to whole requests"
    yield _verdict("utilization of the busiest replica under the weights", asked, told, met=over <= WHOLE_REQUESTS)


def judge_headroom(sizes: Sequence[Report]) -> Iterator[Verdict]:
    """With profiles that are wrong, requests are in time at little cost, by the cheapest way and target."""
    for size in sizes:
        best = cheapest_in_time(size["rows"])
        told, cost = "never in time", inf
        if best is not None:
            cost = best["cost"]
            told = f"{best['in_time']:.2%} at +{cost - 1:.1%} ({best['way']}, target {best['target']:g})"
        what = f"in time at TPOT 40 ms, profiles ±20 %, fleets of about {size['replicas']:.0f}"
        yield _verdict(what, f"≥ {IN_TIME:.1%} at ≤ +{COST - 1:.0%}", told, met=cost <= COST)


def cheapest_in_time(rows: Sequence[Report]) -> Report | None:
    """The row that costs least of those in which enough requests are in time."""
    enough = [row for row in rows if row["in_time"] >= IN_TIME]
    return min(enough, key=lambda row: float(row["cost"]), default=None)


def judge_profiles(summary: Report) -> Iterator[Verdict]:
    """Capacities predicted for deployments that nobody has measured, and after a few points."""
    mean = summary["all"]["mean"]
    for points, allowed in ((0, ALLOWED[0]), (len(mean) - 1, ALLOWED[1])):
        what = f"error of predicted capacities, mean, {points} points measured"
        yield _verdict(what, f"≤ {allowed:.0%}", f"{mean[points]:.1%}", met=mean[points] <= allowed)


def _verdict(what: str, asked: str, measured: str, *, met: bool) -> Verdict:
    return {"what": what, "asked": asked, "measured": measured, "met": bool(met)}
