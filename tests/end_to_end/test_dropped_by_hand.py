"""Tables and columns that somebody has dropped: a sentence says what to do, and other tables are loaded."""

import signal
from pathlib import Path

import pytest

from tests.conftest import NOON, Serve, first, row
from tests.script import TABLE_NAMES, expected, project_for
from wootric_pipeline.sandbox import Account


@pytest.fixture
def account() -> Account:
    account = Account()
    for table in TABLE_NAMES:
        account.fill(table, [row(index, NOON + index, tags=["a"]) for index in range(3)])
    return account


DROPPED = first(
    ("DROP TABLE wootric.responses", "table responses"),
    ("DROP TABLE wootric.responses__tags", "table responses__tags"),
    ("ALTER TABLE wootric.responses DROP COLUMN score", "column responses.score"),
)


@pytest.mark.parametrize(("statement", "what"), DROPPED)
def test_what_was_dropped_is_told_and_other_tables_are_loaded(
    serve: Serve, account: Account, tmp_path: Path, statement: str, what: str
) -> None:
    project = project_for(serve(account), tmp_path)
    assert project.run().code == 0
    project.alter(statement)
    for table in TABLE_NAMES:
        account.put(table, row(9, NOON + 9, tags=["b"]))
    for _ in range(2):
        outcome = project.run("--json")
        sentence = (
            f"The {what} is gone from the destination, so responses was not loaded; load it again with "
            "--full-refresh --tables responses."
        )
        assert (outcome.code, outcome.sentence) == (1, sentence)
        tables = outcome.report["tables"]
        assert {name: tables[name]["complete"] for name in tables} == {
            "end_users": True, "declines": True, "responses": False, "segments": True, "survey_templates": True,
        }  # fmt: skip
        assert tables["responses"]["error"] == sentence
        for table in ("end_users", "declines"):
            assert project.held(table) == expected(account, table)
    assert project.run("--full-refresh", "--tables", "responses").code == 0
    assert project.held("responses") == expected(account, "responses")
    assert sorted(project.ask("SELECT value FROM wootric.responses__tags")) == [("a",), ("a",), ("a",), ("b",)]
    assert project.run().code == 0


@pytest.mark.slow
def test_a_run_of_what_was_dropped_alone_reads_nothing(serve: Serve, account: Account, tmp_path: Path) -> None:
    sandbox = serve(account)
    project = project_for(sandbox, tmp_path)
    assert project.run().code == 0
    project.alter("DROP TABLE wootric.declines")
    sandbox.requests.clear()
    assert project.run("--tables", "declines").code == 1
    assert sandbox.requests == []
    assert project.run("--tables", "responses").code == 0


DIES = """
import os, signal
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
execute, made = DuckDbSqlClient.execute_query, []
def executed(self, query, *words, **more):
    if made or "CREATE TABLE" in str(query) and "responses" in str(query):
        made.append(query)
        if "CREATE" not in str(query):
            os.kill(os.getpid(), signal.SIGKILL)
    return execute(self, query, *words, **more)
DuckDbSqlClient.execute_query = executed
"""
"""A prelude: the run dies when it has made the table anew."""


@pytest.mark.slow
def test_a_table_made_anew_gets_all_its_rows_whoever_fills_it(serve: Serve, account: Account, tmp_path: Path) -> None:
    project = project_for(serve(account), tmp_path, lookback_seconds=0)
    assert project.run().code == 0
    project.alter("DROP TABLE wootric.responses")
    assert project.run("--full-refresh", prelude=DIES).code == -signal.SIGKILL
    assert project.run().code == 0
    assert project.held("responses") == expected(account, "responses")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["_dlt_loads", "_dlt_pipeline_state", "_dlt_version"])
def test_dlts_own_tables_are_made_anew(serve: Serve, account: Account, tmp_path: Path, name: str) -> None:
    project = project_for(serve(account), tmp_path)
    assert project.run().code == 0
    project.alter(f"DROP TABLE wootric.{name}")
    account.put("responses", row(9, NOON + 9))
    assert project.run().code == 0
    assert project.held("responses") == expected(account, "responses")
    assert project.run().code == 0
