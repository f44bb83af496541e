"""Indexes on what dlt looks rows up by, so that an increment costs what has changed and not what there is.

dlt merges by deleting first: the rows whose `id` comes again, and their rows in child tables, by `_dlt_root_id`. It
makes no index on either (dlt 1.31), so that a database reads all tables whole each time.
"""

import logging
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from dlt import Pipeline, Schema

from ..dlt_internals import is_refused_statement, sql_client, table_chain
from ..tables import PRIMARY_KEY, TABLES
from .layout import kind_of
from .stored import ROOT_ID

# Not DuckDB, which is slower with them.
INDEXED = ("postgres", "sqlalchemy")

log = logging.getLogger("wootric_pipeline.destinations")


def add_indexes(pipeline: Pipeline) -> None:
    """Makes the indexes that are missing; where the loader may not, merges take longer, and nothing else.

    Raises:
        Exception: Whatever the destination raises when it cannot be reached.
    """
    if kind_of(pipeline) not in INDEXED:
        return
    with pipeline.destination_client() as client:
        sql = sql_client(client)
        if sql is None:
            return
        for table, column in _wanted(pipeline.default_schema):
            try:
                if _add_index(sql.sql_client, table, column):
                    log.info("Made an index on %s.%s, by which rows are merged.", table, column)
            except Exception as error:
                if not is_refused_statement(error):
                    raise
                log.info("The database takes no index on %s.%s: merging takes longer.", table, column)


def _wanted(schema: Schema) -> Iterator[tuple[str, str]]:
    """Tables, and the column by which dlt finds their rows."""
    for name in TABLES:
        for number, table in enumerate(table_chain(schema, name)):
            yield table, schema.naming.normalize_identifier(ROOT_ID if number else PRIMARY_KEY)


def _add_index(sql: Any, table: str, column: str) -> bool:
    """Whether an index was missing, which is there now."""
    name = f"ix_{table}_{column}"
    if hasattr(sql, "reflect_table"):
        return _add_by_sqlalchemy(sql, name, table, column)
    qualified = sql.make_qualified_table_name(table)
    leading = sql.execute_sql(
        "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] "
        "WHERE i.indrelid = to_regclass(%s) AND i.indpred IS NULL",
        qualified,
    )
    if (column,) in (leading or ()):
        return False
    escaped = sql.escape_column_name
    sql.execute_sql(f"CREATE INDEX IF NOT EXISTS {escaped(name)} ON {qualified} ({escaped(column)})")
    return True


def _add_by_sqlalchemy(sql: Any, name: str, table: str, column: str) -> bool:
    # By its name: types differ by whether it is installed.
    sqlalchemy = import_module("sqlalchemy")
    reflected = sql.reflect_table(table, sqlalchemy.MetaData())
    if reflected is None or any(next(iter(index.columns)).name == column for index in reflected.indexes):
        return False
    if column in [each.name for each in reflected.primary_key.columns][:1]:
        return False
    sql.execute_sql(sqlalchemy.schema.CreateIndex(sqlalchemy.Index(name, reflected.c[column])))
    return True
