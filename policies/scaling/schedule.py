"""Schedules: floors of replicas while a window of wall-clock time is open.

A daily window belongs to the day on which it starts and may cross midnight. Around a change of the clocks it never
opens later and never closes earlier than its owner wrote: of an hour that happens twice it opens in the first and
closes in the second; one that does not happen opens and closes as if the clocks had changed in the owner's favor.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter

from foresail.domain.workload import Schedule


def open_schedule(schedules: Iterable[Schedule], now: float) -> Schedule | None:
    """The open schedule with the highest floor, None when none is open."""
    return max(
        (schedule for schedule in schedules if is_open(schedule, now)),
        key=lambda schedule: schedule.min_replicas,
        default=None,
    )


def is_open(schedule: Schedule, now: float) -> bool:
    """Whether the window of a schedule is open at an instant (seconds since the epoch)."""
    # Windows open and close on whole minutes, so within a minute the answer is the same.
    return _is_open(schedule, int(now // 60) * 60)


@lru_cache(maxsize=4096)
def _is_open(schedule: Schedule, minute: int) -> bool:
    if is_daily(schedule):
        return _is_daily_window_open(schedule, minute)
    opened = _last_firing(schedule.start, schedule.time_zone, minute)
    closed = _last_firing(schedule.end, schedule.time_zone, minute)
    return opened is not None and (closed is None or opened > closed)


def is_daily(schedule: Schedule) -> bool:
    """Whether it is a daily window (HH:MM) rather than a pair of cron expressions."""
    return " " not in schedule.start.strip()


def _is_daily_window_open(schedule: Schedule, instant: int) -> bool:
    zone = ZoneInfo(schedule.time_zone)
    today = datetime.fromtimestamp(instant, zone).date()
    return any(
        day.weekday() in schedule.days and _opening(schedule, day, zone) <= instant < _closing(schedule, day, zone)
        for day in (today - timedelta(days=1), today)
    )


def _opening(schedule: Schedule, day: date, zone: ZoneInfo) -> float:
    return min(_instants(day, schedule.start, zone))


def _closing(schedule: Schedule, day: date, zone: ZoneInfo) -> float:
    """Its end on the same day, or on the next if that is not after its start: equal times mean a whole day."""
    crosses_midnight = _clock(schedule.end) <= _clock(schedule.start)
    return max(_instants(day + timedelta(days=crosses_midnight), schedule.end, zone))


def _instants(day: date, clock: str, zone: ZoneInfo) -> tuple[float, float]:
    """Both readings of a wall-clock time; they differ only around a change of the clocks."""
    wall = datetime.combine(day, _clock(clock), zone)
    return wall.timestamp(), wall.replace(fold=1).timestamp()


def _clock(text: str) -> time:
    return time.fromisoformat(text.strip())


def _last_firing(expression: str, time_zone: str, instant: int) -> float | None:
    """The last instant up to and including this one at which a cron expression fired, None if it never did."""
    # croniter looks strictly before, so it is asked a second later.
    at = datetime.fromtimestamp(instant + 1, ZoneInfo(time_zone))
    try:
        return float(croniter(expression, at).get_prev(datetime).astimezone(UTC).timestamp())
    except CroniterBadDateError:
        return None
