"""Rows as the API shows them become rows to load: times in UTC, documented fields of their type, nothing else."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wootric_pipeline.errors import UnexpectedAnswer
from wootric_pipeline.records import NESTING_MAX, OddRow, odd_values, parse_time, to_record
from wootric_pipeline.tables import DECLINES, END_USERS, RESPONSES, TABLES, Table

SHOWN = "2018-01-02 23:03:41 -0800"
FORMS = ("{:%Y-%m-%d %H:%M:%S} {z}", "{:%Y-%m-%dT%H:%M:%S.%f}{c}", "{:%Y-%m-%d %H:%M:%S}{c}", "{:%Y-%m-%dT%H:%M:%S}{z}")


def shown(**fields: Any) -> dict[str, Any]:
    return {"id": 654, "created_at": SHOWN, "updated_at": SHOWN, **fields}


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2018-01-02 23:03:41 -0800", utc(2018, 1, 3, 7, 3, 41)),
        ("2018-07-02 23:03:41 -0700", utc(2018, 7, 3, 6, 3, 41)),
        ("2014-12-01 18:36:59", utc(2014, 12, 1, 18, 36, 59)),
        ("2015-02-12T06:29:27.000-08:00", utc(2015, 2, 12, 14, 29, 27)),
        ("2015-04-20 04:46:51-08:00", utc(2015, 4, 20, 12, 46, 51)),
        ("2015-04-20T04:46:51Z", utc(2015, 4, 20, 4, 46, 51)),
        ("2015-04-20 04:46:51 UTC", utc(2015, 4, 20, 4, 46, 51)),
        ("2015-04-20T04:46:51.25Z", utc(2015, 4, 20, 4, 46, 51, 250_000)),
        ("2015-04-20 04:46:51.123456 +0530", utc(2015, 4, 19, 23, 16, 51, 123_456)),
        ("2015-12-31 20:30:00 -0330", utc(2016, 1, 1)),
        ("2016-02-29 00:00:00 +0000", utc(2016, 2, 29)),
    ],
)
def test_every_form_of_a_time_is_the_moment_it_means(text: str, moment: datetime) -> None:
    assert parse_time(text) == moment
    assert parse_time(text).tzinfo is timezone.utc


def test_the_hour_that_clocks_repeat_stays_two_hours() -> None:
    first, second = parse_time("2023-11-05 01:30:00 -0700"), parse_time("2023-11-05 01:30:00 -0800")
    assert second - first == timedelta(hours=1)


@settings(deadline=None)
@given(
    moment=st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2100, 1, 1)),
    offset_minutes=st.integers(min_value=-14 * 60, max_value=14 * 60),
    form=st.sampled_from(FORMS),
)
def test_a_time_shown_in_any_zone_is_read_back(moment: datetime, offset_minutes: int, form: str) -> None:
    there = moment.replace(tzinfo=timezone.utc).astimezone(timezone(timedelta(minutes=offset_minutes)))
    plain = f"{there:%z}"
    text = form.format(there, z=plain, c=f"{plain[:3]}:{plain[3:]}")
    expected = there if "%f" in form else there.replace(microsecond=0)
    assert parse_time(text) == expected
    assert parse_time(text).utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "yesterday",
        "2018-01-02",
        "2018-01-02 23:03",
        "2018-01-02 23:03-08",
        "20180102T2303-08:00",
        "2018-13-02 23:03:41",
        "2018-02-30 23:03:41",
        "2018-01-02 25:03:41",
        "2018-01-02 23:03:41 PST",
        "2018-01-02 23:03:41 -08",
        "2018-01-02 23:03:41 -0800 or so",
        "2018-01-02 23:03:41.",
        "0001-01-01 00:00:00 +0800",
        1_514_962_991,
        12.5,
        True,
        {"time": SHOWN},
        [SHOWN],
    ],
)
def test_what_is_no_time_is_an_error(content: Any) -> None:
    with pytest.raises(
        UnexpectedAnswer, match="The row with id 654 of end_users has a value that is not a time as its last_seen_at"
    ):
        to_record(END_USERS, shown(last_seen_at=content))


def test_every_time_of_a_row_is_in_utc() -> None:
    record = to_record(END_USERS, shown(last_surveyed="2014-12-01 18:36:59", last_seen_at=None))
    assert record["created_at"] == record["updated_at"] == utc(2018, 1, 3, 7, 3, 41)
    assert record["last_surveyed"] == utc(2014, 12, 1, 18, 36, 59)
    assert record["last_seen_at"] is None


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
@pytest.mark.parametrize("missing", ["created_at", "updated_at"])
def test_a_row_without_its_times_is_an_error(table: Table, missing: str) -> None:
    without = {name: value for name, value in shown().items() if name != missing}
    for row in (without, shown(**{missing: None})):
        with pytest.raises(UnexpectedAnswer, match=f"The row with id 654 of {table.name} has no {missing}"):
            to_record(table, row)


@pytest.mark.parametrize("row_id", [None, "654", 654.0, True, {}])
def test_a_row_without_a_whole_number_as_id_is_an_error(row_id: Any) -> None:
    with pytest.raises(
        UnexpectedAnswer,
        match=r"^A row created at 2018-01-03 07:03:41 \(UTC\) of responses has no whole number as its id\.$",
    ):
        to_record(RESPONSES, shown(id=row_id))


@pytest.mark.parametrize("content", [None, "text", 5, [shown()]])
def test_a_row_that_is_no_object_is_an_error(content: Any) -> None:
    with pytest.raises(UnexpectedAnswer, match="A row of declines is not an object"):
        to_record(DECLINES, content)


@pytest.mark.parametrize(
    ("table", "column", "value", "loaded"),
    [
        (RESPONSES, "score", 9, 9),
        (RESPONSES, "score", "9", 9),
        (RESPONSES, "score", 9.0, 9),
        (RESPONSES, "score", None, None),
        (RESPONSES, "completed", True, True),
        (RESPONSES, "completed", 1, True),
        (RESPONSES, "completed", 0, False),
        (RESPONSES, "completed", "true", True),
        (RESPONSES, "text", "", ""),
        (RESPONSES, "text", 5, "5"),
        (END_USERS, "user_id", 17, "17"),
        (END_USERS, "external_created_at", "1420070400", 1_420_070_400),
    ],
)
def test_a_value_of_another_type_is_converted_without_loss(table: Table, column: str, value: Any, loaded: Any) -> None:
    converted = to_record(table, shown(**{column: value}))[column]
    assert converted == loaded
    assert type(converted) is type(loaded)


@pytest.mark.parametrize(
    ("column", "value", "types"),
    [
        ("score", 9.5, "float where bigint"),
        ("score", "9.5", "str where bigint"),
        ("score", "private", "str where bigint"),
        ("score", "", "str where bigint"),
        ("score", True, "bool where bigint"),
        ("score", [9], "list where bigint"),
        ("completed", 2, "int where bool"),
        ("completed", 0.5, "float where bool"),
        ("completed", "private", "str where bool"),
        ("text", {"text": "private"}, "dict where text"),
        ("text", ["private"], "list where text"),
        ("text", True, "bool where text"),
    ],
)
def test_a_value_that_would_be_lost_is_an_error(column: str, value: Any, types: str) -> None:
    with pytest.raises(UnexpectedAnswer) as raised:
        to_record(RESPONSES, shown(**{column: value}))
    assert str(raised.value) == f"The row with id 654 of responses has a {column} of type {types} belongs."


@pytest.mark.parametrize("broken", [{"created_at": "private"}, {"score": "private"}, {"id": "private"}])
def test_errors_never_show_the_content(broken: dict[str, Any]) -> None:
    with pytest.raises(UnexpectedAnswer, match="responses") as raised:
        to_record(RESPONSES, shown(**{"text": "private", **broken}))
    assert "private" not in str(raised.value)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_objects_that_are_null_are_left_out() -> None:
    row = shown(last_response=None, settings=None, properties={"plan": None}, phone_number=None)
    record = to_record(END_USERS, row)
    assert set(record) == {"id", "created_at", "updated_at", "properties", "phone_number"}
    assert record["properties"] == {"plan": None}
    assert "end_user" not in to_record(RESPONSES, shown(end_user=None))


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text(min_size=1).map(lambda name: f"x_{name}"),
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.text()
        | st.lists(st.text())
        | st.just({"a": {"b": SHOWN}}),
    )
)
def test_unknown_fields_stay_as_they_are(unknown: dict[str, Any]) -> None:
    record = to_record(RESPONSES, shown(**unknown, tags=["bug", "5"], notes=[SHOWN]))
    assert {name: record[name] for name in unknown} == unknown
    assert (record["tags"], record["notes"]) == (["bug", "5"], [SHOWN])
    assert set(record) == {"id", "created_at", "updated_at", "tags", "notes", *unknown}


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**40, 7.4e19])
def test_a_number_beyond_64_bits_is_an_error_in_a_documented_field_and_a_text_elsewhere(number: float) -> None:
    with pytest.raises(UnexpectedAnswer, match=r"id 654 of responses has a score of type .* where bigint belongs"):
        to_record(RESPONSES, shown(score=number))
    record = to_record(RESPONSES, shown(unknown=number, end_user={"properties": {"big": [number, 5]}}))
    assert (record["unknown"], record["end_user"]) == (str(number), {"properties": {"big": [str(number), 5]}})


def test_replaced_numbers_are_counted_beside_what_was_replaced_before() -> None:
    big = 2**63
    row = OddRow(shown(unknown=big, notes=[-big, -big - 1, {"a": [float(big)]}], end_user={"properties": {"a": 5}}), 2)
    record = to_record(RESPONSES, row)
    assert record["notes"] == [-big, str(-big - 1), {"a": ["9.223372036854776e+18"]}]
    assert odd_values([record, to_record(RESPONSES, shown(unknown=big - 1)), {}]) == 2 + 3


def nested(depth: int, opens: Any) -> Any:
    value: Any = 5
    for _ in range(depth):
        value = opens(value)
    return value


OPENS = [lambda inner: [inner], lambda inner: {"a": inner}, lambda inner: {"a": [{"b": inner}]}]


@pytest.mark.parametrize("opens", OPENS, ids=["lists", "objects", "both"])
def test_a_value_that_is_nested_too_deep_is_an_error(opens: Any) -> None:
    allowed = NESTING_MAX // 3
    assert to_record(RESPONSES, shown(unknown=nested(allowed, opens)))["unknown"] == nested(allowed, opens)
    for depth in (NESTING_MAX + 1, 5_000):
        with pytest.raises(UnexpectedAnswer) as raised:
            to_record(RESPONSES, shown(unknown=nested(depth, opens)))
        assert str(raised.value) == "The row with id 654 of responses has values nested more than 20 deep."


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
def test_a_number_that_is_none_is_an_error_in_a_documented_field(number: float) -> None:
    with pytest.raises(UnexpectedAnswer, match="has a score of type float where bigint belongs"):
        to_record(RESPONSES, shown(score=number))


def test_a_time_as_long_as_a_book_is_none() -> None:
    assert parse_time("2018-01-02 23:03:41.000000000000001 -0800") == utc(2018, 1, 3, 7, 3, 41)
    with pytest.raises(ValueError, match="not a time"):
        parse_time("2018-01-02 23:03:41." + "0" * 1_000_000)
