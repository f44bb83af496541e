"""Each mart against what Python works out of the same rows: zones, ties, odd scores, and what is not loaded."""

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from math import copysign
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, available_timezones

import duckdb
import pytest
from dlt import Schema
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlglot import ErrorLevel, exp

from tests.marts import Row, expected_marts, in_order, interval
from wootric_pipeline.destinations.layout import Layout
from wootric_pipeline.errors import ConfigurationError
from wootric_pipeline.insight.build import Choices, InMemory, make
from wootric_pipeline.insight.counting import given_rule
from wootric_pipeline.insight.dates import account_days
from wootric_pipeline.insight.loaded import Loaded
from wootric_pipeline.insight.model import Model, model, models, parsed
from wootric_pipeline.insight.zones import AccountZone
from wootric_pipeline.sandbox import SECOND
from wootric_pipeline.tables import DELETED_AT, TABLES

TYPES = {"bigint": "BIGINT", "bool": "BOOLEAN", "text": "VARCHAR", "timestamp": "TIMESTAMPTZ", "double": "DOUBLE",
         "json": "JSON"}  # fmt: skip
ZONES = ("UTC", "America/Los_Angeles", "Asia/Kolkata", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia",
         "America/Havana", "America/Sao_Paulo")  # fmt: skip
NOON = datetime(2024, 3, 10, 12, tzinfo=timezone.utc)
"""On a day on which clocks of Los Angeles are set on."""
GIVEN = {1: "nps", 2: "csat", 3: "ces"}
Survey = tuple[str | None, int | None, str]
PLAN = "end_user__properties__plan"

seconds = st.one_of(
    st.integers(-90_000, 90_000), st.sampled_from([-43_200, -14_400, -25_200, 0]), st.integers(-40_000_000, 40_000_000)
)
people = st.sampled_from([None, 7, 8, 9])


def responses() -> st.SearchStrategy[list[Row]]:
    return st.lists(
        st.fixed_dictionaries(
            {
                "created_at": seconds.map(lambda second: (int(NOON.timestamp()) + second) * SECOND),
                "end_user_id": people,
                "survey_id": st.sampled_from([1, 1, 1, 2, 3, 4, None]),
                # Of surveys whose metric is not set none has a 0: then it would be known.
                "score": st.sampled_from([-1, 1, 2, 4, 5, 6, 7, 8, 9, 9, 10, 11, None]),
                "text": st.sampled_from([None, "", " ", "fine", "0"]),
                "completed": st.sampled_from([True, True, True, False, None]),
                "excluded_from_calculations": st.sampled_from([False, False, None, True]),
                "tags": st.lists(st.sampled_from(["a", "b", "A", "it's"]), max_size=3),
            }
        ),
        max_size=30,
    )


def declines() -> st.SearchStrategy[list[Row]]:
    made = {
        "created_at": seconds.map(lambda second: (int(NOON.timestamp()) + second) * SECOND),
        "end_user_id": people,
        "survey_id": st.sampled_from([1, 2, 4, None]),
    }
    return st.lists(st.fixed_dictionaries(made), max_size=8)


def surveys_of(rows: Mapping[str, Sequence[Row]]) -> dict[int | None, Survey]:
    """What is known of surveys, where the first three are set and none of the others has a 0."""
    found: dict[int | None, Survey] = {}
    for survey in (1, 2, 3, 4, None):
        asked = [row for row in rows["responses"] if row["survey_id"] == survey]
        scores = [row["score"] for row in asked if row["score"] is not None]
        best = max(scores, default=0)
        is_easy = len(scores) >= 10 and min(scores) > 0 and 6 <= best <= 7
        found[survey] = ("ces", 7, "range") if is_easy else (None, None, "undecided")
        if survey in GIVEN:
            found[survey] = (GIVEN[survey], {1: 10, 2: 5 if best < 6 else 10, 3: 7}[survey], "setting")
    return found


def numbered(rows: Sequence[Row]) -> list[Row]:
    return [{**row, "id": number} for number, row in enumerate(rows, start=100)]


