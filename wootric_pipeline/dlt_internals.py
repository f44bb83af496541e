"""Every use of something that dlt does not document, with the reason, as it was seen in dlt 1.31.

`tests/unit/test_dlt_internals.py` has a test for each, which fails when dlt changes it.
"""

import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from copy import copy
from datetime import datetime
from inspect import signature
from pathlib import Path
from types import MappingProxyType
from typing import Any

import dlt
from dlt import Pipeline, Schema
from dlt.common.configuration.container import Container
from dlt.common.configuration.exceptions import (
    ConfigFieldMissingException,
    ConfigurationException,
    ConfigValueCannotBeCoercedException,
    InvalidNativeValue,
    LookupTraces,
    ValueNotSecretException,
)
from dlt.common.configuration.providers.doc import BaseDocProvider
from dlt.common.configuration.providers.toml import TomlProviderReadException
from dlt.common.configuration.specs.config_section_context import ConfigSectionContext
from dlt.common.configuration.specs.exceptions import InvalidConnectionString
from dlt.common.data_types import TDataType, coerce_value, py_type_to_sc_type
from dlt.common.destination.client import WithStagingDataset, WithStateSync
from dlt.common.destination.exceptions import DestinationUndefinedEntity, UnknownDestinationModule
from dlt.common.destination.reference import AnyDestination
from dlt.common.exceptions import DltException, MissingDependencyException
from dlt.common.json import DECODERS, PUA_CHARACTER_MAX, PUA_START
from dlt.common.known_env import DLT_PROJECT_DIR
from dlt.common.pipeline import PipelineContext
from dlt.common.runtime import signals
from dlt.common.runtime.telemetry import stop_telemetry
from dlt.common.schema.typing import TColumnSchema
from dlt.common.schema.utils import get_nested_tables, has_table_seen_data, is_complete_column
from dlt.common.storages.load_package import load_package_state
from dlt.common.utils import custom_environ
from dlt.destinations.exceptions import DatabaseException, DestinationConnectionError
from dlt.destinations.impl.duckdb.configuration import DuckDbConnectionPool
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.destinations.sql_client import SqlClientBase
from dlt.extract.hints import TResourceNestedHints
from dlt.pipeline import trace as tracing
from dlt.pipeline.configuration import PipelineConfiguration
from dlt.pipeline.state_sync import load_pipeline_state_from_destination
from dlt.pipeline.trace import TRACE_FILE_NAME
from dlt.sources import DltResource

Cursor = dlt.sources.incremental[datetime]
SqlClient = SqlJobClientBase
DATA_WRITER = "data_writer"
LOCKED_FILE = "Could not set lock on file"
"""DuckDB's, of a file that is open in another process."""
SqlConnection = SqlClientBase[Any]


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


def current_load_id() -> str:
    """The id of the load that is being extracted, which its rows will have in `_dlt_load_id`."""
    return load_package_state()["load_id"]


def raise_if_signalled() -> None:
    """Raises what a signal asks for that came while dlt held signals back: a source may run for long."""
    signals.raise_if_signalled()


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


def column_name(schema: Schema, path: str) -> str:
    """The name dlt gives the column of a path such as `properties__plan`: shorter where a destination wants that."""
    return schema.naming.shorten_fragments(path)


TEXT_MARK = chr(PUA_START + PUA_CHARACTER_MAX) + "\ufdd0"
"""The private character behind those of dlt's types, and one that Unicode keeps for such uses."""


def _text_again(text: str) -> str:
    """A text behind the first character of its mark; dlt leaves what raises ValueError as it is."""
    if not text.startswith(TEXT_MARK[1]):
        raise ValueError("not a marked text")
    return text[1:]


if len(DECODERS) == PUA_CHARACTER_MAX:
    # dlt looks one further than it has types, so there is room for texts. To move the marks of all its types, which is
    # documented, would make what it has stored unreadable.
    DECODERS.append(_text_again)


def typed_text_starts() -> tuple[str, str]:
    """The first and the last of the private characters that tell dlt of what type a text is, in its own files.

    A text of somebody else's that begins with one is taken for a time or a number, or stops the load.
    """
    return chr(PUA_START), TEXT_MARK[0]


def as_typed(text: str) -> str:
    """A text in a form of which dlt makes it again, whatever it begins with."""
    first, last = typed_text_starts()
    return TEXT_MARK + text if first <= text[:1] <= last else text


