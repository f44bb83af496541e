"""Every use of something that dlt does not document, with the reason, as it was seen in dlt 1.31.

`tests/unit/test_dlt_internals.py` has a test for each, which fails when dlt changes it.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import dlt
from dlt.common.data_types import TDataType, coerce_value, py_type_to_sc_type
from dlt.common.destination.client import WithStateSync
from dlt.common.destination.exceptions import DestinationUndefinedEntity
from dlt.common.pipeline import get_dlt_pipelines_dir
from dlt.common.runtime import signals
from dlt.common.runtime.run_context import active
from dlt.common.runtime.telemetry import stop_telemetry
from dlt.common.schema import Schema
from dlt.common.utils import custom_environ
from dlt.pipeline.pipeline import Pipeline
from dlt.pipeline.state_sync import load_pipeline_state_from_destination
from dlt.pipeline.trace import TRACE_FILE_NAME

Cursor = dlt.sources.incremental[datetime]


# --- While dlt extracts.


def let_all_rows_pass(cursor: Cursor) -> None:
    """Turns off dlt's own filter of rows, which knows nothing of the overlap of two runs."""
    cursor.advance(None)  # type: ignore[arg-type]  # its documentation allows None, its signature does not


def move_cursor(cursor: Cursor, to: datetime) -> None:
    """Sets the cursor that is committed with the rows; dlt parses the cursor's path each time, so once is enough."""
    cursor.advance(to)


def committed_cursor(cursor: Cursor) -> datetime | None:
    """The newest time of rows that were loaded; None before there are any, when dlt has the date to begin at."""
    state = cursor.get_state()
    newest: datetime | None = state["last_value"]
    return None if newest == state["initial_value"] else newest


def first_start(cursor: Cursor) -> datetime | None:
    """The date at which the first run began, which dlt keeps."""
    start: datetime | None = cursor.get_state()["initial_value"]
    return start


def move_start_back(cursor: Cursor) -> None:
    """Lets a table of which nothing was loaded yet begin at the setting's date, if that is earlier.

    dlt keeps the date of the first run for ever, even if that found no rows. A later one would leave out what came in
    meanwhile.
    """
    state, start = cursor.get_state(), cursor.initial_value
    kept = state["initial_value"]
    if kept is not None and state["last_value"] == kept and (start is None or start < kept):
        state["initial_value"] = state["last_value"] = start


def show_wait(name: str, seconds: int) -> None:
    """Adds seconds to a counter of the progress display of the pipeline that runs, if it has one."""
    if (collector := getattr(dlt.current.pipeline(), "collector", None)) is not None:
        collector.update(name, inc=seconds)


def raise_if_signalled() -> None:
    """Raises what a signal asks for that came while dlt held signals back: a source may run for long."""
    signals.raise_if_signalled()


def intercepted_signals() -> AbstractContextManager[None]:
    """Has the first SIGINT or SIGTERM wait until `raise_if_signalled`, or until dlt has ended what it does."""
    return signals.intercepted_signals()


# --- Values and names.


def coerced(data_type: TDataType, value: Any) -> Any:
    """A value as dlt itself would make it fit a column.

    Raises:
        ValueError: It does not fit.
    """
    return coerce_value(data_type, py_type_to_sc_type(type(value)), value)


def variant(data_type: TDataType) -> str:
    """How dlt ends the name of the column for values of another type than the first: as in `score__v_text`."""
    return f"v_{data_type}"


def mark_as_seen(schema: Schema, table: str) -> bool:
    """Has dlt create a table that is declared but never had a row; whether it would not have."""
    if table not in schema.tables or (schema.tables[table].get("x-normalizer") or {}).get("seen-data"):
        return False
    schema.tables[table]["x-normalizer"] = {"seen-data": True}
    return True


# --- What dlt keeps of a pipeline.


def data_folder() -> Path:
    """Where dlt keeps its working files."""
    return Path(active().data_dir)


def pipelines_folder() -> Path:
    """Where dlt keeps the working folders of pipelines."""
    return Path(get_dlt_pipelines_dir())


def trace_file(pipeline: Pipeline) -> Path:
    """Where dlt keeps the trace of the last run."""
    return Path(pipeline.working_dir, TRACE_FILE_NAME)


def drop_locally(pipeline: Pipeline) -> None:
    """Forgets what is kept locally: first the state, with which dlt would miss the schemas were it killed half-way."""
    Path(pipeline.working_dir, Pipeline.STATE_FILE).unlink(missing_ok=True)
    pipeline.drop()


def drop_old_packages(pipeline: Pipeline, kept: int) -> None:
    """Deletes what dlt notes of each load for ever, but of the last few: hourly runs would fill the disk."""
    for load_id in pipeline.list_completed_load_packages()[:-kept]:
        shutil.rmtree(Path(pipeline.working_dir, "load", "loaded", load_id), ignore_errors=True)


def forget_cursors(pipeline: Pipeline, source: str, tables: Sequence[str]) -> bool:
    """Extracts a state without the cursors of tables, to be loaded by itself; whether there were any."""
    resources = pipeline.state.get("sources", {}).get(source, {}).get("resources", {})
    if not set(resources) & set(tables):
        return False
    with pipeline.managed_state(extract_state=True) as state:
        for name in tables:
            state["sources"][source]["resources"].pop(name, None)
    return True


def location(pipeline: Pipeline) -> str:
    """Tells destinations and datasets apart; it may hold an address, and no credentials."""
    with pipeline.destination_client() as client:
        config = client.config
        return f"{config.destination_type} {config} {config.fingerprint()} {pipeline.dataset_name}"


def stored_state(pipeline: Pipeline) -> Mapping[str, Any] | None:
    """What the destination knows of the pipeline: nothing before the first load; None where it keeps no state.

    Raises:
        Exception: Whatever the destination raises when it cannot be reached.
    """
    with pipeline.destination_client() as client:
        if not isinstance(client, WithStateSync):
            return None
        try:
            return load_pipeline_state_from_destination(pipeline.pipeline_name, client) or {}
        except DestinationUndefinedEntity:
            return {}


def follows(pipeline: Pipeline, stored: Mapping[str, Any]) -> bool:
    """Whether the local state is the destination's, or an earlier one, in whose place dlt puts that."""
    local: Mapping[str, Any] = pipeline.state
    ahead = local["_state_version"] - stored.get("_state_version", 0)
    return bool(ahead < 0 or (ahead == 0 and (not stored or local.get("_version_hash") == stored.get("_version_hash"))))


def local_value(pipeline: Pipeline, key: str) -> Any:
    """What was noted in the working folder under a key; None if nothing was."""
    try:
        return pipeline.get_local_state_val(key)
    except KeyError:
        return None


# --- dlt's settings and runtime.


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Gives dlt settings for a while, where it has no other way to be given them."""
    with custom_environ(dict(variables)):
        yield


def start_runtime() -> None:
    """Starts dlt's runtime anew: the first setting asked for has started it with dlt's own defaults."""
    stop_telemetry()
    active().initialize_runtime()