class Made:
    """The models, made of rows by a DuckDB in memory.

    Args:
        rows: Of tables by name, with lists in the row.
        zone: The name of a time zone.
        given: The setting `surveys`.
        without: Columns that are not loaded, or tables, as `responses.text`.
        types: Other types of columns.
        workshop: What makes the models.
        counting: The setting.
        marked: Whether rows that are gone are marked.
    """

    def __init__(
        self,
        rows: Mapping[str, Sequence[Row]],
        zone: str = "UTC",
        given: Mapping[int, Any] = GIVEN,
        without: Sequence[str] = (),
        types: Mapping[str, str] | None = None,
        workshop: type[InMemory] = InMemory,
        counting: Sequence[str] = (),
        marked: bool = False,
    ) -> None:
        self._connection = duckdb.connect(config={"threads": 1})
        self._connection.execute("SET TimeZone = 'Asia/Tokyo'")
        schema = Schema("wootric")
        for name in rows.keys() - set(without):
            columns: dict[str, str] = {**TABLES[name].documented, **(types or {} if name == "responses" else {})}
            columns |= {DELETED_AT: "timestamp"} if marked else {}
            if name == "responses":
                columns |= {"tags": "json"}
            columns = {column: kind for column, kind in columns.items() if f"{name}.{column}" not in without}
            self._table(schema, name, columns, rows[name])
        place = workshop(self._connection, None, Layout())  # type: ignore[arg-type]  # it writes nothing back
        self.loaded = Loaded(schema, rows.keys() - set(without), place)
        self.surveys = make(
            place, self.loaded, Choices(AccountZone(zone, "setting"), given, given_rule(list(counting)))
        )

    def _table(self, schema: Schema, name: str, columns: Mapping[str, str], rows: Sequence[Row]) -> None:
        hints: Any = {column: {"name": column, "data_type": kind} for column, kind in columns.items()}
        schema.update_table({"name": name, "columns": hints})
        defined = ", ".join(f'"{column}" {TYPES[kind]}' for column, kind in columns.items())
        self._connection.execute(f"CREATE TABLE {name} ({defined})")
        values = [[_value(row.get(column), kind) for column, kind in columns.items()] for row in rows]
        if values:
            self._connection.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(columns))})", values[::-1])

    def rows(self, name: str) -> list[Row]:
        """Of a mart."""
        found = self._connection.execute(f"FROM memory.wootric_marts.{name}")
        head = [column[0] for column in found.description or ()]
        return [dict(zip(head, row, strict=True)) for row in found.fetchall()]


def _value(value: Any, kind: str) -> Any:
    if kind == "timestamp" and value is not None:
        return datetime.fromtimestamp(value // SECOND, timezone.utc)
    if isinstance(value, list):
        return "[" + ", ".join(f'"{each}"' for each in value) + "]"
    return value


def account(answers: Sequence[Row], declined: Sequence[Row] = (), users: Sequence[int] = ()) -> dict[str, list[Row]]:
    return {
        "responses": numbered(answers),
        "declines": numbered(declined),
        "end_users": [{"id": each, "created_at": 0, "updated_at": 0} for each in users],
    }


def check(made: Made, wanted: Mapping[str, Sequence[Row]]) -> None:
    for name, rows in wanted.items():
        assert in_order(made.rows(name)) == in_order(rows), name


@pytest.mark.slow
@settings(max_examples=60, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(
    responses(),
    declines(),
    st.lists(people.filter(bool), unique=True),
    st.sampled_from(ZONES),
    st.sampled_from([(), ("completed",), ("excluded",), ("excluded", "completed")]),
)
def test_marts_are_what_the_rows_say(
    answers: list[Row], declined: list[Row], users: list[int], zone: str, counting: tuple[str, ...]
) -> None:
    rows = account(answers, declined, users)
    wanted = expected_marts(rows, zone, surveys_of(rows), counting=counting)
    check(Made(rows, zone, counting=counting), wanted)


def test_days_may_be_those_of_utc() -> None:
    made = Made(account([one()]), "Asia/Tokyo", counting=["utc"])
    assert [row["local_date"] for row in made.rows("fct_responses")] == [NOON.date()]
    made = Made(account([one(created_at=(int(NOON.timestamp()) + 50_000) * SECOND)]), "Asia/Tokyo", counting=["utc"])
    assert [row["local_date"] for row in made.rows("fct_responses")] == [date(2024, 3, 11)]


def test_what_is_marked_as_gone_is_in_no_mart() -> None:
    rows = account([one(), {**one(0), DELETED_AT: 1, "tags": ["a"], PLAN: "free"}], [{**one(), DELETED_AT: 1}], [7])
    made = Made(rows, types={PLAN: "text"}, marked=True)
    left = {**account([one()], [], [7])}
    check(made, expected_marts(left, "UTC", surveys_of(left)))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(available_timezones())), st.integers(1_000_000, 4_000_000_000), st.integers(0, 90_000))
