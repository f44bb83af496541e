"""Comments of tables and columns in databases, where dlt writes none, or only when it makes the table."""

import logging
from collections.abc import Mapping
from typing import Any

from dlt import Pipeline, Schema
from dlt.destinations.sql_client import SqlClientBase

from ..descriptions import TABLE_DESCRIPTIONS, descriptions
from ..dlt_internals import has_schema
from .layout import Describe, kind_of

_DUCKDB = """
    SELECT table_name, NULL, comment FROM duckdb_tables()
    WHERE database_name = current_database() AND schema_name = %s
    UNION ALL
    SELECT table_name, column_name, comment FROM duckdb_columns()
    WHERE database_name = current_database() AND schema_name = %s"""

_POSTGRES = """
    SELECT CAST(relname AS text), CAST(NULL AS text), obj_description(pg_class.oid, 'pg_class')
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind IN ('r', 'p') AND nspname = %s
    UNION ALL
    SELECT CAST(relname AS text), CAST(attname AS text), col_description(pg_class.oid, attnum)
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE relkind IN ('r', 'p') AND nspname = %s AND attnum > 0 AND NOT attisdropped"""

_SNOWFLAKE = """
    SELECT table_name, NULL, comment FROM information_schema.tables WHERE table_schema = %s
    UNION ALL
    SELECT table_name, column_name, comment FROM information_schema.columns WHERE table_schema = %s"""

QUERIES: Mapping[str, str] = {
    "duckdb": _DUCKDB,
    "ducklake": _DUCKDB,
    "postgres": _POSTGRES,
    "redshift": _POSTGRES,
    "snowflake": _SNOWFLAKE,
}
"""By kind of destination: tables, columns or null for the table, and comments. The dataset is asked for twice."""

Written = Mapping[tuple[str, str | None], str | None]
"""The comments of a dataset, also of what has none, by table and column as the database spells them."""

log = logging.getLogger("wootric_pipeline.destinations")


def write_comments(
    pipeline: Pipeline, describe: Describe = descriptions, tables: Mapping[str, str] | None = None
) -> None:
    """Has a database say of tables and columns what they mean, wherever it says something else or nothing.

    Whatever goes wrong is logged and no error: all rows are loaded by now, and not every loader owns the tables.

    Args:
        pipeline: Where to.
        describe: Says what the columns of a table mean.
        tables: What tables are, by name; None is Wootric's.
    """
    query = QUERIES.get(kind_of(pipeline))
    if query is None or not has_schema(pipeline):
        return
    try:
        # Asked for once: dlt makes it anew each time.
        schema = pipeline.default_schema
        with pipeline.sql_client() as client:
            written = _written(client, query)
            for table, text in (TABLE_DESCRIPTIONS if tables is None else tables).items():
                told = (text, describe(table))
                _comment(client, table, _differing(client, schema, table, told, written))
    except Exception as error:
        log.debug("Whether tables and columns are commented on could not be read (%s).", type(error).__name__)


def _written(client: SqlClientBase[Any], query: str) -> Written:
    dataset = client.make_qualified_table_name_path(None, quote=False)[-1]
    return {(table, column): comment for table, column, comment in client.execute_sql(query, dataset, dataset) or ()}


def _differing(
    client: SqlClientBase[Any], schema: Schema, table: str, told: tuple[str, Mapping[str, str]], written: Written
) -> list[str]:
    """The statements that write what the database does not say yet of a table and of those of its columns there are."""
    normalized = schema.naming.normalize_tables_path(table)
    name = client.make_qualified_table_name_path(normalized, quote=False)[-1]
    qualified = client.make_qualified_table_name(normalized)
    of_table, described = told
    wanted: dict[str | None, tuple[str, str]] = {None: (f"TABLE {qualified}", of_table)}
    for column, text in described.items():
        identifier = schema.naming.normalize_path(column)
        quoted = client.escape_column_name(identifier)
        wanted[client.escape_column_name(identifier, quote=False)] = (f"COLUMN {qualified}.{quoted}", text)
    return [
        f"COMMENT ON {what} IS {_literal(text)}"
        for column, (what, text) in wanted.items()
        if (name, column) in written and written[name, column] != text
    ]


def _literal(text: str) -> str:
    """A text without backslashes, which some databases take for the beginning of something else."""
    return "'" + text.replace("'", "''") + "'"


def _comment(client: SqlClientBase[Any], table: str, statements: list[str]) -> None:
    if not statements:
        return
    try:
        # DuckLake writes a snapshot for each statement otherwise.
        with client.begin_transaction():
            client.execute_many(statements)
        log.info("Wrote %s comments of %s.", len(statements), table)
    except Exception as error:
        log.debug("The database takes no comments of %s (%s).", table, type(error).__name__)
