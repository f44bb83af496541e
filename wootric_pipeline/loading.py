"""Runs a pipeline until every table is complete, with checkpoints, going on from what the destination knows."""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from dlt.common.destination.client import WithStateSync
from dlt.common.destination.exceptions import DestinationUndefinedEntity
from dlt.common.pipeline import LoadInfo
from dlt.common.runtime import signals
from dlt.common.utils import digest128
from dlt.extract import DltSource
from dlt.pipeline.exceptions import PipelineStepFailed
from dlt.pipeline.pipeline import Pipeline
from dlt.pipeline.state_sync import load_pipeline_state_from_destination

from .destinations import FILES, exclusive, kind_of, sparing_memory
from .report import Run, SchemaChange
from .tables import TABLES

SECONDS_PER_MINUTE = 60
LOCATION = "destination_location"
PACKAGES_KEPT = 10
CHECKPOINT_ROWS = 50_000
"""Of one table: what a destination merges at once, and its memory grows with it."""
DECLARED = {table.name: {**table.columns, **table.flattened} for table in TABLES.values()} | {
    f"{table.name}__{field}": {"value": "text"} for table in TABLES.values() for field in table.lists
}


def load(
    pipeline: Pipeline,
    source: DltSource,
    run: Run,
    tables: Sequence[str],
    *,
    checkpoint_minutes: float = 5,
    full_refresh: bool = False,
) -> None:
    """Loads tables until each is complete or has failed for a reason noted in `run`.

    A long reading is committed every few minutes: a run that is killed goes on near where it was.

    Args:
        pipeline: Where to.
        source: A `wootric_source` made with the same `run`.
        run: Takes the notes.
        tables: Their names.
        checkpoint_minutes: How long to read before what was read is committed.
        full_refresh: Drop the tables and their cursors first.

    Raises:
        WootricError: Nothing can be read at all.
        PipelineStepFailed: dlt or the destination failed; what was loaded before stays valid.
    """
    # A job that fails for good must fail the run: the cursor would be committed without its rows.
    os.environ["LOAD__RAISE_ON_FAILED_JOBS"] = "true"
    follow_destination(pipeline)
    if pipeline.has_pending_data:
        # Of a destination that keeps no state: nothing tells that it could be read again.
        _note(run, _load_extracted(pipeline))
    if full_refresh:
        _forget_cursors(pipeline, tables)
    waiting, in_pieces = list(tables), False
    run.pause_no_more()
    try:
        while waiting:
            pause = partial(run.pause_in, checkpoint_minutes * SECONDS_PER_MINUTE, CHECKPOINT_ROWS)
            with sparing_memory(pipeline, compacts=not in_pieces), signals.intercepted_signals():
                if full_refresh and not in_pieces:
                    _extract_anew(pipeline, source, run, waiting, pause)
                else:
                    pause()
                    pipeline.extract(source.with_resources(*waiting))
                _note(run, _load_extracted(pipeline))
                # dlt forgets one that comes while the last job of a load is under way.
                signals.raise_if_signalled()
            in_pieces = True
            waiting = [name for name in waiting if not run.table(name).ended]
    except BaseException:
        for name in waiting:
            run.table(name).not_loaded()
        raise
    finally:
        run.pause_no_more()
    _create_child_tables(pipeline, tables)
    _forget_packages(pipeline)


def _forget_cursors(pipeline: Pipeline, tables: Sequence[str]) -> None:
    """Commits that nothing of the tables has been read, before they are dropped.

    Were they dropped first, and the run killed then, the old cursors would still be in the destination.
    """
    kept = pipeline.state.get("sources", {}).get("wootric", {}).get("resources", {})
    if not set(kept) & set(tables):
        return
    with pipeline.managed_state(extract_state=True) as state:
        for name in tables:
            state["sources"]["wootric"]["resources"].pop(name, None)
    _load_extracted(pipeline)


def _extract_anew(
    pipeline: Pipeline, source: DltSource, run: Run, tables: Sequence[str], pause: Callable[[], None]
) -> None:
    """Extracts the beginning of tables that are to be dropped before it is loaded; one that cannot be read is kept.

    Had dlt extracted nothing of a table, it would drop it all the same, so the others are extracted again without it.
    """
    readable = list(tables)
    while readable:
        pause()
        pipeline.extract(source.with_resources(*readable), refresh="drop_resources")
        failed = [name for name in readable if run.table(name).error and not run.table(name).rows]
        if not failed:
            return
        run.pause_no_more()
        _drop(pipeline)
        pipeline.sync_destination()
        readable = [name for name in readable if name not in failed]
        for name in readable:
            run.forget(name)


