"""What dlt does not document and this needs, held against dlt itself: each test fails when dlt changes it."""

import ast
import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from importlib import import_module
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest
import sqlglot
from dlt import Pipeline
from dlt.common import json
from dlt.common.configuration.container import Container
from dlt.common.configuration.exceptions import ValueNotSecretException
from dlt.common.configuration.providers import ConfigTomlProvider, EnvironProvider, SecretsTomlProvider
from dlt.common.pipeline import PipelineContext
from dlt.common.runtime import signals
from dlt.destinations.impl.duckdb.configuration import DuckDbConnectionPool
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
from dlt.pipeline import trace as tracing
from dlt.sources.credentials import ConnectionStringCredentials

from tests.conftest import PROJECT
from wootric_pipeline import dlt_internals
from wootric_pipeline.dlt_internals import Cursor

DAY_1 = datetime(2024, 1, 1, tzinfo=timezone.utc)
DAY_2, DAY_3 = DAY_1 + timedelta(days=1), DAY_1 + timedelta(days=2)

Rows = Sequence[dict[str, Any]]
During = Callable[[Cursor], None]


def nothing(_cursor: Cursor) -> None:
    pass


def pipeline_of(name: str = "internals", dataset: str = "data", file: str = "internals.duckdb") -> Pipeline:
    return dlt.pipeline(name, destination=dlt.destinations.duckdb(file), dataset_name=dataset)


@pytest.fixture
def pipeline() -> Iterator[Pipeline]:
    """Loads into a DuckDB file that stays open: to open and close it a dozen times takes as long as a small load."""
    with duckdb.connect("internals.duckdb"):
        yield pipeline_of()


def source_of(rows: Rows, during: During = nothing, start: datetime | None = DAY_1) -> Any:
    """A source with one table, of which something is done with the cursor before its rows come."""

    @dlt.resource(primary_key="id", write_disposition="merge")
    def surveys(
        cursor: Cursor = dlt.sources.incremental("updated_at", initial_value=start),  # noqa: B008
    ) -> Iterator[Any]:
        during(cursor)
        yield list(rows)

    @dlt.source(name="internal", section="internal")
    def source() -> Any:
        return surveys

    return source()


def row(row_id: int, updated_at: datetime) -> dict[str, Any]:
    return {"id": row_id, "updated_at": updated_at}


def ids(pipeline: Pipeline) -> list[int]:
    with pipeline.sql_client() as client:
        return sorted(row_id for (row_id,) in client.execute_sql("SELECT id FROM surveys") or [])


def tables(pipeline: Pipeline) -> list[str]:
    """The tables of the dataset, without dlt's own."""
    query = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'data' ORDER BY 1"
    with pipeline.sql_client() as client:
        return [name for (name,) in client.execute_sql(query) or [] if not name.startswith("_dlt")]


def cursor_state(pipeline: Pipeline) -> dict[str, Any]:
    state: dict[str, Any] = pipeline.state["sources"]["internal"]["resources"]["surveys"]["incremental"]["updated_at"]
    return state


# --- While dlt extracts.


@pytest.mark.parametrize(
    ("during", "loaded"), [(nothing, [2]), (dlt_internals.let_all_rows_pass, [1, 2])], ids=["filtered", "passed"]
)
def test_rows_before_the_cursor_pass(pipeline: Pipeline, during: During, loaded: list[int]) -> None:
    pipeline.run(source_of([row(2, DAY_2)]))
    pipeline.run(source_of([row(1, DAY_1)], during))
    assert ids(pipeline) == loaded


def test_the_cursor_is_moved_and_committed(pipeline: Pipeline) -> None:
    def during(cursor: Cursor) -> None:
        dlt_internals.let_all_rows_pass(cursor)
        dlt_internals.move_cursor(cursor, DAY_3)

    pipeline.run(source_of([row(2, DAY_2)], during))
    assert cursor_state(pipeline)["last_value"] == DAY_3


def seen_by_a_run(pipeline: Pipeline, rows: Rows, start: datetime | None) -> tuple[datetime | None, datetime | None]:
    """The committed cursor and the first start, as a run sees them."""
    seen: list[tuple[datetime | None, datetime | None]] = []

    def during(cursor: Cursor) -> None:
        dlt_internals.let_all_rows_pass(cursor)
        dlt_internals.move_start_back(cursor)
        seen.append((dlt_internals.committed_cursor(cursor), dlt_internals.first_start(cursor)))
        if rows:
            dlt_internals.move_cursor(cursor, max(each["updated_at"] for each in rows))

    pipeline.run(source_of(rows, during, start))
    return seen[0]


def test_the_committed_cursor_and_the_first_start_are_told_apart(pipeline: Pipeline) -> None:
    assert seen_by_a_run(pipeline, [row(2, DAY_2)], DAY_1) == (None, DAY_1)
    assert seen_by_a_run(pipeline, [], DAY_3) == (DAY_2, DAY_1)


@pytest.mark.parametrize(
    ("first", "later", "begins"), [(DAY_2, DAY_1, DAY_1), (DAY_2, None, None), (DAY_2, DAY_3, DAY_2)]
)
def test_a_start_is_moved_back_before_there_are_rows(
    pipeline: Pipeline, first: datetime, later: datetime | None, begins: datetime | None
) -> None:
    assert seen_by_a_run(pipeline, [], first) == (None, first)
    assert seen_by_a_run(pipeline, [row(3, DAY_3)], later) == (None, begins)
    assert seen_by_a_run(pipeline, [], DAY_1) == (DAY_3, begins)


def test_waits_are_shown() -> None:
    shown: list[tuple[str, int]] = []

    class Shown(dlt.progress.log):  # type: ignore[name-defined,misc]
        def update(self, name: str, inc: int = 1, *_more: Any, **_others: Any) -> None:
            shown.append((name, inc))

    shows = dlt.pipeline("internals", destination="duckdb", progress=Shown(1e9, sys.stderr, dump_system_stats=False))
    shows.extract(source_of([], lambda _cursor: dlt_internals.show_wait("Waited", 7)))
    assert ("Waited", 7) in shown


def test_a_signal_that_was_held_back_is_raised() -> None:
    dlt_internals.raise_if_signalled()
    with signals.intercepted_signals():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            dlt_internals.raise_if_signalled()
    dlt_internals.raise_if_signalled()


# --- Values and names.


