"""What of a row is left out: dropped as it comes, before anything in it is checked, and long before it is written."""

import re
from collections.abc import Iterable, MutableMapping, Sequence
from fnmatch import translate
from functools import cached_property
from typing import Any

from dlt import Schema

from .dlt_internals import column_name
from .errors import ConfigurationError
from .naming import SEPARATOR, named, tagged
from .settings import shown
from .tables import ALL_TABLES, TABLES, Overview, Table

LEFT_OUT = "left_out"
"""In the state of a resource: by pattern, columns that it kept from being loaded since the first load."""
COLUMNS_KEPT = 10
"""How many of them; a pattern can match thousands."""
PATHS_MAX = 10_000

_ANY_KEY = "\0"
_ALL_OF_A_LIST = ("value", "*")
"""Columns of a child table without which it holds nothing: the elements of a list of texts, or all there are."""


class Pattern:
    """A pattern such as `responses.ip_address`, `*.properties__*` or `*email`, compared regardless of case.

    Behind the table, a dot means the same as the two underscores between the names of nested fields. The child table of
    a list may be named, too: `responses__tags.value` is `responses.tags`.

    Attributes:
        text: As the user wrote it.
        tables: The names of those that it is about.

    Raises:
        ConfigurationError: It names no column that there is or can be.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        table, dot, column = _in_row(*text.partition("."))
        whose = re.compile(translate(table), re.IGNORECASE)
        self.tables = tuple(name for name in ALL_TABLES if not dot or whose.fullmatch(name))
        self._has_table = bool(dot)
        if not self.tables or not (column if dot else "*" in table):
            raise ConfigurationError(
                f"exclude_columns must name columns as in responses.ip_address, not {shown(text)}."
            )
        regex = re.sub(rf"\\\.|{SEPARATOR}", f"(?:{SEPARATOR}|[.])", translate(column)) if dot else translate(table)
        self._column = re.compile(regex, re.IGNORECASE)
        self._check_spelling(column)

    def _check_spelling(self, column: str) -> None:
        """What is misspelled would be written: a name without wildcards has to be one that is known."""
        is_name = self._has_table and not any(wildcard in column for wildcard in "*?[")
        if is_name and not any(_may_have(ALL_TABLES[name], column) for name in self.tables):
            raise ConfigurationError(
                f"exclude_columns must name columns that there are, unlike {shown(self.text)}; where the documentation "
                f"does not know one, write {shown(self.text)}*."
            )

    def matches(self, table: str, paths: Iterable[str]) -> bool:
        """Whether a column of a table, by any of its names, is meant."""
        if table not in self.tables:
            return False
        return any(self._column.fullmatch(path if self._has_table else f"{table}.{path}") for path in paths)

    @cached_property
    def is_documented(self) -> bool:
        """Whether it matches something that the documentation knows, or the key of any property."""
        return any(self.matches(name, _documented(ALL_TABLES[name])) for name in self.tables)


def _in_row(table: str, dot: str, column: str) -> tuple[str, str, str]:
    """The parts of a pattern, with a child table of a list as the list in the row."""
    parent, separator, field = table.partition(SEPARATOR)
    if not (dot and separator and field):
        return table, dot, column
    return parent, dot, field if column.lower() in _ALL_OF_A_LIST else f"{field}{SEPARATOR}{column}"


class Exclusion:
    """The columns that a user leaves out; the threads that read share it.

    Args:
        patterns: Of columns, also of keys inside a JSON column, as they are written or as the columns are named. A
            column that was loaded before stays, with its old values in the rows that have not changed since: a full
            refresh removes it.

    Raises:
        ConfigurationError: A pattern names no column, or what merging needs.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self.patterns = tuple(map(Pattern, patterns))
        self._of_tables: dict[str, TableExclusion] = {}
        for table in ALL_TABLES.values():
            for needed in table.needed:
                if self.excludes(table, needed):
                    raise ConfigurationError(f"exclude_columns must leave {table.name}.{needed}, which merging needs.")

    def excludes(self, table: Table, column: str) -> bool:
        """Whether a documented column of a table, or the object it is in, is left out."""
        names = column.split(SEPARATOR)
        paths = [SEPARATOR.join(names[:count]) for count in range(1, len(names) + 1)]
        return any(pattern.matches(table.name, paths) for pattern in self.patterns)

    def dropped_last(self, table: Table) -> list[str]:
        """The columns of a table that are left out only when the reading, which needs them, is done with a row."""
        return [column for column in _read_by(table) if self.excludes(table, column)]

    def of(self, table: Table, schema: Schema) -> "TableExclusion":
        """What is left out of one table, as long as the source lives.

        Args:
            table: Which.
            schema: Says how columns are named.
        """
        if table.name not in self._of_tables:
            self._of_tables[table.name] = TableExclusion(table, schema, self)
        return self._of_tables[table.name]

    def unmatched(self, table: Table) -> list[str]:
        """A warning for each pattern that matches nothing, as far as the tables it names are read by now."""
        return [
            f"The pattern {shown(pattern.text)} of exclude_columns has matched nothing so far; check how it is written."
            for pattern in self.patterns
            if table.name in pattern.tables and self._is_idle(pattern)
        ]

    def _is_idle(self, pattern: Pattern) -> bool:
        if pattern.is_documented:
            return False
        # An overview that is not read need not be: a pattern such as `*.plan` is about lists as well.
        named = [name for name in pattern.tables if name in TABLES or name in self._of_tables]
        tables = [self._of_tables.get(name) for name in named]
        if not all(each and each.is_complete for each in tables):
            return False
        return any(each and each.has_rows for each in tables) and not any(
            each and each.knows(pattern) for each in tables
        )


