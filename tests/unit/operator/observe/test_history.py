from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from foresail.domain.snapshot import Demand, Unknown
from foresail.domain.timeseries import Window
from foresail.domain.workload import Engine, Role, TargetRef, Workload, WorkloadKey
from foresail.operator.observe.answers import Matrix, Unavailable
from foresail.operator.observe.history import BITE_POINTS, MEND_SECONDS, Grid, GridShape, Span
from foresail.operator.observe.telemetry import Flow
from tests.builders import make_variant, make_workload

STEP = 15.0
KEY = WorkloadKey("prod", "chat")
FLEET = {KEY: make_workload()}
SEEN = Demand(9.0, 9000.0, 900.0)
NOT_ASKED = Unknown("PrometheusTimeout", "late")


def make_answer(
    span: Span, rps: Callable[[int], float] = lambda _: 4.0, owner: str = "chat-h100", engine: str = "vLLM"
) -> Matrix:
    rows = [rps(row) for row in range(span.first, span.last + 1)]
    flow = Flow(1.0, 1000.0, 250.0, 0.0, 0.0)
    labels = tuple({"namespace": "prod", "owner": owner, "engine": engine, "flow": name} for name in Flow._fields)
    values = np.array([[share * value for value in rows] for share in flow])
    return Matrix(labels, span.first * STEP, STEP, values)


def make_grid(rows: int = 8, last: int = 100, fleet: dict[WorkloadKey, Workload] = FLEET) -> Grid:
    grid = Grid(GridShape(STEP, rows))
    grid.follow(fleet, last * STEP, row=last)
    return grid


def feed(grid: Grid, answer: Callable[[Span], Matrix | Unavailable] = make_answer) -> Span | None:
    span = grid.bite()
    if span is not None:
        grid.take(span, answer(span), FLEET)
    return span


def go_on(grid: Grid, row: int, demand: Demand | Unknown = SEEN) -> None:
    before = grid.last
    grid.follow(FLEET, row * STEP, row=row)
    grid.note({KEY: demand}, row * STEP, before=before)


def rps_of(window: Window | None) -> list[float | None]:
    assert window is not None
    return [
        value if seen else None
        for value, seen in zip(window.values[:, 0].tolist(), window.observed[:, 0].tolist(), strict=True)
    ]


def test_everything_is_fetched_once() -> None:
    grid = make_grid()
    assert grid.window(KEY) is None
    assert feed(grid) == Span(93, 100)
    assert grid.bite() is None
    window = grid.window(KEY)
    assert window is not None
    assert (window.end, len(window)) == (1500.0, 8)
    np.testing.assert_allclose(window.values[0], [4.0, 4000.0, 1000.0])


def test_a_large_fleet_is_fetched_in_bites_newest_first() -> None:
    grid = make_grid(rows=100_000, last=200_000)
    assert grid.bite(size=2) == Span(200_001 - 11_000, 200_000)  # as much as Prometheus gives
    many = {WorkloadKey("prod", f"chat-{i}"): make_workload(f"chat-{i}") for i in range(400)}
    grid = make_grid(rows=1000, last=2000, fleet=many)
    rows = BITE_POINTS // (400 * 5)
    first, second = feed(grid), feed(grid)
    assert first == Span(2001 - rows, 2000)
    assert second is not None
    assert second.last == 2000 - rows


