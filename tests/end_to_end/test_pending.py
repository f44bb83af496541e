"""Packages that an interrupted run leaves behind are given up, wherever they belong: their rows are read again."""

import signal
from pathlib import Path

import dlt
import pytest
from dlt.destinations.exceptions import DestinationConnectionError
from dlt.pipeline.exceptions import PipelineStepFailed
from dlt.pipeline.pipeline import Pipeline

from tests.conftest import NOON, Serve, access, first, row
from tests.end_to_end.test_losses import DAY, add, run, to
from tests.tables import expected, loaded
from wootric_pipeline import wootric_source
from wootric_pipeline.sandbox import Account, Sandbox

HOUR = 3_600


def interrupt(pipeline: Pipeline, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, step: str = "load") -> None:
    """A run that is stopped before a step of dlt's."""
    with monkeypatch.context() as patch:
        patch.setattr(type(pipeline), step, lambda *_args, **_kwargs: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            run(pipeline, sandbox)
    assert pipeline.has_pending_data
    pipeline.deactivate()


def asked(sandbox: Sandbox) -> int:
    """How many pages have been asked for since this was last called."""
    count = sum(request.path == "/v1/responses" for request in sandbox.requests)
    sandbox.requests.clear()
    return count


@pytest.mark.parametrize("step", first("load", "normalize"))
def test_a_package_is_given_up_and_read_again(serve: Serve, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    account = Account()
    sandbox = serve(account)
    account.put("responses", row(1_000, NOON - DAY))
    run(to(), sandbox)
    account.fill("responses", [row(index, NOON + index * HOUR) for index in range(400)])
    interrupt(to(), sandbox, monkeypatch, step)
    assert asked(sandbox) > 8
    account.put("responses", row(2_000, NOON + 400 * HOUR))
    run(to(), sandbox)
    assert 8 < asked(sandbox) < 13
    assert not to().has_pending_data
    assert loaded(to(), "responses") == expected(account, "responses")


@pytest.mark.slow
@pytest.mark.parametrize("others", [1, 2])
def test_a_package_older_than_what_another_machine_has_loaded_is_given_up(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    account = Account()
    sandbox = serve(account)
    for row_id in (1, 2):
        account.put("responses", row(row_id, NOON, score=0))
    run(to(), sandbox)
    account.put("responses", row(1, NOON + DAY, score=1))
    interrupt(to(), sandbox, monkeypatch)
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "another machine"))
    account.put("responses", row(1, NOON + 2 * DAY, score=2))
    for day in range(others):
        add(account, 3 + day)
        run(to(), sandbox)
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
    assert to().has_pending_data
    account.put("responses", row(2, NOON + 9 * DAY, score=9))
    run(to(), sandbox)
    assert loaded(to(), "responses") == expected(account, "responses")


@pytest.mark.slow
def test_a_package_is_given_up_with_the_tables_it_was_to_be_merged_into(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Account()
    sandbox = serve(account)
    add(account, 0)
    run(to(), sandbox)
    backup = (tmp_path / "wootric_pipeline.duckdb").read_bytes()
    # More than the last five minutes, which every run reads again.
    add(account, 1, 2)
    run(to(), sandbox)
    add(account, 3)
    interrupt(to(), sandbox, monkeypatch)
    (tmp_path / "wootric_pipeline.duckdb").write_bytes(backup)
    run(to(), sandbox)
    assert loaded(to(), "responses") == expected(account, "responses")


@pytest.mark.slow
def test_a_package_that_cannot_be_loaded_does_not_stand_in_the_way(serve: Serve) -> None:
    account = Account()
    sandbox = serve(account)
    account.put("responses", row(1, NOON, text="1"))
    run(to(), sandbox)
    with to().sql_client() as client:
        client.execute_sql("ALTER TABLE responses ALTER text TYPE INTEGER")
    account.put("responses", row(1, NOON + 1, text="no number"))
    for _ in range(2):
        with pytest.raises(PipelineStepFailed):
            run(to(), sandbox)
    assert to().has_pending_data
    account.put("responses", row(1, NOON + 2, text="2"))
    run(to(), sandbox)
    assert loaded(to(), "responses")[1]["text"] == 2


def test_a_destination_that_is_away_for_a_while_misses_nothing(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Account()
    sandbox = serve(account)
    account.put("responses", row(1_000, NOON - DAY))
    run(to(), sandbox)
    account.fill("responses", [row(index, NOON + index * HOUR) for index in range(400)])
    interrupt(to(), sandbox, monkeypatch)
    file = tmp_path / "wootric_pipeline.duckdb"
    away = file.rename(tmp_path / "away")
    file.mkdir()
    with pytest.raises(DestinationConnectionError):
        run(to(), sandbox)
    file.rmdir()
    away.rename(file)
    run(to(), sandbox)
    assert loaded(to(), "responses") == expected(account, "responses")


@pytest.mark.parametrize("steps", first(["extract", "normalize"], ["extract"]))
def test_plain_dlt_loads_what_it_is_asked_for(serve: Serve, steps: list[str]) -> None:
    account = Account()
    sandbox = serve(account)
    add(account, 0, 400)
    arguments = {**access(sandbox), "start_date": "2020-01-01"}
    pipeline = to()
    pipeline.extract(wootric_source(**arguments, end_date="2024-01-01"))
    if "normalize" in steps:
        pipeline.normalize()
    pipeline.deactivate()
    to().run(wootric_source(**{**arguments, "start_date": "2024-01-01"}, end_date="2026-01-01"))
    assert list(loaded(to(), "responses")) == [400]
    to().run(wootric_source(**arguments, end_date="2026-01-01"))
    assert loaded(to(), "responses") == expected(account, "responses")


@pytest.mark.filterwarnings("ignore:The .warn. method is deprecated")
def test_what_another_source_has_left_is_not_given_up(serve: Serve) -> None:
    account = Account()
    sandbox = serve(account)
    add(account, 0)
    pipeline = to()
    pipeline.run(wootric_source(**access(sandbox)))
    pipeline.extract([{"id": 7}], table_name="others", schema=dlt.Schema("another"))
    pipeline.deactivate()
    to().run(wootric_source(**access(sandbox)))
    with to().sql_client("another") as client:
        assert client.execute_sql("SELECT id FROM others") == [(7,)]
