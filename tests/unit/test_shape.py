"""The names of the columns that free-form properties are in, whatever their keys."""

from typing import Any
from zlib import crc32

import pytest
from dlt.common.schema import Schema
from dlt.common.schema.utils import new_table

from wootric_pipeline.records import Digits
from wootric_pipeline.shape import Shape
from wootric_pipeline.tables import END_USERS, RESPONSES


def columns_of(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    """The properties of rows, by the names of the columns they would be in."""
    schema = Schema("wootric")
    shaping = Shape().shaping(END_USERS, schema, lists_in_rows=False)
    shaped = [shaping.shaped({"properties": properties})["properties"] for properties in rows]
    return [{schema.naming.normalize_path(key): value for key, value in each.items()} for each in shaped]


def test_keys_of_one_row_have_a_column_each() -> None:
    keys = ["", " ", "\n", "!", "__", "id", "Id", "ID", "a b", "a-b", "a.b", "x", "größe", "grüße", "名前", "\ud800"]
    (columns,) = columns_of({key: index for index, key in enumerate(keys)})
    assert sorted(columns.values()) == list(range(len(keys)))
    assert {"id": columns["id"], "x": columns["x"]} == {"id": keys.index("id"), "x": keys.index("x")}


@pytest.mark.parametrize(("one", "other"), [("größe", "grüße"), ("名前", "会社"), ("", "!"), ("x", "é"), ("_", "%")])
def test_keys_that_no_letter_tells_apart_have_a_column_each_in_different_rows(one: str, other: str) -> None:
    first, second, again = columns_of({one: 1}, {other: 2}, {one: 3, other: 4})
    assert not set(first) & set(second)
    assert set(again) == set(first) | set(second)


def test_keys_of_objects_in_properties_have_a_column_each() -> None:
    (columns,) = columns_of({"a": {"B": 1, "b": 2}})
    assert columns == {"a": {"b": 2, "B_4ad0cf31": 1}}


def leaves(fields: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of an object by the names of the columns dlt would make of it; a name that comes twice fails."""
    naming, found = Schema("wootric").naming, {}
    for key, value in fields.items():
        path = f"{prefix}{naming.normalize_path(key)}"
        for name, inner in leaves(value, f"{path}__").items() if isinstance(value, dict) else [(path, value)]:
            assert name not in found
            found[name] = inner
    return found


def tagged(name: str, key: str | None = None) -> str:
    """The name of a column that must be told from others, by that name and the key."""
    return f"{name}_{crc32((key or name).encode()):08x}"


@pytest.mark.parametrize(
    ("properties", "columns"),
    [
        ({"plan": {"tier": "a"}, "plan__tier": "b"}, {"plan__tier": "a", f"plan__{tagged('tier', 'plan__tier')}": "b"}),
        ({"plan__tier": "b", "Plan": {"Tier": "a"}}, {"plan__tier": "b", f"plan__{tagged('tier', 'Tier')}": "a"}),
        ({"seats": 5, "seats__v_text": "a"}, {"seats": 5, f"seats__{tagged('v_text', 'seats__v_text')}": "a"}),
        (
            {"seats": {"v_text": "a", "v_double": 1}},
            {f"seats__{tagged('v_text')}": "a", f"seats__{tagged('v_double')}": 1},
        ),
        ({"a": {"b": {"c": 1}, "b__c": 2}, "a__b": {"c": 3}, "a__b__c": 4}, None),
        ({"a": {"b": 1}, "A": {"b": 2}, "a ": {"b": 3}, " a": {"B": 4}, "a__b": 5, "a__B": 6}, None),
    ],
)
def test_no_key_takes_the_column_of_another(properties: dict[str, Any], columns: dict[str, Any] | None) -> None:
    (shaped,) = columns_of(properties)
    found = leaves(shaped)
    assert sorted(map(str, found.values())) == sorted(str(value) for value in leaves_of(properties))
    if columns is not None:
        assert found == columns


def leaves_of(value: Any) -> list[Any]:
    """The values inside objects; numbers as they are loaded."""
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in leaves_of(inner)]
    return [float(value) if type(value) is int else value]


@pytest.mark.parametrize(
    ("values", "columns"),
    [
        ([1, 0.5, 2], [1.0, 0.5, 2.0]),
        ([0.5, 2**53 + 1, 2**53], [0.5, {"v_text": "9007199254740993"}, float(2**53)]),
        ([2**53 + 1, 1], [{"v_text": "9007199254740993"}, 1.0]),
        ([Digits("9" * 30), 1, "many"], [{"v_text": "9" * 30}, 1.0, {"v_text": "many"}]),
        (["many", Digits("9" * 30), 2**60, 0.5, True], ["many", "9" * 30, 2**60, 0.5, "true"]),
        ([1, "007", True, None, [1, "a"]], [1.0, {"v_text": "007"}, {"v_bool": True}, None, {"v_text": '[1, "a"]'}]),
        ([True, 1, 0.5, "yes", -(2**60)], [True, {"v_double": 1.0}, {"v_double": 0.5}, {"v_text": "yes"}, "text"]),
        ([["a", 2**60], "b", []], [f'["a", {2**60}]', "b", "[]"]),
    ],
)
def test_the_values_of_a_key_are_in_a_column_for_each_type(values: list[Any], columns: list[Any]) -> None:
    if columns[-1] == "text":
        columns = [*columns[:-1], {"v_text": str(values[-1])}]
    found = [each["key"] for each in columns_of(*({"key": value} for value in values))]
    assert found == columns
    assert [type(value) for value in found] == [type(value) for value in columns]


@pytest.mark.parametrize(
    ("known", "value", "shaped"),
    [
        ("bigint", 4, 4),
        ("bigint", 4.0, 4),
        ("bigint", 4.5, {"v_double": 4.5}),
        ("bigint", "4", {"v_text": "4"}),
        ("double", 2**53 + 1, {"v_text": "9007199254740993"}),
        ("text", 2**60, 2**60),
        ("text", True, "true"),
    ],
)
def test_a_column_that_is_there_keeps_its_type(known: Any, value: Any, shaped: Any) -> None:
    schema = Schema("wootric")
    schema.update_table(new_table("end_users", columns=[{"name": "properties__key", "data_type": known}]))
    shaping = Shape().shaping(END_USERS, schema, lists_in_rows=False)
    found = shaping.shaped({"properties": {"key": value}})["properties"]["key"]
    assert (found, type(found)) == (shaped, type(shaped))


def test_undocumented_fields_of_a_row_have_a_column_each_that_is_not_dlts() -> None:
    row = {"id": 5, "score": 9, "Score": 8, "_dlt_id": "a", "__dlt_load_id": "b", "last": 2, "Last": 1.5, "list": [{}]}
    shaped = Shape().shaping(RESPONSES, Schema("wootric"), lists_in_rows=False).shaped(row)
    found = leaves(shaped)
    assert {name: found[name] for name in ("id", "score", "last", "list")} == {
        "id": 5,
        "score": 9,
        "last": 2,
        "list": "[{}]",
    }
    assert sorted(map(str, found.values())) == sorted(["5", "9", "8", "a", "b", "2", "1.5", "[{}]"])
    assert not [name for name in found if name.startswith("_dlt")]


def test_elements_of_documented_lists_are_texts_or_rows() -> None:
    row = {"tags": ["a", 5, True, None, ["b"], {"c": 1}], "notes": ["a", 5, {"id": 1, "to": ["b"]}, {"id": "007"}]}
    shaped = Shape().shaping(RESPONSES, Schema("wootric"), lists_in_rows=False).shaped(row)
    assert shaped["tags"] == ["a", "5", "true", None, '["b"]', '{"c": 1}']
    assert shaped["notes"] == [{"value": "a"}, {"value": 5}, {"id": 1, "to": '["b"]'}, {"id": {"v_text": "007"}}]
    in_rows = Shape().shaping(RESPONSES, Schema("wootric"), lists_in_rows=True).shaped(row)
    assert in_rows == {"tags": shaped["tags"], "notes": row["notes"]}