def test_each_instant_is_in_one_day_of_a_zone(zone: str, second: int, further: int) -> None:
    first, last = (datetime.fromtimestamp(each, timezone.utc) for each in (second, second + further))
    days = list(account_days(ZoneInfo(zone), first, last))
    assert all(day.utc_until == following.utc_from for day, following in itertools.pairwise(days))
    for instant in (first, last):
        (found,) = (day for day in days if day.utc_from <= instant < day.utc_until)
        assert found.local_date == instant.astimezone(ZoneInfo(zone)).date()
        for start, length in ((found.week, 7), (found.month, 31), (found.quarter, 92)):
            assert start <= found.local_date < start + timedelta(days=length)
        assert (found.week.weekday(), found.month.day, found.quarter.day, found.quarter.month % 3) == (0, 1, 1, 1)


def hours(zone: str, day: date) -> float:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=timezone.utc)
    (found,) = (each for each in account_days(ZoneInfo(zone), noon, noon) if each.local_date == day)
    return (found.utc_until - found.utc_from).total_seconds() / 3_600


@pytest.mark.parametrize(
    ("zone", "day", "long"),
    [
        ("America/Los_Angeles", date(2024, 3, 10), 23),
        ("America/Los_Angeles", date(2024, 11, 3), 25),
        ("Australia/Lord_Howe", date(2024, 4, 7), 24.5),
        ("Australia/Lord_Howe", date(2024, 10, 6), 23.5),
        # Its clocks are set on at midnight, and back to the midnight before.
        ("America/Sao_Paulo", date(2018, 11, 4), 23),
        ("America/Havana", date(2024, 11, 3), 25),
        # At one minute past midnight they were set back, and the day before came again.
        ("America/St_Johns", date(2010, 11, 6), 25),
        ("Asia/Kolkata", date(2024, 1, 1), 24),
    ],
)
def test_days_of_clock_changes_are_short_or_long(zone: str, day: date, long: float) -> None:
    assert hours(zone, day) == long


def test_a_day_that_clocks_leave_out_is_none() -> None:
    noon = datetime(2011, 12, 30, 12, tzinfo=timezone.utc)
    days = [day.local_date for day in account_days(ZoneInfo("Pacific/Apia"), noon, noon)]
    assert date(2011, 12, 30) not in days
    assert {date(2011, 12, 29), date(2011, 12, 31)} <= set(days)


def one(score: int | None = 9, **fields: Any) -> Row:
    made = {"created_at": int(NOON.timestamp()) * SECOND, "end_user_id": 7, "survey_id": 1, "completed": True}
    return {**made, "score": score, "excluded_from_calculations": False, **fields}


@pytest.mark.parametrize(
    "answers",
    [
        [],
        [one()],
        [one(excluded_from_calculations=True), one(0, excluded_from_calculations=True)],
        [one(completed=False), one(3, completed=False)],
        [one(completed=False), one(3)],
        [one(11), one(-1), one(None)],
        [one(10, survey_id=2)] * 3,
        # At the same second, by id.
        [one(1), one(10), one(5)],
        [one(end_user_id=None), one(end_user_id=None)],
        # Intervals that would reach beyond -100 and 100.
        [one(0)] * 3,
        [one(10)] * 3,
    ],
)
def test_small_accounts(answers: list[Row]) -> None:
    rows = account(answers, [one(survey_id=1)], [7])
    check(Made(rows), expected_marts(rows, "UTC", surveys_of(rows)))


