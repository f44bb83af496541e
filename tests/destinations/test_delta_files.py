"""Files of Delta tables: small enough for small merges, compacted when there are many, and removed after a week."""

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NOON, Serve, Servers
from tests.destinations.test_destinations import configuration, pipeline_to, run
from tests.tables import expected, loaded
from wootric_pipeline.destinations import delta
from wootric_pipeline.sandbox import SECOND, DemoAccount

pytestmark = pytest.mark.xdist_group("file")


@pytest.fixture(autouse=True)
def _configured(servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in configuration("file-delta", servers, tmp_path).items():
        monkeypatch.setenv(key, value)


def table(folder: Path, dataset: str) -> Any:
    from deltalake import DeltaTable

    return DeltaTable(str(folder / "bucket" / dataset / "responses"))


def test_new_and_old_tables_are_written_in_files_that_small_merges_can_bear(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = DemoAccount(NOON, end_users=10, responses=40, declines=10)
    sandbox = serve(account)
    pipeline = pipeline_to("filesystem", "sized")
    run(pipeline, sandbox)
    assert table(tmp_path, "sized").metadata().configuration == {"delta.targetFileSize": "8000000"}
    # As a table of a former version.
    old = pipeline_to("filesystem", "old")
    with monkeypatch.context() as without:
        without.setattr(delta, "SETTINGS", {})
        without.setattr("wootric_pipeline.command.loading.tend", lambda _: None)
        run(old, sandbox, full_refresh=True)
    assert table(tmp_path, "old").metadata().configuration == {}
    account.change("responses", next(iter(account.rows["responses"])), NOON * SECOND, score=3)
    run(old, sandbox)
    assert table(tmp_path, "old").metadata().configuration == {"delta.targetFileSize": "8000000"}
    assert loaded(old, "responses") == expected(account, "responses")


def test_what_the_user_has_set_goes_before(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESTINATION__FILESYSTEM__DELTALAKE_CONFIGURATION", '{"delta.appendOnly": "false"}')
    run(pipeline_to("filesystem", "chosen"), serve(DemoAccount(NOON, end_users=10, responses=40, declines=10)))
    assert table(tmp_path, "chosen").metadata().configuration == {"delta.appendOnly": "false"}


def test_many_small_files_are_compacted(serve: Serve, tmp_path: Path) -> None:
    account = DemoAccount(NOON, end_users=10, responses=60, declines=10)
    sandbox = serve(account)
    pipeline = pipeline_to("filesystem", "many")
    run(pipeline, sandbox)
    scatter(table(tmp_path, "many"))
    assert len(table(tmp_path, "many").file_uris()) == 60
    account.change("responses", next(iter(account.rows["responses"])), (NOON + 60) * SECOND, score=3)
    run(pipeline, sandbox)
    assert len(table(tmp_path, "many").file_uris()) == 1
    assert loaded(pipeline, "responses") == expected(account, "responses")


def scatter(table: Any) -> None:
    """Writes each row of a table into a file of its own."""
    from deltalake import write_deltalake

    rows = table.to_pyarrow_table()
    table.delete()
    for number in range(rows.num_rows):
        write_deltalake(table, rows.slice(number, 1), mode="append")


def test_a_table_that_cannot_be_compacted_is_loaded_all_the_same(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    from deltalake.exceptions import CommitFailedError
    from deltalake.table import TableOptimizer

    def conflicting(*_: Any, **__: Any) -> None:
        raise CommitFailedError("another has written meanwhile")

    monkeypatch.setattr(delta, "SMALL_FILES_MAX", 0)
    monkeypatch.setattr(TableOptimizer, "compact", conflicting)
    account = DemoAccount(NOON, end_users=10, responses=40, declines=10)
    pipeline = pipeline_to("filesystem", "conflict")
    assert run(pipeline, serve(account)).table("responses").complete
    assert loaded(pipeline, "responses") == expected(account, "responses")
