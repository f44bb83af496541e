"""What is noted of the clock by which an account shows its times."""

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from wootric_pipeline.insight.zones import Offset, account_zone
from wootric_pipeline.reading.offsets import OFFSETS_MAX, Offsets

LOS_ANGELES, UTC = ZoneInfo("America/Los_Angeles"), timezone.utc


def shown(moment: datetime) -> dict[str, str]:
    """A row as the API shows it."""
    return {"created_at": f"{moment:%Y-%m-%d %H:%M:%S %z}"}


def noted(moments: list[datetime], rows_a_page: int = 50) -> Offsets:
    offsets = Offsets()
    for begin in range(0, len(moments), rows_a_page):
        offsets.note([shown(moment) for moment in moments[begin : begin + rows_a_page]])
    return offsets


def days(count: int, zone: ZoneInfo) -> list[datetime]:
    begin = datetime(2024, 1, 1, 20, tzinfo=UTC)
    return [(begin + timedelta(days=number)).astimezone(zone) for number in range(count)]


@pytest.mark.parametrize("name", ["America/Los_Angeles", "Europe/Berlin", "Australia/Adelaide", "Asia/Tehran"])
def test_two_years_tell_a_zone_whose_clocks_are_changed(name: str) -> None:
    moments = days(730, ZoneInfo(name))
    pairs = [Offset(datetime.fromtimestamp(second, UTC), seconds) for second, seconds in noted(moments).noted]
    found = account_zone(pairs, moments[0].date(), moments[-1].date())
    assert found is not None
    wanted = {offset.astimezone(ZoneInfo(name)).utcoffset() for offset in moments}
    assert {offset.astimezone(ZoneInfo(found.name)).utcoffset() for offset in moments} == wanted
    assert found.known_by == ("assumed" if name == "Asia/Tehran" else "offsets")


def test_a_pair_is_noted_for_each_half_year_and_no_more_of_it_is_kept() -> None:
    moments = days(4_000, LOS_ANGELES)
    offsets = noted(moments)
    assert len(offsets.noted) == OFFSETS_MAX
    assert offsets.noted[0] == [int(moments[0].timestamp()), -8 * 3_600]
    assert {seconds for _, seconds in offsets.noted} == {-8 * 3_600, -7 * 3_600}


def test_what_was_noted_is_as_it_was_where_nothing_new_is_shown() -> None:
    moments = days(400, LOS_ANGELES)
    before = noted(moments).noted
    again = Offsets(before)
    again.note([shown(moment) for moment in moments])
    assert again.noted == before


@pytest.mark.parametrize(
    "element",
    [
        {"created_at": "2024-01-01 20:00:00"},
        {"created_at": "2024-99-01 20:00:00 -0800"},
        {"created_at": "soon"},
        {"created_at": 1_700_000_000},
        {"created_at": None},
        {},
        "a text",
        None,
    ],
    ids=str,
)
def test_a_time_without_its_zone_tells_nothing(element: object) -> None:
    offsets = Offsets()
    offsets.note([element])
    offsets.note([])
    assert offsets.noted == []
