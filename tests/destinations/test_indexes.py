"""Indexes by which rows are merged: made once, told in the log, and looked up; none is a failure."""

import logging
from pathlib import Path

import pytest
from dlt.pipeline.pipeline import Pipeline

from tests.conftest import NOON, Serve, Servers
from tests.destinations.test_destinations import configuration, pipeline_to, run
from tests.tables import expected, loaded
from wootric_pipeline.sandbox import SECOND, DemoAccount
from wootric_pipeline.tables import TABLES

WANTED = {
    ("end_users", "id"),
    ("responses", "id"),
    ("responses__notes", "_dlt_root_id"),
    ("responses__tags", "_dlt_root_id"),
    ("declines", "id"),
}
DESTINATIONS = {"postgres": "postgres", "sqlite": "sqlalchemy"}
PLACES = [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in DESTINATIONS]
MADE = "Made an index"
QUERIES = {
    "postgres": "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = '{dataset}' AND indexname LIKE 'ix_%'",
    "sqlite": "SELECT tbl_name, sql FROM {dataset}.sqlite_master WHERE type = 'index' AND name LIKE 'ix_%'",
}


@pytest.fixture
def place(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name: str = request.param
    for key, value in configuration(name, servers, tmp_path).items():
        monkeypatch.setenv(key, value)
    return name


def holds_everything(pipeline: Pipeline, account: DemoAccount) -> None:
    for table in TABLES:
        assert loaded(pipeline, table) == expected(account, table)


@pytest.fixture
def account() -> DemoAccount:
    return DemoAccount(NOON, end_users=20, responses=60, declines=10)


@pytest.mark.parametrize("place", PLACES, indirect=True)
def test_rows_are_found_by_indexes_that_are_made_once(
    place: str, account: DemoAccount, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox = serve(account)
    pipeline = pipeline_to(DESTINATIONS[place], "indexed")
    with caplog.at_level(logging.INFO, logger="wootric_pipeline"):
        run(pipeline, sandbox)
        assert sum(record.getMessage().startswith(MADE) for record in caplog.records) == len(WANTED)
        caplog.clear()
        account.change("responses", next(iter(account.rows["responses"])), NOON * SECOND, score=3, tags=["one"])
        run(pipeline, sandbox)
        assert not [record for record in caplog.records if record.getMessage().startswith(MADE)]
    holds_everything(pipeline, account)
    with pipeline.sql_client() as client:
        found = client.execute_sql(QUERIES[place].format(dataset="indexed")) or []
    assert {(str(row[0]), str(row[1]).rpartition("(")[2].strip('")')) for row in found} == WANTED


@pytest.mark.xdist_group("postgres")
@pytest.mark.parametrize("place", ["postgres"], indirect=True)
def test_a_database_that_takes_no_index_is_loaded_all_the_same(
    place: str, account: DemoAccount, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox = serve(account)
    pipeline = pipeline_to(DESTINATIONS[place], "refusing")
    run(pipeline, sandbox)
    with pipeline.sql_client() as client:
        client.execute_sql("DROP INDEX refusing.ix_responses_id")
        client.execute_sql("REVOKE CREATE ON SCHEMA refusing FROM CURRENT_USER")
    account.change("responses", next(iter(account.rows["responses"])), NOON * SECOND, score=3, tags=["one"])
    with caplog.at_level(logging.INFO, logger="wootric_pipeline"):
        run(pipeline, sandbox)
    holds_everything(pipeline, account)
    assert "The database takes no index on responses.id: merging takes longer." in caplog.messages


@pytest.mark.xdist_group("sqlite")
@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_sqlite_finds_the_rows_that_come_again_by_their_index(place: str, account: DemoAccount, serve: Serve) -> None:
    pipeline = pipeline_to(DESTINATIONS[place], "planned")
    run(pipeline, serve(account))
    with pipeline.sql_client() as client:
        plan = client.execute_sql(
            "EXPLAIN QUERY PLAN DELETE FROM planned.responses WHERE id IN (SELECT id FROM planned.declines)"
        )
    assert plan is not None
    assert any("USING INDEX ix_responses_id" in str(row[3]) for row in plan)
