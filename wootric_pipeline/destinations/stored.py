"""Tables where they are stored: how many rows they hold, and how they are rid of rows that are gone.

dlt removes rows by dropping or emptying whole tables before it loads. That leaves nothing if the load then fails, so a
full refresh merges all rows into the old ones, and in the end removes those that are of no load of its own.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from dlt import Pipeline, Schema

from ..dlt_internals import (
    SqlClient,
    add_missing_columns,
    destination_has_schema,
    has_schema,
    is_refused_statement,
    sent_time,
    sql_client,
    staging,
    table_chain,
    tables_with_cursor,
)
from ..errors import ConfigurationError
from ..state import KNOWN
from ..tables import ALL_TABLES, DELETED_AT, PERSON, PRIMARY_KEY
from .layout import FILES, kind_of

LOAD_ID, ROW_ID, ROOT_ID, DLT_PREFIX = "_dlt_load_id", "_dlt_id", "_dlt_root_id", "_dlt_"
COLUMNS_A_QUERY = 500
"""PostgreSQL takes at most 1,664."""
IDS_A_STATEMENT = 500
"""Oracle takes at most 1,000."""


@dataclass(frozen=True)
class Unused:
    """What holds no values any more.

    Attributes:
        tables: Child tables without rows.
        columns: Of other tables, as the destination spells them.
    """

    tables: Sequence[str]
    columns: Sequence[tuple[str, str]]


class Stored(Protocol):
    """The tables of a dataset."""

    def gone(self, tables: Sequence[str]) -> Mapping[str, str]:
        """Of which tables somebody else has dropped something, and what: the table, a child table, or a column."""

    def restore(self, table: str) -> None:
        """Makes anew what is gone, without values."""

    def restore_bookkeeping(self) -> None:
        """Makes anew those of dlt's own tables that are gone; whatever they held is found out again."""

    def rows(self, table: str, loads: Sequence[str] | None = None) -> int | None:
        """How many rows there are, or how many that are of some loads; None where that cannot be told."""

    def older(self, table: str, than: datetime, column: str) -> int | None:
        """How many rows have a time before another, UTC, in a column; None where that cannot be told."""

    def keep(self, table: str, loads: Sequence[str]) -> None:
        """Removes all rows but those of some loads."""

    def remove(self, table: str, ids: Sequence[int]) -> None:
        """Removes the rows of some ids."""

    def clear(self, table: str, people: Sequence[int], columns: Sequence[str], children: Sequence[str]) -> None:
        """Sets columns of the rows of some people to null, and removes what child tables hold of them."""

    def add_marks(self, table: str) -> None:
        """Gives a table the column for marks, where dlt does so only with rows."""

    def mark(self, table: str, ids: Sequence[int], at: datetime | None) -> None:
        """Marks the rows of some ids as gone since a time, UTC; None takes the marks away."""

    def unused(self, table: str, declared: Sequence[str]) -> Unused:
        """Columns and child tables that hold nothing and are not declared."""

    def drop(self, unused: Unused) -> list[str]:
        """Drops what is unused; the names of columns that the destination does not drop."""


@contextmanager
def stored(pipeline: Pipeline) -> Iterator[Stored | None]:
    """The tables of a pipeline's dataset; None where nothing was loaded yet, or rows cannot be removed.

    Raises:
        Exception: Whatever the destination raises when it cannot be reached.
    """
    if not has_schema(pipeline):
        yield None
        return
    with pipeline.destination_client() as client:
        if (sql := sql_client(client)) is not None:
            yield SqlTables(sql, pipeline.default_schema)
        elif kind_of(pipeline) == FILES:
            from .stored_files import FileTables

            loaded = tables_with_cursor(pipeline) | _overviews_with_rows(pipeline)
            yield FileTables(client, pipeline.default_schema, loaded)
        else:
            yield None


def require_whole(destination: Stored, tables: Sequence[str]) -> None:
    """Makes sure that nobody has dropped tables, or parts of them.

    Raises:
        ConfigurationError: Somebody has.
        Exception: Whatever the destination raises when it cannot be reached.
    """
    for name, lost in destination.gone(tables).items():
        raise ConfigurationError(
            f"The {'column' if '.' in lost else 'table'} {lost} is gone from the destination; load it again with "
            f"--full-refresh --tables {name}."
        )