def test_an_answer_that_is_too_much_is_asked_for_in_smaller_bites() -> None:
    grid = make_grid(rows=20_000, last=40_000)
    for reason in ("AnswerTooLarge", "PrometheusTimeout"):
        span = feed(grid, lambda _, reason=reason: Unavailable(reason, "too much"))  # type: ignore[misc]
    assert span == Span(40_001 - BITE_POINTS // 5 // 2, 40_000)
    assert grid.bite() == Span(40_001 - BITE_POINTS // 5 // 4, 40_000)
    feed(grid)
    again = grid.bite()
    assert again is not None
    assert again.last - again.first + 1 == BITE_POINTS // 5 // 2  # growing again with every success


def test_what_was_not_answered_stays_to_be_fetched() -> None:
    grid = make_grid()
    feed(grid, lambda _: Unavailable("PrometheusUnreachable", "down"))
    assert grid.bite() == Span(93, 100)


def test_the_past_goes_on_with_what_is_observed() -> None:
    grid = make_grid()
    feed(grid)
    for row in (101, 102):
        go_on(grid, row)
    assert rps_of(grid.window(KEY)) == [4.0] * 6 + [9.0] * 2
    assert grid.bite() is None


def test_what_is_observed_is_not_overwritten_by_what_is_fetched_later() -> None:
    grid = make_grid()
    grid.note({KEY: SEEN}, 1500.0, before=None)
    feed(grid)
    assert rps_of(grid.window(KEY)) == [4.0] * 7 + [9.0]


def test_one_row_that_a_late_cycle_jumped_over_is_what_was_observed_then() -> None:
    grid = make_grid()
    feed(grid)
    go_on(grid, 102)
    assert rps_of(grid.window(KEY)) == [4.0] * 6 + [9.0] * 2


def test_an_outage_of_ours_is_a_hole_and_fetched_later() -> None:
    grid = make_grid(rows=12)
    feed(grid)
    go_on(grid, 101)
    go_on(grid, 105)  # three cycles did not happen
    assert rps_of(grid.window(KEY))[-5:] == [9.0, None, None, None, 9.0]
    later = 106 + int(MEND_SECONDS / STEP)
    for row in range(106, later):
        go_on(grid, row)
    assert feed(grid) == Span(102, 104)
    assert None not in rps_of(grid.window(KEY))


def test_a_cycle_without_an_answer_is_a_hole_and_fetched_later() -> None:
    grid = make_grid(rows=12)
    feed(grid)
    go_on(grid, 101, NOT_ASKED)
    assert rps_of(grid.window(KEY))[-1] is None
    go_on(grid, 102)
    assert feed(grid) == Span(101, 101)


def test_a_pod_that_could_not_be_measured_leaves_a_hole_for_good() -> None:
    grid = make_grid()
    feed(grid)
    go_on(grid, 101, Unknown("StaleSeries", "old"))
    go_on(grid, 102)
    assert grid.bite() is None
    assert rps_of(grid.window(KEY))[-2:] == [None, 9.0]


def test_holes_in_prometheus_are_holes_in_the_window() -> None:
    grid = make_grid()
    feed(grid, lambda span: make_answer(span, lambda row: float("nan") if row in (93, 94, 97) else 4.0))
    assert rps_of(grid.window(KEY)) == [4.0, 4.0, None, 4.0, 4.0, 4.0]  # from the first that was observed


def test_coarse_rows_are_fetched_as_they_pass() -> None:
    grid = make_grid()
    feed(grid)
    grid.extend(102)
    grid.follow(FLEET, 102 * STEP, row=102)
    assert feed(grid, lambda span: make_answer(span, lambda _: 7.0)) == Span(101, 102)
    assert rps_of(grid.window(KEY)) == [4.0] * 6 + [7.0] * 2


def test_a_new_workload_has_its_past_fetched_and_an_old_one_is_dropped() -> None:
    grid = make_grid()
    feed(grid)
    other = make_workload("other", variants=(make_variant(target=TargetRef("apps/v1", "Deployment", "other")),))
    fleet = {other.key: other}
    grid.follow(fleet, 5000.0, row=333)
    span = grid.bite()
    assert span == Span(326, 333)
    grid.take(span, make_answer(span, owner="other"), fleet)
    assert rps_of(grid.window(other.key)) == [4.0] * 8
    assert grid.window(KEY) is None


def test_a_clock_that_was_set_back_starts_afresh() -> None:
    grid = make_grid()
    feed(grid)
    grid.follow(FLEET, 50 * STEP, row=50)
    assert grid.window(KEY) is None
    assert grid.bite() == Span(43, 50)


def test_a_window_that_was_given_away_never_changes() -> None:
    grid = make_grid()
    feed(grid)
    window = grid.window(KEY)
    assert grid.window(KEY) is window  # the same as long as nothing is new
    go_on(grid, 101)
    grid.note({KEY: Demand(1.0, 1.0, 1.0)}, 101 * STEP, before=100)
    assert rps_of(window) == [4.0] * 8


def test_older_rows_come_in_beside_a_window_and_holes_of_it_are_mended_in_a_copy() -> None:
    grid = make_grid()
    grid.take(Span(97, 100), make_answer(Span(97, 100), lambda row: math.nan if row == 99 else 4.0), FLEET)
    first = grid.window(KEY)
    grid.take(Span(95, 96), make_answer(Span(95, 96)), FLEET)
    second = grid.window(KEY)
    assert first is not None
    assert second is not None
    assert np.shares_memory(first.values, second.values)
    for span in (Span(93, 94), Span(99, 99)):
        grid.take(span, make_answer(span), FLEET)
    assert rps_of(grid.window(KEY)) == [4.0] * 8
    assert rps_of(second) == [4.0, 4.0, 4.0, 4.0, None, 4.0]
    assert rps_of(first) == [4.0, 4.0, None, 4.0]


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ((Role.UNIFIED, Role.UNIFIED), (5.0, 5000.0, 1250.0)),  # both variants' flows are added
        ((Role.PREFILL, Role.DECODE), (4.0, 4000.0, 250.0)),  # requests and input of one, output of the other
    ],
)
def test_variants_are_joined_by_their_roles(roles: tuple[Role, Role], expected: tuple[float, float, float]) -> None:
    variants = tuple(make_variant(name, role=role) for name, role in zip(("h100", "a100"), roles, strict=True))
    fleet = {KEY: make_workload(variants=variants)}
    grid = make_grid(fleet=fleet)
    span = grid.bite()
    assert span is not None
    one, other = make_answer(span), make_answer(span, lambda _: 1.0, owner="chat-a100")
    both = Matrix((*one.labels, *other.labels), one.start, STEP, np.concatenate([one.values, other.values]))
    grid.take(span, both, fleet)
    window = grid.window(KEY)
    assert window is not None
    np.testing.assert_allclose(window.values[-1], expected)