TEXTS: Mapping[str, TDataType] = MappingProxyType({"value": "text"})
"""The column of the child table of a list of texts."""


def list_of(
    elements: Mapping[str, TDataType] = TEXTS,
    described: Mapping[str, str] = MappingProxyType({}),
    table_hints: Mapping[str, Any] = MappingProxyType({}),
) -> TResourceNestedHints:
    """Hints for the child table of a list, with the columns dlt makes when a list first has an element.

    Args:
        elements: The columns of what is in the list, and their types.
        described: What columns mean, by name.
        table_hints: Of the table; dlt takes them, although its type of such hints has no room for them.
    """
    columns: dict[str, TColumnSchema] = {
        **{name: TColumnSchema(data_type=data_type) for name, data_type in elements.items()},
        "_dlt_root_id": {"data_type": "text", "nullable": False, "root_key": True},
        "_dlt_parent_id": {"data_type": "text", "nullable": False, "parent_key": True},
        "_dlt_list_idx": {"data_type": "bigint", "nullable": False},
        "_dlt_id": {"data_type": "text", "nullable": False, "unique": True, "row_key": True},
    }
    for name, column in columns.items():
        column["name"] = name
        if name in described:
            column["description"] = described[name]
    return {"columns": columns, "additional_table_hints": dict(table_hints)}  # type: ignore[typeddict-unknown-key]


def mark_as_seen(schema: Schema, table: str) -> bool:
    """Has dlt create a table that is declared but never had a row; whether it would not have."""
    if table not in schema.tables or (schema.tables[table].get("x-normalizer") or {}).get("seen-data"):
        return False
    schema.tables[table]["x-normalizer"] = {"seen-data": True}
    return True


# --- What dlt keeps of a pipeline, and its destination.


def trace_file(pipeline: Pipeline) -> Path:
    """Where dlt keeps the trace of the last run, also of one that failed; no setting says whether it does."""
    return Path(pipeline.working_dir, TRACE_FILE_NAME)


def add_tracker(tracker: Any) -> None:
    """Has dlt call a tracker when a run, and each step of one, begins and ends; what it raises is only logged."""
    if tracker not in tracing.TRACKING_MODULES:
        tracing.TRACKING_MODULES.append(tracker)


def pending_schemas(pipeline: Pipeline) -> set[str]:
    """The names of the schemas of what was extracted and not loaded to the end."""
    pending = (*pipeline.list_extracted_load_packages(), *pipeline.list_normalized_load_packages())
    return {pipeline.get_load_package_info(load_id).schema_name for load_id in pending}


def drop_locally(pipeline: Pipeline) -> None:
    """Forgets what is kept locally: first the state, with which dlt would miss the schemas were it killed half-way."""
    Path(pipeline.working_dir, Pipeline.STATE_FILE).unlink(missing_ok=True)
    pipeline.drop()


def opened(name: str, folder: str, destination: Any, dataset: str) -> tuple[Pipeline, bool]:
    """A pipeline whose working folder is fit for use, and whether what was kept in it had to be forgotten for that.

    Args:
        name: Of the pipeline.
        folder: In which its working folder is.
        destination: A name, or one of dlt's objects.
        dataset: There.
    """
    is_dropped = drop_if_unreadable(Path(folder, name))
    pipeline = dlt.pipeline(name, pipelines_dir=folder, destination=destination, dataset_name=dataset)
    begin_paths_here(pipeline)
    return pipeline, drop_if_torn(pipeline) or is_dropped


def begin_paths_here(pipeline: Pipeline) -> None:
    """Has relative paths of the destination begin in this folder; in dlt's (1.31) that pipeline first ran."""
    here, first = os.path.abspath(dlt.current.run_context().local_dir), pipeline.get_local_state_val("initial_cwd")
    for place in filter(None, (pipeline.destination, pipeline.staging)):
        if place.config_params.get("local_dir") == first:
            place.config_params["local_dir"] = here


def drop_if_unreadable(working_dir: Path) -> bool:
    """Removes a working folder whose state or schemas are no JSON, as after a loss of power: dlt fails with them."""
    kept = [working_dir / Pipeline.STATE_FILE, *working_dir.glob("schemas/*.json")]
    try:
        if all(isinstance(json.loads(file.read_bytes()), dict) for file in kept if file.exists()):
            return False
    except ValueError:
        pass
    shutil.rmtree(working_dir)
    return True