class TableExclusion:
    """What is left out of the rows of one table; see `Exclusion.of`.

    Attributes:
        is_complete: Whether the table has been read to its end.
        has_rows: Whether it has had any, in this run or before.
    """

    def __init__(self, table: Table, schema: Schema, exclusion: Exclusion) -> None:
        self._table = table
        self._schema = schema
        self._exclusion = exclusion
        self._patterns = [pattern for pattern in exclusion.patterns if table.name in pattern.tables]
        self._kept = _read_by(table)
        self._matched: dict[tuple[str, str, str], tuple[str, ...]] = {}
        self._left_out: dict[str, list[str]] = {}
        self.is_complete = self.has_rows = False

    def left(self, row: Any) -> Any:
        """A row without what is left out, changed in place, however deep it is nested."""
        if not self._patterns or type(row) is not dict:
            return row
        # With the path of each object as its columns are named, and as its keys are written.
        waiting: list[tuple[Any, str, str]] = [(row, "", "")]
        while waiting:
            value, path, written = waiting.pop()
            if type(value) is list:
                waiting += ((each, path, written) for each in value if type(each) in (dict, list))
                continue
            for key in list(value):
                if not self._is_dropped(value, key, path, written) and type(value[key]) in (dict, list):
                    inner = path + named(key, self._schema) + SEPARATOR
                    waiting.append((value[key], inner, written + key + SEPARATOR))
        return row

    def _is_dropped(self, fields: dict[str, Any], key: str, path: str, written: str) -> bool:
        patterns = self._patterns_of(key, path, written)
        if not patterns:
            return False
        column = path + named(key, self._schema)
        for pattern in patterns:
            columns = self._left_out.setdefault(pattern, [])
            if fields[key] not in (None, [], {}) and column not in columns and len(columns) < COLUMNS_KEPT:
                columns.append(column)
        if not path and isinstance(fields[key], self._kept.get(key, ())):
            return False
        del fields[key]
        return True

    def _patterns_of(self, key: str, path: str, written: str) -> tuple[str, ...]:
        place = (key, path, written)
        if (known := self._matched.get(place)) is not None:
            return known
        # Two keys of one object can have one name, and then one of them is tagged.
        names = {path + named(each, self._schema) for each in (key, tagged(key))}
        paths = {*names, *(column_name(self._schema, name) for name in names), written + key}
        matched = tuple(each.text for each in self._patterns if each.matches(self._table.name, paths))
        if len(self._matched) < PATHS_MAX:
            self._matched[place] = matched
        return matched

    def knows(self, pattern: Pattern) -> bool:
        """Whether a pattern has ever matched something, or would match a column that was loaded."""
        columns = self._schema.tables.get(self._table.name, {}).get("columns", {})
        return pattern.text in self._left_out or pattern.matches(self._table.name, columns)

    def note(self, state: MutableMapping[str, Any]) -> None:
        """Adds what was left out by now to the state of the table's resource, and learns from it what was before."""
        for pattern, columns in state.get(LEFT_OUT, {}).items():
            kept = self._left_out.setdefault(pattern, [])
            kept += [each for each in columns if each not in kept][: COLUMNS_KEPT - len(kept)]
        if self._left_out:
            # Other threads read on meanwhile.
            state[LEFT_OUT] = {pattern: list(columns) for pattern, columns in list(self._left_out.items())}

    def taken_back(self) -> list[str]:
        """A warning, if what was left out of earlier rows no longer is."""
        texts = {pattern.text for pattern in self._patterns}
        columns = [each for pattern, left in self._left_out.items() if pattern not in texts for each in left]
        columns = sorted({each for each in columns if not self._exclusion.excludes(self._table, each)})
        if not columns:
            return []
        missing = ", ".join(columns[:COLUMNS_KEPT])
        return [
            f"{self._table.name}: what exclude_columns left out before ({missing}) is missing from the rows loaded "
            f"then; --full-refresh --tables {self._table.name} loads them again."
        ]

    def ended(self, *, has_rows: bool) -> list[str]:
        """What is to be said when the table has been read to its end."""
        self.is_complete, self.has_rows = True, has_rows
        return [*self.taken_back(), *self._exclusion.unmatched(self._table)]


def _read_by(table: Table) -> dict[str, type]:
    """The fields of a row that reading looks at, and of which type it can use them."""
    if isinstance(table, Overview):
        return dict.fromkeys(table.needed, object)
    return {table.default_sort_key: str, **dict.fromkeys((*table.needed, "created_at"), object)}


def _documented(table: Table) -> list[str]:
    """The columns, objects and lists of a table that are documented, and a key of free-form properties."""
    in_lists = (f"{name}{SEPARATOR}{key}" for name, columns in table.elements.items() for key in columns)
    names = (*table.columns, *table.flattened, *table.objects, *table.lists, *table.properties, *in_lists)
    parts = [name.split(SEPARATOR) for name in names]
    parents = {SEPARATOR.join(each[:count]) for each in parts for count in range(1, len(each) + 1)}
    return [*parents, *(f"{path}{SEPARATOR}{_ANY_KEY}" for path in table.properties)]


def _may_have(table: Table, column: str) -> bool:
    """Whether a column is documented, or a key of free-form properties."""
    name = column.lower().replace(".", SEPARATOR)
    return name in _documented(table) or any(name.startswith(path + SEPARATOR) for path in table.properties)