def test_what_is_not_loaded_is_null_or_empty() -> None:
    rows = account([one(text="fine"), one(3, text="x")], [one()], [7])
    without = ["declines", "responses.text", "responses.completed", "responses.excluded_from_calculations"]
    made = Made(rows, without=[*without, "end_users"])
    assert made.loaded.missing == ["declines", "end_users", *without[1:]]
    poorer = {
        "responses": [
            {**row, "text": None, "completed": None, "excluded_from_calculations": None} for row in rows["responses"]
        ],
        "declines": [],
        "end_users": [],
    }
    check(made, expected_marts(poorer, "UTC", surveys_of(poorer)))
    assert [row["is_counted"] for row in made.rows("fct_responses")] == [True, True]
    with pytest.raises(ConfigurationError) as raised:
        Made(rows, without=without, counting=["completed"])
    assert str(raised.value) == 'counting = ["completed"] needs responses.completed, which is not loaded.'


def test_hashed_scores_are_no_scores() -> None:
    rows = account([one("0a1b")], [], [7])  # type: ignore[arg-type]
    made = Made(rows, types={"score": "text"}, given={})
    assert made.loaded.missing == ["responses.score"]
    assert [(row["score"], row["is_counted"]) for row in made.rows("fct_responses")] == [(None, False)]


