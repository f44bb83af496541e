"""Old copies of values that rows have no more: databases and tables of files keep them until somebody tidies up."""

import os
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from dlt import Pipeline

from ..dlt_internals import (
    drop_old_packages,
    drop_old_states,
    has_schema,
    local_path,
    open_table,
    plain_files,
    sql_client,
    sqlite_files,
    staging,
    table_chain,
)
from .layout import FILES, kind_of
from .stored_files import remove_former_files

REWRITTEN = ".rewritten"
"""Behind the name of a DuckDB file, while it is written anew."""
LOCK_SECONDS = 60
"""How long PostgreSQL waits for whoever reads a table that is to be written anew."""


class StillOpen(Exception):
    """A file cannot be written anew while somebody writes to it."""


def remove_old_copies(tables: Sequence[tuple[Pipeline, Sequence[str]]]) -> None:
    """Removes what is left of rows that were removed or changed, as far as the destination lets anybody.

    These are rows where dlt merges from, former versions of dlt's state and dlt's working files; and, on PostgreSQL,
    SQLite, DuckDB, Delta and Iceberg, what rows held before. Backups, logs of databases and versions that a store keeps
    of its objects stay.

    Args:
        tables: By name, of the datasets of pipelines, into which nobody loads meanwhile.

    Raises:
        Exception: Whatever the destination raises when it cannot be reached, or does not let itself be tidied.
    """
    files = {file: rewrite for pipeline, names in tables for file, rewrite in _tidied(pipeline, names).items()}
    for file, rewrite in files.items():
        rewrite(file)


def _tidied(pipeline: Pipeline, tables: Sequence[str]) -> dict[str, Callable[[str], None]]:
    """Tidies up a dataset; files of databases that are still to be written anew, and what does that."""
    drop_old_packages(pipeline, 0)
    if not has_schema(pipeline):
        return {}
    drop_old_states(pipeline)
    names = [each for name in tables for each in table_chain(pipeline.default_schema, name)]
    with pipeline.destination_client() as client:
        if (sql := sql_client(client)) is not None:
            _empty_staging(sql, names)
            if kind_of(pipeline) == "postgres":
                _rewrite_postgres(sql, [*names, pipeline.default_schema.state_table_name])
        elif kind_of(pipeline) == FILES:
            for name in names:
                if (table := open_table(client, pipeline.default_schema, name)) is not None:
                    remove_former_files(plain_files(client, name)[0], table)
        files: dict[str, Callable[[str], None]] = {}
        files |= {os.path.realpath(file): _rewrite_sqlite for file in sqlite_files(client)}
        if kind_of(pipeline) == "duckdb" and (file := local_path(client)):
            files[os.path.realpath(file)] = _rewrite_duckdb
        return files


def _empty_staging(client: Any, tables: Sequence[str]) -> None:
    """Empties the tables from which dlt merges; it does so itself before the next load."""
    with staging(client):
        for name in _there(client, tables):
            client.sql_client.execute_sql(f"DELETE FROM {_qualified(client, name)} WHERE 1 = 1")


def _rewrite_postgres(client: Any, tables: Sequence[str]) -> None:
    sql = client.sql_client
    sql.execute_sql(f"SET lock_timeout = '{LOCK_SECONDS}s'")
    with staging(client):
        names = [_qualified(client, name) for name in _there(client, tables)]
    for name in [*(_qualified(client, each) for each in _there(client, tables)), *names]:
        # Statistics hold values as well.
        sql.execute_sql(f"VACUUM (FULL, ANALYZE) {name}")


def _there(client: Any, tables: Sequence[str]) -> list[str]:
    return [name for name, columns in client.get_storage_tables(tables) if columns]


def _qualified(client: Any, table: str) -> str:
    return str(client.sql_client.make_qualified_table_name(table))


def _rewrite_sqlite(file: str) -> None:
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()


def _rewrite_duckdb(file: str) -> None:
    """Writes all of a DuckDB file into a new one, since nothing else overwrites what was deleted (DuckDB 1.5)."""
    import duckdb

    new = Path(file + REWRITTEN)
    new.unlink(missing_ok=True)
    with duckdb.connect(file) as connection:
        connection.execute("CHECKPOINT")
        if os.path.exists(file + ".wal"):
            raise StillOpen
        ((name,),) = connection.execute("SELECT current_database()").fetchall()
        try:
            quoted = str(new).replace("'", "''")
            connection.execute(f"ATTACH '{quoted}' AS rewritten")
            connection.execute(f'COPY FROM DATABASE "{name}" TO rewritten')
            connection.execute("DETACH rewritten")
            shutil.copymode(file, new)
            # Before it is closed, so that nobody writes to the old one between.
            new.replace(file)
        finally:
            with suppress(OSError):
                new.unlink(missing_ok=True)
