"""The days of a time zone, as the instants between which they lie: `dim_dates`."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from .zones import DAY, midnight

FIRST_DATE, LAST_DATE = date(1970, 1, 1), date(2099, 12, 31)
"""What was imported with a date beyond belongs to no day: each year is 365 rows, also for one odd answer."""


class Day(NamedTuple):
    """A row of `dim_dates`; instants are UTC."""

    local_date: date
    utc_from: datetime
    utc_until: datetime
    week: date
    month: date
    quarter: date


def account_days(zone: ZoneInfo, first: datetime, last: datetime) -> Iterator[Day]:
    """The days of the years in which two instants lie, with the whole weeks at both ends, without a gap.

    A day that the clocks leave out, as Samoa's 30 December 2011, is none.

    Args:
        zone: Whose days.
        first: The first instant that lies in a day.
        last: The last one.
    """
    start, end = whole_years(_local(zone, first), _local(zone, last))
    begin = midnight(start, zone.key)
    while start <= end:
        following = midnight(start + DAY, zone.key)
        if begin < following:
            quarter = start.replace(month=start.month - (start.month - 1) % 3, day=1)
            week = start - start.weekday() * DAY
            yield Day(start, begin, following, week, start.replace(day=1), quarter)
        start, begin = start + DAY, following


def _local(zone: ZoneInfo, instant: datetime) -> date:
    # Near the years 1 and 9999 an instant has no local time.
    margin = instant.replace(tzinfo=None)
    if not datetime(1970, 1, 3) <= margin < datetime(2099, 12, 30):
        return min(max(margin.date(), FIRST_DATE), LAST_DATE)
    return instant.astimezone(zone).date()


def whole_years(first: date, last: date) -> tuple[date, date]:
    """The days from the Monday at or before a year begins to the Sunday at or after another ends."""
    start, end = date(first.year, 1, 1), date(last.year, 12, 31)
    return start - start.weekday() * DAY, end + (6 - end.weekday()) * DAY
