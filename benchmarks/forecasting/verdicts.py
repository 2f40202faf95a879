"""What was asked of forecasts, and whether they keep it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf
from statistics import mean
from typing import Any

from benchmarks.forecasting import published
from benchmarks.forecasting.replicas import JOINT, PAST
from benchmarks.forecasting.shift import CORRECTED, NO_SHIFT, STATIC
from benchmarks.forecasting.traces import FLEET_HORIZONS, RIVALS, conversation_crps, fleet_crps
from benchmarks.forecasting.work import Row
from benchmarks.verdicts import Verdict

Limits = tuple[float, float]
SHIPPED = (("mixture", "ready", PAST), ("flow", "ready", PAST), ("served", "ready", JOINT), ("served", "peak", JOINT))


def judge_fisher(found: Mapping[str, Any], model: str, *, everywhere: bool) -> Iterator[Verdict]:
    """Fisher's protocol; means are only judged over all ten containers."""
    if everywhere:
        yield _at_most(f"{model}: mean CRPS, ten containers", found["crps"], published.CRPS, 4)
        least, honest = published.LEAST_HONEST_CRPS, found["crps"] > published.LEAST_HONEST_CRPS
        yield _verdict(f"{model}: … leaks nothing of the future", f"> {least:.3f}", f"{found['crps']:.4f}", met=honest)
        yield _at_most(f"{model}: … informative columns", found["informative_crps"], published.INFORMATIVE_CRPS, 4)
        yield _at_most(f"{model}: mean squared error", found["mse"], published.MSE, 4)
        yield _within(f"{model}: 95 % interval covers", found["coverage_95"], published.COVERAGE_95)
        yield _within(f"{model}: .99 quantile exceeded", found["violation_99"], published.VIOLATION_99)
        yield _at_most(f"{model}: … worst column", found["worst_violation_99"], published.WORST_VIOLATION_99, 3)
        yield _at_most(f"{model}: energy score over its shuffle", found["energy_ratio"], published.ENERGY_RATIO, 4)
    if len(found["crps_of_container"]) == len(published.COSTED):
        yield _at_most(f"{model}: mean CRPS, two hours ahead", found["two_hours_crps"], published.TWO_HOURS_CRPS, 4)
        yield _at_most(
            f"{model}: newsvendor's cost over HARMONY's", found["newsvendor_share"], published.NEWSVENDOR_SHARE, 3
        )
    yield _at_most(f"{model}: CPU seconds a container", found["train_cpu_seconds"], published.TRAIN_CPU_SECONDS, 1)
    yield _at_most(f"{model}: ms a forecast", found["predict_milliseconds"], published.PREDICT_MILLISECONDS, 2)


def judge_flow(found: Mapping[str, Any]) -> Iterator[Verdict]:
    """The flow alone, by container, the median of its seeds; and its size."""
    for number, over in found["crps_of_container"].items():
        limits = published.CONTAINER_CRPS[number]
        yield _at_most(f"flow: CRPS, container {number}, {over['seeds']} seeds", over["median"], limits, 4)
    size = (float(published.PARAMETERS),) * 2
    yield _at_most("flow: parameters", found["parameters"], size, 0)
    yield _at_most("flow: peak memory, MiB", found["peak_mebibytes"], (published.PEAK_MEBIBYTES,) * 2, 0)


def judge_traces(rows: Sequence[Row], model: str, fleets: Sequence[str]) -> Iterator[Verdict]:
    """The conversation against what is asked, each fleet against the best of the rivals in the same run."""
    for horizon, limits in published.CONVERSATION_CRPS.items():
        reached = conversation_crps(rows, model, horizon)
        if reached is not None:
            yield _at_most(f"{model}: conversation, {10 * horizon} s ahead", reached, limits, 4)
    for fleet in fleets:
        for horizon in FLEET_HORIZONS:
            rivals = [fleet_crps(rows, fleet, rival, horizon) for rival in RIVALS]
            best = [score for score in rivals if score is not None]
            reached = fleet_crps(rows, fleet, model, horizon)
            if reached is not None and len(best) == len(RIVALS):
                yield _at_most(f"{model}: {fleet}, {10 * horizon} min ahead", reached, (min(best),) * 2, 4)


def judge_replicas(rows: Sequence[Row]) -> Iterator[Verdict]:
    """No other way to put the same samples together is better both as a forecast of demand and of replicas."""
    for of, when, ships in SHIPPED:
        found = [row for row in rows if (row["of"], row["when"]) == (of, when)]
        own = _mean_scores(found, ships)
        others = {
            way: _mean_scores(found, way) for way in dict.fromkeys(row["dependence"] for row in found) if way != ships
        }
        if others:
            better = [way for way, scores in others.items() if scores[0] < own[0] and scores[1] < own[1]]
            told = "; ".join(
                f"{way} {crps / own[0]:.3f}, {energy / own[1]:.3f}" for way, (crps, energy) in others.items()
            )
            asked = f"none better than {ships} in CRPS and energy score"
            yield _verdict(f"replicas of {of}, {when}", asked, told, met=not better)


def _mean_scores(rows: Sequence[Row], way: str) -> tuple[float, float]:
    """CRPS of required replicas and energy score of demand, over independent ones, means over series and lead times."""
    own = [row for row in rows if row["dependence"] == way]
    crps, energy = ("crps_over_independent", "energy_over_independent")
    return (mean(row[crps] for row in own), mean(row[energy] for row in own)) if own else (inf, inf)


def judge_shift(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Iterator[Verdict]:
    """After a shift the promise is kept again in time, and correcting costs little whether anything shifts or not."""
    gate, goal = published.SHIFT_ROWS
    for kind in (name for name in found if name != NO_SHIFT):
        rows = found[kind][CORRECTED]["rows_until_kept"]
        asked = f"≤ {gate} rows (goal {goal})"
        told = "never" if rows is None else f"{rows} rows"
        yield _verdict(f"shift, {kind}: .99 kept again", asked, told, met=rows is not None and rows <= gate)
    for kind, figures in found.items():
        cost = figures[CORRECTED]["newsvendor"] / figures[STATIC]["newsvendor"]
        yield _at_most(f"shift, {kind}: cost over that without correction", cost, published.SHIFT_COST, 3)


def _at_most(what: str, measured: float, limits: Limits, digits: int) -> Verdict:
    gate, goal = limits
    asked = f"≤ {gate:,.{digits}f}" + (f" (goal {goal:,.{digits}f})" if goal != gate else "")
    return _verdict(what, asked, f"{measured:,.{digits}f}", met=measured <= gate)


def _within(what: str, measured: float, limits: tuple[Limits, Limits]) -> Verdict:
    gate, goal = limits
    asked = f"{gate[0]:.1%} to {gate[1]:.1%} (goal {goal[0]:.1%} to {goal[1]:.1%})"
    return _verdict(what, asked, f"{measured:.2%}", met=gate[0] <= measured <= gate[1])


def _verdict(what: str, asked: str, measured: str, *, met: bool) -> Verdict:
    return {"what": what, "asked": asked, "measured": measured, "met": met}
