"""Each ended day since the first with responses gets its row, whatever the budget, however often a run comes."""

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wootric_pipeline.errors import DatesIgnored, RequestRefused
from wootric_pipeline.reading.date_filter import DateFilter
from wootric_pipeline.reading.days import DAYS_AGAIN, EARLIEST, LONG_DAYS, Days, Place, last_ended_day

TODAY = date(2024, 3, 1)
DAY = timedelta(days=1)
RUNS_MAX = 4_000
BACK = range(12, 1, -1)
"""The months of 2023 from the last to February."""


class Calendar:
    """An account that counts responses by day.

    Args:
        days: Of each response.
        is_last_in: Whether the last day of a range belongs to it.
    """

    def __init__(self, days: Iterable[date], *, is_last_in: bool = True) -> None:
        self.counts = Counter(days)
        self.is_last_in = is_last_in
        self.asked: list[tuple[date, date]] = []
        self.breaks_after: int | None = None

    def ask(self, first: date, last: date) -> int:
        if self.breaks_after is not None and len(self.asked) >= self.breaks_after:
            raise ConnectionError
        self.asked.append((first, last))
        until = last + DAY if self.is_last_in else last
        return sum(count for day, count in self.counts.items() if first <= day < until)

    def ended(self, last: date) -> dict[date, int]:
        """What is to be known when a day has ended: all from the first with responses on, the others being nothing."""
        if not (past := [day for day, count in self.counts.items() if day <= last and count]):
            return {}
        return {day: self.counts[day] for day in days_between(min(past), last)}


def days_between(first: date, last: date) -> list[date]:
    return [first + number * DAY for number in range((last - first).days + 1)]


def run(calendar: Calendar, state: Mapping[str, Any], last: date, requests_max: int) -> tuple[dict[date, int], Place]:
    """What one run reads, and how far it has come."""
    days = Days(calendar.ask, bool, Place.of_state(state, EARLIEST), last, requests_max)
    rows = []
    with suppress(ConnectionError):
        for part in days.read():
            rows += part
    assert len(dict(rows)) == len(rows), "a day was handed on twice"
    return dict(rows), days.place


def run_to_the_end(calendar: Calendar, last: date, requests_max: int) -> tuple[dict[date, int], int]:
    """What runs on one day make of an account, and how many it takes."""
    table: dict[date, int] = {}
    state: dict[str, Any] = {}
    for runs in range(1, RUNS_MAX):
        rows, place = run(calendar, state, last, requests_max)
        table.update(rows)
        state = place.as_state()
        if place.is_whole:
            return table, runs
    raise AssertionError("it never ends")


some_days = st.lists(st.dates(date(2022, 11, 1), TODAY + 3 * DAY), max_size=12)
some_breaks = st.none() | st.integers(0, 120)
some_runs = st.lists(st.tuples(st.sampled_from((0, 1, 2, 40, 100)), st.integers(1, 40), some_breaks), max_size=12)
"""Days after the run before, the budget, and after how many requests the service is down."""


@settings(max_examples=150, deadline=None)
@given(some_days, st.booleans(), some_runs)
def test_all_ended_days_are_read_within_the_budget(
    days: list[date], is_last_in: bool, runs: list[tuple[int, int, int | None]]
) -> None:
    calendar = Calendar(days, is_last_in=is_last_in)
    table: dict[date, int] = {}
    state: dict[str, Any] = {}
    last = date(2024, 1, 1)
    for days_later, requests_max, calendar.breaks_after in runs:
        last = min(last + days_later * DAY, TODAY)
        calendar.asked.clear()
        settled = Place.of_state(state, EARLIEST).settled or last
        rows, place = run(calendar, state, last, requests_max)
        # The last days, and those that were missed since the last run, are not of the budget; months are asked first.
        missed = max((last - DAYS_AGAIN * DAY - settled).days + 1, 0)
        assert len(calendar.asked) <= requests_max + DAYS_AGAIN + missed + missed // LONG_DAYS + 1
        table.update(rows)
        # As JSON keeps it.
        state = place.as_state()
        if (first := place.first) is not None and place.since is not None:
            wanted = {day: calendar.counts[day] for day in days_between(place.since, last)}
            assert table == wanted if calendar.breaks_after is None else table.items() <= wanted.items(), first
    calendar.breaks_after = None
    table_then, _ = run_to_the_end(calendar, TODAY, 40)
    for _ in range(RUNS_MAX):
        rows, place = run(calendar, state, TODAY, 7)
        table.update(rows)
        state = place.as_state()
        if place.is_whole:
            break
    wanted = calendar.ended(TODAY)
    assert table_then == wanted
    assert table == wanted


@pytest.mark.parametrize("is_last_in", [True, False])
@pytest.mark.parametrize("requests_max", [1, 2, 5, 1_000])
def test_any_budget_comes_to_an_end(is_last_in: bool, requests_max: int) -> None:
    calendar = Calendar([date(2023, 10, 5), date(2023, 12, 31), TODAY - DAY], is_last_in=is_last_in)
    table, _ = run_to_the_end(calendar, TODAY, requests_max)
    assert table == calendar.ended(TODAY)


def test_a_month_without_responses_takes_one_request() -> None:
    calendar = Calendar([date(2023, 1, 31), TODAY])
    run_to_the_end(calendar, TODAY, 1_000)
    in_2023 = [(first, last) for first, last in calendar.asked if date(2023, 2, 1) <= first and last.year == 2023]
    assert in_2023 == [(date(2023, month, 1), (date(2023, month, 28) + 4 * DAY).replace(day=1) - DAY) for month in BACK]


