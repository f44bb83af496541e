"""Asks tables where they are stored, in one dialect of SQL, DuckDB's, whatever the destination.

Databases get the query in their own dialect, from dlt. Tables of files are asked by a DuckDB in memory: plain ones by
dlt's, and Delta and Iceberg ones by way of Arrow, since DuckDB's extensions for these would have to be downloaded.
"""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

import dlt
from dlt import Pipeline, Schema

from ..dlt_internals import local_path, open_table
from .layout import kind_of

TABLE_FORMATS = ("delta", "iceberg")
WITHOUT_ZONES = ("sqlalchemy", "clickhouse")
"""Destinations whose columns of times have no zone, or are texts."""


def is_empty(pipeline: Pipeline, schema: str) -> bool:
    """Whether no table of a schema is loaded into the dataset of a pipeline.

    Raises:
        Exception: Whatever the destination raises when it cannot be reached.
    """
    if is_missing_file(pipeline):
        return True
    with pipeline.destination_client() as client:
        # Of a dataset that is not there, nothing can be asked.
        if not client.is_storage_initialized():
            return True
    return not Queries(pipeline, schema).tables


def is_missing_file(pipeline: Pipeline) -> bool:
    """Whether the tables would be in a file of this machine's that is not there; to ask would make it."""
    path = local_path(pipeline.destination_client())
    return path is not None and not os.path.exists(path)


def in_utc(moment: Any) -> datetime | None:
    """A time as a destination gives it: some have texts, or times without their zone, which are in UTC then."""
    if moment is None:
        return None
    at = datetime.fromisoformat(moment.replace("Z", "+00:00")) if isinstance(moment, str) else moment
    found: datetime = at.replace(tzinfo=timezone.utc) if at.tzinfo is None else at.astimezone(timezone.utc)
    return found


class Queries:
    """The tables of one schema in a dataset.

    Args:
        pipeline: Whose dataset.
        schema: The name of the schema, which need not be known here.

    Raises:
        Exception: Whatever the destination raises when it cannot be reached.
    """

    def __init__(self, pipeline: Pipeline, schema: str) -> None:
        # What the working folder knows may be of another dataset.
        self._dataset = dlt.dataset(pipeline.destination, pipeline.dataset_name, schema)
        self._has_zones = kind_of(pipeline) not in WITHOUT_ZONES
        self._name = schema

    @property
    def schema(self) -> Schema:
        """What dlt knows of the tables."""
        return self._dataset.schema

    @property
    def tables(self) -> Collection[str]:
        """Those that were loaded at some time."""
        return self._dataset.schema.data_table_names(seen_data_only=True)

    def columns(self, table: str) -> Mapping[str, Any]:
        """Those of a table that were loaded at some time, as dlt's schema describes them."""
        return self._dataset.schema.get_table_columns(table)

    def instant(self, moment: datetime) -> str:
        """A moment, in UTC or any other zone, as a query compares columns with it."""
        text = f"{moment.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S}"
        return f"CAST('{text}+00:00' AS TIMESTAMPTZ)" if self._has_zones else f"'{text}'"

    @property
    def last_load(self) -> str | None:
        """The id of the last load that was committed.

        Raises:
            Exception: Whatever the destination raises when it cannot be reached.
        """
        return self._dataset.latest_load_id(self._name)

    @property
    def _are_open_tables(self) -> bool:
        """Whether tables are files in a table format; a database's schema may name one that was tried elsewhere."""
        has_open_tables = hasattr(self._dataset.destination_client, "load_open_table")
        known = self._dataset.schema.tables
        return has_open_tables and any(known[name].get("table_format") in TABLE_FORMATS for name in self.tables)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query gives; times are in UTC.

        Raises:
            Exception: Whatever the destination raises when it cannot be reached.
        """
        if not self._are_open_tables:
            return self._dataset.query(query, query_dialect="duckdb").fetchall()
        with self.in_memory() as connection:
            found: list[tuple[Any, ...]] = connection.execute(query).fetchall()
            return found

    @contextmanager
    def kept(self) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
        """Several queries, as `rows` asks one, for which what it costs to open the tables is paid once.

        Raises:
            Exception: Whatever the destination raises when it cannot be reached.
        """
        if self._are_open_tables:
            with self.in_memory() as connection:
                yield lambda query: connection.execute(query).fetchall()
        else:
            # A DuckDB file is opened again for each query otherwise.
            client: Any = self._dataset.sql_client
            with client:
                yield self.rows

    @contextmanager
    def in_memory(self) -> Iterator[Any]:
        """A DuckDB in memory that has the Delta and Iceberg tables, by their names; times are in UTC.

        Raises:
            Exception: Whatever the store raises when it cannot be reached.
        """
        # It takes a while, and most destinations do without it.
        import duckdb

        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            for name in self.tables:
                if (table := open_table(self._dataset.destination_client, self._dataset.schema, name)) is not None:
                    is_delta = hasattr(table, "to_pyarrow_dataset")
                    connection.register(name, table.to_pyarrow_dataset() if is_delta else table.scan().to_arrow())
            yield connection
