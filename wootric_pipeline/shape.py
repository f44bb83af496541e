"""What of a row is loaded, and in which form: excluded columns, free-form properties, lists where they stay in the row.

Applied after a row has been read, since reading needs columns that may be excluded.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from dlt import Schema
from dlt.common.data_types import TDataType
from dlt.common.schema.typing import TColumnSchema

from .dlt_internals import column_name, variant
from .errors import ConfigurationError
from .exclusion import Exclusion
from .naming import SEPARATOR, is_nameable, named, tagged
from .tables import CURSOR, DataType, Table

Row = dict[str, Any]
Properties = Literal["columns", "json"]

LIKENESSES_MAX = 10_000

_KINDS: dict[type, TDataType] = {bool: "bool", int: "bigint", float: "double", str: "text"}
_LOSES: dict[str, tuple[TDataType, ...]] = {
    "bool": ("bigint", "double", "text"),
    "bigint": ("text",),
    "double": ("text",),
}
"""By the type of a column, of which values dlt makes that type although it does not say the same: `007`, for one."""


@dataclass(frozen=True)
class Shape:
    """The choices a user has about the form of rows.

    Attributes:
        properties: Free-form objects as a column for each key, or as one JSON column.
        exclusion: The columns that are left out.

    Raises:
        ConfigurationError: A choice is none.
    """

    properties: str = "columns"
    exclusion: Exclusion = field(default_factory=Exclusion)

    def __post_init__(self) -> None:
        if self.properties not in get_args(Properties):
            raise ConfigurationError(f"properties must be one of {', '.join(get_args(Properties))}.")

    def left(self, table: Table) -> Table:
        """A table without the lists that are dropped."""
        lists = {name for name in table.lists if not self.exclusion.excludes(table, name)}
        return replace(
            table,
            lists=tuple(name for name in table.lists if name in lists),
            text_lists=tuple(name for name in table.text_lists if name in lists),
        )

    def columns(self, table: Table) -> dict[str, TColumnSchema]:
        """The declared columns of a table that are left."""
        declared: dict[str, DataType | Literal["json"]] = {**table.columns, **table.flattened}
        if self.properties == "json":
            declared.update(dict.fromkeys(table.properties, "json"))
        columns: dict[str, TColumnSchema] = {
            name: {"name": name, "data_type": data_type}
            for name, data_type in declared.items()
            if not self.exclusion.excludes(table, name)
        }
        # Of two versions of a row in one load, the newest is kept.
        columns[CURSOR]["dedup_sort"] = "desc"
        return columns

    def shaping(self, table: Table, schema: Schema, *, lists_in_rows: bool) -> "Shaping":
        """How the rows of a table are given this shape.

        Args:
            table: Which.
            schema: What dlt knows of the tables by now.
            lists_in_rows: Whether lists of unknown fields become texts of JSON.
        """
        return Shaping(self, table, schema, lists_in_rows)


class Shaping:
    """Gives the rows of one table their shape, in the order in which they are loaded; see `Shape.shaping`."""

    def __init__(self, shape: Shape, table: Table, schema: Schema, lists_in_rows: bool) -> None:
        self._shape = shape
        self._table = table
        self._lists_in_rows = lists_in_rows
        self._dropped = shape.exclusion.dropped_last(table)
        self._free = () if shape.properties == "json" else tuple(path + SEPARATOR for path in table.properties)
        self._within = tuple((prefix, prefix.split(SEPARATOR)[:-1]) for prefix in self._free)
        self._schema = schema
        self._columns = schema.tables.get(table.name, {}).get("columns", {})
        self._names: dict[str, str] = {}
        self._kinds: dict[str, str] = {}
        self._plain: set[tuple[Any, ...]] = set()

    def shaped(self, row: Row) -> Row:
        """A row with what was chosen; the same object where there is nothing to do."""
        if self._dropped:
            row = {name: value for name, value in row.items() if name not in self._dropped}
        plain = not self._lists_in_rows
        if plain and all(self._is_plain(_inside(row, names), prefix) for prefix, names in self._within):
            return row
        return self._fields(row, "", as_json=False)

    def _is_plain(self, value: Any, prefix: str) -> bool:
        """Whether dlt makes a column of each key of objects in a value, and puts nothing into it that is lost there."""
        if type(value) is list:
            return all(self._is_plain(element, prefix) for element in value)
        if type(value) is not dict:
            return True
        # Most objects have the keys and the types of others before.
        likeness = (prefix, *value, *map(type, value.values()))
        if likeness in self._plain:
            return True
        names = {self._name(key): inner for key, inner in value.items() if is_nameable(key)}
        plain = len(names) == len(value) and not any(
            self._is_lossy(inner, prefix + name) or not self._is_plain(inner, prefix + name + SEPARATOR)
            for name, inner in names.items()
        )
        if (
            plain
            and len(self._plain) < LIKENESSES_MAX
            and not any(type(inner) in (dict, list) for inner in value.values())
        ):
            self._plain.add(likeness)
        return plain

    def _is_lossy(self, value: Any, path: str) -> bool:
        kind = _KINDS.get(type(value))
        if kind is None:
            return False
        if path not in self._kinds:
            self._kinds[path] = self._columns.get(column_name(self._schema, path), {}).get("data_type") or kind
        return kind in _LOSES.get(self._kinds[path], ())

    def _name(self, key: str) -> str:
        if key not in self._names:
            self._names[key] = named(key, self._schema)
        return self._names[key]

    def _fields(self, fields: Row, prefix: str, *, as_json: bool) -> Row:
        """The fields of an object that are left; each under a key whose column no other of its keys has."""
        shaped: Row = {}
        taken: set[str] = set()
        in_columns = bool(prefix) and not as_json
        # Of keys with one column name, the one that is the name keeps it.
        for key in sorted(fields, key=lambda key: (key != self._name(key), key)) if in_columns else fields:
            name = self._name(key)
            path = prefix + name
            is_json = as_json or (self._shape.properties == "json" and path in self._table.properties)
            is_tagged = in_columns and (name in taken or not is_nameable(key))
            own = tagged(key) if is_tagged else key
            shaped[own] = self._value(fields[key], path, as_json=is_json)
            if prefix.startswith(self._free) and self._is_lossy(shaped[own], prefix + self._name(own)):
                # The name dlt itself gives the column of another type.
                shaped[own] = {variant(_KINDS[type(shaped[own])]): shaped[own]}
            taken.add(name)
        return shaped

    def _value(self, value: Any, path: str, *, as_json: bool) -> Any:
        if isinstance(value, dict):
            return self._fields(value, path + SEPARATOR, as_json=as_json)
        if not isinstance(value, list):
            return value
        becomes_text = self._lists_in_rows and not as_json and path not in self._table.lists
        elements = [self._value(element, path, as_json=as_json or becomes_text) for element in value]
        return json.dumps(elements, ensure_ascii=False) if becomes_text else elements


def _inside(row: Row, names: Sequence[str]) -> Any:
    """What is found in a row by the names of fields, one inside the other; None if there is nothing."""
    value: Any = row
    for name in names:
        value = value.get(name) if type(value) is dict else None
    return value