def test_a_day_that_changes_is_read_again_until_it_is_final() -> None:
    calendar = Calendar([date(2023, 12, 1), TODAY])
    state: dict[str, Any] = {}
    table: dict[date, int] = {}
    changed = TODAY - 10 * DAY
    for number in range(DAYS_AGAIN + 3):
        calendar.counts[changed] += 1
        rows, place = run(calendar, state, TODAY + number * DAY, 1_000)
        table.update(rows)
        state = place.as_state()
        age = 10 + number
        if age <= DAYS_AGAIN:
            assert table[changed] == calendar.counts[changed]
        else:
            assert changed not in rows
    assert table[changed] == DAYS_AGAIN - 10 + 1


def test_a_run_on_the_same_day_asks_for_the_last_days_alone() -> None:
    calendar = Calendar([date(2023, 12, 1), TODAY])
    _, place = run(calendar, {}, TODAY, 1_000)
    calendar.asked.clear()
    _, again = run(calendar, place.as_state(), TODAY, 1_000)
    assert again == place
    assert calendar.asked == [(day, day) for day in days_between(TODAY - (DAYS_AGAIN - 1) * DAY, TODAY)]


def test_an_account_without_responses_keeps_nothing_and_begins_with_the_first() -> None:
    calendar = Calendar([])
    rows, place = run(calendar, {}, TODAY, 5)
    assert (rows, place.as_state(), len(calendar.asked)) == ({}, {}, 1)
    # Of a day that has not ended nothing is loaded, or kept: it may be gone by then.
    calendar.counts[TODAY + DAY] = 1
    rows, place = run(calendar, {}, TODAY, 1_000)
    assert (rows, place.as_state()) == ({}, {})
    assert run(calendar, {}, TODAY + DAY, 1_000)[0] == {TODAY + DAY: 1}


@pytest.mark.parametrize("is_last_in", [True, False])
@pytest.mark.parametrize("knows", [True, False])
def test_a_range_is_read_at_once(is_last_in: bool, knows: bool) -> None:
    calendar = Calendar([date(2023, 1, 20), date(2023, 3, 2), TODAY], is_last_in=is_last_in)
    state = run(calendar, {}, TODAY, 1_000)[1].as_state() if knows else {}
    days = Days(calendar.ask, bool, Place.of_state(state, EARLIEST), TODAY, 1)
    rows = dict(row for part in days.in_range(date(2023, 1, 25), date(2023, 3, 5)) for row in part)
    first = date(2023, 1, 25) if knows else date(2023, 3, 2)
    assert rows == {day: calendar.counts[day] for day in days_between(first, date(2023, 3, 4))}


@pytest.mark.parametrize(
    ("now", "last"),
    [
        (datetime(2024, 3, 1, 11, 59, 59, tzinfo=timezone.utc), date(2024, 2, 28)),
        (datetime(2024, 3, 1, 12, tzinfo=timezone.utc), date(2024, 2, 29)),
    ],
)
def test_a_day_has_ended_when_it_has_everywhere(now: datetime, last: date) -> None:
    assert last_ended_day(now.timestamp()) == last


class Dates:
    """An overview that takes days in some forms, and looks at them or not."""

    def __init__(self, *, bare: str, quoted: str) -> None:
        self._forms = {False: bare, True: quoted}
        self.asked: list[dict[str, Any]] = []

    def ask(self, params: Mapping[str, Any]) -> int:
        self.asked.append(dict(params))
        if not params:
            return 7
        form = self._forms[str(params["start"]).startswith("'")]
        if form == "refused":
            raise RequestRefused("refused")
        return 7 if form == "ignored" else 0

    def filter(self, *, is_quoted: bool = False) -> DateFilter:
        return DateFilter("/v1/figures", self.ask, ("start", "end"), bool, is_quoted=is_quoted)


@pytest.mark.parametrize(
    ("bare", "quoted", "is_quoted"),
    [("taken", "taken", False), ("taken", "refused", False), ("refused", "taken", True), ("ignored", "taken", True)],
)
@pytest.mark.parametrize("was_quoted", [True, False])
def test_days_are_asked_for_in_the_form_that_is_taken(
    bare: str, quoted: str, is_quoted: bool, was_quoted: bool
) -> None:
    dates = Dates(bare=bare, quoted=quoted).filter(is_quoted=was_quoted)
    dates.check(TODAY)
    assert dates.is_quoted == (was_quoted if (bare, quoted) == ("taken", "taken") else is_quoted)


def test_bare_days_are_asked_for_first() -> None:
    figures = Dates(bare="taken", quoted="taken")
    figures.filter().check(TODAY)
    assert figures.asked == [{"start": "2025-03-02", "end": "2025-03-03"}]


@pytest.mark.parametrize(("bare", "quoted"), [("ignored", "ignored"), ("ignored", "refused"), ("refused", "ignored")])
def test_days_that_are_not_looked_at_are_noticed(bare: str, quoted: str) -> None:
    with pytest.raises(DatesIgnored, match="answers /v1/figures for 2025-03-02, a day to come, as without dates"):
        Dates(bare=bare, quoted=quoted).filter().check(TODAY)


def test_days_that_are_refused_in_each_form_are_told() -> None:
    with pytest.raises(RequestRefused):
        Dates(bare="refused", quoted="refused").filter().check(TODAY)