def test_a_variant_without_series_ran_no_replica_then() -> None:
    fleet = {KEY: make_workload(variants=(make_variant("h100"), make_variant("a100")))}
    grid = make_grid(fleet=fleet)
    span = grid.bite()
    assert span is not None
    grid.take(span, make_answer(span), fleet)
    assert rps_of(grid.window(KEY)) == [4.0] * 8


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        (Engine.VLLM, [None, None, 4.0, 4.0]),
        (Engine.SGLANG, [3.0, 3.0, 3.0, 3.0]),
        (Engine.AUTO, [3.0, 3.0, 4.0, 4.0]),  # whichever was there, and vLLM where both were
    ],
)
def test_the_past_is_read_from_the_engine_that_is_named(engine: Engine, expected: list[float | None]) -> None:
    fleet = {KEY: make_workload(engine=engine)}
    grid = make_grid(rows=4, fleet=fleet)
    span = grid.bite()
    assert span is not None
    vllm = make_answer(span, lambda row: 4.0 if row > span.first + 1 else float("nan"))
    sglang = make_answer(span, lambda _: 3.0, engine="SGLang")
    both = Matrix(vllm.labels + sglang.labels, vllm.start, STEP, np.concatenate([vllm.values, sglang.values]))
    grid.take(span, both, fleet)
    found = rps_of(grid.window(KEY))
    assert [None] * (4 - len(found)) + found == expected