def drop_if_torn(pipeline: Pipeline) -> bool:
    """Forgets what is kept locally where the schemas are not those of the state: no step would run with them.

    dlt writes one file after the other (1.31), and takes what a killed process has left of one for a schema.
    """
    try:
        there = {name: pipeline.schemas[name] for name in pipeline.schemas}
    except (OSError, ValueError, DltException):
        torn = True
    else:
        torn = has_schema(pipeline) and pipeline.default_schema_name not in there
    if torn:
        drop_locally(pipeline)
    return torn


def keep_no_state(pipeline: Pipeline) -> None:
    """Has a pipeline neither store its state in the destination nor look for one: a setting, but for all pipelines."""
    pipeline.config.restore_from_destination = False


def drop_empty_packages(pipeline: Pipeline) -> bool:
    """Drops what was extracted if it holds neither rows nor a state: dlt would note a load in the destination."""
    extracted = map(pipeline.get_load_package_info, pipeline.list_extracted_load_packages())
    if any(package.jobs["new_jobs"] for package in extracted) or pipeline.list_normalized_load_packages():
        return False
    pipeline.abort_packages()
    return True


def drop_old_packages(pipeline: Pipeline, kept: int) -> None:
    """Deletes what dlt notes of each load for ever, but of the last few: hourly runs would fill the disk."""
    packages = pipeline.list_completed_load_packages()
    for load_id in packages[: max(len(packages) - kept, 0)]:
        shutil.rmtree(Path(pipeline.working_dir, "load", "loaded", load_id), ignore_errors=True)


@contextmanager
def source_state(pipeline: Pipeline, source: str) -> Iterator[dict[str, Any]]:
    """The state of a source, to be changed; a change is extracted, to be loaded by itself.

    `refresh`, which is documented, drops tables first: killed then, it would leave nothing.
    """
    with pipeline.managed_state(extract_state=True) as state:
        yield state.setdefault("sources", {}).setdefault(source, {})


def location(pipeline: Pipeline) -> str:
    """Tells destinations and datasets apart; it may hold an address, and no credentials."""
    # Not opened, since that may be impossible for now.
    config = pipeline.destination_client().config
    return f"{config.destination_type} {config} {config.fingerprint()} {pipeline.dataset_name}"


def connect(pipeline: Pipeline) -> None:
    """Signs in to the destination and asks it for the dataset, which need not be there.

    What is documented makes the dataset, or needs rows to load.

    Raises:
        Exception: Whatever the destination raises when it cannot be reached.
    """
    with pipeline.destination_client() as client:
        client.is_storage_initialized()


def staging_dataset(client: SqlConnection) -> str:
    """The dataset from which rows are merged; its layout is a documented setting, its name is not."""
    return client.staging_dataset_name


def dialect(client: SqlConnection) -> str:
    """Of SQL, by SQLAlchemy's name for it; empty where SQLAlchemy is not between."""
    return str(getattr(client, "dialect_name", ""))


def sent_time(client: SqlConnection, at: datetime) -> Any:
    """A time, UTC, as a statement takes it: SQLAlchemy gives it to SQLite's driver as it is, and reads no zone there.

    In rows, dlt gives SQLAlchemy the type of the column, which text has not.
    """
    return f"{at:%Y-%m-%d %H:%M:%S.%f}" if dialect(client) else at


def local_path(client: Any) -> str | None:
    """The file of DuckDB's or SQLite's that a destination is, or the folder of a dataset; None of all others."""
    config = client.config
    if getattr(config, "is_local_filesystem", False):
        return str(client.dataset_path).rstrip("/\\")
    if config.destination_type not in ("duckdb", "sqlalchemy") or dialect(client.sql_client) not in ("", "sqlite"):
        return None
    # dlt calls one in memory, or of a connection that it was given, by a name with colons.
    database: str | None = config.credentials.database
    return database if database and not database.startswith(":") else None


def sqlite_files(client: Any) -> list[str]:
    """The files of SQLite's in which a destination keeps its dataset and the one it merges from; else none."""
    if (sql := sql_client(client)) is None or dialect(sql.sql_client) != "sqlite":
        return []
    with staging(sql):
        sql.sql_client.has_dataset()
        found = sql.sql_client.execute_sql("PRAGMA database_list") or []
    return [file for _, _, file in found if file]


