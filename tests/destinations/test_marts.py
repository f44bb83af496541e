"""Marts at each kind of destination that builds them: whole rows, what readers see meanwhile, and missing rights."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dlt.pipeline.pipeline import Pipeline

from tests.conftest import NOON, Serve, Servers
from tests.destinations.test_destination_failures import NO_RIGHTS, postgres
from tests.destinations.test_destinations import GROUPS, SLOW, destination, pipeline_to, run  # noqa: F401  # a fixture
from tests.destinations.test_swapping import as_superuser, connected, execute, new_database
from tests.marts import expected_marts, in_order, of_account
from tests.script import project_for
from tests.tables import selected
from wootric_pipeline.command.marts import build_marts, marts_pipeline
from wootric_pipeline.command.run import Run
from wootric_pipeline.sandbox import SECOND, Account, DemoAccount

ZONE = "America/Los_Angeles"
SURVEYS: dict[int | None, tuple[str | None, int | None, str]] = {
    11: ("nps", 10, "setting"),
    12: ("nps", 10, "setting"),
    13: ("csat", 10, "setting"),
}
PLACES = [
    pytest.param(place, properties, marks=GROUPS.get(place, pytest.mark.xdist_group(place)))
    for place in ("postgres", "ducklake", "file-delta", "s3-delta", "file-iceberg")
    for properties in ("columns", "json")
    if properties == "columns" or place in ("postgres", "file-delta")
]


def check(pipeline: Pipeline, account: Account, *, as_columns: bool = True) -> None:
    wanted = expected_marts(of_account(account), ZONE, SURVEYS, as_columns=as_columns)
    marts = marts_pipeline(pipeline)
    assert {name: in_order(selected(marts, name)) for name in wanted} == {
        name: in_order(rows) for name, rows in wanted.items()
    }
    pipeline.activate()


@pytest.mark.slow
@pytest.mark.parametrize(("destination", "properties"), PLACES, indirect=["destination"])
def test_marts_follow_the_account(
    destination: str,  # noqa: F811
    properties: str,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOURCES__WOOTRIC__TIME_ZONE", ZONE)
    monkeypatch.setenv("SOURCES__WOOTRIC__SURVEYS", '{"11": "nps", "12": "nps", "13": "csat"}')
    account = DemoAccount(NOON, end_users=40, responses=150, declines=30)
    sandbox = serve(account)
    pipeline = pipeline_to(destination, f"marts_{properties}")
    run(pipeline, sandbox, properties=properties)
    build_marts(pipeline, Run())
    check(pipeline, account, as_columns=properties == "columns")
    if destination in SLOW:
        return

    some = list(account.rows["responses"])
    changed = {"score": 10, "tags": ["new"], "end_user": {"properties": {"Tier": 3, "is new": True}}}
    account.change("responses", some[0], (NOON + 5) * SECOND, **changed)
    account.change("responses", some[1], (NOON + 5) * SECOND, tags=[], completed=False)
    account.advance(NOON + 60)
    pipeline.drop()
    pipeline = pipeline_to(destination, f"marts_{properties}")
    run(pipeline, sandbox, properties=properties)
    build_marts(pipeline, Run())
    check(pipeline, account, as_columns=properties == "columns")


@contextmanager
def watching(count: Callable[[], Any]) -> Iterator[set[Any]]:
    """What is counted meanwhile, again and again."""
    seen: set[Any] = set()
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set():
            seen.add(count())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()


COUNTED = "SELECT (SELECT count(*) FROM {0}.fct_responses), (SELECT sum(responses) FROM {0}.mart_nps_daily)"


def test_readers_of_duckdb_see_all_rows_or_all(serve: Serve, pipeline: Pipeline) -> None:
    account = DemoAccount(NOON, end_users=40, responses=500, declines=30)
    run(pipeline, serve(account))
    build_marts(pipeline, Run())
    with duckdb.connect("wootric_pipeline.duckdb") as connection:
        before = connection.execute(COUNTED.format("wootric_marts")).fetchall()
        with watching(lambda: connection.execute(COUNTED.format("wootric_marts")).fetchall()[0]) as seen:
            for _ in range(3):
                build_marts(pipeline, Run())
    assert seen == set(before)
    assert before[0][0] == 500


@pytest.mark.slow
@postgres
def test_readers_of_postgres_see_all_rows_and_need_not_wait(
    serve: Serve, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = new_database(servers, "readers")
    # Whoever waits for a reader fails, and does not wait for ever.
    execute(as_superuser(servers), "ALTER ROLE loader IN DATABASE readers SET lock_timeout = '20s'")
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", address)
    account = DemoAccount(NOON, end_users=40, responses=500, declines=30)
    pipeline = pipeline_to("postgres", "wootric")
    run(pipeline, serve(account))
    build_marts(pipeline, Run())
    query = COUNTED.format("wootric_marts")
    with closing(connected(address)) as reader, closing(connected(address)) as earlier:
        reader.autocommit = True
        earlier.set_session(isolation_level="REPEATABLE READ")

        def ask(connection: Any) -> Any:
            with connection.cursor() as cursor:
                cursor.execute("SET statement_timeout = '5s'")
                cursor.execute(query)
                return cursor.fetchone()

        before = ask(earlier)
        with watching(lambda: ask(reader)) as seen:
            for _ in range(3):
                build_marts(pipeline, Run())
        # This one has begun before, and still sees what there was.
        assert ask(earlier) == before
    assert seen == {before}
    assert before[0] == 500


@postgres
def test_missing_rights_are_told(serve: Serve, servers: Servers, tmp_path: Path) -> None:
    address = new_database(servers, "rights")
    project = project_for(serve(DemoAccount(NOON, 5, 10, 5)), tmp_path / "project")
    settings = {"DESTINATION_TYPE": "postgres", "DESTINATION__POSTGRES__CREDENTIALS": address}
    assert project.run(**settings).code == 0
    execute(as_superuser(servers), "ALTER DATABASE rights OWNER TO superuser")
    outcome = project.run("--marts", **settings)
    assert (outcome.code, outcome.stdout, outcome.sentence) == (2, "", NO_RIGHTS)
