"""Runs a pipeline until every table is complete, with checkpoints, going on from what the destination knows."""

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from dlt import Pipeline
from dlt.common.pipeline import LoadInfo
from dlt.common.runtime import signals
from dlt.pipeline.exceptions import PipelineStepFailed
from dlt.sources import DltSource

from ..accounts import account
from ..descriptions import TABLE_DESCRIPTIONS
from ..destinations.comments import write_comments
from ..destinations.delta import merging_few_files, tend
from ..destinations.files import show_new_columns
from ..destinations.indexes import add_indexes
from ..destinations.layout import Describe
from ..destinations.locks import exclusive, kept_open, open_throughout
from ..destinations.memory import sparing_memory
from ..destinations.queries import is_missing_file
from ..destinations.stored import stored
from ..dlt_internals import (
    drop_empty_packages,
    drop_locally,
    drop_old_packages,
    follows,
    local_value,
    location,
    mark_as_seen,
    raise_if_signalled,
    stored_state,
)
from ..errors import ConfigurationError
from ..tables import ALL_TABLES, DELETED_AT
from .refresh import begin_refresh, complete_refresh, to_catch_up
from .run import Run, SchemaChange

SECONDS_PER_MINUTE = 60
LOCATION, COMMENTED, CREATES_TABLES = "destination_location", "commented", "creates_tables"
PACKAGES_KEPT = 10
CHECKPOINT_ROWS = 50_000
"""Of one table: what a destination merges at once, and its memory grows with it."""
DECLARED = {table.name: {*table.columns, *table.flattened, DELETED_AT} for table in ALL_TABLES.values()} | {
    f"{table.name}__{field}": {*table.children.get(field, ("value",))}
    for table in ALL_TABLES.values()
    for field in table.lists
}

log = logging.getLogger("wootric_pipeline.command")


def load(
    pipeline: Pipeline,
    source: DltSource,
    run: Run,
    tables: Sequence[str],
    *,
    checkpoint_minutes: float = 5,
    full_refresh: bool = False,
    empties: bool = False,
) -> None:
    """Loads tables until each is complete or has failed for a reason noted in `run`.

    A long reading is committed every few minutes: a run that is killed goes on near where it was. No other loader of
    the dataset is at work meanwhile, as far as the destination knows of locks.

    Args:
        pipeline: Where to.
        source: Made by `source_for` with the same `run`.
        run: Takes the notes.
        tables: Their names.
        checkpoint_minutes: How long to read before what was read is committed.
        full_refresh: Read the tables from their start again, and remove what does not come again once they are
            complete.
        empties: Whether a full refresh may leave a table without rows that had some.

    Raises:
        ConfigurationError: Another loader is at work, and the run does not wait.
        WootricError: Nothing can be read at all.
        PipelineStepFailed: dlt or the destination failed; what was loaded before stays valid.
    """
    with exclusive(pipeline, wait=run.waits):
        with kept_open(pipeline, wait=run.waits):
            _begin(pipeline, run, tables if full_refresh else ())
            waiting = _there(pipeline, run, tables)
        _load_all(pipeline, source, run, waiting, checkpoint_minutes)
        with kept_open(pipeline, wait=run.waits):
            complete_refresh(pipeline, source, run, load_extracted, empties=empties)
            _create_child_tables(pipeline, [name for name in tables if run.table(name).complete])
            _comment(pipeline, run.hashing.described)
    drop_old_packages(pipeline, PACKAGES_KEPT)


def _comment(pipeline: Pipeline, describe: Describe) -> None:
    """Comments on tables and columns, unless nothing was loaded since they were commented on with the same texts."""
    texts = {name: (text, describe(name)) for name, text in TABLE_DESCRIPTIONS.items()}
    digest = hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()
    if local_value(pipeline, COMMENTED) == digest:
        return
    with sparing_memory(pipeline, compacts=False):
        write_comments(pipeline, describe)
    pipeline.set_local_state_val(COMMENTED, digest)


def _load_all(pipeline: Pipeline, source: DltSource, run: Run, waiting: list[str], checkpoint_minutes: float) -> None:
    run.checkpoint.end()
    try:
        _load_to_the_end(pipeline, source, run, waiting, checkpoint_minutes)
        if moved := to_catch_up(pipeline, source.name, run):
            waiting = moved
            with run.uncounted(moved):
                _load_to_the_end(pipeline, source, run, waiting, checkpoint_minutes)
    except BaseException:
        for name in waiting:
            run.table(name).not_loaded()
        raise
    finally:
        run.checkpoint.end()


def _load_to_the_end(
    pipeline: Pipeline, source: DltSource, run: Run, waiting: list[str], checkpoint_minutes: float
) -> None:
    """Loads tables in pieces, and takes them from the list when they have ended."""
    in_pieces = False
    while waiting:
        with sparing_memory(pipeline, compacts=not in_pieces), signals.intercepted_signals():
            run.checkpoint.begin(checkpoint_minutes * SECONDS_PER_MINUTE, CHECKPOINT_ROWS)
            pipeline.extract(source.with_resources(*waiting))
            if drop_empty_packages(pipeline):
                log.info("Nothing has changed: there is nothing to load.")
            else:
                with kept_open(pipeline, wait=run.waits):
                    _note(run, load_extracted(pipeline))
            counts = (f"{name} {notes.rows:,} rows" for name, notes in run.tables.items())
            log.info("Committed so far: %s.", ", ".join(counts))
            # dlt forgets one that comes while the last job of a load is under way.
            raise_if_signalled()
        in_pieces = True
        waiting[:] = [name for name in waiting if not run.table(name).ended]