def test_values_are_coerced_as_dlt_does(pipeline: Pipeline) -> None:
    pipeline.run([{"id": 1, "score": "7"}], table_name="surveys", columns={"score": {"data_type": "bigint"}})
    with pipeline.sql_client() as client:
        assert client.execute_sql("SELECT score FROM surveys") == [(7,)]
    assert dlt_internals.coerced("bigint", "7") == 7
    assert dlt_internals.coerced("bool", "true") is True
    assert dlt_internals.coerced("text", 7) == "7"
    with pytest.raises(ValueError, match="many"):
        dlt_internals.coerced("bigint", "many")


def test_values_of_another_type_get_the_column_of_that_name(pipeline: Pipeline) -> None:
    pipeline.run([{"id": 1, "score": 7}, {"id": 2, "score": "many"}], table_name="surveys")
    assert f"score__{dlt_internals.variant('text')}" in pipeline.default_schema.tables["surveys"]["columns"]


@pytest.mark.parametrize("key", ["plan", "p" * 120])
def test_columns_get_the_name_of_their_path(key: str) -> None:
    # This destination takes 127 letters.
    pipeline = dlt.pipeline("internals", destination="dummy")
    pipeline.extract([{"id": 1, "properties": {key: 2}}], table_name="surveys")
    pipeline.normalize()
    columns = pipeline.default_schema.tables["surveys"]["columns"]
    assert dlt_internals.column_name(pipeline.default_schema, f"properties__{key}") in columns


def lists(rows: list[Any], **hints: Any) -> Any:
    """A resource of rows with tags, as its child table is to be merged."""
    return dlt.resource(rows, name="surveys", primary_key="id", write_disposition="merge", **hints)


def test_texts_that_dlt_takes_for_other_values_begin_as_is_told() -> None:
    texts = ["5", "2024-01-01", "10:00:00", "12345678-1234-5678-1234-567812345678", "abab", "QUJD"]
    private = list(map(chr, range(0xE000, 0xF900)))
    taken = [
        start
        for start in private
        if any(json.typed_loads(json.typed_dumps(start + text)) != start + text for text in texts)
    ]
    first, last = dlt_internals.typed_text_starts()
    # The last is that of texts, which are taken for others only behind it and one more.
    assert [*taken, last] == list(map(chr, range(ord(first), ord(last) + 1)))
    assert json.typed_loads(json.typed_dumps(dlt_internals.TEXT_MARK + "a")) == "a"
    with pytest.raises(ValueError, match="not a marked text"):
        dlt_internals._text_again("somebody else's")


def test_a_text_that_is_marked_is_that_text_again(pipeline: Pipeline) -> None:
    texts = [*map(chr, range(0xF025, 0xF030)), *dlt_internals.TEXT_MARK, dlt_internals.TEXT_MARK, ""]
    texts = [start + text for start in texts for text in ("", "5", "abab", "2024-01-01", "QUJD", " pinned")]
    marked = [{"id": index, "text": dlt_internals.as_typed(text)} for index, text in enumerate(texts)]
    pipeline.run(
        [{**row, "data": {"a": [row["text"]]}} for row in marked],
        table_name="texts",
        columns=[{"name": "data", "data_type": "json"}],
    )
    with pipeline.sql_client() as client:
        found = client.execute_sql("SELECT text, data->'a'->>0 FROM texts ORDER BY id") or []
    assert found == [(text, text) for text in texts]


def test_a_list_of_texts_has_the_columns_that_dlt_makes(pipeline: Pipeline) -> None:
    pipeline.run(lists([{"id": 1, "tags": ["pricing"]}]))
    made = pipeline.default_schema.tables["surveys__tags"]["columns"]
    declared = pipeline_of("declared", "declared")
    declared.run(lists([{"id": 1, "tags": []}], nested_hints={"tags": dlt_internals.list_of()}))
    columns = declared.default_schema.tables["surveys__tags"]["columns"]
    assert {name: {"nullable": True, **column} for name, column in columns.items()} == made


def test_a_table_that_never_had_a_row_is_created(pipeline: Pipeline) -> None:
    pipeline.run(lists([{"id": 1, "tags": []}], nested_hints={"tags": dlt_internals.list_of()}))
    schema = pipeline.default_schema
    assert tables(pipeline) == ["surveys"]
    assert [dlt_internals.mark_as_seen(schema, name) for name in ("surveys", "others", "surveys__tags")] == [
        False, False, True,
    ]  # fmt: skip
    pipeline.sync_schema()
    assert tables(pipeline) == ["surveys", "surveys__tags"]


# --- What dlt keeps of a pipeline, and its destination.


def test_the_trace_is_in_its_file(pipeline: Pipeline) -> None:
    assert not dlt_internals.trace_file(pipeline).exists()
    pipeline.run(source_of([row(1, DAY_1)]))
    kept = dlt_internals.trace_file(pipeline).read_bytes()
    pipeline.run(source_of([row(1, DAY_1)]))
    assert dlt_internals.trace_file(pipeline).read_bytes() != kept


def test_a_pipeline_is_forgotten_locally(pipeline: Pipeline) -> None:
    pipeline.run(source_of([row(1, DAY_1)]))
    pipeline.extract(source_of([row(2, DAY_2)]))
    assert Path(pipeline.working_dir, "state.json").exists()
    dlt_internals.drop_locally(pipeline)
    assert not pipeline.has_pending_data
    assert "sources" not in pipeline.state
    assert list(pipeline.schema_names) == []
    pipeline.sync_destination()
    assert cursor_state(pipeline)["last_value"] == DAY_1


