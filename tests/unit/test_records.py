"""Rows as the API shows them become rows to load: times in UTC, documented fields of their type, nothing else."""

import json
import math
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wootric_pipeline.errors import UnexpectedAnswer
from wootric_pipeline.reading.notes import TableNotes
from wootric_pipeline.records import NESTING_MAX, OddRow, foreign, odd_values, parse_time, to_record, usable
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


NO_TIMES: list[tuple[Any, str]] = [
    *((text, "v_text") for text in ("", "yesterday", "0000-00-00", "0000-00-00 00:00:00", "2018-01-02 23:03")),
    *((text, "v_text") for text in ("2018-01-02 23:03-08", "20180102T2303-08:00", "2018-13-02 23:03:41", "20180102")),
    *((text, "v_text") for text in ("2018-02-30 23:03:41", "2018-02-30", "2018-01-02 25:03:41", "1514962991000")),
    *((text, "v_text") for text in ("2018-01-02 23:03:41 PST", "2018-01-02 23:03:41 -08", "2018-01-02 23:03:41.")),
    *((text, "v_text") for text in ("2018-01-02 23:03:41 -0800 or so", "0001-01-01 00:00:00 +0800")),
    (0, "v_bigint"),
    (20_180_102, "v_bigint"),
    (1_514_962_991_000, "v_bigint"),
    (12.5, "v_double"),
    (True, "v_bool"),
]


@pytest.mark.parametrize(("value", "beside"), NO_TIMES)
def test_what_is_no_time_is_kept_beside_it(value: Any, beside: str) -> None:
    record = to_record(END_USERS, shown(last_seen_at=value, last_surveyed=SHOWN))
    times = {"created_at": utc(2018, 1, 3, 7, 3, 41), "updated_at": utc(2018, 1, 3, 7, 3, 41)}
    assert record == {"id": 654, **times, "last_seen_at": {beside: value}, "last_surveyed": utc(2018, 1, 3, 7, 3, 41)}
    assert (odd_values([record]), record.odd_fields) == (1, ("last_seen_at",))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2018-01-02", utc(2018, 1, 2)),
        (1_514_962_991, utc(2018, 1, 3, 7, 3, 11)),
        ("1514962991", utc(2018, 1, 3, 7, 3, 11)),
        (1_514_962_991.25, utc(2018, 1, 3, 7, 3, 11, 250_000)),
        ("1514962991.25", utc(2018, 1, 3, 7, 3, 11, 250_000)),
    ],
)
def test_a_day_and_unix_seconds_are_times(value: Any, moment: datetime) -> None:
    record = to_record(END_USERS, shown(last_seen_at=value))
    assert record["last_seen_at"] == moment
    assert odd_values([record]) == 0


@pytest.mark.parametrize("missing", ["created_at", "updated_at"])
@pytest.mark.parametrize("value", [value for value, _ in NO_TIMES] + ["2018-01-02", 1_514_962_991, {}, [SHOWN]])
def test_the_times_of_a_row_stay_strict(missing: str, value: Any) -> None:
    with pytest.raises(
        UnexpectedAnswer, match=f"The row with id 654 of end_users has a value that is not a time as its {missing}"
    ):
        to_record(END_USERS, shown(**{missing: value}))


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


@pytest.mark.parametrize(("row_id", "read"), [("654", 654), (654.0, 654), ("654.0", 654), (" -1 ", -1)])
def test_a_whole_number_in_another_form_is_an_id(row_id: Any, read: int) -> None:
    record = to_record(RESPONSES, shown(id=row_id))
    assert (record["id"], type(record["id"]), odd_values([record])) == (read, int, 0)


