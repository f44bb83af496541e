"""One process that loads again after a load has failed or was stopped, with the same source and the same notes."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from dlt.pipeline.exceptions import PipelineStepFailed
from dlt.pipeline.pipeline import Pipeline

from tests.conftest import NOON, Serve, access, row
from tests.end_to_end.test_losses import to
from tests.script import project_for
from tests.tables import expected, loaded
from wootric_pipeline import wootric_source
from wootric_pipeline.command.loading import load
from wootric_pipeline.command.run import Run, source_for
from wootric_pipeline.sandbox import Account, Sandbox

RANGE = {"start_date": "2020-01-01", "end_date": "2024-01-01"}

SIGNALLED = """
import os, signal
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
execute = DuckDbSqlClient.execute_query
def executed(self, query, *words, **more):
    if "INSERT INTO" in str(query) and "_dlt_loads" in str(query):
        os.kill(os.getpid(), signal.{name})
    return execute(self, query, *words, **more)
DuckDbSqlClient.execute_query = executed
"""
"""A prelude: the run is told to stop while dlt commits its first load."""


@pytest.fixture
def account() -> Account:
    account = Account()
    account.fill("responses", [row(index, NOON + index * 60) for index in range(400)])
    account.fill("declines", [row(index, NOON + index * 60) for index in range(30)])
    return account


@pytest.fixture
def sandbox(account: Account, serve: Serve) -> Sandbox:
    return serve(account)


def assert_loaded(account: Account, *tables: str) -> None:
    for table in tables:
        assert loaded(to(), table) == expected(account, table)


@contextmanager
def failing(step: str, act: Callable[[], None], number: int = 1) -> Iterator[None]:
    """Something happens in place of the n-th of dlt's steps of a kind."""
    done, left = getattr(Pipeline, step), iter(range(1, number))

    def fail(*words: Any, **more: Any) -> Any:
        if next(left, None) is None:
            act()
        return done(*words, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pipeline, step, fail)
        yield


def disk_full() -> None:
    raise OSError("no room")


def interrupted() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("dates", [{}, RANGE])
def test_what_was_read_for_a_load_that_failed_is_read_again(
    account: Account, sandbox: Sandbox, dates: dict[str, Any]
) -> None:
    run = Run()
    source = source_for(run, **dates, **access(sandbox))
    with failing("load", disk_full), pytest.raises(OSError, match="no room"):
        load(to(), source, run, ["responses", "declines"], checkpoint_minutes=0)
    for table in ("declines", "responses"):
        load(to(), source, run, [table])
    assert run.ok
    assert_loaded(account, "responses", "declines")


@pytest.mark.parametrize("again", [{}, {"full_refresh": True}])
def test_what_a_stopped_load_has_paused_is_given_up(account: Account, sandbox: Sandbox, again: dict[str, Any]) -> None:
    run = Run()
    source = source_for(run, **access(sandbox))
    with failing("extract", interrupted, number=2), pytest.raises(KeyboardInterrupt):
        load(to(), source, run, ["responses"], checkpoint_minutes=0)
    reading = [thread for thread in threading.enumerate() if thread.name == "wootric-read-ahead"]
    for thread in reading:
        thread.join(timeout=5)
        assert not thread.is_alive()
    load(to(), source, run, ["responses"], **again)
    assert run.ok
    assert_loaded(account, "responses")


def test_a_table_whose_load_failed_is_not_called_complete(sandbox: Sandbox) -> None:
    run = Run()
    source = source_for(run, **access(sandbox))
    with failing("load", disk_full), pytest.raises(OSError, match="no room"):
        load(to(), source, run, ["responses", "declines"])
    load(to(), source, run, ["declines"])
    responses = run.table("responses")
    assert not run.ok
    assert (responses.complete, responses.cursor_after) == (False, None)
    assert run.table("declines").complete


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_run_stops_when_it_is_told_to_while_a_load_is_committed(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    project = project_for(sandbox, tmp_path, checkpoint_minutes=0)
    outcome = project.run_anew("--tables", "responses", prelude=SIGNALLED.format(name=name))
    assert (outcome.code, outcome.stdout) == (1, "")
    assert outcome.sentence == "Stopped; what was loaded before stays valid, and running again goes on from there."
    assert project.ask("SELECT count(*) FROM wootric._dlt_loads") == [(1,)]
    project.set(checkpoint_minutes=5)
    assert project.run().code == 0
    assert len(project.held("responses")) == 400


def test_an_iceberg_load_is_not_tried_again_when_it_was_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = to()
    stopped = PipelineStepFailed(pipeline, "load", "1", KeyboardInterrupt(), None)  # type: ignore[arg-type]

    def stop(*_: Any) -> None:
        raise stopped

    monkeypatch.setattr("wootric_pipeline.command.loading.show_new_columns", lambda _pipeline: pytest.fail("goes on"))
    monkeypatch.setattr(Pipeline, "load", stop)
    with pytest.raises(PipelineStepFailed):
        load(pipeline, wootric_source(client_id="id", client_secret="secret"), Run(), ["responses"])
