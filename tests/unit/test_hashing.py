"""Which text stands for which value, and what of a row is hashed."""

import hashlib
import hmac
import json
from datetime import datetime, timezone
from typing import Any

import pytest
from dlt import Schema
from hypothesis import given
from hypothesis import strategies as st

from tests.any_rows import VALUES
from wootric_pipeline import wootric_source
from wootric_pipeline.descriptions import descriptions, personal_columns
from wootric_pipeline.destinations.layout import hints, layout
from wootric_pipeline.errors import ConfigurationError
from wootric_pipeline.exclusion import Exclusion
from wootric_pipeline.hashing import DESCRIBED, Hashing
from wootric_pipeline.records import NESTING_MAX, Digits, to_record
from wootric_pipeline.shape import Shape
from wootric_pipeline.tables import END_USERS, RESPONSES, TABLES, Table

KEY = "a key of 16 char"
NO_KEY = (
    "hash_columns needs a hash_key, a secret text of 16 characters or more, the same in every run; put it into "
    ".dlt/secrets.toml, under [sources.wootric]."
)


def hashed(text: str, key: str = KEY) -> str:
    """What is loaded in place of a value of this text."""
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


def shaped(table: Table, row: dict[str, Any], *patterns: str, emails: bool = False, **shape: Any) -> dict[str, Any]:
    """A row of the API as it is loaded."""
    row = {"id": 1, "created_at": "2024-01-31 00:00:00", "updated_at": "2024-01-31 00:00:00", **row}
    hashing = Hashing(patterns, KEY, normalizes_emails=emails)
    shaping = Shape(hashing=hashing, **shape).shaping(table, Schema("wootric"), lists_in_rows=False)
    found = shaping.shaped(to_record(table, row))
    return {name: value for name, value in found.items() if name not in ("id", "created_at", "updated_at")}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (" Ann@Example.com", " Ann@Example.com"),
        (5, "5"),
        (5.0, "5"),
        (-0.0, "0"),
        (0.5, "0.5"),
        (Digits("9" * 30), "9" * 30),
        (True, "true"),
        (datetime(2024, 1, 31, 8, tzinfo=timezone.utc), "2024-01-31T08:00:00+00:00"),
        ("größe", "größe"),
    ],
)
def test_a_value_is_hashed_by_its_text(value: Any, text: str) -> None:
    assert Hashing(["responses.text"], KEY).hashed(value) == hashed(text)


def test_an_empty_text_stays_as_it_is() -> None:
    assert Hashing(["responses.text"], KEY).hashed("") == ""


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        (" Ann@Example.com\n", "ann@example.com"),
        ("ann@example.com", "ann@example.com"),
        ("Ask Ann@Example.com", "Ask Ann@Example.com"),
        (" Ann ", " Ann "),
        ("  ", "  "),
    ],
)
def test_email_addresses_are_normalized_where_that_is_set(text: str, normalized: str) -> None:
    assert Hashing(["responses.text"], KEY, normalizes_emails=True).hashed(text) == hashed(normalized)
    assert Hashing(["responses.text"], KEY).hashed(text) == hashed(text)


def test_what_is_named_is_hashed_and_nothing_else() -> None:
    person = {"email": "A@x.com", "properties": {"SSN": 5, "plan": "team"}}
    row = {"text": "Fine.", "score": 9, "ip_address": None, "tags": ["a", "", None], "end_user": person}
    patterns = ("responses.text", "*.ip_address", "responses__tags.value", "*.end_user__email", "*ssn")
    assert shaped(RESPONSES, row, *patterns, emails=True) == {
        "text": hashed("Fine."),
        "score": 9,
        "ip_address": None,
        "tags": [hashed("a"), "", None],
        "end_user": {"email": hashed("a@x.com"), "properties": {"SSN": hashed("5"), "plan": "team"}},
    }


ABOUT = {"Seats": 5, "plan": None, "boss": {"SSN": "1", "old": True}, "to": [{"SSN": 2, "x": 0.5}, ["a"]]}