def _overviews_with_rows(pipeline: Pipeline) -> set[str]:
    """The overviews of which rows were loaded, as far as the state keeps any of them."""
    sources: Mapping[str, Any] = pipeline.state.get("sources", {})
    resources = [each for source in sources.values() for each in source.get("resources", {}).items()]
    return {name for name, state in resources if KNOWN in state}


def is_declared(schema: Schema, table: str, column: str, declared: Sequence[str]) -> bool:
    """Whether a column stays although it holds nothing: dlt's own, those of the source, and the text of a list."""
    name = column.lower()
    if name.startswith(DLT_PREFIX):
        return True
    if table in ALL_TABLES:
        return name in declared or name in ALL_TABLES[table].lists
    return name in _child_tables(schema).get(table, ())


def _child_tables(schema: Schema) -> dict[str, Collection[str]]:
    """The documented columns of the tables of lists that there are."""
    children = {
        f"{table.name}__{name}": columns for table in ALL_TABLES.values() for name, columns in table.children.items()
    }
    return {name: columns for name, columns in children.items() if name in schema.tables}


def _missing(chain: Mapping[str, Sequence[str]], there: Mapping[str, Sequence[str]]) -> str | None:
    """The first table or column of a chain of tables that is not there."""
    for name, columns in chain.items():
        if not there[name]:
            return name
        found = {column.lower() for column in there[name]}
        if missing := [column for column in columns if column.lower() not in found]:
            return f"{name}.{missing[0]}"
    return None


