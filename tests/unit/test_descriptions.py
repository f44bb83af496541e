"""Tables and columns explain themselves in dlt's schema, and in nothing that goes along with rows."""

from typing import Any

import pytest
from dlt import Schema
from dlt.common.schema.typing import TTableSchema

from wootric_pipeline import wootric_source
from wootric_pipeline.descriptions import COLUMN_DESCRIPTIONS, RUNS, TABLE_DESCRIPTIONS, descriptions
from wootric_pipeline.destinations.layout import DESCRIPTION_HINTS, hints, layout
from wootric_pipeline.tables import ALL_TABLES, DELETED_AT, TABLES, Table


def schema_of(**arguments: Any) -> Schema:
    source = wootric_source("id", "secret", **arguments)
    return source.with_resources(*source.resources).discover_schema()


def described(table: TTableSchema) -> dict[str, str | None]:
    return {name: column.get("description") for name, column in table["columns"].items()}


@pytest.mark.parametrize("table", ALL_TABLES.values(), ids=ALL_TABLES)
def test_each_table_and_column_that_is_declared_is_described(table: Table) -> None:
    in_schema = schema_of(properties="json").tables[table.name]
    assert in_schema["description"] == TABLE_DESCRIPTIONS[table.name]
    declared = {*table.documented, *table.properties}
    assert described(in_schema) == {name: descriptions(table.name)[name] for name in declared}
    marks = {DELETED_AT} if table.name in TABLES else set()
    assert set(COLUMN_DESCRIPTIONS[table.name]) == {*declared, *table.lists, *marks}
    marked = schema_of(properties="json", deleted="mark").tables[table.name]
    assert described(marked) == {name: descriptions(table.name)[name] for name in (*declared, *marks)}
    assert [marked["columns"][name]["data_type"] for name in marks] == ["timestamp"] * len(marks)


def test_all_that_is_described_is_declared() -> None:
    children = {f"{table.name}__{name}" for table in ALL_TABLES.values() for name in table.lists}
    assert set(TABLE_DESCRIPTIONS) == set(COLUMN_DESCRIPTIONS) == {*ALL_TABLES, *children, RUNS}


def test_descriptions_are_plain_texts_of_one_line() -> None:
    names = (*ALL_TABLES, RUNS)
    texts = [*TABLE_DESCRIPTIONS.values(), *(text for name in names for text in descriptions(name).values())]
    assert [text for text in texts if not text.isprintable() or not text.isascii() or {"`", "\\"} & set(text)] == []
    # The most that BigQuery takes of a column.
    assert max(map(len, texts)) < 1024


@pytest.mark.parametrize(("destination", "hint"), [("duckdb", "description"), *DESCRIPTION_HINTS.items()])
@pytest.mark.parametrize(("table", "field"), [("responses", "tags"), ("survey_templates", "languages")])
def test_child_tables_are_described(destination: str, hint: str, table: str, field: str) -> None:
    made = hints(ALL_TABLES[table], layout(destination, "delta"))
    nested = made["nested_hints"]
    assert isinstance(nested, dict)
    of_list, child = nested[field], f"{table}__{field}"
    assert of_list["additional_table_hints"][hint] == TABLE_DESCRIPTIONS[child]  # type: ignore[typeddict-item]
    assert described({"columns": of_list["columns"]}) == descriptions(child)  # type: ignore[typeddict-item]
    assert (made["additional_table_hints"] or {})[hint] == TABLE_DESCRIPTIONS[table]


def test_lists_that_stay_in_the_row_are_described() -> None:
    made = hints(TABLES["responses"], layout("filesystem", "delta"))
    assert described({"columns": made["columns"]}) == {  # type: ignore[typeddict-item]
        name: descriptions("responses")[name] for name in ("tags", "notes")
    }


def test_tables_refer_to_people_unless_they_do_not_say_to_whom() -> None:
    references = {name: table.get("references") for name, table in schema_of().tables.items() if name in TABLES}
    person = {"columns": ["end_user_id"], "referenced_table": "end_users", "referenced_columns": ["id"]}
    assert references == {"end_users": None, "responses": [person], "declines": [person]}
    schema = schema_of(exclude_columns="responses.end_user_id")
    assert [schema.tables[name].get("references") for name in ("responses", "declines")] == [None, [person]]
