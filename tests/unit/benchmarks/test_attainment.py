from __future__ import annotations

from benchmarks.attainment import ATTAINMENTS, RIVALS, measure_attainment
from benchmarks.tables import attainment_tables, make_console
from benchmarks.verdicts import judge_attainment


def test_all_get_the_same_requests_and_only_what_was_set_is_judged() -> None:
    report = measure_attainment(hours=0.02, say=lambda _: None)
    rows = {name: row for policies in report["stages"].values() for name, row in policies.items()}
    assert len({row["requests"] for row in rows.values()}) == 1
    assert set(rows) >= set(RIVALS)
    verdicts = judge_attainment(report)
    assert len(verdicts) == len(report["stages"]) * len(ATTAINMENTS) * 2

    console = make_console()
    with console.capture() as captured:
        for table in attainment_tables(report):
            console.print(table)
    assert all(name in captured.get() for name in rows)


def test_a_point_less_than_was_set_is_the_worst_that_passes() -> None:
    rows = {"just": {"attainment_set": 0.97, "attainment": 0.96}, "less": {"attainment_set": 0.97, "attainment": 0.959}}
    verdicts = judge_attainment({"stages": {"6 hours": rows}})
    assert [verdict["met"] for verdict in verdicts] == [True, False]
