"""A run in which nothing has changed writes nothing: no row, no file, no version of a table, at any destination."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dlt
import pytest
from dlt.pipeline.pipeline import Pipeline

from tests.conftest import NOON, Serve, Servers, first, row
from tests.destinations.test_destinations import GROUPS, configuration, run
from tests.destinations.test_swapping import as_superuser, connected, execute, new_database
from tests.servers import ACCESS_KEY, SECRET_KEY
from tests.tables import expected, loaded
from wootric_pipeline.sandbox import SECOND, Account
from wootric_pipeline.tables import TABLES

MERGING = ("duckdb", "sqlite", "postgres", "s3-delta", "file-delta", "file-iceberg")


def places(*names: str) -> list[Any]:
    return [
        pytest.param(name, marks=GROUPS.get(name, pytest.mark.xdist_group(name.partition("-")[0]))) for name in names
    ]


# Of stores and of formats, CI takes each, but not all of both.
PLACES = [
    *places("duckdb", "sqlite", "postgres"),
    *first(*places("s3-delta", "file-delta")),
    *places("file-iceberg"),
    *first(*places("file-jsonl", "s3-parquet", "file-parquet")),
]

Written = Callable[[], Any]
"""Tells what is stored, or how much has been written: it differs if anything was written in between."""


@pytest.fixture
def written(place: str, servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Written:
    """Configures a destination by the environment alone."""
    settings = configuration(place, servers, tmp_path)
    if place == "postgres":
        address = new_database(servers, "idle")
        settings = {"DESTINATION__POSTGRES__CREDENTIALS": address}
    kind = {"file": "filesystem", "s3": "filesystem", "sqlite": "sqlalchemy"}
    name = place.partition("-")[0]
    named = {"DESTINATION_TYPE": kind.get(name, name), "DATASET_NAME": "wootric"}
    for key, value in {**settings, **named}.items():
        monkeypatch.setenv(key, value)
    if name == "postgres":
        return lambda: work_of(servers, address)
    if name == "s3":
        return lambda: objects(servers, tmp_path.name)
    return lambda: {path: path.read_bytes() for path in files_of(name, tmp_path)}


def files_of(kind: str, folder: Path) -> list[Path]:
    pattern = {"duckdb": "wootric_pipeline.duckdb*", "sqlite": "wootric_pipeline*.db*", "file": "bucket/**/*"}[kind]
    found = [path for path in sorted(folder.glob(pattern)) if path.is_file()]
    assert found
    return found


def objects(servers: Servers, folder: str) -> dict[str, Any]:
    """The objects of the store, with when they were written."""
    import boto3

    store = boto3.client(
        "s3",
        endpoint_url=servers["s3"].address,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name="us-east-1",
    )
    pages = store.get_paginator("list_objects_v2").paginate(Bucket="wootric", Prefix=f"{folder}/")
    found = {each["Key"]: (each["ETag"], each["LastModified"]) for page in pages for each in page.get("Contents", [])}
    assert found
    return found


def work_of(servers: Servers, address: str) -> list[tuple[Any, ...]]:
    """What the server has done in a database, table by table: rows written, and how often those of ours were read."""
    name = address.rpartition("/")[2]
    sessions = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'"
    # A session tells what it has done when it ends, which the client does not wait for.
    while execute(as_superuser(servers), sessions) != [(0,)]:
        pass
    return execute(
        connected(address),
        "SELECT schemaname, relname, n_tup_ins, n_tup_upd, n_tup_del, "
        "CASE WHEN NOT starts_with(relname, '_dlt') THEN seq_scan + coalesce(idx_scan, 0) END "
        "FROM pg_stat_user_tables ORDER BY 1, 2",
    )


def pipeline_of(folder: Path, machine: str, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    monkeypatch.setenv("DLT_DATA_DIR", str(folder / machine))
    return dlt.pipeline("wootric_pipeline")


@pytest.mark.parametrize("place", PLACES)
def test_an_idle_run_writes_nothing(
    place: str, written: Written, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Account()
    for table in ("end_users", "responses"):
        account.fill(table, [row(index, NOON + index, tags=["a", "b"]) for index in range(3)])
    sandbox = serve(account)
    run(pipeline_of(tmp_path, "one", monkeypatch), sandbox)
    before = written()
    for machine in ("one", "one", "other"):
        notes = run(pipeline_of(tmp_path, machine, monkeypatch), sandbox)
        assert written() == before
        counts = {name: (each.rows, each.rows_unchanged, each.complete) for name, each in notes.tables.items()}
        assert counts == {"end_users": (0, 3, True), "responses": (0, 3, True), "declines": (0, 0, True)}
    # A second change within the second that is shown.
    account.change("responses", 1, (NOON + 1) * SECOND + 5, tags=["c"])
    pipeline = pipeline_of(tmp_path, "one", monkeypatch)
    notes = run(pipeline, sandbox)
    assert (notes.table("responses").rows, notes.table("responses").rows_unchanged) == (1, 2)
    after = written()
    assert after != before
    run(pipeline_of(tmp_path, "other", monkeypatch), sandbox)
    assert written() == after
    if place in MERGING:
        for table in TABLES:
            assert loaded(pipeline, table) == expected(account, table)


@pytest.mark.parametrize("place", first("file-delta", "file-iceberg"))
@pytest.mark.usefixtures("written")
def test_a_table_whose_files_are_gone_gets_its_rows_again(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Account()
    for table in TABLES:
        account.fill(table, [row(index, NOON + index, tags=["a"]) for index in range(3)])
    sandbox = serve(account)
    run(pipeline_of(tmp_path, "one", monkeypatch), sandbox)
    shutil.rmtree(tmp_path / "bucket/wootric/responses")
    for second in (1, 2):
        account.change("declines", 1, (NOON + second) * SECOND + second)
        pipeline = pipeline_of(tmp_path, "one", monkeypatch)
        notes = run(pipeline, sandbox)
        assert {name: table.complete for name, table in notes.tables.items()} == {
            "end_users": True, "responses": False, "declines": True,
        }  # fmt: skip
        assert notes.table("responses").error == (
            "The table responses is gone from the destination, so responses was not loaded; load it again with "
            "--full-refresh --tables responses."
        )
    run(pipeline, sandbox, "responses", full_refresh=True)
    assert run(pipeline, sandbox).ok
    for table in TABLES:
        assert loaded(pipeline, table) == expected(account, table)
