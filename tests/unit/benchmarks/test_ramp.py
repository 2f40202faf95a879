from __future__ import annotations

from dataclasses import replace

from benchmarks.ramp import FORESAIL, IN_FLIGHT, TRACE, play, stages, summarize
from benchmarks.tables import make_console, ramp_tables, verdict_table
from benchmarks.verdicts import judge_ramp
from foresail.simulator.server import load_rates


def test_the_ramp_is_met_with_fewer_violated_requests_than_by_the_hpas_rule_and_no_more_gpu_time() -> None:
    trace = load_rates(TRACE)
    stage = stages(trace)[0]
    assert stage.settings.duration_seconds == 600.0
    runs = play(trace, replace(stage.settings, seed=0))
    report = {"seeds": 1, "stages": {stage.name: {name: summarize([run]) for name, run in runs.items()}}}
    verdicts = judge_ramp(report)
    assert all(verdict["met"] for verdict in verdicts)
    assert runs[FORESAIL].outcome.violated * 5 < runs[IN_FLIGHT].outcome.violated

    console = make_console()
    with console.capture() as captured:
        for table in (*ramp_tables(report), verdict_table("verdicts", verdicts)):
            console.print(table)
    assert FORESAIL in captured.get()


def test_the_hour_ends_with_the_trace() -> None:
    trace = load_rates(TRACE)
    hour = stages(trace)[-1].settings
    assert hour.duration_seconds == 3600.0
    assert hour.play_from_seconds + hour.duration_seconds * hour.speed == trace.duration_seconds