def pipelines_in(pipeline: Pipeline) -> set[str]:
    """The names of all pipelines that have kept their state in the dataset; none where that cannot be told.

    Raises:
        Exception: Whatever the destination raises when it cannot be reached.
    """
    with pipeline.destination_client() as client:
        table = client.schema.state_table_name
        if (sql := sql_client(client)) is None:
            names = (path.replace("\\", "/").rpartition("/")[2] for path in plain_files(client, table)[1])
            return {name.rsplit("__", 2)[0] for name in names if name.count("__") > 1}
        column = sql.sql_client.escape_column_name(client.schema.naming.normalize_identifier("pipeline_name"))
        query = f"SELECT DISTINCT {column} FROM {sql.sql_client.make_qualified_table_name(table)}"
        try:
            return {name for (name,) in sql.sql_client.execute_sql(query) or []}
        except DestinationUndefinedEntity:
            return set()


def tables_in(pipeline: Pipeline, tables: Sequence[str]) -> list[str]:
    """Which of some tables are in the dataset, whoever has made them; none where that cannot be told.

    Raises:
        Exception: Whatever the destination raises when it cannot be reached.
    """
    with pipeline.destination_client() as client:
        if (sql := sql_client(client)) is None:
            return [name for name in tables if plain_files(client, name)[1]]
        try:
            return [name for name, columns in sql.get_storage_tables(tables) if columns]
        except DestinationUndefinedEntity:
            return []


def sql_client(client: object) -> SqlClient | None:
    """The client of a destination that takes SQL, which tells what tables and columns there are; None of others."""
    return client if isinstance(client, SqlJobClientBase) else None


@contextmanager
def staging(client: SqlClient) -> Iterator[None]:
    """Has a client turn to the dataset from which rows are merged, if there is one."""
    with client.with_staging_dataset() if isinstance(client, WithStagingDataset) else nullcontext():
        yield


def has_schema(pipeline: Pipeline) -> bool:
    """Whether anything is known of what the pipeline has loaded; dlt calls the name a text, which it need not be."""
    return bool(pipeline.default_schema_name)


def declared_columns(resource: DltResource) -> list[str]:
    """The names of the columns a resource is declared with; dlt also takes functions that tell them."""
    columns = resource.columns
    return list(columns) if isinstance(columns, Mapping) else []


def destination_has_schema(client: SqlClient) -> bool:
    """Whether the destination knows the schema: then dlt does not look whether all its tables and columns are there."""
    try:
        return client.get_stored_schema_by_hash(client.schema.stored_version_hash) is not None
    except DestinationUndefinedEntity:
        return False


def add_missing_columns(client: SqlClient, tables: Sequence[str]) -> None:
    """Adds columns and tables of the schema that are not there any more."""
    client.update_stored_schema(only_tables=tables, force=True)


def table_chain(schema: Schema, table: str) -> dict[str, list[str]]:
    """A table and the child tables it has got by now, parents first, with the columns that dlt has made of each."""
    if table not in schema.tables:
        return {}
    return {
        str(each["name"]): [name for name, column in each["columns"].items() if is_complete_column(column)]
        for each in get_nested_tables(schema.tables, table)
        if has_table_seen_data(each)
    }


def open_table(client: Any, schema: Schema, table: str) -> Any:
    """A Delta or Iceberg table, if there is one; what dlt documents looks for all of them."""
    try:
        return client.load_open_table(schema.tables[table]["table_format"], table)
    except DestinationUndefinedEntity:
        return None


def plain_files(client: Any, table: str) -> tuple[Any, list[str]]:
    """The store of a destination that keeps files, and the paths of a table's; of another there are none."""
    if not hasattr(client, "list_table_files"):
        return None, []
    try:
        return client.fs_client, client.list_table_files(table)
    except DestinationUndefinedEntity:
        return client.fs_client, []


def tables_with_cursor(pipeline: Pipeline) -> set[str]:
    """The tables of which rows were loaded, as far as their cursors tell."""
    sources: Mapping[str, Any] = pipeline.state.get("sources", {})
    resources = [each for source in sources.values() for each in source.get("resources", {}).items()]
    cursors = ((name, cursor) for name, state in resources for cursor in state.get("incremental", {}).values())
    return {name for name, cursor in cursors if cursor.get("last_value") != cursor.get("initial_value")}


