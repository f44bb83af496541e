"""What of a row is loaded, and in which form: excluded columns, free-form properties, lists where they stay in the row.

Applied after a row has been read, since reading needs columns that may be excluded.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args
from zlib import crc32

from dlt.common.schema.typing import TColumnSchema

from .errors import ConfigurationError
from .tables import CURSOR, PRIMARY_KEY, TABLES, DataType, Table

Row = dict[str, Any]
Properties = Literal["columns", "json"]

SEPARATOR = "__"
"""Between the names dlt makes a column's name of, for a field inside an object."""


@dataclass(frozen=True)
class Shape:
    """The choices a user has about the form of rows.

    Attributes:
        properties: Free-form objects as a column for each key, or as one JSON column.
        exclude_columns: Patterns of columns that are dropped before anything is written, as in
            `responses.ip_address` or `end_users.properties__*`.

    Raises:
        ConfigurationError: A choice is none, or the primary key or the cursor would be dropped.
    """

    properties: str = "columns"
    exclude_columns: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.properties not in get_args(Properties):
            raise ConfigurationError(f"properties must be one of {', '.join(get_args(Properties))}.")
        for pattern in self.exclude_columns:
            if pattern.partition(".")[0] not in TABLES and "*" not in pattern.partition(".")[0]:
                raise ConfigurationError(
                    f"exclude_columns must name columns as in responses.ip_address, not {pattern}."
                )
        for table in TABLES.values():
            for needed in (PRIMARY_KEY, CURSOR):
                if self.excludes(table, needed):
                    raise ConfigurationError(f"exclude_columns must leave {table.name}.{needed}, which merging needs.")

    def excludes(self, table: Table, column: str) -> bool:
        """Whether a column of a table is to be dropped."""
        return any(fnmatchcase(f"{table.name}.{column}", pattern) for pattern in self.exclude_columns)

    def columns(self, table: Table) -> dict[str, TColumnSchema]:
        """The declared columns of a table that are left."""
        declared: dict[str, DataType | Literal["json"]] = {**table.columns, **table.flattened}
        if self.properties == "json":
            declared.update(dict.fromkeys(table.properties, "json"))
        columns: dict[str, TColumnSchema] = {
            name: {"name": name, "data_type": data_type}
            for name, data_type in declared.items()
            if not self.excludes(table, name)
        }
        # Of two versions of a row in one load, the newest is kept.
        columns[CURSOR]["dedup_sort"] = "desc"
        return columns

    def shaped(self, table: Table, row: Row, column_name: Callable[[str], str], *, lists_in_rows: bool) -> Row:
        """A row with what was chosen; the same object where there is nothing to do.

        Args:
            table: Its table.
            row: As read.
            column_name: The name dlt gives a column for a key.
            lists_in_rows: Whether lists of unknown fields become texts of JSON.
        """
        as_columns = self.properties == "columns"
        if not self.exclude_columns and not lists_in_rows and not (as_columns and _collide(row, column_name)):
            return row
        return self._object(table, row, "", column_name, lists_in_rows)

    def _object(
        self, table: Table, fields: Row, prefix: str, column_name: Callable[[str], str], lists_in_rows: bool
    ) -> Row:
        shaped: Row = {}
        taken: set[str] = set()
        # Of keys with one column name, the one that is the name keeps it.
        for key in sorted(fields, key=lambda key: (key != column_name(key), key)) if prefix else fields:
            value, name = fields[key], column_name(key)
            path = prefix + name
            if self.excludes(table, path):
                continue
            if isinstance(value, dict) and not (self.properties == "json" and path in table.properties):
                value = self._object(table, value, path + SEPARATOR, column_name, lists_in_rows)
            elif lists_in_rows and isinstance(value, list) and path not in table.lists:
                value = json.dumps(value, ensure_ascii=False)
            shaped[f"{key}_{crc32(key.encode()):08x}" if name in taken else key] = value
            taken.add(name)
        return shaped


def _collide(row: Row, column_name: Callable[[str], str]) -> bool:
    """Whether keys of a free-form object, which may differ in case only, would become one column."""
    properties = row.get("properties") or (row.get("end_user") or {}).get("properties") or {}
    return len({column_name(key) for key in properties}) < len(properties)
