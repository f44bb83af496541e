"""What each kind of destination needs, so that a merge there is a merge; everything else is dlt's.

Found out by running them (dlt 1.31). Files on S3 and the like merge in table formats only, and there a child table
keeps the elements that a list has lost: so lists stay inside the row, as JSON.
"""

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, get_args

import dlt
from dlt.common.pipeline import SupportsPipeline
from dlt.common.runtime import signals
from dlt.common.schema.typing import TColumnSchema, TFileFormat, TTableFormat, TWriteDispositionConfig
from dlt.common.utils import custom_environ
from dlt.extract.hints import TResourceHints, TResourceNestedHints
from dlt.pipeline.pipeline import Pipeline

from .errors import ConfigurationError
from .tables import Table

FileLayout = Literal["delta", "iceberg", "parquet", "jsonl"]

FILES = ("filesystem",)
DUCKDB = "duckdb"
POSTGRES = "postgres"
LOCK_POLL_SECONDS = 0.2

FILE_FORMATS: dict[str, TFileFormat] = {
    "duckdb": "parquet",
    "motherduck": "parquet",
    "ducklake": "parquet",
    "postgres": "csv",
    "filesystem": "parquet",
}
"""Where dlt's own choice is slow: `insert_values` takes many times the seconds and the memory on DuckDB."""

DUCKDB_SPARING = ("SET threads = 1", "SET checkpoint_threshold = '1MB'")
"""It is a part of this process. A second thread holds as much as the first and saves no time, and what is committed
would stay in memory until the connection closes."""

_environment = threading.Lock()

TABLE_FORMATS: dict[str, TTableFormat] = {"athena": "iceberg"}
"""Where tables of dlt's own choice cannot be merged into: it would append each version of a row, with a warning."""


@dataclass(frozen=True)
class Layout:
    """How rows are laid out at a destination.

    Attributes:
        file_format: Of load files; None is what dlt prefers there.
        table_format: Of tables made of files; None where there are none.
        lists_in_rows: Whether lists stay inside their row as JSON instead of becoming child tables.
        upserts: Whether rows are merged by a statement that takes but one version of each.
        appends: Whether each version of a row is kept, because plain files cannot be merged into.
    """

    file_format: TFileFormat | None = None
    table_format: TTableFormat | None = None
    lists_in_rows: bool = False
    upserts: bool = False
    appends: bool = False


def layout(destination: str, files: str) -> Layout:
    """The layout for a kind of destination.

    Args:
        destination: Its type, as in `dlt.destinations.postgres`, with or without the module.
        files: The setting for destinations that keep files.

    Raises:
        ConfigurationError: The setting is none of `FileLayout`.
    """
    if files not in get_args(FileLayout):
        raise ConfigurationError(f"files must be one of {', '.join(get_args(FileLayout))}.")
    kind = destination.rpartition(".")[2]
    if kind not in FILES:
        return Layout(FILE_FORMATS.get(kind), TABLE_FORMATS.get(kind))
    if files == "delta":
        return Layout("parquet", "delta", lists_in_rows=True, upserts=True)
    if files == "iceberg":
        return Layout("parquet", "iceberg", lists_in_rows=True, upserts=True)
    return Layout("parquet" if files == "parquet" else "jsonl", appends=True)


def require_packages(destination: str, files: str) -> None:
    """Imports what writing files takes, which dlt itself does when it loads.

    Raises:
        MissingDependencyException: It is not installed.
    """
    libraries = {"delta": "deltalake", "iceberg": "pyiceberg"}
    table_format = layout(destination, files).table_format
    if destination.endswith(FILES) and table_format:
        import_module(f"dlt.common.libs.{libraries[table_format]}")


def kind_of(pipeline: SupportsPipeline) -> str:
    """The type of a pipeline's destination; empty while it has none."""
    return pipeline.destination.destination_type if pipeline.destination else ""


@contextmanager
def sparing_memory(pipeline: Pipeline, *, compacts: bool) -> Iterator[None]:
    """Loads into DuckDB within little memory; what the user has set goes before. Elsewhere it does nothing.

    Loads of one process take turns, since dlt is told by the environment.

    Args:
        pipeline: Where to.
        compacts: Whether a merge puts small groups of rows together. That keeps what is updated from lying scattered,
            but takes groups of 122,880 rows into memory: of a long reading each load is large enough as it is.
    """
    if kind_of(pipeline).rpartition(".")[2] != DUCKDB:
        yield
        return
    with _environment:
        credentials: Any = pipeline.destination_client().config.credentials
        statements = [*DUCKDB_SPARING, f"SET max_vacuum_tasks = {int(compacts)}", *(credentials.statements or ())]
        # Of all names, dlt looks for this one first.
        sections = (pipeline.pipeline_name, "destination", pipeline.destination.destination_name, "credentials")
        # Several tables at once need much more, and are no faster.
        workers = dlt.config.get("load.workers", str) or "1"
        name = "__".join((*sections, "statements")).upper()
        with custom_environ({name: json.dumps(statements), "LOAD__WORKERS": workers}):
            yield


@contextmanager
def exclusive(pipeline: Pipeline) -> Iterator[None]:
    """Keeps other loaders away from a dataset, on PostgreSQL; elsewhere it does nothing.

    dlt copies rows into a staging dataset that all loaders share, and merges them from there: one would empty it
    between the copy and the merge of another, and both would call that success (dlt 1.31). The server takes the lock
    back when the connection ends, however that comes about.
    """
    if kind_of(pipeline).rpartition(".")[2] != POSTGRES:
        yield
        return
    with pipeline.sql_client() as client:
        name = client.staging_dataset_name.encode()
        key = int.from_bytes(hashlib.sha256(name).digest()[:8], "big", signed=True)
        while client.execute_sql(f"SELECT pg_try_advisory_lock({key})") != [(True,)]:
            # A statement that waits could not be interrupted.
            signals.raise_if_signalled()
            time.sleep(LOCK_POLL_SECONDS)
        yield


def hints(table: Table, laid_out: Layout) -> TResourceHints:
    """What dlt has to know of a table at its destination.

    dlt asks for hints when a source is made, which may be before its destination is known; these go with the rows.
    """
    columns: dict[str, TColumnSchema] = {}
    if laid_out.lists_in_rows:
        columns = {name: {"name": name, "data_type": "json"} for name in table.lists}
    disposition: TWriteDispositionConfig = "append" if laid_out.appends else "merge"
    if laid_out.upserts:
        disposition = {"disposition": "merge", "strategy": "upsert"}
    return dlt.mark.make_hints(
        # An empty mapping would take the declared columns away.
        columns=columns or None,
        write_disposition=disposition,
        table_format=laid_out.table_format,
        file_format=laid_out.file_format,
        nested_hints=None if laid_out.lists_in_rows else {name: _text_list() for name in table.text_lists},
    )


def _text_list() -> TResourceNestedHints:
    """Hints for the child table of a list of texts, so that it exists before the first list has an element."""
    columns: dict[str, TColumnSchema] = {
        "value": {"data_type": "text"},
        "_dlt_root_id": {"data_type": "text", "nullable": False, "root_key": True},
        "_dlt_parent_id": {"data_type": "text", "nullable": False, "parent_key": True},
        "_dlt_list_idx": {"data_type": "bigint", "nullable": False},
        "_dlt_id": {"data_type": "text", "nullable": False, "unique": True, "row_key": True},
    }
    return {"columns": {name: {**column, "name": name} for name, column in columns.items()}}