@pytest.mark.parametrize("row_id", [None, "x654", "", "654.5", 654.5, 2**63, "9" * 20, 1e300, math.nan, True, {}, [1]])
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
        (RESPONSES, "score", "9.0", 9),
        (RESPONSES, "score", " -9. ", -9),
        (RESPONSES, "score", 2**63 - 1, 2**63 - 1),
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
    ("column", "value", "beside"),
    [
        ("score", 9.5, {"v_double": 9.5}),
        ("score", 1e30, {"v_text": "1e+30"}),
        ("score", "9.5", {"v_text": "9.5"}),
        ("score", "N/A", {"v_text": "N/A"}),
        ("score", "", {"v_text": ""}),
        ("score", "0x10", {"v_text": "0x10"}),
        ("score", "1_0", {"v_text": "1_0"}),
        ("score", "\u0663", {"v_text": "\u0663"}),
        ("score", True, {"v_bool": True}),
        ("score", [9], {"v_json": "[9]"}),
        ("score", {"nps": [9, "\u00e9"]}, {"v_json": '{"nps": [9, "\u00e9"]}'}),
        ("score", 2**63, {"v_text": "9223372036854775808"}),
        ("score", -(2**63) - 1, {"v_text": "-9223372036854775809"}),
        ("score", "9223372036854775808", {"v_text": "9223372036854775808"}),
        ("completed", 2, {"v_bigint": 2}),
        ("completed", 0.5, {"v_double": 0.5}),
        ("completed", "maybe", {"v_text": "maybe"}),
        ("completed", [True], {"v_json": "[true]"}),
        ("text", {"text": "Fine."}, {"v_json": '{"text": "Fine."}'}),
        ("text", ["Fine."], {"v_json": '["Fine."]'}),
        ("text", True, {"v_bool": True}),
    ],
)
def test_a_value_that_does_not_fit_is_kept_beside_its_column(column: str, value: Any, beside: dict[str, Any]) -> None:
    times = {"created_at": utc(2018, 1, 3, 7, 3, 41), "updated_at": utc(2018, 1, 3, 7, 3, 41)}
    record = to_record(RESPONSES, shown(**{column: value}, survey_id=5))
    assert record == {"id": 654, **times, column: beside, "survey_id": 5}
    assert (odd_values([record]), record.odd_fields) == (1, (column,))  # type: ignore[attr-defined]


def test_values_inside_documented_objects_fit_as_well() -> None:
    survey = {"channel": 5, "new": 1}
    last: dict[str, Any] = {"id": "12", "score": "N/A", "text": None, "survey": survey, "big": 2**70}
    record = to_record(END_USERS, shown(last_response=last, settings={"email_nps": "true", "web_nps": 2}))
    assert record["last_response"] == {
        "id": 12,
        "score": {"v_text": "N/A"},
        "text": None,
        "survey": {"channel": "5", "new": 1},
        "big": str(2**70),
    }
    assert record["settings"] == {"email_nps": True, "web_nps": {"v_bigint": 2}}
    assert odd_values([record]) == 3
    assert record.odd_fields == (  # type: ignore[attr-defined]
        "last_response__score",
        "last_response__big",
        "settings__web_nps",
    )


@pytest.mark.parametrize("odd", [[], "none", 5, True, ["a", {"b": 1}]])
def test_what_should_be_an_object_or_a_list_stops_no_row(odd: Any) -> None:
    record = to_record(END_USERS, shown(last_response=odd, settings=odd, properties=odd))
    assert {name: record.get(name, []) for name in ("last_response", "settings", "properties")} == {
        "last_response": odd,
        "settings": odd,
        "properties": odd,
    }
    tags = to_record(RESPONSES, shown(tags=odd))["tags"]
    assert tags == (odd if isinstance(odd, list) else [odd])


@pytest.mark.parametrize("broken", [{"created_at": "private"}, {"updated_at": "private"}, {"id": "private"}])
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
def test_a_number_beyond_64_bits_is_a_text_in_an_undocumented_field(number: float) -> None:
    record = to_record(RESPONSES, shown(unknown=number, end_user={"properties": {"big": [number, 5]}}))
    assert (record["unknown"], record["end_user"]) == (str(number), {"properties": {"big": [str(number), 5]}})
    assert (odd_values([record]), record.odd_fields) == (  # type: ignore[attr-defined]
        2,
        ("unknown", "end_user__properties"),
    )


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


@pytest.mark.parametrize(
    ("opens", "depth"), list(zip(OPENS, (400, 400, 200), strict=True)), ids=["lists", "objects", "both"]
)
def test_what_is_nested_too_deep_is_a_text_of_json(opens: Any, depth: int) -> None:
    allowed = NESTING_MAX // 3
    assert to_record(RESPONSES, shown(unknown=nested(allowed, opens)))["unknown"] == nested(allowed, opens)
    record = to_record(RESPONSES, shown(unknown=nested(depth, opens)))
    assert json.loads(innermost(record["unknown"], NESTING_MAX)) == innermost(nested(depth, opens), NESTING_MAX)
    assert (odd_values([record]), record.odd_fields) == (1, ("unknown",))  # type: ignore[attr-defined]


def innermost(value: Any, depth: int) -> Any:
    """What is so deep in a value of which each object and list has one element."""
    for _ in range(depth):
        (value,) = value.values() if isinstance(value, dict) else value
    return value


