"""What people read while it runs and when it ends."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console, RenderableType

from foresail.sandbox.account import Account
from foresail.sandbox.screen import LEGEND, Scope, line_of, picture, show, table_of
from foresail.sandbox.summary import print_summary, summary_table
from foresail.sandbox.view import View, fetch, to_view
from tests.conftest import ROOT

SENTENCE = "demo/chat: 2 → 4 replicas. In 46 s demand is expected at 20 rps."
VIEW = View(
    name="demo/chat",
    decision_id="d1",
    time="2026-11-24T10:00:00Z",
    reason="ForecastDemand",
    message=SENTENCE,
    current=2,
    ready=1,
    desired=4,
    demand_rps=12.8,
    median_rps=20.2,
    q95_rps=33.5,
    required_now=2.4,
    required_q95=5.1,
    lead_time_seconds=46.2,
    usd_per_hour=18.76,
    attainment=0.991,
)
UNKNOWN = replace(VIEW, ready=None, demand_rps=None, median_rps=None, q95_rps=None, usd_per_hour=None, attainment=None)


def make_scope(*views: View) -> Scope:
    return Scope(lambda: list(views), lambda: "trace day 14", {"Prometheus": "http://127.0.0.1:9090"}, lambda: None)


def printed(what: RenderableType, *, width: int = 140) -> str:
    console = Console(width=width, record=True, quiet=False, file=None)
    with console.capture() as capture:
        console.print(what)
    return capture.get()


def test_the_screen_shows_demand_forecast_replicas_cost_and_sentence() -> None:
    text = printed(picture(make_scope(VIEW)))
    for shown in ("12.8", "20.2", "33.5", "46", "2/1/4", "99.1", "18.76", "rps", "USD/h", SENTENCE):
        assert shown in text
    assert "http://127.0.0.1:9090" in text
    assert "trace day 14" in text


def test_the_screen_shows_a_dash_for_what_is_unknown() -> None:
    [row] = [line for line in printed(picture(make_scope(UNKNOWN))).splitlines() if "2/-/4" in line]
    assert row.strip("│ ").split() == ["demo/chat", "-", "-", "-", "46", "2/-/4", "-", "-"]


@pytest.mark.parametrize("width", [80, 120])
def test_every_head_and_number_is_whole_on_terminals_of_usual_width(width: int) -> None:
    busy = replace(VIEW, demand_rps=1234.5, median_rps=1234.5, q95_rps=1234.5, current=120, ready=118, desired=125)
    text = printed(picture(make_scope(VIEW, replace(busy, name="demo/other", usd_per_hour=1234.56))), width=width)
    assert "…" not in text
    heads, units = (line.strip("│ ").split() for line in text.splitlines()[2:4])
    assert heads == ["now", "median", "95", "%", "lead", "replicas", "attained", "cost"]
    assert units == ["workload", "rps", "rps", "rps", "s", "cur/ready/want", "%", "USD/h"]
    for shown in ("cur/ready/want", "demo/chat", "demo/other", "1234.5", "120/118/125", "1234.56", LEGEND):
        assert shown in text
    assert max(len(line) for line in text.splitlines()) <= width


def test_the_picture_in_the_readme_is_of_this_screen() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = [line for line in readme.splitlines() if line.startswith(("╭", "│", "╰"))]
    assert {len(line) for line in shown} == {120}
    heads = printed(picture(make_scope(VIEW)), width=120).splitlines()[2:4]
    assert [line.split() for line in shown[1:3]] == [line.split() for line in heads]
    assert LEGEND in readme


def test_a_long_name_goes_on_in_the_next_line_and_loses_nothing() -> None:
    name = "production-europe/llama-3-70b-instruct-chat"
    text = printed(table_of([replace(VIEW, name=name)]), width=76)
    assert "".join(line.split()[0] for line in text.splitlines()[2:]) == name
    assert "…" not in text
    assert name in printed(table_of([replace(VIEW, name=name)]), width=116)


def test_the_sentence_is_shown_with_the_time_since_when_it_is_said_and_all_times_are_utc() -> None:
    text = printed(picture(make_scope(VIEW)))
    assert "since 10:00:00Z  ForecastDemand: demo/chat" in text
    assert re.match(r"\d\d:\d\d:\d\dZ  trace day 14", text)


def test_the_screen_waits_for_the_first_decision() -> None:
    assert "waiting for the first decision" in printed(picture(make_scope()))


def test_without_a_terminal_every_decision_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    later = replace(VIEW, decision_id="d2", message="later")
    reads = iter([[VIEW], [VIEW], [later]])
    scope = replace(make_scope(), read=lambda: next(reads, [later]))
    show(scope, seconds=3.0)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "demo/chat" in line] == [line_of(VIEW), line_of(later)]
    assert "\n" not in line_of(VIEW)
    assert line_of(VIEW) == (
        "2026-11-24T10:00:00Z demo/chat demand=12.8rps forecast=20.2rps q95=33.5rps "
        f"current/ready/desired=2/1/4 cost=18.76USD/h ForecastDemand: {SENTENCE}"
    )


def test_a_line_says_what_is_unknown() -> None:
    assert ("demand=unknown forecast=unknown q95=unknown current/ready/desired=2/unknown/4 cost=unknown ") in line_of(
        UNKNOWN
    )


def make_document(**observed: Any) -> dict[str, Any]:
    """An entry of `/api/v1/decisions` with two variants of which one could not be observed."""
    return {
        "namespace": "demo",
        "name": "chat",
        "lastDecision": {"id": "d1", "time": "t", "reason": "r", "message": "m"},
        "variants": [
            {"current": 2, "ready": 1, "desired": 3},
            {"current": None, "ready": None, "desired": 1},
        ],
        "outlook": dict.fromkeys(
            (
                "demand_now_rps",
                "demand_median_rps",
                "demand_q95_rps",
                "required_now",
                "required_q95",
                "lead_time_seconds",
                "usd_per_hour",
            )
        ),
        "observed": observed or None,
    }


def test_variants_are_added_up() -> None:
    view = to_view(make_document())
    assert (view.current, view.ready, view.desired) == (2, 1, 4)


def test_an_attainment_that_is_unknown_is_no_number() -> None:
    assert to_view(make_document(attainment=0.97)).attainment == 0.97
    assert to_view(make_document(attainment={"unknown": "Stale", "message": "…"})).attainment is None


def test_an_address_that_does_not_answer_gives_nothing() -> None:
    assert fetch("http://127.0.0.1:9/") is None


def make_summary() -> dict[str, Any]:
    policy = {
        "name": "live",
        "attainment": 0.9993,
        "violated": 1,
        "requests": 1500,
        "judged": 1461,
        "gpu_seconds": 756.0,
        "replica_changes": 3,
        "ttft_milliseconds": {"p95": 424.0},
    }
    names = ("live", "hpa-in-flight", "hpa-work-rate", "static-peak")
    return {
        "played_seconds": 132.0,
        "limits": {"ttft_seconds": 2.0, "tpot_seconds": 0.05},
        "policies": [{**policy, "name": name} for name in names],
    }


def test_the_summary_has_a_row_for_what_ran_and_for_each_rival() -> None:
    text = printed(summary_table(make_summary()))
    for title in ("Foresail (this run)", "HPA's rule on requests in flight", "HPA's rule on our work signal", "static"):
        assert title in text
    assert "2.2 minutes of the same demand on simulated replicas" in text
    assert "99.93 %" in text
    assert "0.21" in text  # 756 GPU-seconds


def test_attainment_in_the_summary_is_that_of_the_two_columns_beside_it() -> None:
    text = printed(summary_table(make_summary()))
    assert "attainment = 1 - violated / judged" in text
    for row in (line for line in text.splitlines() if "424 ms" in line):
        _, attainment, violated, judged, *_ = (cell.strip() for cell in row.strip("│").split("│"))
        share = 1 - int(violated) / int(judged.replace(",", ""))
        assert attainment == f"{100 * share:.2f} %"


def test_a_run_that_played_nothing_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(None)
    print_summary({"policies": [], "played_seconds": 0.0})
    assert capsys.readouterr().out.count("nothing was played yet") == 2


def test_an_account_counts_replica_changes_and_hours() -> None:
    counts = iter([2, 2, None, 4, 4])
    instants = iter([0.0, 0.0, 1800.0, 3600.0, 5400.0, 7200.0])
    account = Account(lambda: [replace(VIEW, current=next(counts))], clock=lambda: next(instants))
    for _ in range(5):
        account.read()
    tally = account.tallies["demo/chat"]
    # Two replicas for an hour, an unknown half hour, four for half an hour.
    assert tally.replica_seconds == 2 * 3600 + 4 * 1800
    assert tally.replica_changes == 0  # what happened while it was unknown is not known
    assert "120.0 minutes watched" in printed(account.table())


def test_an_account_notes_a_change() -> None:
    counts = iter([2, 4, 4, 3])
    account = Account(lambda: [replace(VIEW, current=next(counts))])
    for _ in range(4):
        account.read()
    assert account.tallies["demo/chat"].replica_changes == 2
