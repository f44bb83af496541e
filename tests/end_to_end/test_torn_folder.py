"""A run that is killed between two files of dlt's working folder: the next one goes on."""

import shutil
import signal
from pathlib import Path

import pytest

from tests.conftest import NOON, Serve, first, row
from tests.script import expected, project_for
from wootric_pipeline.sandbox import Account

KILLED = """
import os, signal, sys
seen = []
def watch(event, about):
    if event in ("os.rename", "os.remove") and str(about[event == "os.rename"]).endswith({file!r}):
        seen.append(event)
        if len(seen) == {number}:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
"""
SCHEMA = "pipelines/wootric_pipeline/schemas/wootric.schema.json"
SCHEMA_OF_RUNS = "runs/wootric_pipeline/schemas/wootric_runs.schema.json"
STATE = "pipelines/wootric_pipeline/state.json"
MOMENTS = [(file, number) for number in (2, 1, 3) for file in (SCHEMA, SCHEMA_OF_RUNS, STATE)]


@pytest.mark.parametrize("file", [SCHEMA, SCHEMA_OF_RUNS, STATE])
def test_what_a_loss_of_power_has_left_unreadable_is_restored(serve: Serve, tmp_path: Path, file: str) -> None:
    account = Account()
    account.put("responses", row(1))
    project = project_for(serve(account), tmp_path / "project")
    assert project.run("--tables", "responses").code == 0
    account.put("responses", row(2, NOON + 60))
    (found,) = (each for each in project.folder.rglob("*.json") if str(each).endswith(file))
    found.write_bytes(b"")
    outcome = project.run("--json", "--tables", "responses")
    assert (outcome.code, outcome.report["warnings"]) == (0, [])
    assert project.held("responses") == expected(account, "responses")
    assert project.ask("SELECT count(*) FROM wootric.wootric_runs") == [(2,)]


@pytest.mark.parametrize("is_lost", [True, False], ids=["restored", "going on"])
@pytest.mark.parametrize(("file", "number"), first(*MOMENTS))
def test_the_next_run_goes_on(serve: Serve, tmp_path: Path, file: str, number: int, is_lost: bool) -> None:
    account = Account()
    account.put("responses", row(1))
    project = project_for(serve(account), tmp_path / "project")
    words = ("--tables", "responses")
    assert project.run(*words).code == 0
    account.put("responses", row(2, NOON + 60, sentiment="good"))
    if is_lost:
        shutil.rmtree(project.folder / "dlt")
    assert project.run(*words, prelude=KILLED.format(file=file, number=number)).code in (0, -signal.SIGKILL)
    outcome = project.run("--json", *words)
    assert (outcome.code, outcome.report["warnings"]) == (0, [])
    assert project.held("responses") == expected(account, "responses")


KILLED_BEFORE_A_TABLE_IS_CREATED = """
import os, signal
from dlt.destinations.job_client_impl import SqlJobClientBase
update = SqlJobClientBase.update_stored_schema
def killed(client, *args, **kwargs):
    return update(client, *args, **kwargs) if args or kwargs else os.kill(os.getpid(), signal.SIGKILL)
SqlJobClientBase.update_stored_schema = killed
"""


def test_tables_that_no_row_is_for_are_created_by_the_next_run(serve: Serve, tmp_path: Path) -> None:
    account = Account()
    account.put("responses", row(1))
    project = project_for(serve(account), tmp_path / "project", tables="responses")
    assert project.run(prelude=KILLED_BEFORE_A_TABLE_IS_CREATED).code == -signal.SIGKILL
    for score in (1, 2):
        account.put("responses", row(1, NOON + 60 * score, score=score))
        assert project.run().code == 0
        assert project.held("responses") == expected(account, "responses")
    assert project.ask("SELECT count(*) FROM wootric.responses__tags") == [(0,)]
