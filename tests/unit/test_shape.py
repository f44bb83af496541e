"""The names of the columns that free-form properties are in, whatever their keys."""

from typing import Any

import pytest
from dlt.common.schema import Schema

from wootric_pipeline.shape import Shape
from wootric_pipeline.tables import END_USERS


def columns_of(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    """The properties of rows, by the names of the columns they would be in."""
    schema = Schema("wootric")
    shaping = Shape().shaping(END_USERS, schema, lists_in_rows=False)
    shaped = [shaping.shaped({"properties": properties})["properties"] for properties in rows]
    return [{schema.naming.normalize_identifier(key): value for key, value in each.items()} for each in shaped]


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
    ((nested, listed),) = [each.values() for each in columns_of({"a": {"B": 1, "b": 2}, "c": [{"D": 3, "d": 4}]})]
    naming = Schema("wootric").naming
    for found, values in ((nested, {1, 2}), (listed[0], {3, 4})):
        assert {naming.normalize_identifier(key) for key in found} > {min(found, key=len)}
        assert set(found.values()) == values