def forget_in_schema(pipeline: Pipeline, tables: Sequence[str], columns: Sequence[tuple[str, str]]) -> None:
    """Has dlt know tables and columns no more, here and at the destination, where they stay.

    Args:
        pipeline: Whose schema.
        tables: By name.
        columns: Tables and columns, these in upper or lower case.
    """
    known = pipeline.default_schema.tables
    for table in tables:
        known.pop(table, None)
    for table, column in columns:
        for name in [each for each in known[table]["columns"] if each.lower() == column.lower()]:
            del known[table]["columns"][name]
    if tables or columns:
        pipeline.sync_schema()


def know_column(pipeline: Pipeline, tables: Sequence[str], column: str, data_type: TDataType) -> None:
    """Has dlt know a column of tables, here and at the destination, and make it where it makes columns without rows."""
    schema: TColumnSchema = {"name": column, "data_type": data_type, "nullable": True}
    for table in tables:
        if column not in pipeline.default_schema.tables[table]["columns"]:
            pipeline.default_schema.update_table({"name": table, "columns": {column: schema}})
    pipeline.sync_schema()


def stored_state(pipeline: Pipeline, name: str = "") -> Mapping[str, Any] | None:
    """What the destination knows of the pipeline: nothing before the first load; None where it keeps no state.

    `sync_destination`, which is documented, puts it in the place of the local state without a look at what is pending.

    Args:
        pipeline: Which.
        name: Of another one, that loads into the same dataset.

    Raises:
        Exception: Whatever the destination raises when it cannot be reached.
    """
    with pipeline.destination_client() as client:
        if not isinstance(client, WithStateSync):
            return None
        try:
            return load_pipeline_state_from_destination(name or pipeline.pipeline_name, client) or {}
        except DestinationUndefinedEntity:
            return {}


def drop_old_states(pipeline: Pipeline) -> None:
    """Deletes all states of a pipeline at the destination but the last, which dlt keeps for ever and never reads.

    Raises:
        Exception: Whatever the destination raises when it cannot be reached.
    """
    with pipeline.destination_client() as client:
        try:
            last = client.get_stored_state(pipeline.pipeline_name) if isinstance(client, WithStateSync) else None
        except DestinationUndefinedEntity:
            return
        if last is None:
            return
        table = client.schema.state_table_name
        if (sql := sql_client(client)) is None:
            store, paths = plain_files(client, table)
            named = {path: path.replace("\\", "/").rpartition("/")[2].rsplit("__", 2) for path in paths}
            for path, (name, load_id, _) in named.items():
                if name == pipeline.pipeline_name and load_id != last._dlt_load_id:
                    store.rm(path)
            return
        names = [client.schema.naming.normalize_identifier(name) for name in ("pipeline_name", "_dlt_load_id")]
        pipeline_name, load_id = map(sql.sql_client.escape_column_name, names)
        where = f"{pipeline_name} = %s AND {load_id} <> %s"
        table = sql.sql_client.make_qualified_table_name(table)
        sql.sql_client.execute_sql(f"DELETE FROM {table} WHERE {where}", pipeline.pipeline_name, last._dlt_load_id)


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


def relation(dataset: dlt.Dataset, query: Any) -> Any:
    """A query of sqlglot's that has the names of the destination, as dlt runs it there or makes a model of it.

    Without the argument that is not documented dlt looks each name up in one schema, and knows no second dataset.
    """
    return dataset.query(query, _execute_raw_query=True)


def replacing_at_once(destination: AnyDestination) -> AnyDestination:
    """The same destination, at which whoever reads a table that is replaced sees all its old rows or all its new ones.

    Rows go into the staging dataset, and from there in one transaction, which dlt does not begin for DuckDB, although
    it knows that it could. TRUNCATE, which comes first, would empty the table for PostgreSQL's readers that have begun
    before, and wait for them: DELETE does neither.
    """
    capabilities = destination.capabilities()
    twin = copy(destination)
    twin.config_params = {**destination.config_params, "replace_strategy": "insert-from-staging"}
    twin.caps_params = {
        **destination.caps_params,
        "supports_truncate_command": False,
        "supports_transactions": bool(capabilities.supports_transactions or capabilities.supports_ddl_transactions),
    }
    return twin