@pytest.mark.parametrize(
    ("without", "sentence"),
    [
        ("responses", "Responses are not loaded yet, and all marts are made of them; load them first."),
        (
            "responses.created_at",
            "responses.created_at is not loaded, and the marts need the day of each response.",
        ),
    ],
)
def test_nothing_is_made_without_responses(without: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Made(account([one()]), without=[without])
    assert str(raised.value) == sentence


PROPERTIES = {
    PLAN: "text",
    "end_user__properties__seats": "double",
    "end_user__properties__seats__v_text": "text",
    "end_user__properties__is_trial": "bool",
    "end_user__properties__owner__name": "text",
}


def properties_of(made: Made) -> list[tuple[Any, ...]]:
    return sorted(tuple(row.values()) for row in made.rows("fct_response_properties"))


def test_properties_are_rows_whatever_their_type() -> None:
    answers = [
        {**one(), **dict(zip(PROPERTIES, ("free", 5.0, None, True, "it's"), strict=True))},
        {**one(), **dict(zip(PROPERTIES, (None, None, "many", False, ""), strict=True))},
    ]
    assert properties_of(Made(account(answers), types=PROPERTIES)) == [
        (100, "is_trial", "true", None),
        (100, "owner__name", "it's", None),
        (100, "plan", "free", None),
        (100, "seats", None, 5.0),
        (101, "is_trial", "false", None),
        (101, "owner__name", "", None),
        (101, "seats", "many", None),
    ]


def test_properties_of_one_json_column_are_rows() -> None:
    text = '{"Plan": "free", "seats": 5, "share": 0.5, "is trial": true, "none": null, "more": {"a": [1]}, "list": [1]}'
    answers = [one(end_user__properties=text), one(end_user__properties="{}"), one()]
    made = Made(account(answers), types={"end_user__properties": "json"})
    assert properties_of(made) == [
        (100, "Plan", "free", None),
        (100, "is trial", "true", None),
        (100, "list", "[1]", None),
        (100, "more", '{"a":[1]}', None),
        (100, "seats", None, 5.0),
        (100, "share", None, 0.5),
    ]


def test_dates_far_away_are_in_no_day() -> None:
    rows = account([one(), one(created_at=-(10**9) * SECOND), one(created_at=10**10 * SECOND)])
    made = Made(rows)
    days = {row["response_id"]: row["local_date"] for row in made.rows("fct_responses")}
    assert days == {100: NOON.date(), 101: None, 102: None}
    assert sum(row["responses"] for row in made.rows("mart_nps_daily")) == 1


def spread(counts: tuple[int, int, int], month: int) -> Iterator[Row]:
    created = int(datetime(2024, month, 5, tzinfo=timezone.utc).timestamp()) * SECOND
    for score, count in zip((9, 7, 0), counts, strict=True):
        yield from (one(score, created_at=created, end_user_id=None) for _ in range(count))


def test_worked_example() -> None:
    made = Made(account([*spread((30, 28, 12), 1), *spread((46, 24, 5), 2), *spread((9, 2, 1), 3)]))
    months = [row for row in made.rows("mart_nps_periods") if (row["period"], row["scope"]) == ("month", "all")]
    told = [
        tuple(None if row[name] is None else round(row[name], 2) for name in ("nps", "nps_low", "nps_high", "change_z"))
        for row in sorted(months, key=lambda row: row["period_start"])
    ]
    assert told == [(25.71, 7.88, 41.44, None), (54.67, 38.58, 66.54, 2.5), (66.67, 18.19, 88.48, 0.04)]
    assert [row["is_small"] for row in sorted(months, key=lambda row: row["period_start"])] == [False, False, True]


@pytest.mark.parametrize(("responses", "least"), [(10, 0.945), (30, 0.935), (100, 0.935)])
def test_intervals_hold_what_they_promise(responses: int, least: float) -> None:
    chance = random.Random(responses)
    for_them, against, tries = 0.485, 0.19, 4_000
    held = 0
    for _ in range(tries):
        draws = [chance.random() for _ in range(responses)]
        promoters = sum(draw < for_them for draw in draws)
        detractors = sum(draw > 1 - against for draw in draws)
        difference, error = interval(promoters, detractors, responses)
        held += abs(for_them - against - difference) <= 1.96 * error
    assert least <= held / tries <= 0.975


class Translated(InMemory):
    """DuckDB in the part of another database: its queries are that one's, translated back."""

    database: ClassVar[str]

    def make(self, layer: Sequence[Model], bound: Mapping[str, exp.Query], days: Sequence[Any]) -> None:
        back = {}
        for name, query in bound.items():
            # Raises where the database has no such thing.
            text = query.sql(self.database, unsupported_level=ErrorLevel.RAISE)
            # Redshift's, which DuckDB does not know.
            back[name] = parsed(text.replace("VARCHAR(MAX)", "VARCHAR"), self.database)
            assert back[name].find(exp.Command) is None
        super().make(layer, back, days)


@pytest.mark.parametrize("database", ["postgres", "redshift", "snowflake", "bigquery", "databricks"])
def test_queries_mean_the_same_in_other_dialects(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Translated, "database", database, raising=False)
    answers = [
        {**one(score, survey_id=survey, created_at=(int(NOON.timestamp()) + step * 90_000) * SECOND), **some}
        for step, score in enumerate([0, 3, 9, 10, None, 7, 11])
        for survey in (1, 2, None)
        # One out of range, where the metric is set.
        if score != 11 or survey == 1
        for some in ({}, {"completed": False}, {PLAN: "it's"})
    ]
    rows = account(answers, [one(), one(survey_id=4)], [7, 8])
    kinds = {PLAN: "text"}
    # Databases have a child table of tags.
    plain, other = (
        Made(rows, types=kinds, without=["responses.tags"], workshop=each) for each in (InMemory, Translated)
    )
    assert any(row["survey_id"] is None for row in plain.rows("mart_nps_daily"))
    for name in models():
        assert in_order(other.rows(name)) == in_order(plain.rows(name))


def test_no_figure_is_a_negative_zero() -> None:
    months = [(0, 40, 0), (0, 40, 0), (20, 0, 20), (20, 0, 20), (0, 0, 1)]
    made = Made(account([each for month, counts in enumerate(months, 1) for each in spread(counts, month)], [one()]))
    figures = [value for row in made.rows("mart_nps_periods") for value in row.values() if isinstance(value, float)]
    assert figures.count(0) >= 6 * len(("nps", "nps_change", "change_z"))
    assert [value for value in figures if value == 0 and copysign(1, value) < 0] == []


def test_queries_give_the_columns_that_they_say() -> None:
    made = Made(account([one()], [one()], [7]))
    for name, each in models().items():
        rows = made.rows(name)
        assert list(rows[0]) == list(each.columns) if rows else True
        assert set(each.grain) <= set(each.columns)
        keys = [tuple(row[column] for column in each.grain) for row in rows]
        assert len(keys) == len(set(keys))


def test_a_comment_that_says_too_little_is_told() -> None:
    with pytest.raises(ValueError, match="does not say grain and columns"):
        model("mart", "-- One row.\n-- grain: id\n--\n-- id: its id\nSELECT 1 AS id")