@pytest.mark.parametrize("opens", OPENS, ids=["lists", "objects", "both"])
def test_what_is_nested_deeper_than_json_can_be_written_is_null(opens: Any) -> None:
    record = to_record(RESPONSES, shown(unknown=nested(50_000, opens)))
    assert innermost(record["unknown"], NESTING_MAX) is None
    assert odd_values([record]) == 1


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_a_number_that_is_none_is_null(number: float) -> None:
    record = to_record(RESPONSES, shown(score=number, unknown=number))
    assert (record["score"], record["unknown"], odd_values([record])) == (None, None, 2)


def test_rows_that_cannot_be_placed_are_left_out_of_a_page() -> None:
    page: list[Any] = [shown(id=row_id) for row_id in range(20)]
    page[3]["updated_at"], page[7]["id"], page[9]["id"] = None, "private", "secret"
    rows, unusable = usable(RESPONSES, [*page, "text"])
    assert [row["id"] for row in rows] == [row_id for row_id in range(20) if row_id not in (3, 7, 9)]
    without_id = "A row created at 2018-01-03 07:03:41 (UTC) of responses has no whole number as its id."
    assert list(unusable.values()) == [
        "The row with id 3 of responses has no updated_at.",
        without_id,
        without_id,
        "A row of responses is not an object; the API's format has changed.",
    ]


def sentences(count: int, start: int = 0) -> dict[int, str]:
    return {index: f"The row with id {index} of responses has no updated_at." for index in range(start, start + count)}


def test_where_too_many_rows_cannot_be_placed_the_format_has_changed() -> None:
    for rows, left_out in ((5, 5), (50, 5), (60, 6), (1_000, 100)):
        TableNotes().note_page(rows, sentences(left_out))
        with pytest.raises(UnexpectedAnswer, match=r"^The row with id 0 of responses has no updated_at\.$"):
            TableNotes().note_page(rows, sentences(left_out + 1))
    notes = TableNotes()
    for page in range(20):
        notes.note_page(50, sentences(5, 5 * page))
        notes.note_page(10, sentences(5, 5 * page))
        notes.note_page(50, {})
    notes.rows = 1
    assert notes.left_out_sentence("responses") == (
        "100 rows are left out of responses, and all others are loaded. "
        + " ".join(sentences(10).values())
        + " So it is with 90 more."
    )


def test_a_time_as_long_as_a_book_is_none() -> None:
    assert parse_time("2018-01-02 23:03:41.000000000000001 -0800") == utc(2018, 1, 3, 7, 3, 41)
    with pytest.raises(ValueError, match="not a time"):
        parse_time("2018-01-02 23:03:41." + "0" * 1_000_000)


OF_BOTH: dict[str, Any] = {
    "end_user_id": 7,
    "survey_id": 3,
    "ip_address": None,
    "origin_url": None,
    "end_user": {"properties": {}},
}
AS_DOCUMENTED: dict[str, dict[str, Any]] = {
    "end_users": shown(email=None, last_surveyed=None, properties={"plan": "Pro"}, last_response=None, settings={}),
    "responses": shown(**OF_BOTH, score=0, text="", completed=False, excluded_from_calculations=False, tags=[]),
    "declines": shown(**OF_BOTH),
}


@pytest.mark.parametrize("asked", AS_DOCUMENTED)
@pytest.mark.parametrize("answered", AS_DOCUMENTED)
def test_a_row_of_another_list_is_told_wherever_it_is(asked: str, answered: str) -> None:
    mine, other = (AS_DOCUMENTED[name] for name in (asked, answered))
    wrong = "" if answered == asked else f"rows of {answered} in place of {asked}"
    for page in ([other], [mine, mine, other, mine], [None, "text", other]):
        assert foreign(TABLES[asked], page) == wrong


OF_ANY = [
    *(shown(), shown(unknown=5), shown(email="a"), shown(properties={}), shown(score=9), shown(end_user_id=7)),
    shown(end_user_id=7, survey_id=3),
    shown(end_user_id=7, survey_id=3, ip_address="192.0.2.1"),
]


@pytest.mark.parametrize("name", TABLES)
def test_a_row_that_may_be_of_the_list_is_none_of_another(name: str) -> None:
    every_field = {field for table in TABLES.values() for field in table.fields}
    row = AS_DOCUMENTED[name]
    # A service may show all lists the fields of one another, and leave out some of their own.
    with_nulls = {**dict.fromkeys(every_field), **row}
    for field in TABLES[name].fields:
        assert foreign(TABLES[name], [{key: value for key, value in row.items() if key != field}]) == ""
    assert foreign(TABLES[name], [*OF_ANY, with_nulls, dict.fromkeys(row), {**row, "unknown": 5}, {}, None]) == ""
