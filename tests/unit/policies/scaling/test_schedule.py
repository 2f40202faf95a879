from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from foresail.domain.workload import Schedule
from foresail.policies.scaling.schedule import is_open, open_schedule

BERLIN = "Europe/Berlin"


def make_schedule(start: str, end: str, *, zone: str = BERLIN, floor: int = 4, days: str = "0123456") -> Schedule:
    return Schedule("morning", start, end, zone, floor, frozenset(map(int, days)))


def at(text: str, *, fold: int = 0) -> float:
    """An instant from wall-clock time in Berlin."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(BERLIN), fold=fold).timestamp()


@pytest.mark.parametrize(
    ("clock", "is_in"),
    [("07:29:59", False), ("07:30:00", True), ("12:00:00", True), ("18:59:59", True), ("19:00:00", False)],
)
def test_a_daily_window_holds_its_start_and_not_its_end(clock: str, is_in: bool) -> None:
    assert is_open(make_schedule("07:30", "19:00"), at(f"2026-11-23T{clock}")) is is_in


@pytest.mark.parametrize(
    ("instant", "is_in"),
    [
        ("2026-11-27T21:59", False),  # Friday evening
        ("2026-11-27T22:00", True),
        ("2026-11-28T05:59", True),  # Saturday morning belongs to Friday
        ("2026-11-28T06:00", False),
        ("2026-11-28T22:30", False),  # Saturday is not among the days
        ("2026-11-23T03:00", False),  # Monday morning would belong to Sunday
    ],
)
def test_a_window_across_midnight_belongs_to_the_day_on_which_it_starts(instant: str, is_in: bool) -> None:
    assert is_open(make_schedule("22:00", "06:00", days="01234"), at(instant)) is is_in


def test_a_window_until_midnight_ends_there() -> None:
    schedule = make_schedule("20:00", "00:00", days="0")
    assert is_open(schedule, at("2026-11-23T23:59"))
    assert not is_open(schedule, at("2026-11-24T00:00"))


def test_the_zone_decides_which_hour_it_is() -> None:
    noon_utc = datetime(2026, 11, 23, 12, tzinfo=ZoneInfo("UTC")).timestamp()
    assert is_open(make_schedule("20:30", "21:30", zone="Asia/Tokyo"), noon_utc)  # 21:00 there
    assert not is_open(make_schedule("11:30", "12:30", zone="Asia/Tokyo"), noon_utc)


def test_a_window_keeps_its_wall_clock_across_summer_time() -> None:
    schedule = make_schedule("07:30", "19:00")
    assert is_open(schedule, datetime(2026, 1, 5, 6, 30, tzinfo=ZoneInfo("UTC")).timestamp())
    assert is_open(schedule, datetime(2026, 7, 6, 5, 30, tzinfo=ZoneInfo("UTC")).timestamp())
    assert not is_open(schedule, datetime(2026, 1, 5, 5, 30, tzinfo=ZoneInfo("UTC")).timestamp())


def test_of_an_hour_that_happens_twice_it_opens_in_the_first_and_closes_in_the_second() -> None:
    schedule = make_schedule("02:15", "02:45")  # on 25 October 2026 the clocks go from 03:00 back to 02:00
    assert is_open(schedule, at("2026-10-25T02:15"))
    assert is_open(schedule, at("2026-10-25T02:50"))
    assert is_open(schedule, at("2026-10-25T02:44", fold=1))
    assert not is_open(schedule, at("2026-10-25T02:45", fold=1))


def test_an_hour_that_does_not_happen_opens_no_later_than_the_clocks_jump() -> None:
    schedule = make_schedule("02:30", "08:00")  # on 29 March 2026 they go from 02:00 to 03:00
    assert is_open(schedule, at("2026-03-29T03:00"))
    assert not is_open(schedule, at("2026-03-29T01:00"))


@pytest.mark.parametrize(
    ("instant", "is_in"),
    [
        ("2026-11-23T07:29", False),
        ("2026-11-23T07:30", True),
        ("2026-11-23T18:59", True),
        ("2026-11-23T19:00", False),
        ("2026-11-28T12:00", False),  # Saturday
    ],
)
def test_a_cron_window_is_open_from_one_firing_to_the_other(instant: str, is_in: bool) -> None:
    assert is_open(make_schedule("30 7 * * 1-5", "0 19 * * 1-5"), at(instant)) is is_in


def test_a_cron_window_may_last_for_days() -> None:
    schedule = make_schedule("0 0 * * 6", "0 0 * * 1")
    assert is_open(schedule, at("2026-11-28T00:00"))
    assert is_open(schedule, at("2026-11-29T23:59"))
    assert not is_open(schedule, at("2026-11-30T00:00"))


def test_the_highest_floor_of_the_open_ones_holds() -> None:
    schedules = [make_schedule("00:00", "23:00", floor=2), make_schedule("11:00", "14:00", floor=6)]
    closed = make_schedule("01:00", "02:00", floor=9)
    noon = at("2026-11-23T12:00")
    opened = open_schedule([*schedules, closed], noon)
    assert opened is not None
    assert opened.min_replicas == 6
    assert open_schedule([closed], noon) is None