# --- dlt's settings and runtime.


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Gives dlt settings for a while, where it has no other way to be given them."""
    with custom_environ(dict(variables)):
        yield


def settle_credentials(pipeline: Pipeline) -> None:
    """Has dlt find out once who signs in to a destination: it would ask all settings again some hundred times a load.

    Only of a destination that is nobody else's, and whose credentials do not expire.
    """
    pipeline.destination.config_params["credentials"] = credentials(pipeline)


@contextmanager
def opening_with(pipeline: Pipeline, statements: Sequence[str]) -> Iterator[None]:
    """Has each connection to DuckDB begin with statements, before those the user has set.

    In place of `global_config`, which is documented, but goes before what dlt sets itself.
    """
    given = pipeline.destination.config_params
    before = dict(given)
    given["credentials"] = mine = credentials(pipeline).copy()
    mine.statements = [*statements, *(mine.statements or ())]
    mine.resolve()
    try:
        yield
    finally:
        given.clear()
        given.update(before)


@contextmanager
def opening_patiently(seconds_max: float, poll_seconds: float) -> Iterator[None]:
    """Has dlt wait a while for a DuckDB file that is open in another process, wherever it opens one in this one.

    DuckDB fails at once, and dlt has a pool of connections for each job, client and copy of credentials.

    Args:
        seconds_max: How long to wait; after one wait in vain no longer, until a file was opened again.
        poll_seconds: How long to sleep before each further attempt.
    """
    borrow, waits = DuckDbConnectionPool.borrow_conn, True

    def patient(pool: DuckDbConnectionPool, *args: Any, **kwargs: Any) -> Any:
        nonlocal waits
        began = time.monotonic()
        while True:
            try:
                connection = borrow(pool, *args, **kwargs)
            except Exception as error:
                waits = waits and time.monotonic() - began < seconds_max
                if not waits or LOCKED_FILE not in str(error):
                    raise
            else:
                waits = True
                return connection
            raise_if_signalled()
            time.sleep(poll_seconds)

    DuckDbConnectionPool.borrow_conn = patient  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        DuckDbConnectionPool.borrow_conn = borrow  # type: ignore[method-assign]


def credentials(pipeline: Pipeline) -> Any:
    """Who signs in to a destination, and how, from all settings."""
    client: Any = pipeline.destination_client()
    return client.config.credentials


def start_runtime() -> None:
    """Starts dlt's runtime anew: the first setting asked for has started it with dlt's own defaults."""
    stop_telemetry()
    dlt.current.run_context().initialize_runtime()


def settings_documents() -> Iterator[dict[str, Any]]:
    """What settings files, and whatever else dlt reads as a whole, hold; dlt can only be asked for names one knows."""
    for provider in dlt.config.config_providers:
        if isinstance(provider, BaseDocProvider):
            yield provider._config_doc


def settings_sections() -> list[str]:
    """Below which sections dlt looks for the settings of a source while it is made."""
    # A source that has the name of its section has its settings in that.
    return list(dict.fromkeys(Container()[ConfigSectionContext].sections))


def look_for_no_settings_files() -> None:
    """Has dlt look for the project's files where there are none; before it is asked for a setting."""
    os.environ[DLT_PROJECT_DIR] = os.path.dirname(__file__)


def forget_settings(section: str, names: Iterable[str], *, but: str = "") -> None:
    """Takes the settings of sources out of what dlt has read, and out of the environment of this process.

    Args:
        section: Under which they are; what is said there of how dlt writes files stays.
        names: Of settings that dlt takes without a section, too.
        but: The name of one that stays.
    """

    def forget_all(settings: dict[str, Any]) -> None:
        for name, value in list(settings.items()):
            if isinstance(value, dict):
                if name != DATA_WRITER:
                    forget_all(value)
            elif name != but:
                del settings[name]

    gone = {name for name in names if name != but}
    for document in settings_documents():
        for name in gone & document.keys():
            del document[name]
        forget_all(document.get(section, {}))
    for variable in list(os.environ):
        first, *rest = variable.lower().split("__")
        if first in gone or (first == section and rest[:1] != [DATA_WRITER] and rest[-1:] != [but]):
            del os.environ[variable]


def pipeline_settings() -> list[str]:
    """The names of what may be set of a pipeline, under `[pipelines.<name>]`."""
    return list(PipelineConfiguration.get_resolvable_fields())


