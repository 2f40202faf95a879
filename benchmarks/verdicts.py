"""What was asked of the figures, and whether they keep it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.ramp import FORESAIL, IN_FLIGHT

Verdict = dict[str, Any]
GPU_FACTOR = 1.15
SLACK = 0.01
CYCLE_CPU_SECONDS = 1.0
QUERIES = 15
RESIDENT_MEBIBYTES = 200 * 1000**2 / 2**20  # 200 MB
HELP_SECONDS = 0.5


def judge_ramp(report: Mapping[str, Any]) -> list[Verdict]:
    """Fewer violated requests than the HPA's rule, at hardly more GPU time, by replicas that are ready before."""
    verdicts = []
    for stage, policies in report["stages"].items():
        own, rival = policies[FORESAIL], policies[IN_FLIGHT]
        share = own["gpu_seconds"] / rival["gpu_seconds"]
        lead = own["first_lead_seconds"]
        measured = f"{own['violated']:,.0f} at {share:.2f} of the GPU time"
        asked = f"< {rival['violated']:,.0f} at ≤ {GPU_FACTOR} of it"
        met = own["violated"] < rival["violated"] and share <= GPU_FACTOR
        verdicts.append(_verdict(f"violated, {stage}", asked, measured, met=met))
        told = "never" if lead is None else f"{lead:+.0f} s"
        verdicts.append(
            _verdict(f"ready before it is needed, {stage}", "≥ 0 s", told, met=lead is not None and lead >= 0)
        )
    return verdicts


def judge_attainment(report: Mapping[str, Any]) -> list[Verdict]:
    """The attainment that was set is delivered, a point less at worst."""
    return [
        _verdict(
            f"{name}, {stage}",
            f"≥ {row['attainment_set'] - SLACK:.1%}",
            f"{row['attainment']:.1%}",
            met=row["attainment"] >= row["attainment_set"] - SLACK,
        )
        for stage, policies in report["stages"].items()
        for name, row in policies.items()
        if row["attainment_set"] is not None
    ]


def judge_fleet(report: Mapping[str, Any]) -> list[Verdict]:
    """What a cycle may cost."""
    quiet = report["quiet_cycles"]
    cpu, queries, help_seconds = quiet["cpu_seconds_p99"], quiet["queries_most"], report["help_seconds"]["median"]
    writes, resident = report["writes_where_nothing_changed"], report["operator_peak_mebibytes"]
    return [
        _verdict("CPU of a cycle, p99", f"≤ {CYCLE_CPU_SECONDS:g} s", f"{cpu:.2f} s", met=cpu <= CYCLE_CPU_SECONDS),
        _verdict("PromQL queries of a cycle, most", f"≤ {QUERIES}", str(queries), met=queries <= QUERIES),
        _verdict("writes where nothing changed", "0", str(writes), met=writes == 0),
        _verdict(
            "operator's resident memory, peak",
            f"≤ {RESIDENT_MEBIBYTES:.0f} MiB",
            f"{resident:.0f} MiB",
            met=resident <= RESIDENT_MEBIBYTES,
        ),
        _verdict("torch imported", "no", "yes" if report["torch_mapped"] else "no", met=not report["torch_mapped"]),
        _verdict(
            "foresail --help, median", f"< {HELP_SECONDS:g} s", f"{help_seconds:.2f} s", met=help_seconds < HELP_SECONDS
        ),
    ]


def _verdict(what: str, asked: str, measured: str, *, met: bool) -> Verdict:
    return {"what": what, "asked": asked, "measured": measured, "met": met}
