"""The assets of deploy/ load what the account has, in Dagster's own environment. `make test-dagster`: opt in."""

import os
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.conftest import PROJECT, Serve
from tests.monthly import FIRST_MONTHS, MONTHS_LOADED, account_of_months, held, rows_within, told
from tests.tables import expected
from wootric_pipeline.sandbox import SECOND, Account, Sandbox
from wootric_pipeline.tables import TABLES

PYTHON = os.environ.get("WOOTRIC_TEST_DAGSTER", "")
"""Of the environment with Dagster."""
PROGRAM = Path(__file__).parent / "dagster_runs.py"

pytestmark = pytest.mark.skipif(not PYTHON, reason="needs Dagster; make test-dagster")


@pytest.fixture
def account() -> Account:
    return account_of_months()


def runs(what: str, folder: Path, sandbox: Sandbox, **environment: str) -> list[Any]:
    return told(PYTHON, PROGRAM, what, folder, sandbox, code=PROJECT / "deploy", **environment)


def rows(run: dict[str, Any]) -> dict[str, int]:
    return {name: each["rows_loaded"] for name, each in run["metadata"].items() if "rows_loaded" in each}


def test_hourly_runs_load_all_and_then_what_is_new(account: Account, serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(account)
    (first,) = runs("hourly", tmp_path, sandbox)
    assert first["succeeded"]
    counts = {table: len(account.rows[table]) for table in TABLES}
    assert {name: rows(first)[name] for name in TABLES} == counts
    for table in TABLES:
        assert held(tmp_path / "surveys.duckdb", table) == expected(account, table)
    with duckdb.connect(str(tmp_path / "surveys.duckdb"), read_only=True) as connection:
        names = [name for name in first["metadata"]["wootric_marts"] if name.startswith(("fct_", "dim_"))]
        built = {name: connection.execute(f"SELECT count(*) FROM wootric_marts.{name}").fetchone() for name in names}
    assert len(built) > 5
    assert {name: first["metadata"]["wootric_marts"][name] for name in names} == {
        name: found[0] for name, found in built.items() if found
    }

    account.change("responses", min(account.rows["responses"]), int(FIRST_MONTHS[-1].timestamp()) * SECOND, score=1)
    _, second = runs("hourly_miscounted", tmp_path, sandbox)
    assert second["succeeded"]
    assert {name: rows(second)[name] for name in TABLES} == {"responses": 1, "end_users": 0, "declines": 0}
    assert held(tmp_path / "surveys.duckdb", "responses") == expected(account, "responses")


def test_one_table_can_be_chosen(account: Account, serve: Serve, tmp_path: Path) -> None:
    (found,) = runs("responses", tmp_path, serve(account))
    assert found["succeeded"]
    assert rows(found) == {"responses": len(account.rows["responses"])}
    assert held(tmp_path / "surveys.duckdb", "declines") == {}


def test_three_months_have_no_gap_and_no_overlap(account: Account, serve: Serve, tmp_path: Path) -> None:
    found = runs("months", tmp_path, serve(account))
    assert [run["succeeded"] for run in found] == [True] * MONTHS_LOADED
    assert [run["partition"] for run in found] == [f"{each:%Y-%m-%d}" for each in FIRST_MONTHS[:MONTHS_LOADED]]
    assert [{name: run["metadata"]["wootric_months"][name] for name in TABLES} for run in found] == [
        dict.fromkeys(TABLES, 3)
    ] * MONTHS_LOADED
    for table in TABLES:
        within = rows_within(account, table, FIRST_MONTHS[0], FIRST_MONTHS[MONTHS_LOADED])
        assert held(tmp_path / "surveys.duckdb", table) == within


def test_a_mistake_of_the_users_is_told_in_a_sentence_and_not_tried_again(
    account: Account, serve: Serve, tmp_path: Path
) -> None:
    sentence = "Wootric refuses the credentials: check client_id and client_secret, or username and password, under "
    for what in ("months", "responses"):
        for found in runs(what, tmp_path, serve(account), SOURCES__WOOTRIC__CLIENT_SECRET="wrong"):
            assert found["failures"] == [f"{sentence}[sources.wootric]."]
            assert (found["succeeded"], found["tried_again"], found["metadata"]) == (False, False, {})
