"""Patterns of columns, as `exclude_columns` and `hash_columns` have them, and what of a row they mean."""

import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import translate
from functools import cached_property
from typing import ClassVar, Generic, TypeVar

from dlt import Schema

from .descriptions import personal_columns
from .dlt_internals import column_name
from .errors import ConfigurationError
from .naming import SEPARATOR, named, tagged
from .settings import shown
from .tables import ALL_TABLES, END_USERS, PERSON_IN_ROW, TABLES, Table

PERSONAL = "personal"
"""Stands for all columns that are known to be personal."""
PATHS_MAX = 10_000

_ANY_KEY = "\0"
_ALL_OF_A_LIST = ("value", "*")
"""Columns of a child table without which it holds nothing: the elements of a list of texts, or all there are."""


class Pattern:
    """A pattern such as `responses.ip_address`, `*.properties__*` or `*email`, compared regardless of case.

    Behind the table, a dot means the same as the two underscores between the names of nested fields. The child table of
    a list may be named, too: `responses__tags.value` is `responses.tags`.

    Args:
        text: As the user wrote it.
        setting: In which it stands.

    Attributes:
        text: As the user wrote it.
        tables: The names of those that it is about.

    Raises:
        ConfigurationError: It names no column that there is or can be.
    """

    def __init__(self, text: str, setting: str) -> None:
        self.text = text
        self._setting = setting
        table, dot, column = _in_row(*text.partition("."))
        whose = re.compile(translate(table), re.IGNORECASE)
        self.tables = tuple(name for name in ALL_TABLES if not dot or whose.fullmatch(name))
        self._has_table = bool(dot)
        if not self.tables or not (column if dot else "*" in table):
            raise ConfigurationError(
                f"{setting} must name columns as in responses.ip_address, or all that are {PERSONAL}, not "
                f"{shown(text)}."
            )
        regex = re.sub(rf"\\\.|{SEPARATOR}", f"(?:{SEPARATOR}|[.])", translate(column)) if dot else translate(table)
        self._column = re.compile(regex, re.IGNORECASE)
        self._check_spelling(column)

    def _check_spelling(self, column: str) -> None:
        """What is misspelled would be written: a name without wildcards has to be one that is known."""
        is_name = self._has_table and not any(wildcard in column for wildcard in "*?[")
        if is_name and not any(_may_have(ALL_TABLES[name], column) for name in self.tables):
            raise ConfigurationError(
                f"{self._setting} must name columns that there are, unlike {shown(self.text)}; where the documentation "
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


def _of_people() -> Iterator[str]:
    """Patterns of all columns that are known to be personal."""
    for table in TABLES.values():
        yield from (f"{table.name}.{column}" for column in personal_columns(table.name))
        if PERSON_IN_ROW in table.objects:
            # One of them was seen there; what the person's own row has may come, too.
            yield from (f"{table.name}.{PERSON_IN_ROW}__{column}*" for column in personal_columns(END_USERS.name))


PERSONAL_PATTERNS = tuple(_of_people())


def _spelled_out(patterns: Iterable[str]) -> list[str]:
    """Patterns with all that are personal in place of the word for them."""
    return [each for text in patterns for each in (PERSONAL_PATTERNS if text.lower() == PERSONAL else [text])]


class TableSelection:
    """What patterns mean in the rows of one table; see `Selection.of`.

    Args:
        table: Which.
        schema: Says how columns are named.
        patterns: Of all tables.

    Attributes:
        is_complete: Whether the table has been read to its end.
        has_rows: Whether it has had any, in this run or before.
    """

    def __init__(self, table: Table, schema: Schema, patterns: Sequence[Pattern]) -> None:
        self._table = table
        self._schema = schema
        self._patterns = [pattern for pattern in patterns if table.name in pattern.tables]
        self._matched: dict[tuple[str, str, str], tuple[str, ...]] = {}
        self._below = {path: texts for path in _objects(table) if (texts := self._patterns_below(path))}
        self.is_complete = self.has_rows = False

    def patterns_of(self, key: str, path: str, written: str) -> tuple[str, ...]:
        """Those that mean a field of an object.

        Args:
            key: The field's.
            path: Where the object is in a row, as its columns are named.
            written: The same, as its keys are written.
        """
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

    def _patterns_below(self, path: str) -> tuple[str, ...]:
        """Those that mean something documented, or any key, inside an object."""
        inside = [name for name in _documented(self._table) if name.startswith(path + SEPARATOR)]
        return tuple(each.text for each in self._patterns if each.matches(self._table.name, inside))

    def patterns_in_place_of(self, key: str, path: str) -> tuple[str, ...]:
        """Those that mean something in the object that should be at a place: what is there instead may be just that."""
        return self._below.get(path + named(key, self._schema), ()) if self._below else ()

    def has_matched(self, pattern: Pattern) -> bool:
        """Whether a pattern has ever meant something in a row."""
        raise NotImplementedError

    def knows(self, pattern: Pattern) -> bool:
        """Whether a pattern has ever meant something in a row, or means a column that was loaded."""
        columns = self._schema.tables.get(self._table.name, {}).get("columns", {})
        return self.has_matched(pattern) or pattern.matches(self._table.name, columns)


OfTable = TypeVar("OfTable", bound=TableSelection)


class Selection(Generic[OfTable]):
    """The columns that a setting names; the threads that read share it.

    Args:
        patterns: Of columns, also of keys inside a JSON column, as they are written or as the columns are named; or the
            word for all that are known to be personal.

    Raises:
        ConfigurationError: A pattern names no column, or one that has to stay as it is.
    """

    setting: ClassVar[str]
    needed: ClassVar[Sequence[str]] = ()
    """Columns that it cannot name, beside those that each table needs."""
    needed_by: ClassVar[str] = "merging needs"

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        texts = dict.fromkeys(_spelled_out(patterns))
        self.patterns = tuple(Pattern(text, self.setting) for text in texts)
        self._of_tables: dict[str, OfTable] = {}
        for table in ALL_TABLES.values():
            for needed in (*table.needed, *self.needed):
                if needed in table.columns and self.names(table, needed):
                    raise ConfigurationError(
                        f"{self.setting} must leave {table.name}.{needed}, which {self.needed_by}."
                    )

    def names(self, table: Table, column: str) -> bool:
        """Whether a documented column of a table, or the object it is in, is named."""
        names = column.split(SEPARATOR)
        paths = [SEPARATOR.join(names[:count]) for count in range(1, len(names) + 1)]
        return any(pattern.matches(table.name, paths) for pattern in self.patterns)

    def _made(self, table: Table, schema: Schema) -> OfTable:
        raise NotImplementedError

    def of(self, table: Table, schema: Schema) -> OfTable:
        """What is named of one table, as long as the source lives.

        Args:
            table: Which.
            schema: Says how columns are named.
        """
        if table.name not in self._of_tables:
            self._of_tables[table.name] = self._made(table, schema)
        return self._of_tables[table.name]

    def unmatched(self, table: Table) -> list[str]:
        """A warning for each pattern that matches nothing, as far as the tables it names are read by now."""
        return [
            f"The pattern {shown(pattern.text)} of {self.setting} has matched nothing so far; check how it is written."
            for pattern in self.patterns
            if table.name in pattern.tables and self._is_idle(pattern)
        ]

    def _is_idle(self, pattern: Pattern) -> bool:
        if pattern.is_documented or pattern.text in PERSONAL_PATTERNS:
            return False
        # An overview that is not read need not be: a pattern such as `*.plan` is about lists as well.
        named = [name for name in pattern.tables if name in TABLES or name in self._of_tables]
        tables = [self._of_tables.get(name) for name in named]
        if not all(each and each.is_complete for each in tables):
            return False
        return any(each and each.has_rows for each in tables) and not any(
            each and each.knows(pattern) for each in tables
        )


def _objects(table: Table) -> set[str]:
    """Where a row has documented objects."""
    return {*table.objects, *table.properties, *table.documented_objects}


def any_key(path: str) -> str:
    """A column that stands for all that free-form properties at a path have."""
    return f"{path}{SEPARATOR}{_ANY_KEY}"


def _documented(table: Table) -> list[str]:
    """The columns, objects and lists of a table that are documented, and a key of free-form properties."""
    in_lists = (f"{name}{SEPARATOR}{key}" for name, columns in table.elements.items() for key in columns)
    names = (*table.columns, *table.flattened, *table.objects, *table.lists, *table.properties, *in_lists)
    parts = [name.split(SEPARATOR) for name in names]
    parents = {SEPARATOR.join(each[:count]) for each in parts for count in range(1, len(each) + 1)}
    return [*parents, *map(any_key, table.properties)]


def _may_have(table: Table, column: str) -> bool:
    """Whether a column is documented, or a key of free-form properties."""
    name = column.lower().replace(".", SEPARATOR)
    return name in _documented(table) or any(name.startswith(path + SEPARATOR) for path in table.properties)