@pytest.mark.parametrize("properties", ["columns", "json"])
@pytest.mark.parametrize("pattern", ["end_users.properties", "end_users.properties.*"])
def test_each_property_is_hashed_by_itself(properties: str, pattern: str) -> None:
    found = shaped(END_USERS, {"properties": ABOUT}, pattern, properties=properties)["properties"]
    to: Any = [{"SSN": hashed("2"), "x": hashed("0.5")}, [hashed("a")]]
    if properties == "columns":
        found["to"] = json.loads(found["to"])
    assert found == {
        "Seats": hashed("5"),
        "plan": None,
        "boss": {"SSN": hashed("1"), "old": hashed("true")},
        "to": to,
    }


def test_keys_inside_a_json_column_are_found() -> None:
    found = shaped(END_USERS, {"properties": ABOUT}, "*ssn", properties="json")["properties"]
    inside = {"boss": {"SSN": hashed("1"), "old": True}, "to": [{"SSN": hashed("2"), "x": 0.5}, ["a"]]}
    assert found == {**ABOUT, **inside}


def test_values_of_other_types_go_into_the_column_of_hashes() -> None:
    row = {"score": "N/A", "text": {"a": 1}, "completed": 5, "tags": "a"}
    patterns = ("responses.score", "responses.text", "responses.completed", "responses.tags")
    assert shaped(RESPONSES, row, *patterns) == {
        "score": hashed("N/A"),
        "text": hashed('{"a": 1}'),
        "completed": hashed("5"),
        "tags": [hashed("a")],
    }


def test_a_number_and_its_text_have_one_column_of_properties() -> None:
    found = shaped(END_USERS, {"properties": {"seats": 5}}, "*seats")
    shaping = Shape(hashing=Hashing(["*seats"], KEY)).shaping(END_USERS, Schema("wootric"), lists_in_rows=False)
    rows = [shaping.shaped({"properties": {"seats": value}})["properties"]["seats"] for value in (5, "5", True, 5.5)]
    assert (found["properties"]["seats"], rows) == (hashed("5"), [*2 * [hashed("5")], hashed("true"), hashed("5.5")])


def test_what_is_nested_too_deep_to_tell_keys_apart_is_hashed_as_a_whole() -> None:
    nested: Any = {"SSN": "078-05-1120"}
    for _ in range(NESTING_MAX + 3):
        nested = {"a": nested}
    plain = shaped(END_USERS, {"properties": nested}, "end_users.email", properties="json")
    assert "078-05-1120" not in str(plain)
    assert "078-05-1120" in str(shaped(RESPONSES, {"end_user": {"properties": nested}}, "end_users.email"))


def test_the_row_that_is_read_stays_as_it_is() -> None:
    row = {"id": 1, "email": "a@x.com", "properties": {"a": ["b"]}, "last_response": {"text": "c"}}
    hashing = Hashing(["end_users.email", "*.properties", "*.last_response"], KEY).of(END_USERS, Schema("wootric"))
    assert hashing.hashed(row) == {
        "id": 1,
        "email": hashed("a@x.com"),
        "properties": {"a": [hashed("b")]},
        "last_response": {"text": hashed("c")},
    }
    assert row == {"id": 1, "email": "a@x.com", "properties": {"a": ["b"]}, "last_response": {"text": "c"}}


@given(st.dictionaries(st.text(max_size=3), VALUES, max_size=4))
def test_no_value_of_properties_is_left(properties: dict[str, Any]) -> None:
    marked = {key: _marked(value) for key, value in properties.items()}
    assert MARK not in str(_values(shaped(END_USERS, {"properties": marked}, "*.properties__*", "*.properties")))


MARK = "canary"


def _marked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _marked(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_marked(inner) for inner in value]
    return f"{MARK} {value}"