def _load_extracted(pipeline: Pipeline) -> LoadInfo:
    """Loads what was extracted; no other loader can be in the midst of it, as far as the destination knows of locks."""
    pipeline.normalize()
    with exclusive(pipeline):
        try:
            return pipeline.load()
        except PipelineStepFailed as failure:
            if isinstance(failure.exception, KeyboardInterrupt) or not _show_new_columns(pipeline):
                raise
        return pipeline.load()


def _show_new_columns(pipeline: Pipeline) -> bool:
    """Whether there are Iceberg tables of files; what they got as new columns can be merged into from now on.

    A merge looks at the columns of the table's newest snapshot (pyiceberg 0.12), which a new column alone does not
    make: appending nothing does.
    """
    if not kind_of(pipeline).endswith(FILES):
        return False
    if not any(table.get("table_format") == "iceberg" for table in pipeline.default_schema.data_tables()):
        return False
    from dlt.common.libs.pyiceberg import get_iceberg_tables

    tables = get_iceberg_tables(pipeline).values()
    for table in tables:
        table.append(table.schema().as_arrow().empty_table())
    return bool(tables)


def follow_destination(pipeline: Pipeline) -> None:
    """Makes what the destination knows of the pipeline the truth, and forgets all else.

    The cursor belongs to the rows in the destination: kept from another one, or from before a backup was restored, it
    would leave rows out. What an earlier run has read and not loaded to the end is given up, and read again: it may be
    for another destination, older than what others have loaded since, or loaded already in part, and rows that are
    copied twice are merged twice (dlt 1.31).

    Raises:
        Exception: Whatever the destination raises when it cannot be reached.
    """
    with pipeline.destination_client() as client:
        location = f"{client.config.destination_type} {client.config} {client.config.fingerprint()}"
        here = digest128(f"{location} {pipeline.dataset_name}")
        keeps_state = isinstance(client, WithStateSync)
        stored = _stored_state(pipeline, client) if isinstance(client, WithStateSync) else {}
    if _local(pipeline, LOCATION) not in (here, None):
        _drop(pipeline)
    if keeps_state and (pipeline.has_pending_data or not _follows(pipeline.state, stored)):
        _drop(pipeline)
    pipeline.sync_destination()
    pipeline.set_local_state_val(LOCATION, here)


def _drop(pipeline: Pipeline) -> None:
    """Forgets what is kept locally: first the state, with which dlt would miss the schemas were it killed half-way."""
    Path(pipeline.working_dir, Pipeline.STATE_FILE).unlink(missing_ok=True)
    pipeline.drop()


def _stored_state(pipeline: Pipeline, client: WithStateSync) -> Mapping[str, Any]:
    """What the destination knows of the pipeline."""
    try:
        return load_pipeline_state_from_destination(pipeline.pipeline_name, client) or {}
    except DestinationUndefinedEntity:
        return {}


def _follows(local: Mapping[str, Any], stored: Mapping[str, Any]) -> bool:
    """Whether the local state is the destination's, or an earlier one, in whose place dlt puts that."""
    ahead = local["_state_version"] - stored.get("_state_version", 0)
    return bool(ahead < 0 or (ahead == 0 and (not stored or local.get("_version_hash") == stored.get("_version_hash"))))


def _local(pipeline: Pipeline, key: str) -> Any:
    try:
        return pipeline.get_local_state_val(key)
    except KeyError:
        return None


def _forget_packages(pipeline: Pipeline) -> None:
    """Deletes what dlt notes of each load for ever, but of the last few: hourly runs would fill the disk."""
    for load_id in pipeline.list_completed_load_packages()[:-PACKAGES_KEPT]:
        shutil.rmtree(Path(pipeline.working_dir, "load", "loaded", load_id), ignore_errors=True)


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
    """Creates child tables of lists of texts that never had an element; dlt alone would wait for the first."""
    schema = pipeline.default_schema
    children = [f"{name}__{field}" for name in tables for field in TABLES[name].text_lists]
    unseen = [
        name
        for name in children
        if name in schema.tables and not (schema.tables[name].get("x-normalizer") or {}).get("seen-data")
    ]
    for name in unseen:
        schema.tables[name]["x-normalizer"] = {"seen-data": True}
    if unseen:
        with exclusive(pipeline):
            pipeline.sync_schema()
