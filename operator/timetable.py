"""Reading schedules: daily windows and cron expressions, in zones that exist, that fire within fifty years."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter

from foresail.domain.workload import Schedule
from foresail.operator.fields import Fields

DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
EVERY_DAY: Final = frozenset(range(7))
TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
CRON = re.compile(r"[0-9*][0-9*,/-]*( +[0-9A-Za-z*][0-9A-Za-z*,/-]*){4}")
LOOKED_AT_FROM = datetime(2024, 1, 1, tzinfo=UTC)  # any fixed instant: whether an expression fires is not its matter


def is_time_of_day(text: str) -> bool:
    """Whether it is "HH:MM"."""
    return TIME_OF_DAY.fullmatch(text) is not None


def read_schedule(fields: Fields) -> Schedule:
    """One item of `spec.schedules`."""
    start, end = _read_edge(fields, "start"), _read_edge(fields, "end")
    if is_time_of_day(start) != is_time_of_day(end):
        fields.refuse("end", "is of another form than start", value=end, remedy='write both as "HH:MM" or both as cron')
    if start == end and not is_time_of_day(start):  # equal times of day mean a whole day
        fields.refuse("end", "fires when start does: the window never opens", value=end, remedy="change one of them")
    if fields.has("days") and not is_time_of_day(start):
        fields.refuse("days", "is given beside cron", value=fields.items("days"), remedy="name the days in the cron")
    return Schedule(
        name=fields.text("name", pattern=r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", example="morning"),
        start=start,
        end=end,
        time_zone=_read_zone(fields),
        min_replicas=fields.integer("minReplicas"),
        days=_read_days(fields),
    )


def _read_edge(fields: Fields, name: str) -> str:
    text = fields.text(name)
    if is_time_of_day(text):
        return text
    if CRON.fullmatch(text) is None:
        fields.refuse(
            name,
            'is neither "HH:MM" nor five cron fields',
            value=text,
            remedy='write it as "07:30" or "30 7 * * 1-5"',
        )
    try:
        croniter(text, LOOKED_AT_FROM).get_next(datetime)
    except ValueError as error:  # every CroniterError is one
        reason = "never fires" if "find next date" in str(error) else f"is no cron expression ({error})"
        fields.refuse(name, reason, value=text, remedy="correct its fields: minute hour day month weekday")
    return text


def _read_zone(fields: Fields) -> str:
    zone = fields.text("timeZone", "UTC")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of the database is an OSError
        fields.refuse("timeZone", "is no zone of the IANA database", value=zone, remedy="write it as Europe/Berlin")
    return zone


def _read_days(fields: Fields) -> frozenset[int]:
    if not fields.has("days"):
        return EVERY_DAY
    days = fields.items("days")
    unknown = [day for day in days if day not in DAYS]
    if unknown or not days:
        fields.refuse("days", "must be days of the week", value=days, remedy=f"choose from {', '.join(DAYS)}")
    return frozenset(DAYS.index(day) for day in days)
