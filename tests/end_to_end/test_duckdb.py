"""DuckDB is a part of the process: what it is told so that it loads within little memory, and files stay compact."""

import os
import subprocess
import sys
from pathlib import Path

import dlt
import pytest
from dlt.pipeline.pipeline import Pipeline

from tests.conftest import NOON, Serve, access
from tests.script import DUCKDB_FILE, project_for
from tests.script import expected as held
from tests.tables import expected, loaded
from wootric_pipeline.command.loading import load
from wootric_pipeline.command.run import Run, source_for
from wootric_pipeline.destinations import locks
from wootric_pipeline.destinations.locks import open_throughout
from wootric_pipeline.destinations.memory import sparing_memory
from wootric_pipeline.sandbox import SECOND, DemoAccount
from wootric_pipeline.tables import TABLES


@pytest.fixture
def pipeline() -> Pipeline:
    return dlt.pipeline("wootric_pipeline", destination="duckdb", dataset_name="wootric")


def setting(pipeline: Pipeline, name: str) -> str:
    with pipeline.sql_client() as client:
        return str((client.execute_sql(f"SELECT current_setting('{name}')") or [])[0][0])


def groups(pipeline: Pipeline) -> int:
    """Into how many groups of rows the responses fall."""
    query = "SELECT count(DISTINCT row_group_id) FROM pragma_storage_info('wootric.responses')"
    with pipeline.sql_client() as client:
        return int((client.execute_sql(query) or [])[0][0])


@pytest.mark.parametrize("compacts", [True, False])
@pytest.mark.parametrize("section", ["destination.duckdb.", "destination.", "wootric_pipeline.destination.duckdb."])
def test_settings_hold_while_it_loads_and_the_users_own_go_before(
    pipeline: Pipeline, compacts: bool, section: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{section}credentials.statements".replace(".", "__").upper()
    monkeypatch.setenv(name, '["SET threads = 3"]')
    environment = dict(os.environ)
    with sparing_memory(pipeline, compacts=compacts):
        assert setting(pipeline, "max_vacuum_tasks") == str(int(compacts))
        assert setting(pipeline, "checkpoint_threshold") == "976.5 KiB"
        assert setting(pipeline, "threads") == "3"
        assert dlt.config["load.workers"] == 1
        assert os.environ != environment
    assert os.environ == environment


@pytest.mark.slow
@pytest.mark.parametrize(("responses", "hours"), [(160, 3), pytest.param(300, 12, marks=pytest.mark.slow)])
def test_what_hourly_runs_scatter_is_put_together_again(
    pipeline: Pipeline, serve: Serve, responses: int, hours: int
) -> None:
    account = DemoAccount(NOON, end_users=10, responses=responses, declines=0)
    sandbox = serve(account)

    def run() -> None:
        notes = Run()
        load(pipeline, source_for(notes, **access(sandbox)), notes, ["responses"], checkpoint_minutes=0)

    run()
    pieces = groups(pipeline)
    for hour in range(1, hours + 1):
        for response in range(50_000, 50_005):
            account.change("responses", response, (NOON + hour * 3_600) * SECOND)
        run()

    assert pieces > 2
    assert groups(pipeline) < pieces
    assert loaded(pipeline, "responses") == expected(account, "responses")


def is_free(folder: Path) -> bool:
    """Whether another process can open the file."""
    opened = f"import duckdb; duckdb.connect({str(folder / 'wootric_pipeline.duckdb')!r})"
    return subprocess.run([sys.executable, "-c", opened], stderr=subprocess.DEVNULL).returncode == 0


def test_a_small_file_alone_is_kept_open(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_throughout(pipeline):
        assert not is_free(Path.cwd())
    assert is_free(Path.cwd())
    monkeypatch.setattr(locks, "KEPT_OPEN_BYTES_MAX", 1)
    with open_throughout(pipeline):
        assert is_free(Path.cwd())


OPEN_FOR_A_WHILE = """
import duckdb, sys, time
with duckdb.connect(sys.argv[1]):
    print(flush=True)
    time.sleep(2)
"""


def opened_elsewhere(folder: Path) -> subprocess.Popen[bytes]:
    """A process that has the file open by now, and for some moments."""
    command = [sys.executable, "-c", OPEN_FOR_A_WHILE, str(folder / DUCKDB_FILE)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    return holder


@pytest.mark.parametrize("words", [["--status"], ["--verify"], ["--report", "page.html"], ["--check"]])
def test_a_file_that_is_open_elsewhere_for_a_moment_stops_nothing_that_reads_it(
    serve: Serve, tmp_path: Path, words: list[str]
) -> None:
    project = project_for(serve(DemoAccount(NOON, end_users=5, responses=5, declines=5)), tmp_path)
    assert project.run().code == 0
    with opened_elsewhere(tmp_path) as holder:
        outcome = project.run(*words)
        assert (holder.wait(), outcome.code, outcome.stderr) == (0, 0, "")


def test_a_file_that_is_opened_elsewhere_for_a_moment_while_a_run_reads_stops_no_load(
    serve: Serve, tmp_path: Path
) -> None:
    account = DemoAccount(NOON, end_users=5, responses=5, declines=5)
    sandbox = serve(account)
    project = project_for(sandbox, tmp_path)
    assert project.run().code == 0
    account.advance(NOON + 600)
    holders: list[subprocess.Popen[bytes]] = []

    def hold(_table: str) -> None:
        sandbox.behaviour.before_answer = None
        holders.append(opened_elsewhere(tmp_path))

    sandbox.behaviour.before_answer = hold
    outcome = project.run()
    assert (outcome.code, outcome.stderr) == (0, "")
    assert [holder.communicate()[0] for holder in holders] == [b""]
    assert {table: project.held(table) for table in TABLES} == {table: held(account, table) for table in TABLES}


def test_a_file_whose_path_is_relative_lies_where_the_command_is_started(serve: Serve, tmp_path: Path) -> None:
    account = DemoAccount(NOON, end_users=5, responses=5, declines=5)
    sandbox, file = serve(account), "surveys.duckdb"
    first, other = (project_for(sandbox, tmp_path / name) for name in ("first", "other"))
    for project in (first, other):
        project.environment |= {"DLT_DATA_DIR": str(tmp_path / "dlt"), "DESTINATION__DUCKDB__CREDENTIALS": file}
    for project in (first, other, first, other):
        account.advance(NOON + 600)
        assert project.run().code == 0
        assert project.held("responses", file=file) == held(account, "responses")


def test_a_folder_that_was_moved_is_gone_on_with(serve: Serve, tmp_path: Path) -> None:
    account = DemoAccount(NOON, end_users=5, responses=5, declines=5)
    project, file = project_for(serve(account), tmp_path / "before"), "surveys.duckdb"
    project.environment |= {"DLT_DATA_DIR": str(tmp_path / "dlt"), "DESTINATION__DUCKDB__CREDENTIALS": file}
    assert project.run().code == 0
    project.folder = project.folder.rename(tmp_path / "behind")
    account.advance(NOON + 600)
    assert project.run("--status").stdout.startswith("run")
    outcome = project.run("--json")
    assert outcome.code == 0
    assert outcome.report["tables"]["responses"]["requests"] < 10
    assert project.held("responses", file=file) == held(account, "responses")
