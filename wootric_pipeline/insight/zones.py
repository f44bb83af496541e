"""Which time zone an account has, and when its days begin.

Days are worked out here and not in SQL, whose translations of time zones differ between databases: a day is the range
of moments from one midnight to the next, which may be 23 or 25 hours later.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta, timezone
from functools import cache
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from ..errors import ConfigurationError
from ..settings import shown

DAY, _INSTANT = timedelta(days=1), timedelta(microseconds=1)
UTC = "UTC"
COMMON = (
    "America/Los_Angeles",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Toronto",
    "America/Halifax",
    "America/Mexico_City",
    "America/Bogota",
    "America/Sao_Paulo",
    "America/Argentina/Buenos_Aires",
    "Europe/London",
    "Europe/Paris",
    "Europe/Berlin",
    "Europe/Athens",
    "Europe/Moscow",
    "Africa/Johannesburg",
    "Asia/Jerusalem",
    "Asia/Dubai",
    "Asia/Kolkata",
    "Asia/Singapore",
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Australia/Sydney",
    "Australia/Adelaide",
    "Pacific/Auckland",
)
"""Of zones that cannot be told from each other, one of these is named."""
NOT_PLACES = ("Etc/", "posix/", "right/", "SystemV/", "US/", "Canada/", "Brazil/", "Mexico/", "Chile/")

ZoneKnownBy = Literal["setting", "offsets", "assumed"]
"""The setting `time_zone`; the offsets in which the API shows times; these, where they leave more than a zone open."""


class Offset(NamedTuple):
    """How the account showed a moment.

    Attributes:
        moment: UTC.
        seconds: How far its clock was ahead of UTC.
    """

    moment: datetime
    seconds: int


class AccountZone(NamedTuple):
    """The account's time zone.

    Attributes:
        name: As the IANA has it.
        known_by: See `ZoneKnownBy`.
    """

    name: str
    known_by: ZoneKnownBy


def given_zone(name: str) -> str:
    """The setting `time_zone`, without blanks around it.

    Raises:
        ConfigurationError: There is no such zone.
    """
    named = name.strip()
    try:
        zone(named)
    except (KeyError, ValueError, OSError):
        raise ConfigurationError(
            f"time_zone must be a name such as America/Los_Angeles; there is no zone {shown(named)}."
        ) from None
    return named


@cache
def zone(name: str) -> ZoneInfo:
    """A zone by its name; raises what `ZoneInfo` does where there is none."""
    return ZoneInfo(name)


def midnight(day: date, name: str) -> datetime:
    """The instant from which on clocks of a zone show a day or a later one, UTC.

    Where they are set back around midnight, that can come twice: within the same day, as in Havana, or one minute into
    it, so that the day before comes again, as in St. John's until 2011.
    """
    start = datetime.combine(day, time(), zone(name))
    # Where clocks leave midnight out, the first of these is when they are set on.
    instant, again = (start.replace(fold=fold).astimezone(timezone.utc) for fold in (0, 1))
    is_back = instant < again and local_day(again - _INSTANT, name) < day
    return again if is_back else instant


def local_day(moment: datetime, name: str) -> date:
    """The day in a zone."""
    return moment.astimezone(zone(name)).date()


def first_whole_day(moment: datetime, name: str) -> date:
    """The first day in a zone that begins at a moment or later."""
    day = local_day(moment, name)
    return day if midnight(day, name) >= moment else day + DAY


def account_zone(offsets: Sequence[Offset], first: date, last: date) -> AccountZone | None:
    """The zone in which the account shows its times; None if no zone fits, or nothing was shown.

    A zone counts as known where clocks were seen to change, and all zones that fit have the same days.

    Args:
        offsets: Moments of half a year or more.
        first: Of the days that matter.
        last: Of them.
    """
    fits = fitting(offsets)
    if not offsets or not fits:
        return None
    changes = len({each.seconds for each in offsets}) > 1
    days = [first + number * DAY for number in range((last - first).days + 2)]
    starts = [midnight(day, fits[0]) for day in days]
    is_one = changes and all(starts == [midnight(day, name) for day in days] for name in fits[1:])
    return AccountZone(fits[0], "offsets" if is_one else "assumed")


def fitting(offsets: Iterable[Offset]) -> list[str]:
    """The zones whose clocks showed all moments as the account did, those first that people know."""
    left = sorted(available_timezones(), key=_rank)
    for moment, seconds in offsets:
        left = [name for name in left if _offset_seconds(moment, name) == seconds]
    return left


def changes_clocks(first: date, last: date, name: str) -> bool:
    """Whether clocks are changed between the beginnings of two days."""
    return _offset_seconds(midnight(first, name), name) != _offset_seconds(midnight(last, name), name)


def _offset_seconds(moment: datetime, name: str) -> int:
    offset = moment.astimezone(zone(name)).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


def _rank(name: str) -> tuple[bool, int, bool, str]:
    place = COMMON.index(name) if name in COMMON else len(COMMON)
    return name != UTC, place, "/" not in name or name.startswith(NOT_PLACES), name
