"""Which zone an account has, by the offsets in which it shows times, and when its days begin."""

from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_pipeline.errors import ConfigurationError
from wootric_pipeline.insight.zones import (
    COMMON,
    AccountZone,
    Offset,
    account_zone,
    changes_clocks,
    fitting,
    given_zone,
    local_day,
    midnight,
)
from wootric_pipeline.records import parse_offset

FIRST, LAST = date(2025, 1, 1), date(2026, 6, 1)
JANUARY, JULY = datetime(2026, 1, 1, 8, tzinfo=timezone.utc), datetime(2026, 7, 1, 7, tzinfo=timezone.utc)


def hours(zone: str, day: date) -> float:
    return (midnight(day + timedelta(days=1), zone) - midnight(day, zone)).total_seconds() / 3_600


@pytest.mark.parametrize(
    ("zone", "day", "length"),
    [
        ("America/Los_Angeles", date(2026, 3, 8), 23),
        ("America/Los_Angeles", date(2026, 11, 1), 25),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("Asia/Beirut", date(2026, 3, 29), 23),  # at midnight
        ("America/Havana", date(2026, 11, 1), 25),  # to midnight
        ("Pacific/Apia", date(2011, 12, 30), 0),  # left out
        ("Asia/Kolkata", date(2026, 3, 8), 24),
    ],
)
def test_days_are_as_long_as_clocks_make_them(zone: str, day: date, length: float) -> None:
    assert hours(zone, day) == length


@given(st.sampled_from(COMMON), st.dates(date(2012, 1, 1), date(2030, 1, 1)))
def test_a_day_begins_with_its_first_moment(zone: str, day: date) -> None:
    begin = midnight(day, zone)
    assert local_day(begin, zone) == day
    assert local_day(begin - timedelta(seconds=1), zone) == day - timedelta(days=1)


def test_clocks_that_change_tell_the_zone() -> None:
    offsets = [Offset(JANUARY, -28_800), Offset(JULY, -25_200)]
    assert account_zone(offsets, FIRST, LAST) == AccountZone("America/Los_Angeles", "offsets")
    assert {"America/Los_Angeles", "America/Vancouver", "US/Pacific"} < set(fitting(offsets))
    assert "America/Phoenix" not in fitting(offsets)


@pytest.mark.parametrize(
    ("offsets", "zone"),
    [
        ([Offset(JANUARY, 19_800), Offset(JULY, 19_800)], "Asia/Kolkata"),
        ([Offset(JANUARY, 0), Offset(JULY, 0)], "UTC"),
        ([Offset(JANUARY, -28_800)], "America/Los_Angeles"),
        # Athens and Beirut change clocks on other days.
        ([Offset(JANUARY, 7_200), Offset(JULY, 10_800)], "Europe/Athens"),
    ],
)
def test_what_is_left_open_is_assumed(offsets: list[Offset], zone: str) -> None:
    assert account_zone(offsets, FIRST, LAST) == AccountZone(zone, "assumed")


def test_no_offsets_and_offsets_of_no_zone_tell_nothing() -> None:
    assert account_zone([], FIRST, LAST) is None
    assert account_zone([Offset(JANUARY, 1_234)], FIRST, LAST) is None


@pytest.mark.slow
@given(st.sampled_from(sorted(available_timezones() - {"Factory", "localtime"})))
def test_a_zone_fits_what_its_clocks_show(name: str) -> None:
    shown = [moment.astimezone(ZoneInfo(name)) for moment in (JANUARY, JULY)]
    offsets = [Offset(each, int((each.utcoffset() or timedelta()).total_seconds())) for each in shown]
    assert name in fitting(offsets)
    assert (account_zone(offsets, FIRST, LAST) or AccountZone("", "assumed")).name


def test_clock_changes_lie_in_months() -> None:
    assert changes_clocks(date(2026, 3, 1), date(2026, 4, 1), "America/Los_Angeles")
    assert not changes_clocks(date(2026, 4, 1), date(2026, 5, 1), "America/Los_Angeles")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2018-01-02 23:03:41 -0800", -28_800),
        ("2015-02-12T06:29:27.000-08:00", -28_800),
        ("2015-04-20 04:46:51+05:30", 19_800),
        ("2015-04-20T04:46:51Z", 0),
        ("2014-12-01 18:36:59", None),
        ("2014-12-01", None),
        ("no time at all at any rate", None),
    ],
)
def test_offsets_are_read_from_the_forms_of_times(text: str, seconds: int | None) -> None:
    offset = parse_offset(text)
    assert (None if offset is None else offset.total_seconds()) == seconds


def test_a_zone_is_taken_as_it_is_named() -> None:
    assert given_zone(" Europe/Paris ") == "Europe/Paris"


@pytest.mark.parametrize("name", ["Mars/Olympus", "America", "../etc", "/etc/localtime", "PST "[:2]])
def test_what_is_no_zone_is_told(name: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        given_zone(name)
    assert str(raised.value) == f"time_zone must be a name such as America/Los_Angeles; there is no zone {name}."
