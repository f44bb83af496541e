"""A full refresh that dies at any moment: each row is there all the time, as it was or as it is by now."""

import signal
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import pytest

from tests.conftest import NOON, Serve, Servers
from tests.destinations.test_crashes import with_postgres
from tests.destinations.test_destination_failures import Loading, postgres
from tests.destinations.test_destinations import configuration, pipeline_to
from tests.script import Outcome, project_for
from tests.tables import Rows, expected, loaded
from wootric_pipeline.command.refresh import refreshes
from wootric_pipeline.sandbox import SECOND, DemoAccount
from wootric_pipeline.tables import TABLES

CLIENTS = {
    "duckdb": "dlt.destinations.impl.duckdb.sql_client:DuckDbSqlClient",
    "postgres": "dlt.destinations.impl.postgres.sql_client:Psycopg2SqlClient",
    "sqlite": "dlt.destinations.impl.sqlalchemy.db_api_client:SqlalchemyClient",
    "file-delta": "dlt.destinations.impl.duckdb.sql_client:DuckDbSqlClient",
}
DIES_ANYWHERE = """
import importlib, itertools, os, re, signal, sys
steps, changes = itertools.count(1), ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree")
def step(text):
    if re.search({pattern!r}, text) and next(steps) == {number}:
        os.kill(os.getpid(), signal.SIGKILL)
def watch(event, about):
    writes = event == "open" and set("wax+") & set(str(about[1]))
    if (event in changes or writes) and "__pycache__" not in str(about[0]):
        step(" ".join((event, *map(str, about[:2]))))
sys.addaudithook(watch)
module, _, name = {client!r}.partition(":")
client = getattr(importlib.import_module(module), name)
for kind in ("execute_query", "commit_transaction"):
    def stepping(self, *words, _done=getattr(client, kind), _kind=kind, **named):
        step(" ".join((_kind, *map(str, words))))
        done = _done(self, *words, **named)
        step(_kind + " done")
        return done
    setattr(client, kind, stepping)
if {delta}:
    import deltalake
    for kind in ("delete", "update"):
        def deleting(self, *words, _done=getattr(deltalake.DeltaTable, kind), **named):
            step("delta")
            done = _done(self, *words, **named)
            step("delta done")
            return done
        setattr(deltalake.DeltaTable, kind, deleting)
"""
"""A prelude: before the n-th of the steps that match a pattern, the run dies."""

BEFORE_LOADING = [
    # The cursors are forgotten; the first rows are read. These are the same wherever the rows go.
    ("_dlt_pipeline_state", 1),
    ("open .*new_jobs/", 2),
    ("os.rename .*normalize/extracted", 2),
]
MOMENTS = [
    # Rows are merged; the last ones are; what has not come again goes.
    ("_dlt_pipeline_state", 3),
    *(("os.rename .*completed_jobs", number) for number in (1, 2, 4, 6)),
    *(("execute_query (DELETE|INSERT|CREATE)", number) for number in (1, 4, 9)),
    *(("commit_transaction", number) for number in (2, 5)),
    *(("DELETE FROM .*NOT", number) for number in (1, 2)),
    ("delta", 1),
    ("delta done", 1),
    ("os.rename .*load/normalized.*load/loaded", 2),
]
SQL_ONLY, FILES_ONLY = ("execute_query", "commit", "DELETE"), ("delta",)


