"""Delta tables that small merges can bear, and that are tidied up now and then.

dlt streams what it merges, which keeps Delta from leaving out files that hold none of the rows: each merge reads
the whole table, and files of 100 MB are written again for three changed rows. Nothing in dlt compacts small files, or
removes what no version needs any more (dlt 1.31, deltalake 1.6).
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dlt
from dlt import Pipeline

from ..dlt_internals import environment, open_table
from .layout import FILES, kind_of

FILE_BYTES = 8_000_000
SMALL_BYTES = FILE_BYTES // 2
SMALL_FILES_MAX = 50
"""Of a table: as many are compacted. An hourly load adds one or two."""
SIZE_PROPERTY = "delta.targetFileSize"
SETTINGS = {"deltalake_streamed_exec": "false", "deltalake_configuration": json.dumps({SIZE_PROPERTY: str(FILE_BYTES)})}

log = logging.getLogger("wootric_pipeline.destinations")


@contextmanager
def merging_few_files(pipeline: Pipeline) -> Iterator[None]:
    """Has merges into Delta tables read and write few files; what the user has set goes before."""
    if kind_of(pipeline) != FILES:
        yield
        return
    with environment({f"DESTINATION__{key}".upper(): SETTINGS[key] for key in SETTINGS if not _is_set(pipeline, key)}):
        yield


def tend(pipeline: Pipeline) -> None:
    """Compacts Delta tables of many small files, and removes files that no version of the last seven days needs.

    Whatever keeps it from that leaves the tables as they are, for the next load to tend.
    """
    if kind_of(pipeline) != FILES:
        return
    known = pipeline.default_schema.tables
    tables = [name for name in pipeline.default_schema.data_table_names() if known[name].get("table_format") == "delta"]
    if not tables:
        return
    with pipeline.destination_client() as client:
        for name in tables:
            if (table := open_table(client, pipeline.default_schema, name)) is not None:
                _tend(name, table, sized=not _is_set(pipeline, "deltalake_configuration"))


def vacuum(pipeline: Pipeline) -> None:
    """Removes files of Delta tables that no version of the last seven days needs: a rebuilt one leaves its own."""
    known = pipeline.default_schema.tables
    with pipeline.destination_client() as client:
        for name in pipeline.default_schema.data_table_names():
            is_delta = known[name].get("table_format") == "delta"
            if is_delta and (table := open_table(client, pipeline.default_schema, name)) is not None:
                table.vacuum(dry_run=False)


def _tend(name: str, table: Any, *, sized: bool) -> None:
    from deltalake.exceptions import DeltaError

    try:
        # A table that was there before the setting was.
        if sized and SIZE_PROPERTY not in table.metadata().configuration:
            table.alter.set_table_properties({SIZE_PROPERTY: str(FILE_BYTES)})
        sizes = table.get_add_actions(flatten=True).column("size_bytes").to_pylist()
        if sum(size < SMALL_BYTES for size in sizes) < SMALL_FILES_MAX:
            return
        table.optimize.compact(target_size=FILE_BYTES)
        removed = len(table.vacuum(dry_run=False))
        log.info("%s: compacted small files, and removed %s that no version of the last days needs.", name, removed)
    except (DeltaError, OSError) as error:
        log.info("%s: small files are not compacted this time (%s).", name, type(error).__name__)


def _is_set(pipeline: Pipeline, key: str) -> bool:
    sections = (f"{pipeline.destination.destination_name}.", f"{FILES}.", "")
    return any(dlt.config.get(f"destination.{section}{key}") is not None for section in sections)