class SqlTables:
    """Tables of a destination that takes SQL; see `Stored`."""

    def __init__(self, client: SqlClient, schema: Schema) -> None:
        self._client = client
        self._sql = client.sql_client
        self._schema = schema

    def gone(self, tables: Sequence[str]) -> Mapping[str, str]:
        """See `Stored`."""
        if not destination_has_schema(self._client):
            # dlt adds what is missing by itself.
            return {}
        chains = {table: table_chain(self._schema, table) for table in tables}
        # All at once: each question takes a few milliseconds.
        there = self._columns([name for chain in chains.values() for name in chain])
        missing = {table: _missing(chain, there) for table, chain in chains.items()}
        return {table: what for table, what in missing.items() if what is not None}

    def restore(self, table: str) -> None:
        """See `Stored`; where rows are merged from as well, as in `drop`."""
        root, *children = table_chain(self._schema, table)
        if gone := self.gone([table]):
            if gone[table] == root:
                # What is left of its rows belongs to none.
                for child in [name for name, columns in self._columns(children).items() if columns]:
                    self._sql.execute_sql(f"DELETE FROM {self._table(child)} WHERE 1 = 1")
            add_missing_columns(self._client, [root, *children])
        with staging(self._client):
            if there := [name for name, columns in self._columns([root, *children]).items() if columns]:
                add_missing_columns(self._client, there)

    def restore_bookkeeping(self) -> None:
        """See `Stored`."""
        names = self._schema.dlt_table_names()
        if destination_has_schema(self._client) and not all(self._columns(names).values()):
            add_missing_columns(self._client, names)

    def rows(self, table: str, loads: Sequence[str] | None = None) -> int | None:
        """See `Stored`."""
        where = "" if loads is None else f" WHERE {self._of(loads)}"
        return int(self._first_row(f"SELECT count(*) FROM {self._table(table)}{where}")[0])

    def older(self, table: str, than: datetime, column: str) -> int | None:
        """See `Stored`."""
        query = f"SELECT count(*) FROM {self._table(table)} WHERE {self._column(column)} < %s"
        return int(self._first_row(query, than)[0])

    def keep(self, table: str, loads: Sequence[str]) -> None:
        """See `Stored`; at once, where there are transactions."""
        with self._transaction():
            self._delete(table, f"NOT ({self._of(loads)})")

    def _delete(self, table: str, where: str) -> None:
        root, *children = table_chain(self._schema, table)
        ids = f"SELECT {self._column(ROW_ID)} FROM {self._table(root)} WHERE {where}"
        for child in reversed(children):
            self._sql.execute_sql(f"DELETE FROM {self._table(child)} WHERE {self._column(ROOT_ID)} IN ({ids})")
        self._sql.execute_sql(f"DELETE FROM {self._table(root)} WHERE {where}")

    def remove(self, table: str, ids: Sequence[int]) -> None:
        """See `Stored`; at once, where there are transactions."""
        with self._transaction():
            for some in self._chosen(ids):
                self._delete(table, some)

    def clear(self, table: str, people: Sequence[int], columns: Sequence[str], children: Sequence[str]) -> None:
        """See `Stored`; at once, where there are transactions."""
        root = self._table(table)
        # Names are those of the schema, which not every naming convention leaves as they are.
        nulls = ", ".join(f"{self._sql.escape_column_name(column)} = NULL" for column in columns)
        with self._transaction():
            for some in self._chosen(people, PERSON):
                ids = f"SELECT {self._column(ROW_ID)} FROM {root} WHERE {some}"
                for child in children:
                    self._sql.execute_sql(f"DELETE FROM {self._table(child)} WHERE {self._column(ROOT_ID)} IN ({ids})")
                if columns:
                    self._sql.execute_sql(f"UPDATE {root} SET {nulls} WHERE {some}")

    def add_marks(self, table: str) -> None:
        """See `Stored`; dlt adds columns with its schema."""

    def mark(self, table: str, ids: Sequence[int], at: datetime | None) -> None:
        """See `Stored`; at once, where there are transactions."""
        values = [] if at is None else [sent_time(self._sql, at)]
        to = f"{self._column(DELETED_AT)} = {'%s' if values else 'NULL'}"
        with self._transaction():
            for some in self._chosen(ids):
                self._sql.execute_sql(f"UPDATE {self._table(table)} SET {to} WHERE {some}", *values)

    def _chosen(self, ids: Sequence[int], column: str = PRIMARY_KEY) -> Iterator[str]:
        for start in range(0, len(ids), IDS_A_STATEMENT):
            yield f"{self._column(column)} IN ({', '.join(map(str, ids[start : start + IDS_A_STATEMENT]))})"

    def unused(self, table: str, declared: Sequence[str]) -> Unused:
        """See `Stored`."""
        there = self._columns(list(table_chain(self._schema, table)))
        empty = [name for name in there if name != table and not self.rows(name)]
        columns = [
            (name, column)
            for name, found in there.items()
            if name not in empty
            for column in self._empty(
                name, [each for each in found if not is_declared(self._schema, name, each, declared)]
            )
        ]
        return Unused([name for name in empty if name not in _child_tables(self._schema)], columns)

    def drop(self, unused: Unused) -> list[str]:
        """See `Stored`; from where rows are merged as well, since dlt compares the columns of both with its own."""
        refused = self._drop(unused)
        with staging(self._client):
            self._drop(unused)
        return refused

    def _drop(self, unused: Unused) -> list[str]:
        if unused.tables:
            self._sql.drop_tables(*unused.tables)
        there, refused = self._columns(sorted({table for table, _ in unused.columns})), []
        for table, column in unused.columns:
            if column not in there[table]:
                continue
            name = self._sql.escape_column_name(column, casefold=False)
            try:
                self._sql.execute_sql(f"ALTER TABLE {self._table(table)} DROP COLUMN {name}")
            except Exception as error:
                if not is_refused_statement(error):
                    raise
                refused.append(f"{table}.{column}")
        return refused

    def _empty(self, table: str, columns: Sequence[str]) -> list[str]:
        """Columns without a value; none of a table without rows."""
        empty = []
        for start in range(0, len(columns), COLUMNS_A_QUERY):
            some = columns[start : start + COLUMNS_A_QUERY]
            counts = ", ".join(f"count({self._sql.escape_column_name(name, casefold=False)})" for name in some)
            found = self._first_row(f"SELECT {counts} FROM {self._table(table)}")
            empty += [name for name, count in zip(some, found, strict=True) if not count]
        return empty

    def _columns(self, tables: Sequence[str]) -> dict[str, list[str]]:
        return {name: list(columns) for name, columns in self._client.get_storage_tables(tables)}

    def _of(self, loads: Sequence[str]) -> str:
        # Ids of loads are digits and a point.
        return f"{self._column(LOAD_ID)} IN ({', '.join(repr(load) for load in loads or [''])})"

    def _first_row(self, query: str, *values: Any) -> Sequence[Any]:
        rows = self._sql.execute_sql(query, *values)
        return tuple(rows[0]) if rows else (0,)

    def _table(self, name: str) -> str:
        return self._sql.make_qualified_table_name(name)

    def _column(self, name: str) -> str:
        return self._sql.escape_column_name(self._schema.naming.normalize_identifier(name))

    def _transaction(self) -> AbstractContextManager[Any]:
        # dlt only says where there are none: of DuckDB, among others, it says nothing (1.31).
        return nullcontext() if self._sql.capabilities.supports_transactions is False else self._sql.begin_transaction()
