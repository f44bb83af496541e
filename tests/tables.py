"""Loaded tables, and what they should hold: the account's own rows."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any
from zlib import crc32

from dlt.common.schema.utils import get_nested_tables
from dlt.destinations.sql_client import SqlClientBase
from dlt.pipeline.pipeline import Pipeline

from wootric_pipeline.destinations.layout import kind_of
from wootric_pipeline.sandbox import SECOND, Account

TIMES = ("created_at", "updated_at", "last_surveyed", "last_seen_at")
LISTS = ("tags", "notes")
Rows = dict[int, dict[str, Any]]
Select = Callable[[str], list[dict[str, Any]]]
"""Answers all rows of a table; none if there is no such table."""


def loaded(pipeline: Pipeline, table: str) -> Rows:
    """The rows of a table by id, as `read` puts them together."""
    with _reader(pipeline) as select:
        return read(select, table)


def read(select: Select, table: str) -> Rows:
    """The rows of a table by id, without dlt's columns, with nulls left out and lists put back into their rows.

    An id that comes twice fails.
    """
    rows: Rows = {}
    lists = {name: _values(select, f"{table}__{name}") for name in LISTS}
    for found in select(table):
        children = {name: values[found["_dlt_id"]] for name, values in lists.items() if values[found["_dlt_id"]]}
        filled = {key: value for key, value in found.items() if value is not None and not key.startswith("_dlt")}
        kept = {_column(key): _read(key, value) for key, value in filled.items()}
        assert found["id"] not in rows
        rows[found["id"]] = {key: value for key, value in {**kept, **children}.items() if value not in (None, [], {})}
    return rows


def expected(account: Account, table: str, properties: str = "columns") -> Rows:
    """The rows an account holds, as they should be loaded."""
    return {
        row_id: _flat({key: _shown(key, value) for key, value in row.items()}, properties)
        for row_id, row in account.rows[table].items()
    }


def selected(pipeline: Pipeline, table: str) -> list[dict[str, Any]]:
    """All rows of a table as they are."""
    with _reader(pipeline) as select:
        return select(table)


def contents(pipeline: Pipeline, table: str, prefix: str) -> dict[int, Counter[str]]:
    """How often each value occurs in the columns of a row that begin with a prefix, and in child tables, by id."""
    with _reader(pipeline) as select:
        rows = select(table)
        ids = {row["_dlt_id"]: row["id"] for row in rows}
        found = {row["id"]: Counter(plain([row[name] for name in row if name.startswith(prefix)])) for row in rows}
        for child in get_nested_tables(pipeline.default_schema.tables, table)[1:]:
            for row in select(str(child["name"])):
                values = [row[name] for name in row if not name.startswith("_dlt")]
                found[ids[row["_dlt_root_id"]]].update(plain(values))
    return found


def plain(value: Any) -> Iterator[str]:
    """The values inside a value, nulls left out, as texts that are the same in whatever type a column holds them."""
    if isinstance(value, str) and value.startswith("["):
        value = json.loads(value)
    if isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from plain(inner)
    elif value is not None:
        text = str(value).lower()
        yield str(float({"true": "1", "false": "0"}.get(text, text))) if not text.startswith("text") else text


@contextmanager
def _reader(pipeline: Pipeline) -> Iterator[Select]:
    """Reads tables by one connection."""
    known = pipeline.default_schema.data_table_names(seen_data_only=True)
    if kind_of(pipeline).endswith("filesystem"):
        yield lambda table: _select_files(pipeline, table) if table in known else []
        return
    with pipeline.sql_client() as client:
        yield lambda table: _select(client, table) if table in known else []


def _select(client: SqlClientBase[Any], table: str) -> list[dict[str, Any]]:
    query = f"SELECT * FROM {client.make_qualified_table_name(table)}"
    with client.execute_query(query) as cursor:
        head = cursor.keys() if hasattr(cursor, "keys") else [column[0] for column in cursor.description]
        return [dict(zip(head, row, strict=True)) for row in cursor.fetchall()]


def _select_files(pipeline: Pipeline, table: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]]
    if pipeline.default_schema.tables[table].get("table_format") == "iceberg":
        from dlt.common.libs.pyiceberg import get_iceberg_tables

        rows = get_iceberg_tables(pipeline, table)[table].scan().to_arrow().to_pylist()
    else:
        from dlt.common.libs.deltalake import get_delta_tables

        rows = get_delta_tables(pipeline, table)[table].to_pyarrow_table().to_pylist()
    return rows


def _column(name: str) -> str:
    """The column a value would be in, had it not got one of its own for its type or its key's case."""
    return re.sub(r"__v_(text|bigint|double|bool)$", "", name)


def _read(key: str, value: Any) -> Any:
    if isinstance(value, str) and (key in LISTS or key.endswith("properties")):
        return json.loads(value)
    if isinstance(value, str) and key in TIMES:
        # SQLite has no type for times.
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value.astimezone(timezone.utc)
    return value


def _values(select: Select, table: str) -> Mapping[str, list[str]]:
    values: dict[str, list[str]] = defaultdict(list)
    for row in sorted(select(table), key=lambda row: int(row["_dlt_list_idx"])):
        values[row["_dlt_parent_id"]].append(row["value"])
    return values


def _shown(key: str, value: Any) -> Any:
    return datetime.fromtimestamp(value // SECOND, timezone.utc) if key in TIMES and value else value


def _flat(row: Mapping[str, Any], properties: str, prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in row.items():
        name = prefix + key.lower().strip().replace(" ", "_")
        if isinstance(value, dict) and not (properties == "json" and key == "properties"):
            flat.update(_flat(value, properties, f"{name}__"))
        elif value not in (None, [], {}):
            suffix = f"_{crc32(key.encode()):08x}" if name in flat else ""
            # Numbers of properties are one column, also those that are whole.
            is_whole = "properties__" in prefix and type(value) is int
            flat[name + suffix] = str(value) if name == "user_id" else float(value) if is_whole else value
    return flat