def _values(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return [value] if inner is None else [leaf for each in inner for leaf in _values(each)]


PERSONAL = {
    "end_users": ["email", "phone_number", "external_id", "last_response__text", "user_id"],
    "responses": ["text", "ip_address", "origin_url", "end_user__email", "notes"],
    "declines": ["ip_address", "origin_url"],
}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("word", ["personal", "Personal"])
def test_personal_stands_for_all_columns_that_are_known_to_be(table: Table, word: str) -> None:
    assert personal_columns(table.name) == PERSONAL[table.name]
    declared = [*table.documented, *table.lists, *table.properties]
    for selection in (Exclusion([word]), Hashing([word], KEY)):
        named = [name for name in declared if selection.names(table, name)]
        assert sorted(named) == sorted(PERSONAL[table.name])
    of_person = ["end_user__email", "end_user__phone_number"]
    assert [Exclusion([word]).names(table, name) for name in of_person] == 2 * [table.name != "end_users"]


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("end_users.id", "hash_columns must leave end_users.id, which reading and joins need."),
        ("*.end_user_id", "hash_columns must leave responses.end_user_id, which reading and joins need."),
        ("declines.created_at", "hash_columns must leave declines.created_at, which reading and joins need."),
        ("*.updated_at", "hash_columns must leave end_users.updated_at, which reading and joins need."),
        ("*", "hash_columns must leave end_users.id, which reading and joins need."),
        (
            "responses",
            "hash_columns must name columns as in responses.ip_address, or all that are personal, not responses.",
        ),
        (
            "responses.ip_adress",
            "hash_columns must name columns that there are, unlike responses.ip_adress; where the documentation does "
            "not know one, write responses.ip_adress*.",
        ),
    ],
)
def test_what_reading_needs_and_what_is_misspelled_cannot_be_hashed(pattern: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Hashing([pattern], KEY)
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        (None, NO_KEY),
        (KEY[:-1], "hash_key must have 16 characters or more."),
    ],
)
def test_without_a_key_that_nobody_can_guess_nothing_is_hashed(key: str | None, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Hashing(["responses.text"], key)
    assert str(refused.value) == sentence
    assert Hashing([], key).patterns == ()


def test_settings_that_make_other_rows_have_other_keys() -> None:
    shapes = [
        Shape(),
        Shape(hashing=Hashing(["responses.text"], KEY)),
        Shape(hashing=Hashing(["responses.text"], KEY, normalizes_emails=True)),
        Shape(hashing=Hashing(["responses.text"], KEY + "1")),
        Shape(hashing=Hashing(["*.text"], KEY)),
    ]
    keys = [shape.key for shape in shapes]
    assert len(set(keys)) == len(shapes)
    assert keys[0] == "columns"
    assert [key for key in keys if KEY in key] == []
    assert Shape(hashing=Hashing([], KEY)).key == keys[0]


def test_digests_in_the_state_are_keyed_where_columns_are_hashed() -> None:
    keys = [Hashing(["responses.text"], key).digest_key for key in (KEY, KEY, KEY + "1")]
    assert (keys[0] == keys[1], keys[0] == keys[2], len(keys[0])) == (True, False, 32)
    assert Hashing([], KEY).digest_key == b""


def test_hashed_columns_are_declared_as_texts_and_described_so() -> None:
    patterns = ["responses.score", "responses.tags", "*.end_user__properties"]
    source = wootric_source("id", "secret", properties="json", hash_columns=patterns, hash_key=KEY)
    columns = source.discover_schema().tables["responses"]["columns"]
    score, text = columns["score"], columns["text"]
    plain = descriptions("responses")
    assert (score["data_type"], score["description"]) == ("text", plain["score"] + DESCRIBED)
    assert (text["data_type"], text["description"]) == ("text", plain["text"])
    properties = columns["end_user__properties"]
    assert (properties["data_type"], properties["description"]) == ("json", plain["end_user__properties"] + DESCRIBED)
    hashing = Hashing(patterns, KEY)
    nested: Any = hints(RESPONSES, layout("duckdb", "delta"), hashing.described)["nested_hints"]
    told = {name: column.get("description") for name, column in nested["tags"]["columns"].items()}
    tags = descriptions("responses__tags")
    assert told == {**tags, "value": tags["value"] + DESCRIBED}
    in_rows: Any = hints(RESPONSES, layout("filesystem", "delta"), hashing.described)["columns"]
    assert in_rows["tags"]["description"] == plain["tags"] + DESCRIBED
