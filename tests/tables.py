"""Loaded tables, and what they should hold: the account's own rows."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from dlt.pipeline.pipeline import Pipeline

from wootric_pipeline.account import SECOND, Account

TIMES = ("created_at", "updated_at", "last_surveyed", "last_seen_at")
LISTS = ("tags", "notes")
Rows = dict[int, dict[str, Any]]


def loaded(pipeline: Pipeline, table: str) -> Rows:
    """The rows of a table by id, without dlt's columns, with nulls left out and the child tables' values put back.

    An id that comes twice fails.
    """
    rows: Rows = {}
    lists = {name: _values(pipeline, f"{table}__{name}") for name in LISTS}
    for found in _select(pipeline, table):
        children = {name: values[found["_dlt_id"]] for name, values in lists.items() if values[found["_dlt_id"]]}
        kept = {key: value for key, value in found.items() if value is not None and not key.startswith("_dlt")}
        assert found["id"] not in rows
        rows[found["id"]] = {**{key: _utc(value) for key, value in kept.items()}, **children}
    return rows


def expected(account: Account, table: str) -> Rows:
    """The rows an account holds, as they should be loaded."""
    return {
        row_id: _flat({key: _shown(key, value) for key, value in row.items()})
        for row_id, row in account.rows[table].items()
    }


def _select(pipeline: Pipeline, table: str) -> list[dict[str, Any]]:
    with pipeline.sql_client() as client:
        if table not in pipeline.default_schema.data_table_names(seen_data_only=True):
            return []
        with client.execute_query(f"SELECT * FROM {client.make_qualified_table_name(table)}") as cursor:
            head = [column[0] for column in cursor.description]
            return [dict(zip(head, row, strict=True)) for row in cursor.fetchall()]


def _values(pipeline: Pipeline, table: str) -> Mapping[str, list[str]]:
    values: dict[str, list[str]] = defaultdict(list)
    for row in sorted(_select(pipeline, table), key=lambda row: int(row["_dlt_list_idx"])):
        values[row["_dlt_parent_id"]].append(row["value"])
    return values


def _utc(value: Any) -> Any:
    return value.astimezone(timezone.utc) if isinstance(value, datetime) else value


def _shown(key: str, value: Any) -> Any:
    return datetime.fromtimestamp(value // SECOND, timezone.utc) if key in TIMES and value else value


def _flat(row: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in row.items():
        name = prefix + key.lower().replace(" ", "_")
        if isinstance(value, dict):
            flat.update(_flat(value, f"{name}__"))
        elif value is not None and value != []:
            flat[name] = str(value) if name == "user_id" else value
    return flat
