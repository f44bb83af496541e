"""What of a row is loaded, and in which form: columns that are excluded or hashed, free-form properties, lists.

Applied after a row has been read, since reading needs columns that may be excluded.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, get_args

from dlt import Schema
from dlt.common.data_types import TDataType
from dlt.common.schema.typing import TColumnSchema

from .dlt_internals import as_typed, column_name
from .errors import ConfigurationError
from .exclusion import Exclusion
from .hashing import Hashing
from .naming import SEPARATOR, is_nameable, named, tagged
from .records import Digits, OddRow, aside, json_text, kind_of
from .tables import CURSOR, DELETED_AT, TABLES, Table

Row = dict[str, Any]
Properties = Literal["columns", "json"]

DOUBLE_WHOLE_MAX = 2**53
"""Beyond it, not every whole number is one of double precision."""

LIKENESSES_MAX = 10_000

_FITTING = {("text", str), ("double", float), ("bool", bool)}
"""Types of columns and values that go into them as they are."""

_VARIANT = re.compile(r"(\A|__)v_[a-z]+\Z")
"""How the names of columns end that dlt makes for values of another type."""


@dataclass(frozen=True)
class Shape:
    """The choices a user has about the form of rows.

    Attributes:
        properties: Free-form objects as a column for each key, or as one JSON column.
        exclusion: The columns that are left out.
        hashing: The columns that are hashed.
        marks_deleted: Whether lists have a column that tells which rows are gone.

    Raises:
        ConfigurationError: A choice is none.
    """

    properties: str = "columns"
    exclusion: Exclusion = field(default_factory=Exclusion)
    hashing: Hashing = field(default_factory=Hashing)
    marks_deleted: bool = False

    def __post_init__(self) -> None:
        if self.properties not in get_args(Properties):
            raise ConfigurationError(f"properties must be one of {', '.join(get_args(Properties))}.")

    @property
    def key(self) -> str:
        """Tells choices that make other rows of the same answer apart."""
        left_out = sorted(pattern.text for pattern in self.exclusion.patterns)
        return " ".join([self.properties, *left_out, *([self.hashing.key] if self.hashing.key else [])])

    def left(self, table: Table) -> Table:
        """A table without the lists that are dropped."""
        lists = {name for name in table.lists if not self.exclusion.names(table, name)}
        return replace(
            table,
            lists=tuple(name for name in table.lists if name in lists),
            text_lists=tuple(name for name in table.text_lists if name in lists),
            elements={
                name: {
                    column: data_type
                    for column, data_type in columns.items()
                    if not self.exclusion.names(table, f"{name}{SEPARATOR}{column}")
                }
                for name, columns in table.elements.items()
                if name in lists
            },
        )

    def columns(self, table: Table) -> dict[str, TColumnSchema]:
        """The declared columns of a table that are left, with what they mean."""
        described = self.hashing.described(table.name)
        declared: dict[str, TDataType] = {
            name: self.hashing.data_type(table, name, data_type) for name, data_type in table.documented.items()
        }
        if self.properties == "json":
            declared.update(dict.fromkeys(table.properties, "json"))
        columns: dict[str, TColumnSchema] = {
            name: {"name": name, "data_type": data_type, "description": described[name]}
            for name, data_type in declared.items()
            if not self.exclusion.names(table, name)
        }
        if self.marks_deleted and table.name in TABLES:
            # No row that comes has it, so that it is null again in one that has come back.
            columns[DELETED_AT] = {"name": DELETED_AT, "data_type": "timestamp", "description": described[DELETED_AT]}
        # Of two versions of a row in one load, the newest is kept. A row of an overview comes once, but SQLAlchemy
        # warns of what dlt sorts by where it is told nothing (dlt 1.31).
        columns[CURSOR if CURSOR in table.needed else table.key[-1]]["dedup_sort"] = "desc"
        return columns

    def shaping(self, table: Table, schema: Schema, *, lists_in_rows: bool, times_typed: int = 1) -> "Shaping":
        """How the rows of a table are given this shape.

        Args:
            table: Which.
            schema: What dlt knows of the tables by now.
            lists_in_rows: Whether documented lists stay in the row instead of becoming tables.
            times_typed: How often texts go through files in which dlt marks types.
        """
        return Shaping(self, table, schema, lists_in_rows, times_typed)


class _Plain(NamedTuple):
    """Objects of which what is not documented has the same keys and types, and whose keys stay as they are.

    Attributes:
        taken: The columns of their single values.
        numbers: Keys and columns of whole numbers that become fractional ones.
        others: Those of all else that is not loaded as it is.
    """

    taken: frozenset[str]
    numbers: list[tuple[str, str]]
    others: list[tuple[str, str]]


class _Level(NamedTuple):
    """What is documented of the objects at one place in a row.

    Attributes:
        values: Their keys of single values.
        keys: All their keys.
        parts: Their keys of objects and lists, with the names of these in columns and what the names of columns of
            objects there begin with; nothing where objects stay whole.
    """

    values: frozenset[str]
    keys: frozenset[str]
    parts: list[tuple[str, str, str]]


class Shaping:
    """Gives the rows of one table their shape, in the order in which they are loaded; see `Shape.shaping`.

    What is not documented has a column for each key and type: numbers of properties one for all numbers, since most
    keys hold both whole ones and fractions in the end. Lists become texts of JSON.
    """

    def __init__(self, shape: Shape, table: Table, schema: Schema, lists_in_rows: bool, times_typed: int) -> None:
        self._times_typed = times_typed
        self._shape = shape
        self._table = table
        self._lists_in_rows = lists_in_rows
        self._dropped = shape.exclusion.dropped_last(table)
        self._hashing = shape.hashing.of(table, schema) or None
        self._json = table.properties if shape.properties == "json" else ()
        self._free = tuple(path + SEPARATOR for path in table.properties)
        self._schema = schema
        self._names: dict[str, str] = {}
        self._kinds: dict[str, str | None] = {}
        self._plain: dict[tuple[Any, ...], _Plain | None] = {}
        self._documented = frozenset(table.documented)
        self._levels: dict[str, _Level] = {}

    def shaped(self, row: Row) -> Row:
        """A row with what was chosen, each value in a form that its column holds."""
        left = {name: value for name, value in row.items() if name not in self._dropped} if self._dropped else row
        shaped = self._fields(left if self._hashing is None else self._hashing.hashed(left), "", set())
        if not isinstance(row, OddRow):
            return shaped
        for _ in range(self._times_typed * row.has_marks):
            shaped = _marked(shaped)
        return dict(shaped)

    def _fields(self, fields: Row, prefix: str, taken: set[str]) -> Row:
        """The fields of an object; each under a key whose column no other in the row has."""
        level = self._levels.get(prefix) or self._level(prefix)
        if fields.keys() <= level.keys:
            shaped = dict(fields)
            for key, path, inside in level.parts:
                part = fields.get(key)
                if inside and type(part) is dict:
                    shaped[key] = self._fields(part, inside, taken)
                elif part not in (None, []):
                    shaped[key] = self._value(part, path, taken)
            return shaped
        documented = level.values
        free = {key: value for key, value in fields.items() if key not in documented} if documented else fields
        # Most objects have the keys and the types of others before.
        likeness = (prefix, *free, *map(type, free.values()))
        try:
            plain = self._plain[likeness]
        except KeyError:
            shaped = self._told_apart(fields, prefix, taken)
            if len(self._plain) < LIKENESSES_MAX:
                self._plain[likeness] = self._plain_object(free, prefix)
            return shaped
        if plain is None or not taken.isdisjoint(plain.taken):
            return self._told_apart(fields, prefix, taken)
        return self._of_plain(fields, plain, taken)

    def _of_plain(self, fields: Row, plain: "_Plain", taken: set[str]) -> Row:
        taken |= plain.taken
        shaped = dict(fields)
        for key, path in plain.numbers:
            number = fields[key]
            shaped[key] = float(number) if abs(number) <= DOUBLE_WHOLE_MAX else self._value(number, path, taken)
        for key, path in plain.others:
            shaped[key] = self._value(fields[key], path, taken)
        return shaped

    def _plain_object(self, fields: Row, prefix: str) -> "_Plain | None":
        """What is to be done with objects like this one; None where columns of its keys may be the same."""
        names = {key: self._name(key) for key in fields}
        free = {key: prefix + name for key, name in names.items()}
        is_plain = len(set(names.values())) == len(names) and not any(
            SEPARATOR in names[key] or path in self._documented or _is_dlts(names[key], prefix)
            for key, path in free.items()
        )
        if not is_plain or not all(map(is_nameable, free)):
            return None
        plain = _Plain(frozenset(path for key, path in free.items() if type(fields[key]) is not dict), [], [])
        for key, path in free.items():
            types = self._kinds.get(path), type(fields[key])
            if types == ("double", int):
                plain.numbers.append((key, path))
            elif types not in _FITTING and fields[key] is not None:
                plain.others.append((key, path))
        return plain

    def _told_apart(self, fields: Row, prefix: str, taken: set[str]) -> Row:
        shaped: Row = {}
        names: set[str] = set()
        for key in self._in_order(fields):
            value = fields[key]
            if prefix + key in self._documented:
                shaped[key] = value
                continue
            own = key
            while (name := self._name(own)) in names or self._is_taken(prefix + name, taken) or _is_dlts(name, prefix):
                own = tagged(f"x{own}" if name.startswith("_") else own)
            names.add(name)
            if not isinstance(value, dict):
                taken.add(prefix + name)
            own = own if is_nameable(own) else tagged(own)
            shaped[own] = self._value(value, prefix + name, taken)
        return shaped

    def _level(self, prefix: str) -> "_Level":
        """What is documented of objects at one place in a row."""
        names = (name for name in self._documented if name.startswith(prefix))
        values = frozenset(name[len(prefix) :] for name in names)
        table = self._table
        paths = {*table.documented_objects, *table.objects, *table.lists, *table.properties}
        keys = {path[len(prefix) :]: path for path in sorted(paths) if path.startswith(prefix)}
        parts = [
            (key, path, "" if path in self._json else path + SEPARATOR)
            for key, path in keys.items()
            if SEPARATOR not in key
        ]
        level = self._levels[prefix] = _Level(values, values.union(key for key, _, _ in parts), parts)
        return level

    def _is_taken(self, path: str, taken: set[str]) -> bool:
        return path in taken or path in self._documented

    def _in_order(self, fields: Row) -> Iterable[str]:
        """The keys of an object; first those that are the names of their columns, where several could have one name."""
        names = {self._name(key) for key in fields}
        if len(names) == len(fields) and not any(SEPARATOR in name for name in names):
            return fields
        return sorted(fields, key=lambda key: (key != self._name(key), SEPARATOR in key, key))

    def _value(self, value: Any, path: str, taken: set[str]) -> Any:
        """A value that is not documented."""
        if value is None:
            return None
        if path in self._json:
            return value
        if isinstance(value, dict):
            return self._fields(value, path + SEPARATOR, taken)
        if path in self._table.lists:
            return self._elements(value, path)
        if isinstance(value, list):
            value = json_text(value)
        return self._fitting(value, path)

    def _elements(self, elements: list[Any], path: str) -> list[Any]:
        """A documented list, of which dlt makes a table, or which stays in the row as it is."""
        if not elements or (path in self._table.text_lists and all(type(each) is str for each in elements)):
            return elements
        if path in self._table.text_lists:
            return [each if each is None or type(each) is str else json_text(each) for each in elements]
        if self._lists_in_rows:
            return elements
        rows = (each if isinstance(each, dict) else {"value": each} for each in elements)
        return [self._fields(row, path + SEPARATOR, set()) for row in rows]

    def _fitting(self, value: Any, path: str) -> Any:
        """A single value; one that the column of its path does not hold as it is goes into the one beside it."""
        known, own = self._kind(path), kind_of(value)
        if isinstance(value, Digits):
            return str(value) if known == "text" else aside(value)
        is_number = own in ("bigint", "double")
        if known == "bigint" and is_number and value == int(value):
            return int(value)
        if own == "bigint" and known != "text" and (known is not None or path.startswith(self._free)):
            if abs(value) > DOUBLE_WHOLE_MAX:
                return aside(Digits(value))
            own, value = "double", float(value)
        if known is None:
            self._kinds[path] = own
        if known == "text" and own == "bool":
            # dlt would write it as Python does.
            return json_text(value)
        # A text says the same of a number as the number itself.
        return value if known in (None, own, "text") else aside(value)

    def _kind(self, path: str) -> str | None:
        """The type of the column of a path: by what dlt knows, or by the first value; None before there is one."""
        if path not in self._kinds:
            table = self._table.name
            for name in self._table.lists:
                if path.startswith(name + SEPARATOR):
                    table, path_there = f"{table}{SEPARATOR}{name}", path.removeprefix(name + SEPARATOR)
                    break
            else:
                path_there = path
            columns = self._schema.tables.get(table, {}).get("columns", {})
            self._kinds[path] = columns.get(column_name(self._schema, path_there), {}).get("data_type")
        return self._kinds[path]

    def _name(self, key: str) -> str:
        if key not in self._names:
            self._names[key] = named(key, self._schema)
        return self._names[key]


def _is_dlts(name: str, prefix: str) -> bool:
    """Whether a column of that name is one of those that dlt makes itself."""
    return _VARIANT.search(name) is not None if prefix else name.startswith("_dlt")


def _marked(value: Any) -> Any:
    """A value with the texts in it that dlt would take for other types marked as texts."""
    if isinstance(value, dict):
        return {key: _marked(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_marked(inner) for inner in value]
    return as_typed(value) if isinstance(value, str) else value