def test_killed_while_it_is_forgotten_a_pipeline_has_no_state(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.run(source_of([row(1, DAY_1)]))
    monkeypatch.setattr(Pipeline, "drop", lambda _pipeline: None)
    dlt_internals.drop_locally(pipeline)
    monkeypatch.undo()
    assert "sources" not in pipeline_of().state


def test_packages_without_rows_and_state_are_dropped(pipeline: Pipeline) -> None:
    pipeline.run(source_of([row(1, DAY_1)]))
    pipeline.set_local_state_val("place", "here")
    before = pipeline.state
    pipeline.extract(source_of([]))
    assert pipeline.has_pending_data
    assert dlt_internals.drop_empty_packages(pipeline)
    assert (pipeline.has_pending_data, pipeline.state, ids(pipeline)) == (False, before, [1])
    pipeline.extract(source_of([row(2, DAY_2)]))
    assert not dlt_internals.drop_empty_packages(pipeline)
    pipeline.normalize()
    assert not dlt_internals.drop_empty_packages(pipeline)
    pipeline.load()
    with dlt_internals.source_state(pipeline, "internal") as state:
        state["noted"] = True
    assert not dlt_internals.drop_empty_packages(pipeline)
    pipeline.normalize()
    pipeline.load()
    assert ids(pipeline) == [1, 2]


@pytest.mark.parametrize("torn", ["a schema is missing", "half of one is there"])
def test_a_torn_working_folder_is_forgotten(pipeline: Pipeline, torn: str) -> None:
    pipeline.run(source_of([row(1, DAY_2)]))
    assert not dlt_internals.drop_if_torn(pipeline)
    (schema,) = Path(pipeline.working_dir, "schemas").glob("*.schema.json")
    schema.rename(schema.with_name("717572a31f0cc017" if torn == "half of one is there" else "of_no_name"))
    if torn == "a schema is missing":
        schema.with_name("of_no_name").unlink()
    again = dlt.pipeline(pipeline.pipeline_name, destination=pipeline.destination, dataset_name=pipeline.dataset_name)
    assert dlt_internals.drop_if_torn(again)
    again.run(source_of([row(2, DAY_2)]))
    assert ids(again) == [1, 2]


@pytest.mark.parametrize("text", [b"", b'{"a', b"\0" * 9, b"\xff", b"[]"])
@pytest.mark.parametrize("file", ["state.json", "schemas/*.schema.json"])
def test_an_unreadable_working_folder_is_forgotten(pipeline: Pipeline, file: str, text: bytes) -> None:
    assert not dlt_internals.drop_if_unreadable(Path(pipeline.working_dir))
    pipeline.run(source_of([row(1, DAY_2)]))
    assert not dlt_internals.drop_if_unreadable(Path(pipeline.working_dir))
    (found,) = Path(pipeline.working_dir).glob(file)
    found.write_bytes(text)
    folder = str(Path(pipeline.working_dir).parent)
    place = (pipeline.pipeline_name, folder, pipeline.destination, pipeline.dataset_name)
    again, is_forgotten = dlt_internals.opened(*place)
    assert is_forgotten
    again.run(source_of([row(2, DAY_2)]))
    assert ids(again) == [1, 2]
    assert not dlt_internals.opened(*place)[1]


def test_a_pipeline_that_keeps_no_state_stores_none(pipeline: Pipeline) -> None:
    dlt_internals.keep_no_state(pipeline)
    pipeline.run([{"id": 1}], table_name="surveys")
    with pipeline.sql_client() as client:
        names = client.execute_sql("SELECT table_name FROM information_schema.tables ORDER BY ALL")
    assert [name for (name,) in names or []] == ["_dlt_loads", "_dlt_version", "surveys"]


def test_tables_of_which_rows_were_loaded_are_told(pipeline: Pipeline) -> None:
    assert dlt_internals.tables_with_cursor(pipeline) == set()
    pipeline.run(source_of([]))
    assert dlt_internals.tables_with_cursor(pipeline) == set()
    pipeline.run(source_of([row(1, DAY_2)]))
    assert dlt_internals.tables_with_cursor(pipeline) == {"surveys"}


def test_old_packages_are_dropped(pipeline: Pipeline) -> None:
    for row_id in range(3):
        pipeline.run(source_of([row(row_id, DAY_1)]))
    packages = pipeline.list_completed_load_packages()
    dlt_internals.drop_old_packages(pipeline, 2)
    assert pipeline.list_completed_load_packages() == packages[-2:]
    assert len(packages) == 3


def test_all_packages_are_dropped(pipeline: Pipeline) -> None:
    for row_id in range(2):
        pipeline.run(source_of([row(row_id, DAY_1)]))
    dlt_internals.drop_old_packages(pipeline, 0)
    assert pipeline.list_completed_load_packages() == []


@pytest.mark.parametrize("kind", ["duckdb", "filesystem"])
def test_old_states_are_dropped(kind: str, tmp_path: Path) -> None:
    to: Any = {
        "duckdb": dlt.destinations.duckdb("internals.duckdb"),
        "filesystem": dlt.destinations.filesystem(tmp_path.as_uri()),
    }[kind]
    pipelines = [dlt.pipeline(name, destination=to, dataset_name="data") for name in ("one", "one_two", "three")]
    for pipeline in pipelines[:2]:
        for day in (DAY_1, DAY_2, DAY_3):
            pipeline.run(source_of([row(1, day)]))
    before = [dlt_internals.stored_state(each) for each in pipelines]

    def states() -> list[int]:
        if kind == "duckdb":
            with pipelines[0].sql_client() as client:
                names = client.execute_sql("SELECT pipeline_name FROM _dlt_pipeline_state") or []
            return [[name for (name,) in names].count(each.pipeline_name) for each in pipelines]
        return [len(list(tmp_path.glob(f"data/_dlt_pipeline_state/{each.pipeline_name}__1*"))) for each in pipelines]

    assert states() == [3, 3, 0]
    for pipeline in (pipelines[0], pipelines[2]):
        dlt_internals.drop_old_states(pipeline)
    assert states() == [1, 3, 0]
    assert [dlt_internals.stored_state(each) for each in pipelines] == before


def test_the_files_of_sqlite_are_told(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    to = dlt.destinations.sqlalchemy("sqlite:///surveys.db")
    pipeline = dlt.pipeline("sqlite", destination=to, dataset_name="data")
    pipeline.run([{"id": 1}], table_name="surveys")
    # As a merge leaves it, of which SQLAlchemy warns.
    sqlite3.connect("surveys__data_staging.db").close()
    with pipeline.destination_client() as client:
        found = dlt_internals.sqlite_files(client)
    assert sorted(found) == [str(tmp_path / f"surveys{of}.db") for of in ("", "__data", "__data_staging")]
    with pipeline_of().destination_client() as client:
        assert dlt_internals.sqlite_files(client) == []


def test_a_changed_state_is_loaded_by_itself(pipeline: Pipeline) -> None:
    pipeline.run(source_of([row(1, DAY_1)]))
    with dlt_internals.source_state(pipeline, "internal") as state:
        assert list(state["resources"]) == ["surveys"]
    pending = [pipeline.has_pending_data]
    with dlt_internals.source_state(pipeline, "internal") as state:
        del state["resources"]["surveys"]
    assert [*pending, pipeline.has_pending_data] == [False, True]
    pipeline.normalize()
    pipeline.load()
    stored = dlt_internals.stored_state(pipeline) or {}
    assert stored["sources"] == pipeline.state["sources"] == {"internal": {"resources": {}}}
    assert ids(pipeline) == [1]


def test_rows_have_the_id_of_the_load_that_extracts_them(pipeline: Pipeline) -> None:
    noted: list[str] = []
    pipeline.run(source_of([row(1, DAY_1)], lambda _cursor: noted.append(dlt_internals.current_load_id())))
    with pipeline.sql_client() as client:
        assert client.execute_sql("SELECT _dlt_load_id FROM surveys") == [(noted[0],)]


def sql(pipeline: Pipeline, statement: str) -> Any:
    with pipeline.sql_client() as client:
        return client.execute_sql(statement)


def test_what_is_not_there_any_more_is_added(pipeline: Pipeline) -> None:
    pipeline.run(source_of([row(1, DAY_1) | {"tags": ["a"]}]))
    chain = dlt_internals.table_chain(pipeline.default_schema, "surveys")
    assert list(chain) == ["surveys", "surveys__tags"]
    assert {"id", "updated_at", "_dlt_load_id"} <= set(chain["surveys"])
    sql(pipeline, "ALTER TABLE surveys DROP COLUMN updated_at")
    sql(pipeline, "DROP TABLE surveys__tags")
    with pipeline.destination_client() as client:
        found = dlt_internals.sql_client(client)
        assert found is not None
        # Here dlt does nothing by itself.
        assert dlt_internals.destination_has_schema(found)
        found.update_stored_schema()
        assert tables(pipeline) == ["surveys"]
        dlt_internals.add_missing_columns(found, list(chain))
    assert sql(pipeline, "SELECT id, updated_at FROM surveys") == [(1, None)]
    assert sql(pipeline, "SELECT * FROM surveys__tags") == []
    dlt_internals.forget_in_schema(pipeline, ["surveys__tags"], [("surveys", "UPDATED_AT")])
    pipeline.drop()
    pipeline.sync_destination()
    assert list(dlt_internals.table_chain(pipeline.default_schema, "surveys")) == ["surveys"]
    assert "updated_at" not in pipeline.default_schema.tables["surveys"]["columns"]


def test_a_column_is_known_and_made_without_rows(pipeline: Pipeline) -> None:
    pipeline.run(source_of([row(1, DAY_1)]))
    for _ in range(2):
        dlt_internals.know_column(pipeline, ["surveys"], "_deleted_at", "timestamp")
    assert sql(pipeline, "SELECT id, _deleted_at FROM surveys") == [(1, None)]
    pipeline.drop()
    pipeline.sync_destination()
    column = pipeline.default_schema.tables["surveys"]["columns"]["_deleted_at"]
    assert (column["data_type"], column["nullable"]) == ("timestamp", True)
    # What is loaded from now on has it, so that it is null again.
    sql(pipeline, "UPDATE surveys SET _deleted_at = now()")
    pipeline.run(source_of([row(1, DAY_1 + timedelta(days=1))]))
    assert sql(pipeline, "SELECT id, _deleted_at FROM surveys") == [(1, None)]


def test_a_pipeline_that_has_loaded_something_has_a_schema(pipeline: Pipeline) -> None:
    found = [dlt_internals.has_schema(pipeline)]
    pipeline.run(source_of([row(1, DAY_1)]))
    found.append(dlt_internals.has_schema(pipeline))
    assert found == [False, True]


def test_columns_that_are_declared_are_told() -> None:
    declared = dlt.resource([], name="surveys", columns={"id": {"data_type": "bigint"}})
    assert dlt_internals.declared_columns(declared) == ["id"]


def test_where_rows_are_merged_from_is_reached_by_the_same_client(pipeline: Pipeline) -> None:
    pipeline.run(source_of([row(1, DAY_1)]))
    with pipeline.destination_client() as client:
        found = dlt_internals.sql_client(client)
        assert found is not None
        names = [found.sql_client.dataset_name]
        with dlt_internals.staging(found):
            names.append(found.sql_client.dataset_name)
    assert names == ["data", "data_staging"]


def test_statements_that_are_refused_are_told_from_other_failures(pipeline: Pipeline) -> None:
    with pytest.raises(Exception, match="nowhere") as failure:
        sql(pipeline, "SELECT * FROM nowhere")
    assert dlt_internals.is_refused_statement(failure.value)
    assert not dlt_internals.is_refused_statement(ValueError())


def test_files_of_a_table_are_found(pipeline: Pipeline, tmp_path: Path) -> None:
    destination = dlt.destinations.filesystem(str(tmp_path / "bucket"))
    files = dlt.pipeline("files", destination=destination, dataset_name="data")
    with files.destination_client() as client:
        assert dlt_internals.plain_files(client, "surveys")[1] == []
    files.run(source_of([row(1, DAY_1)]))
    with files.destination_client() as client:
        store, (path,) = dlt_internals.plain_files(client, "surveys")
    assert [Path(found) for found in store.ls(str(Path(path).parent), detail=False)] == [Path(path)]
    with pipeline.destination_client() as client:
        assert dlt_internals.plain_files(client, "surveys") == (None, [])


def test_a_table_that_is_not_there_cannot_be_opened(tmp_path: Path) -> None:
    pytest.importorskip("deltalake")
    destination = dlt.destinations.filesystem(str(tmp_path / "bucket"))
    files = dlt.pipeline("files", destination=destination, dataset_name="data")
    source = source_of([row(1, DAY_1)])
    source.surveys.apply_hints(table_format="delta")
    files.run(source)
    with files.destination_client() as client:
        assert dlt_internals.open_table(client, files.default_schema, "surveys").to_pyarrow_table().num_rows == 1
        shutil.rmtree(tmp_path / "bucket/data/surveys")
        assert dlt_internals.open_table(client, files.default_schema, "surveys") is None


@pytest.mark.parametrize("kind", ["sql", "files"])
def test_a_dataset_tells_whose_it_is(tmp_path: Path, kind: str) -> None:
    def at(name: str) -> Pipeline:
        if kind == "sql":
            return pipeline_of(name)
        destination = dlt.destinations.filesystem(str(tmp_path / "bucket"))
        return dlt.pipeline(name, destination=destination, dataset_name="data")

    assert dlt_internals.pipelines_in(at("third")) == set()
    assert dlt_internals.tables_in(at("third"), ["surveys"]) == []
    for name in ("one", "an__other"):
        at(name).run(source_of([row(1, DAY_1)]))
    assert dlt_internals.pipelines_in(at("third")) == {"one", "an__other"}
    assert dlt_internals.tables_in(at("third"), ["surveys", "others"]) == ["surveys"]


def test_relative_paths_begin_in_the_folder_at_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("first", "other"):
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.chdir(folder)
        destination = dlt.destinations.duckdb("surveys.duckdb")
        pipeline = dlt.pipeline("moving", pipelines_dir=str(tmp_path), destination=destination, dataset_name="data")
        dlt_internals.begin_paths_here(pipeline)
        dlt_internals.drop_locally(pipeline)
        pipeline.run(source_of([row(1, DAY_1)]))
        assert (folder / "surveys.duckdb").exists()


def test_places_are_told_apart(tmp_path: Path) -> None:
    here = dlt_internals.location(pipeline_of())
    assert dlt_internals.location(pipeline_of()) == here
    files = dlt.pipeline("files", destination=dlt.destinations.filesystem(str(tmp_path)), dataset_name="data")
    others = (pipeline_of(file="other.duckdb"), pipeline_of(dataset="other"), files)
    assert len({here, *map(dlt_internals.location, others)}) == 4


def test_a_connection_is_tried(pipeline: Pipeline) -> None:
    dlt_internals.connect(pipeline)
    assert not tables(pipeline)
    Path("folder").mkdir()
    with pytest.raises(Exception, match="folder") as failure:
        dlt_internals.connect(pipeline_of(file="folder"))
    assert dlt_internals.is_failed_connection(failure.value)
    assert not dlt_internals.is_failed_connection(ValueError())


HOLD_OPEN = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"


def test_a_file_that_is_open_elsewhere_is_told_from_other_failures() -> None:
    pipeline = pipeline_of()
    command = [sys.executable, "-c", HOLD_OPEN, "internals.duckdb"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(Exception, match="internals") as failure:
            dlt_internals.connect(pipeline)
    assert dlt_internals.is_open_elsewhere(failure.value)
    Path("folder").mkdir()
    with pytest.raises(Exception, match="folder") as failure:
        dlt_internals.connect(pipeline_of(file="folder"))
    assert not dlt_internals.is_open_elsewhere(failure.value)


def test_a_file_that_is_open_elsewhere_is_waited_for_a_while() -> None:
    pipeline = pipeline_of()
    command = [sys.executable, "-c", HOLD_OPEN, "internals.duckdb"]
    with (
        dlt_internals.opening_patiently(2.0, 0.01),
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder,
    ):
        assert holder.stdout is not None
        holder.stdout.readline()
        # After one wait in vain, it fails at once, until it was opened again.
        for seconds_min, seconds_max in ((2.0, 60.0), (0.0, 1.9)):
            began = time.monotonic()
            with pytest.raises(Exception, match="internals") as failure:
                dlt_internals.connect(pipeline)
            assert dlt_internals.is_open_elsewhere(failure.value)
            assert seconds_min <= time.monotonic() - began < seconds_max
        holder.communicate()
        dlt_internals.connect(pipeline)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as another:
            assert another.stdout is not None
            another.stdout.readline()
            threading.Timer(0.1, another.kill).start()
            dlt_internals.connect(pipeline)
    assert DuckDbConnectionPool.borrow_conn.__module__ == DuckDbConnectionPool.__module__


def test_what_lies_on_this_machine_is_told(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")

    def path(destination: Any) -> str | None:
        pipeline = dlt.pipeline("internals", destination=destination, dataset_name="data")
        return dlt_internals.local_path(pipeline.destination_client())

    destinations = dlt.destinations
    assert path(destinations.duckdb("surveys.duckdb")) == str(tmp_path / "surveys.duckdb")
    assert path(destinations.sqlalchemy("sqlite:///surveys.db")) == str(tmp_path / "surveys.db")
    assert path(destinations.filesystem("bucket")) == str(tmp_path / "bucket/data")
    assert path(destinations.filesystem(f"file://{tmp_path}/bucket")) == str(tmp_path / "bucket/data")
    assert path(destinations.sqlalchemy("sqlite:///:memory:")) is None
    with duckdb.connect() as connection:
        assert path(destinations.duckdb(connection)) is None


def test_the_dialect_of_a_database_is_told(pipeline: Pipeline) -> None:
    pytest.importorskip("sqlalchemy")
    sqlite = dlt.pipeline("sqlite", destination=dlt.destinations.sqlalchemy("sqlite:///surveys.db"))
    assert [dlt_internals.dialect(each.sql_client()) for each in (pipeline, sqlite)] == ["", "sqlite"]


def test_a_time_is_sent_as_rows_have_it(pipeline: Pipeline) -> None:
    pytest.importorskip("sqlalchemy")
    sqlite = dlt.pipeline(
        "sqlite", destination=dlt.destinations.sqlalchemy("sqlite:///surveys.db"), dataset_name="data"
    )
    for each in (pipeline, sqlite):
        each.run([{"moment": DAY_1}], table_name="surveys")
        with each.sql_client() as client:
            name = client.make_qualified_table_name("surveys")
            before = client.execute_sql(f"SELECT moment FROM {name}")
            client.execute_sql(f"UPDATE {name} SET moment = %s", dlt_internals.sent_time(client, DAY_1))
            assert client.execute_sql(f"SELECT moment FROM {name}") == before


class Told:
    """A tracker that notes what it is told, and fails."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def on_start_trace(self, _trace: object, step: str, _pipeline: Pipeline) -> None:
        self.calls.append(f"{step} begins")
        raise ValueError

    def on_start_trace_step(self, _trace: object, step: str, _pipeline: Pipeline) -> None:
        self.calls.append(step)

    def on_end_trace_step(self, *_about: Any) -> None:
        pass

    def on_end_trace(self, _trace: object, _pipeline: Pipeline, _send_state: bool) -> None:
        self.calls.append("end")


def test_a_tracker_is_told_of_runs_and_steps_however_they_end(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "TRACKING_MODULES", [])
    tracker = Told()
    dlt_internals.add_tracker(tracker)
    dlt_internals.add_tracker(tracker)
    pipeline.run(source_of([row(1, DAY_1)]))
    assert tracker.calls == ["run begins", "run", "extract", "normalize", "load", "end"]
    tracker.calls.clear()
    monkeypatch.setattr(pipeline, "_load", lambda *_words, **_named: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        pipeline.load()
    assert tracker.calls == ["load begins", "load", "end"]


def test_what_is_pending_has_a_schema(pipeline: Pipeline) -> None:
    assert dlt_internals.pending_schemas(pipeline) == set()
    pipeline.extract(source_of([row(1, DAY_1)]))
    assert dlt_internals.pending_schemas(pipeline) == {"internal"}
    pipeline.normalize()
    assert dlt_internals.pending_schemas(pipeline) == {"internal"}
    pipeline.load()
    assert dlt_internals.pending_schemas(pipeline) == set()


def test_rows_are_merged_from_the_staging_dataset(pipeline: Pipeline) -> None:
    pipeline.run(source_of([row(1, DAY_1)]))
    with pipeline.sql_client() as client:
        staging = dlt_internals.staging_dataset(client)
        assert client.execute_sql(f"SELECT id FROM {staging}.surveys") == [(1,)]


def test_the_destination_knows_the_state(pipeline: Pipeline) -> None:
    assert dlt_internals.stored_state(pipeline) == {}
    pipeline.run(source_of([row(1, DAY_1)]))
    stored = dlt_internals.stored_state(pipeline) or {}
    assert stored["sources"] == pipeline.state["sources"]
    assert dlt_internals.stored_state(pipeline_of("another")) == {}
    assert dlt_internals.stored_state(dlt.pipeline("stateless", destination="dummy")) is None


def test_a_state_that_is_ahead_or_other_does_not_follow(pipeline: Pipeline) -> None:
    assert dlt_internals.follows(pipeline, {})
    pipeline.run(source_of([row(1, DAY_1)]))
    first = dlt_internals.stored_state(pipeline) or {}
    assert dlt_internals.follows(pipeline, first)
    assert not dlt_internals.follows(pipeline, {})
    assert not dlt_internals.follows(pipeline, {**first, "_version_hash": "another"})
    pipeline.run(source_of([row(2, DAY_2)]))
    second = dlt_internals.stored_state(pipeline) or {}
    assert dlt_internals.follows(pipeline, second)
    # What is behind is put right by dlt itself.
    assert not dlt_internals.follows(pipeline, first)
    dlt_internals.drop_locally(pipeline)
    assert dlt_internals.follows(pipeline, second)


def test_values_are_noted_locally(pipeline: Pipeline) -> None:
    assert dlt_internals.local_value(pipeline, "noted") is None
    pipeline.set_local_state_val("noted", 7)
    assert dlt_internals.local_value(pipeline_of(), "noted") == 7


# --- dlt's settings and runtime.


def test_settings_hold_for_a_while() -> None:
    before = dict(os.environ)
    with dlt_internals.environment({"LOAD__WORKERS": "3"}):
        assert dlt.config["load.workers"] == 3
    assert dlt.config.get("load.workers") is None
    assert dict(os.environ) == before


def test_connections_begin_with_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS__STATEMENTS", '["SET threads = 3"]')
    pipeline = dlt.pipeline("internals", destination="duckdb")
    ours = ["SET threads = 1", "SET checkpoint_threshold = '1MB'"]
    settings = "SELECT current_setting('threads'), current_setting('checkpoint_threshold')"
    with dlt_internals.opening_with(pipeline, ours), pipeline.sql_client() as client:
        assert client.execute_sql(settings) == [(3, "976.5 KiB")]
    with pipeline.sql_client() as client:
        assert client.execute_sql(settings) != [(3, "976.5 KiB")]
    assert "credentials" not in pipeline.destination.config_params


def test_credentials_are_settled_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("INTERNALS__DESTINATION__DUCKDB__CREDENTIALS__STATEMENTS", '["SET threads = 3"]')
    pipeline = dlt.pipeline("internals", destination=dlt.destinations.duckdb(str(tmp_path / "here.duckdb")))
    dlt_internals.settle_credentials(pipeline)
    monkeypatch.delenv("INTERNALS__DESTINATION__DUCKDB__CREDENTIALS__STATEMENTS")
    with pipeline.sql_client() as client:
        assert client.execute_sql("SELECT current_setting('threads')") == [(3,)]
    assert (tmp_path / "here.duckdb").exists()
    assert dlt_internals.credentials(pipeline) is dlt_internals.credentials(pipeline)


@pytest.fixture
def _runtime() -> Iterator[None]:
    """Has the runtime as it was when the test ends."""
    yield
    os.environ["RUNTIME__LOG_LEVEL"] = "CRITICAL"
    dlt_internals.start_runtime()


@pytest.mark.usefixtures("_runtime")
def test_the_runtime_takes_settings_that_came_later(monkeypatch: pytest.MonkeyPatch) -> None:
    assert dlt.config.get("runtime.log_level") == "CRITICAL"
    monkeypatch.setenv("RUNTIME__LOG_LEVEL", "ERROR")
    dlt_internals.start_runtime()
    assert logging.getLogger("dlt").level == logging.ERROR


def test_what_settings_files_hold_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt/config.toml").write_text('alone = 1\n[nobody.reads]\nthis = ["a"]\n"Or this" = { that = 2 }')
    (tmp_path / ".dlt/secrets.toml").write_text('[nobody]\nsecret = "s"')
    files = [SecretsTomlProvider(".dlt"), ConfigTomlProvider(".dlt")]
    assert {type(each) for each in dlt.config.config_providers} > {type(each) for each in files}
    monkeypatch.setattr(type(dlt.config), "config_providers", files)
    assert list(dlt_internals.settings_documents()) == [
        {"nobody": {"secret": "s"}},
        {"alone": 1, "nobody": {"reads": {"this": ["a"], "Or this": {"that": 2}}}},
    ]


def test_a_source_knows_where_its_settings_stand() -> None:
    found = []

    @dlt.source(name="surveys", section="surveys")
    def source() -> Any:
        found.append(dlt_internals.settings_sections())
        return dlt.resource([1], name="rows")

    source()
    source.clone(name="acme")()
    source.clone(name="acme", section="acme")()
    assert found == [["sources", "surveys"], ["sources", "surveys", "acme"], ["sources", "acme"]]


def test_the_active_pipeline_stays_so() -> None:
    before = dlt_internals.active_pipeline_name()
    with dlt_internals.keeping_active_pipeline():
        pipeline_of("for a while")
    assert dlt_internals.active_pipeline_name() == before
    outer = pipeline_of("outer")
    with suppress(ValueError), dlt_internals.keeping_active_pipeline():
        pipeline_of("inner")
        raise ValueError
    assert dlt.pipeline() is outer


def test_settings_are_forgotten_for_the_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt/config.toml").write_text(
        'region = "eu"\nother = 1\n[sources]\nregion = "eu"\n'
        '[sources.wootric]\nregion = "eu"\nfiles = "jsonl"\n[sources.data_writer]\nfile_max_items = 5\n'
    )
    monkeypatch.setattr(type(dlt.config), "config_providers", [EnvironProvider(), ConfigTomlProvider(".dlt")])
    variables = ("REGION", "SOURCES__REGION", "SOURCES__WOOTRIC__REGION")
    for variable in (*variables, "SOURCES__WOOTRIC__FILES", "SOURCES__DATA_WRITER__BUFFER_MAX_ITEMS", "OTHER"):
        monkeypatch.setenv(variable, "1")
    dlt_internals.forget_settings("sources", ["region", "files"], but="files")
    assert list(dlt_internals.settings_documents()) == [
        {"other": 1, "sources": {"wootric": {"files": "jsonl"}, "data_writer": {"file_max_items": 5}}}
    ]
    assert not set(variables) & set(os.environ)
    assert dlt.config.get("sources.wootric.region") is None
    assert dlt.config.get("sources.wootric.files") == "1"
    assert dlt.config.get("sources.data_writer.buffer_max_items") == "1"
    dlt_internals.forget_settings("sources", ["region", "files"])
    assert dlt.config.get("sources.wootric.files") is None


def test_settings_files_of_the_project_are_looked_for_where_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLT_PROJECT_DIR", "here")
    dlt_internals.look_for_no_settings_files()
    assert not Path(dlt.current.run_context().settings_dir).exists()
    assert os.environ["DLT_PROJECT_DIR"] == str(Path(str(dlt_internals.__file__)).parent)


def test_the_settings_of_a_destination_are_those_that_take_effect(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = dlt_internals.destination_settings(pipeline)
    assert {"credentials", "create_indexes", "staging_dataset_name_layout", "replace_strategy"} < set(known)
    assert "credential" not in known
    monkeypatch.setenv("DESTINATION__DUCKDB__STAGING_DATASET_NAME_LAYOUT", "%s_before")
    named = dlt.pipeline("internals", destination="duckdb", dataset_name="data")
    with named.destination_client() as client:
        config: Any = client.config
    assert config.staging_dataset_name_layout == "%s_before"


def test_the_settings_of_pipelines_are_those_that_take_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"dataset_name", "destination_type", "dev_mode", "runtime"} < set(dlt_internals.pipeline_settings())
    assert "start_date" not in dlt_internals.pipeline_settings()
    monkeypatch.setenv("PIPELINES__INTERNALS__DATASET_NAME", "named")
    assert dlt.pipeline("internals", destination="duckdb").dataset_name == "named"


def test_the_pipeline_that_is_active_is_named_and_none_is_made() -> None:
    Container()[PipelineContext].deactivate()
    assert dlt_internals.active_pipeline_name() is None
    assert dlt_internals.active_pipeline_name() is None
    dlt.pipeline("internals", destination="duckdb")
    assert dlt_internals.active_pipeline_name() == "internals"


@pytest.mark.parametrize(("project", "folder"), [(None, ".dlt"), ("elsewhere", "elsewhere/.dlt")])
def test_settings_are_looked_for_in_the_folder_that_is_told(
    project: str | None, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if project:
        monkeypatch.setenv("DLT_PROJECT_DIR", project)
    assert dlt_internals.settings_folder() == str(Path.cwd() / folder)
    locations = [os.path.abspath(path) for path in ConfigTomlProvider(dlt.current.run_context().settings_dir).locations]
    assert locations == [str(Path.cwd() / folder / "config.toml")]


def test_working_files_are_in_the_folder_that_is_set(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLT_DATA_DIR", "../elsewhere")
    assert dlt_internals.data_folder() == str(Path.cwd().parent / "elsewhere")
    assert Path(pipeline.working_dir).parent.parent == Path.cwd() / "dlt"


# --- What dlt raises.


def raised(action: Callable[[], Any]) -> BaseException:
    """What an action raises, whatever that is."""
    try:
        action()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def resolved(source: Callable[[], Any], **environment: str) -> BaseException:
    """What dlt raises when it looks for the settings of a source."""
    with dlt_internals.environment(environment):
        return raised(source)


@dlt.source(name="internal", section="internal")
def typed(client_id: str = dlt.secrets.value, connections: int = 4) -> Any:  # noqa: ARG001
    return source_of([]).surveys


@dlt.source(name="internal", section="internal")
def addressed(credentials: ConnectionStringCredentials = dlt.secrets.value) -> Any:  # noqa: ARG001
    return source_of([]).surveys


def test_packages_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "deltalake", None)
    monkeypatch.delitem(sys.modules, "dlt.common.libs.deltalake", raising=False)
    error = raised(lambda: import_module("dlt.common.libs.deltalake"))
    assert dlt_internals.missing_packages(error) == ("dlt deltalake helpers", ["dlt[deltalake]"])
    assert dlt_internals.missing_packages(ImportError()) is None


def test_settings_that_are_missing_are_named_by_their_sections() -> None:
    assert dlt_internals.missing_settings(resolved(typed)) == ["sources.internal.internal.client_id"]
    nested = dlt_internals.missing_settings(resolved(addressed))
    assert nested == ["sources.internal.internal.credentials.drivername"]
    assert dlt_internals.missing_settings(KeyError()) == []


def test_a_setting_of_the_wrong_type_is_named_with_the_right_one() -> None:
    access = {"SOURCES__INTERNAL__CLIENT_ID": "id"}
    error = resolved(typed, **access, SOURCES__INTERNAL__CONNECTIONS="many")
    assert dlt_internals.mistyped_setting(error) == ("connections", "int")
    assert dlt_internals.mistyped_setting(ValueError()) is None


def test_a_secret_in_config_toml_is_named() -> None:
    error = ValueNotSecretException("config.toml", "sources.wootric.client_id")
    assert dlt_internals.secret_in_config(error) == "sources.wootric.client_id"
    assert dlt_internals.secret_in_config(ValueError()) is None


def test_a_settings_file_that_is_no_toml_is_named() -> None:
    Path("config.toml").write_text("what is this")
    error = raised(lambda: ConfigTomlProvider("."))
    assert dlt_internals.unread_settings_file(error) == ("config.toml", True)
    assert dlt_internals.unread_settings_file(ValueError()) is None


@pytest.mark.skipif(sys.platform != "linux", reason="has no file that fails when it is read")
def test_a_settings_file_that_cannot_be_read_is_named() -> None:
    Path("config.toml").symlink_to("/proc/self/mem")
    error = raised(lambda: ConfigTomlProvider("."))
    assert dlt_internals.unread_settings_file(error) == ("config.toml", False)


def test_a_destination_that_there_is_not_is_named() -> None:
    error = raised(lambda: dlt.pipeline("internals", destination="nowhere"))
    assert dlt_internals.unknown_destination(error) == "nowhere"
    assert dlt_internals.unknown_destination(KeyError()) is None


def test_credentials_that_are_no_address_are_noticed() -> None:
    error = resolved(addressed, SOURCES__INTERNAL__CREDENTIALS="no address")
    assert dlt_internals.is_malformed_address(error)
    assert not dlt_internals.is_malformed_address(resolved(addressed))


def test_all_that_is_wrong_with_settings_is_of_one_kind() -> None:
    Path("config.toml").write_text("what is this")
    mistyped = {"SOURCES__INTERNAL__CLIENT_ID": "id", "SOURCES__INTERNAL__CONNECTIONS": "many"}
    errors = [
        resolved(typed),
        resolved(typed, **mistyped),
        resolved(addressed, SOURCES__INTERNAL__CREDENTIALS="no address"),
        raised(lambda: ConfigTomlProvider(".")),
    ]
    assert [dlt_internals.is_unusable_setting(error) for error in errors] == [True] * 4
    assert not dlt_internals.is_unusable_setting(ValueError())


# --- That there is nothing else.

DOCUMENTED = {
    "dlt",
    "dlt.common.json",
    "dlt.common.libs.pyiceberg.get_iceberg_tables",
    "dlt.common.pipeline.LoadInfo",
    "dlt.common.pipeline.SupportsPipeline",
    "dlt.common.pipeline.get_dlt_pipelines_dir",
    "dlt.common.runtime.signals",
    "dlt.common.typing.TSecretStrValue",
    "dlt.pipeline.exceptions.PipelineStepFailed",
    "dlt.sources.DltResource",
    "dlt.sources.DltSource",
    "dlt.sources.helpers.requests.Client",
}
"""What dlt's documentation, or an example in it, imports."""
TYPES = {
    "dlt.common.data_types.TDataType",
    "dlt.common.schema.typing.TColumnSchema",
    "dlt.common.schema.typing.TFileFormat",
    "dlt.common.schema.typing.TTableFormat",
    "dlt.common.schema.typing.TTableReference",
    "dlt.common.schema.typing.TTableReferenceParam",
    "dlt.common.schema.typing.TWriteDispositionConfig",
    "dlt.destinations.sql_client.SqlClientBase",
    "dlt.extract.hints.TResourceHints",
    "dlt.extract.hints.TResourceNestedHints",
}
"""Of which only type checkers take notice."""
OF_PROGRESS = "dlt.common.runtime.collector"
"""Where `dlt.progress` has its classes from, without telling type checkers that it has them."""


def imported(path: Path) -> Iterator[str]:
    """What a file imports of dlt, by its whole name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] == "dlt":
            yield from (f"{node.module}.{each.name}" for each in node.names)
        elif isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name.split(".")[0] == "dlt")


def test_the_rest_of_the_package_imports_what_is_documented() -> None:
    files = set((PROJECT / "wootric_pipeline").rglob("*.py")) - {Path(str(dlt_internals.__file__))}
    found = {name for path in files for name in imported(path)}
    public = {f"dlt.{name}" for name in dlt.__all__}
    undocumented = found - public - DOCUMENTED - TYPES
    assert {name for name in undocumented if not name.startswith(OF_PROGRESS)} == set()


def test_each_function_has_its_test_here() -> None:
    tree = ast.parse(Path(str(dlt_internals.__file__)).read_text(encoding="utf-8"))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    tests = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    named = {node.attr for node in ast.walk(tests) if isinstance(node, ast.Attribute)}
    assert functions - named == set()


def test_what_is_replaced_is_never_seen_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, execute = [], DuckDbSqlClient.execute_query

    @contextmanager
    def executed(self: Any, query: Any, *words: Any, **named: Any) -> Iterator[Any]:
        with execute(self, query, *words, **named) as cursor:
            if "DELETE FROM" in query and "staging" in query and "INSERT INTO" in query:
                # It is done, and not committed.
                with duckdb.connect("internals.duckdb") as other:
                    seen.append(other.execute("SELECT id FROM data.surveys ORDER BY id").fetchall())
            yield cursor

    monkeypatch.setattr(DuckDbSqlClient, "execute_query", executed)
    destination = pipeline_of().destination
    pipeline = dlt.pipeline("again", destination=dlt_internals.replacing_at_once(destination), dataset_name="data")
    with duckdb.connect("internals.duckdb"):
        for first in (1, 3):
            rows = [{"id": first}, {"id": first + 1}]
            pipeline.run(rows, table_name="surveys", write_disposition="replace")
    # The first time there was nothing before.
    assert seen == [[], [(1,), (2,)]]
    assert destination.caps_params == {}


def test_a_query_with_names_of_the_destination_is_a_model(pipeline: Pipeline) -> None:
    pipeline.run([{"id": 1}], table_name="surveys")
    others = dlt.pipeline("others", destination=pipeline.destination, dataset_name="others")
    query = sqlglot.parse_one('SELECT "id" + 1 AS "next" FROM "data"."surveys"', read="duckdb")
    model = dlt_internals.relation(others.dataset(schema=dlt.Schema("others")), query)
    hints: Any = {"next": {"name": "next", "data_type": "bigint"}}
    others.run(dlt.resource([model], name="model", columns=hints))
    with others.sql_client() as client:
        assert client.execute_sql("SELECT next FROM model") == [(2,)]