class Refreshing(Loading):
    """A user's project whose tables are looked at whenever a run has died."""

    def run(self, *words: str, **options: str) -> Outcome:
        """Runs the script, with dlt's retries: SQLite takes one writer at a time."""
        return self.project.run(*words, **{**self.settings, **options})

    def held(self) -> tuple[dict[str, Rows], bool]:
        """Whole tables, and whether all are known to be in the midst of a refresh."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.settings.items():
                patch.setenv(name, value)
            pipeline = pipeline_to(self.settings["DESTINATION_TYPE"], self.settings["DATASET_NAME"])
            pipeline.sync_destination()
            held = {table: loaded(pipeline, table) for table in TABLES}
            return held, set(refreshes(pipeline, "wootric")) >= set(TABLES)


@pytest.fixture
def refreshing(request: pytest.FixtureRequest, serve: Serve, servers: Servers, tmp_path: Path) -> Refreshing:
    kind: str = request.param
    account = DemoAccount(NOON, end_users=40, responses=110, declines=30)
    project = project_for(serve(account), tmp_path / "project", lookback_seconds=0, checkpoint_minutes=0)
    name = {"sqlite": "sqlalchemy", "file-delta": "filesystem", "file-iceberg": "filesystem"}.get(kind, kind)
    place = {**configuration(kind, servers, tmp_path), "DESTINATION_TYPE": name, "DATASET_NAME": tmp_path.name}
    if kind == "duckdb":
        place["DESTINATION__DUCKDB__CREDENTIALS"] = str(tmp_path / "surveys.duckdb")
    return Refreshing(account, project, place)


def now(account: DemoAccount) -> dict[str, Rows]:
    return {table: expected(account, table) for table in TABLES}


def assert_none_is_missing(before: Sequence[dict[str, Rows]], after: dict[str, Rows], held: dict[str, Rows]) -> None:
    """Whether each row is as it was since the last complete run, or as it is; one that is gone may be there still."""
    for table in TABLES:
        for row_id, row in after[table].items():
            versions = [row, *(each[table].get(row_id) for each in before)]
            assert held[table].get(row_id) in [version for version in versions if version], (table, row_id)


@pytest.mark.slow
@pytest.mark.parametrize(
    "refreshing",
    ["duckdb", "sqlite", "file-delta", pytest.param("postgres", marks=[postgres, with_postgres])],
    indirect=True,
)
def test_a_full_refresh_that_dies_leaves_each_row(request: pytest.FixtureRequest, refreshing: Refreshing) -> None:
    kind = request.node.callspec.params["refreshing"]
    account, turn, died, went_on = refreshing.account, 0, 0, 0
    refreshing.completes()
    for pattern, number in [*(BEFORE_LOADING if kind == "duckdb" else ()), *MOMENTS]:
        if pattern.startswith(SQL_ONLY if kind == "file-delta" else FILES_ONLY):
            continue
        before, turn = now(account), turn + 1
        # Only a refresh rids the tables of it.
        for table in TABLES:
            account.delete(table, min(account.rows[table]))
        account.change("responses", min(account.rows["responses"]), (NOON + turn) * SECOND, tags=[f"turn {turn}"])
        prelude = DIES_ANYWHERE.format(pattern=pattern, number=number, client=CLIENTS[kind], delta=kind == "file-delta")
        code = refreshing.run("--full-refresh", prelude=prelude).code
        assert code in (0, -signal.SIGKILL)
        died += code != 0
        held, under_way = refreshing.held()
        assert_none_is_missing([before], now(account), held)
        went_on += under_way
        # Any run completes one that was begun.
        refreshing.completes(*(() if under_way else ("--full-refresh",)))
    assert died >= 8
    assert went_on >= 3


@pytest.mark.slow
@pytest.mark.parametrize("refreshing", ["duckdb"], indirect=True)
def test_a_full_refresh_may_die_at_each_step(refreshing: Refreshing) -> None:
    account = refreshing.account
    refreshing.completes()
    before: list[dict[str, Rows]] = []
    for number in range(5, 250, 12):
        before.append(now(account))
        account.delete("declines", min(account.rows["declines"]))
        account.change("responses", max(account.rows["responses"]), (NOON + number) * SECOND, score=number % 10)
        words = {"pattern": "execute_query|commit", "client": CLIENTS["duckdb"], "delta": False}
        prelude = DIES_ANYWHERE.format(number=number, **words)
        assert refreshing.run("--full-refresh", prelude=prelude).code in (0, -signal.SIGKILL)
        assert_none_is_missing(before, now(account), refreshing.held()[0])
    refreshing.completes("--full-refresh")


@pytest.mark.slow
@pytest.mark.parametrize(
    "refreshing",
    ["sqlite", "file-delta", "file-iceberg", pytest.param("postgres", marks=[postgres, with_postgres])],
    indirect=True,
)
def test_it_counts_what_a_later_start_would_remove(refreshing: Refreshing) -> None:
    account = refreshing.account
    seconds = sorted(each["updated_at"] // SECOND for each in account.rows["responses"].values())
    start = datetime.fromtimestamp(seconds[10], timezone.utc).isoformat()
    older = sum(second < seconds[10] for second in seconds)
    refreshing.completes()
    words = ("--full-refresh", "--tables", "responses", "--start-date", start)
    outcome = refreshing.run(*words)
    assert (outcome.code, f"older: {older} of 110 rows of responses. Add" in outcome.sentence) == (2, True)
    assert refreshing.run(*words, "--yes").code == 0
    assert refreshing.run(*words).code == 0
