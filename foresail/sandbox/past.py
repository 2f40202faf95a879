"""The past of the sandbox: two weeks of a real trace, as the engines' metrics would have recorded them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from foresail.sandbox.prometheus import backfill
from foresail.simulator.history import HistorySettings, write_history
from foresail.simulator.server import load_rates, play_from

NAMESPACE, WORKLOAD, MODEL = "demo", "chat", "meta-llama/Llama-3.1-8B"


@dataclass(frozen=True, slots=True)
class Past:
    """What was backfilled: its length and its spacing, on Prometheus' clock."""

    hours: float
    step_seconds: float


def make_past(trace_file: Path, binaries: Path, data: Path, *, speed: float) -> Past:
    """Write the trace before its played part as OpenMetrics and turn it into Prometheus' blocks.

    All of the trace is compressed alike: at speed 20 two weeks are 16 hours of Prometheus' time.
    """
    trace = load_rates(trace_file)
    start = play_from(trace_file, trace, None)
    past = trace.rows(0, int(start // trace.step_seconds))
    openmetrics = data.with_suffix(".om")
    with openmetrics.open("w") as out:
        write_history(past.faster(speed), HistorySettings(NAMESPACE, WORKLOAD, MODEL, end=time.time() - 5.0), out)
    backfill(binaries, openmetrics=openmetrics, data=data)
    openmetrics.unlink()
    return Past(start / speed / 3600.0, trace.step_seconds / speed)