def _begin(pipeline: Pipeline, run: Run, refreshed: Sequence[str]) -> None:
    """Goes on from what the destination knows, without the cursors of tables that are to be loaded again."""
    # A job that fails for good must fail the run: the cursor would be committed without its rows.
    os.environ["LOAD__RAISE_ON_FAILED_JOBS"] = "true"
    follow_destination(pipeline)
    _go_on_creating_tables(pipeline)
    if pipeline.has_pending_data:
        log.info("Loads what an earlier run has read.")
        # Of a destination that keeps no state: nothing tells that it could be read again.
        _note(run, load_extracted(pipeline))
    if refreshed:
        begin_refresh(pipeline, account().source, run, refreshed, load_extracted)


def _there(pipeline: Pipeline, run: Run, tables: Sequence[str]) -> list[str]:
    """The tables that can be loaded: those that somebody has dropped, or parts of them, would stop all others."""
    with stored(pipeline) as destination:
        if destination is None:
            return list(tables)
        gone = destination.gone(tables)
    for name, what in gone.items():
        run.table(name).error = (
            f"The {'column' if '.' in what else 'table'} {what} is gone from the destination, so {name} was not "
            f"loaded; load it again with --full-refresh --tables {name}."
        )
    return [name for name in tables if name not in gone]


def load_extracted(pipeline: Pipeline) -> LoadInfo | None:
    """Loads what was extracted, and keeps the tables fit for the next load."""
    pipeline.normalize()
    with open_throughout(pipeline):
        with merging_few_files(pipeline):
            info = _loaded(pipeline)
        # dlt answers None where there is nothing to load.
        if info:
            pipeline.set_local_state_val(COMMENTED, None)
            add_indexes(pipeline)
            tend(pipeline)
    return info


def _loaded(pipeline: Pipeline) -> LoadInfo | None:
    try:
        return pipeline.load()
    except PipelineStepFailed as failure:
        if isinstance(failure.exception, KeyboardInterrupt) or not show_new_columns(pipeline):
            raise
    return pipeline.load()


def follow_destination(pipeline: Pipeline) -> None:
    """Makes what the destination knows of the pipeline the truth, and forgets all else.

    The cursor belongs to the rows in the destination: kept from another one, or from before a backup was restored, it
    would leave rows out. What an earlier run has read and not loaded to the end is given up, and read again: it may be
    for another destination, older than what others have loaded since, or loaded already in part, and rows that are
    copied twice are merged twice (dlt 1.31).

    Raises:
        Exception: Whatever the destination raises when it cannot be reached.
    """
    known = stored_state(pipeline)
    if known == {}:
        with stored(pipeline) as destination:
            if destination:
                destination.restore_bookkeeping()
    with leaving_other_destination(pipeline):
        if known is not None and (pipeline.has_pending_data or not follows(pipeline, known)):
            log.info("What an earlier run has read and not loaded is given up, and read again.")
            drop_locally(pipeline)
        pipeline.sync_destination()


def loaded_state(pipeline: Pipeline) -> Mapping[str, Any]:
    """What the destination knows of what was loaded.

    Raises:
        ConfigurationError: Nothing was.
        Exception: Whatever the destination raises when it cannot be reached.
    """
    state = None if is_missing_file(pipeline) else stored_state(pipeline)
    if not state:
        raise ConfigurationError(f"Nothing was loaded into the dataset {pipeline.dataset_name} yet; load it first.")
    return state


@contextmanager
def leaving_other_destination(pipeline: Pipeline) -> Iterator[None]:
    """Gives up what is kept locally of another destination, and notes in the end which is this.

    Raises:
        Exception: Whatever the destination raises when it cannot be reached.
    """
    here = hashlib.sha256(location(pipeline).encode()).hexdigest()
    if local_value(pipeline, LOCATION) not in (here, None):
        log.info("The destination is another than last time: what was kept of that one is given up.")
        drop_locally(pipeline)
    yield
    pipeline.set_local_state_val(LOCATION, here)


def _note(run: Run, info: LoadInfo | None) -> None:
    for package in info.load_packages if info else []:
        for name, table in package.schema_update.items():
            if name.startswith("_dlt"):
                continue
            run.schema_changes.extend(
                SchemaChange(name, column, schema.get("data_type"))
                for column, schema in table["columns"].items()
                if column not in DECLARED.get(name, ()) and not column.startswith("_dlt")
            )


def _create_child_tables(pipeline: Pipeline, tables: Sequence[str]) -> None:
    """Creates child tables of lists that never had an element; dlt alone would wait for the first."""
    schema = pipeline.default_schema
    children = [f"{name}__{field}" for name in tables for field in ALL_TABLES[name].children]
    if [name for name in children if mark_as_seen(schema, name)]:
        pipeline.set_local_state_val(CREATES_TABLES, True)
        pipeline.sync_schema()
        pipeline.set_local_state_val(CREATES_TABLES, None)


def _go_on_creating_tables(pipeline: Pipeline) -> None:
    """Creates what a run that broke off had begun to: a load would note the schema as created, without them."""
    if local_value(pipeline, CREATES_TABLES):
        pipeline.sync_schema()
        pipeline.set_local_state_val(CREATES_TABLES, None)