def destination_settings(pipeline: Pipeline) -> list[str]:
    """The names of what may be set of a pipeline's destination, under `[destination.<name>]`."""
    destination = pipeline.destination
    return [*destination.spec.get_resolvable_fields(), *signature(type(destination).__init__).parameters]


def active_pipeline_name() -> str | None:
    """The name of the pipeline that was made or attached to last; None where there is none, and then none is made."""
    context = Container()[PipelineContext]
    return context.pipeline().pipeline_name if context.is_active() else None


@contextmanager
def keeping_active_pipeline() -> Iterator[None]:
    """Makes the pipeline the active one again in the end that is so in the beginning, whatever is made meanwhile."""
    context = Container()[PipelineContext]
    before = context.pipeline() if context.is_active() else None
    try:
        yield
    finally:
        if before is not None:
            context.activate(before)
        elif context.is_active():
            context.deactivate()


def settings_folder() -> str:
    """The whole path of the folder in which dlt looks for settings of this run first; it need not exist."""
    return os.path.abspath(dlt.current.run_context().settings_dir)


def data_folder() -> str:
    """The whole path of the folder in which dlt keeps its working files."""
    return os.path.abspath(dlt.current.run_context().data_dir)


# --- What dlt raises. Its messages may repeat settings, so failures are told by what the errors hold.


def missing_packages(error: BaseException) -> tuple[str, Sequence[str]] | None:
    """Who needs packages that are not installed, and which, as pip is to be told; None of other errors."""
    return (error.caller, error.dependencies) if isinstance(error, MissingDependencyException) else None


def missing_settings(error: BaseException) -> list[str]:
    """As in `destination.postgres.credentials.host`: where dlt looks for each first; empty of other errors."""
    if not isinstance(error, ConfigFieldMissingException):
        return []
    found = set()
    for name, traces in error.traces.items():
        nested = [item for trace in traces if isinstance(trace, LookupTraces) for item in trace.traces.items()]
        for field, lookups in nested or [(name, traces)]:
            first = next((lookup for lookup in lookups if not isinstance(lookup, LookupTraces)), None)
            found.add(".".join((*(first.sections if first else ()), field)))
    return sorted(found)


def mistyped_setting(error: BaseException) -> tuple[str, str] | None:
    """The name of a setting that has a value of the wrong type, and the right type; None of other errors."""
    if not isinstance(error, ConfigValueCannotBeCoercedException):
        return None
    # `int` of `typing.Optional[int]` and the like.
    return error.field_name.rpartition(".")[2], re.sub(r"typing\.|Optional\[|\]|<class '|'>", "", str(error.hint))


def secret_in_config(error: BaseException) -> str | None:
    """The whole name of a setting that is secret, and that config.toml has; None of other errors."""
    return error.key if isinstance(error, ValueNotSecretException) else None


def unread_settings_file(error: BaseException) -> tuple[str, bool] | None:
    """The name of a settings file, and whether it can be opened and is no TOML; None of other errors."""
    if not isinstance(error, TomlProviderReadException):
        return None
    return error.file_name, not isinstance(error.__context__, OSError)


def unknown_destination(error: BaseException) -> str | None:
    """The name of a destination that there is not; None of other errors."""
    return error.ref if isinstance(error, UnknownDestinationModule) else None


def is_malformed_address(error: BaseException) -> bool:
    """Whether credentials are a text that is no address of a database."""
    return isinstance(error, InvalidNativeValue) and isinstance(error.inner_exception, InvalidConnectionString)


def is_unusable_setting(error: BaseException) -> bool:
    """Whether there is anything wrong with a setting: all of the above that are about settings, and others."""
    return isinstance(error, ConfigurationException)


def is_failed_connection(error: BaseException) -> bool:
    """Whether a destination could not be connected to, for whatever reason."""
    return isinstance(error, DestinationConnectionError)


def is_open_elsewhere(error: BaseException) -> bool:
    """Whether a DuckDB file cannot be opened since another process has it open, which only DuckDB's message tells."""
    return is_failed_connection(error) and LOCKED_FILE in str(error.__cause__ or error)


def is_refused_statement(error: BaseException) -> bool:
    """Whether a destination does not take a statement of SQL."""
    return isinstance(error, DatabaseException)
