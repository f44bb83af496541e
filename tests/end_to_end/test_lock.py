"""Two runs of one pipeline never work at the same time, and none waits for a process that is gone."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dlt
import duckdb
import pytest

from tests.conftest import NOON, Serve, access
from tests.script import SCRIPT, WITHOUT_PATIENCE, Project
from wootric_pipeline.command.lock import exclusive_run
from wootric_pipeline.destinations import locks
from wootric_pipeline.errors import ConfigurationError
from wootric_pipeline.sandbox import DemoAccount

HOLDER = """
import sys, time
from wootric_pipeline.command.lock import exclusive_run
with exclusive_run("wootric_pipeline", sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""

FORKING_HOLDER = """
import os, sys, time
from wootric_pipeline.command.lock import exclusive_run
with exclusive_run("wootric_pipeline", sys.argv[1]):
    child = os.fork()
    if child:
        print("held", child, sep="\\n", flush=True)
    time.sleep(600)
"""


@contextmanager
def held(folder: Path, program: str = HOLDER) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock until it is killed."""
    holder = [sys.executable, "-c", program, str(folder)]
    with subprocess.Popen(holder, stdout=subprocess.PIPE, encoding="utf-8", cwd=SCRIPT.parent) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_run_ends_at_once_with_one_sentence(tmp_path: Path, serve: Serve) -> None:
    sandbox = serve(DemoAccount(NOON, end_users=5, responses=5, declines=5))
    project = Project(tmp_path, **access(sandbox))
    with held(tmp_path / "dlt" / "pipelines"):
        second = project.run_anew()
    assert second.code == 2
    assert second.stderr == (
        "Another run of wootric_pipeline is under way; run again when it has ended, or with --wait.\n"
    )
    assert sandbox.requests == []
    assert project.run().code == 0


def test_a_second_run_waits_if_told_to(tmp_path: Path, serve: Serve) -> None:
    sandbox = serve(DemoAccount(NOON, end_users=5, responses=5, declines=5))
    project = Project(tmp_path, **access(sandbox))
    with held(tmp_path / "dlt" / "pipelines") as first:
        timer = threading.Timer(2.0, first.kill)
        timer.start()
        second = project.run("--wait", "--json")
        assert first.wait() == -signal.SIGKILL
    assert second.code == 0
    assert second.report["ok"]


def test_a_check_does_not_mind_a_run(tmp_path: Path, serve: Serve) -> None:
    project = Project(tmp_path, **access(serve(DemoAccount(NOON, end_users=5, responses=5, declines=5))))
    with held(tmp_path / "dlt" / "pipelines"):
        assert project.run("--check").code == 0


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    with held(tmp_path) as process:
        with pytest.raises(ConfigurationError), exclusive_run("wootric_pipeline", str(tmp_path)):
            pass
        process.kill()
        process.wait()
        with exclusive_run("wootric_pipeline", str(tmp_path)):
            assert (tmp_path / "wootric_pipeline.lock").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_forked_child_does_not_keep_the_lock_of_a_killed_process(tmp_path: Path) -> None:
    with held(tmp_path, FORKING_HOLDER) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        try:
            with pytest.raises(ConfigurationError), exclusive_run("wootric_pipeline", tmp_path):
                pass
            process.kill()
            process.wait()
            with exclusive_run("wootric_pipeline", tmp_path):
                # Signal 0 is none: it only asks whether the process is still there.
                os.kill(child, 0)
        finally:
            os.kill(child, signal.SIGKILL)


def test_other_pipelines_are_not_kept_off(tmp_path: Path) -> None:
    with held(tmp_path), exclusive_run("another", str(tmp_path)):
        assert (tmp_path / "another.lock").exists()


LOCK_FILE = "surveys.duckdb.wootric.lock"
SURVEYS = {"DESTINATION__DUCKDB__CREDENTIALS": "surveys.duckdb"}


@pytest.mark.parametrize("there", [False, True])
def test_without_the_lock_of_its_dataset_nothing_is_loaded(tmp_path: Path, serve: Serve, there: bool) -> None:
    sandbox = serve(DemoAccount(NOON, end_users=5, responses=5, declines=5))
    project = Project(tmp_path, **access(sandbox))
    if there:
        assert project.run(**SURVEYS).code == 0
        (tmp_path / LOCK_FILE).unlink()
    (tmp_path / LOCK_FILE).mkdir()
    asked = len(sandbox.requests)
    outcome = project.run(**SURVEYS)
    assert (outcome.code, outcome.stderr) == (
        2,
        f"{tmp_path / LOCK_FILE} cannot be opened for writing, so that nothing would keep other runs off the dataset; "
        "give it the rights that the data has.\n",
    )
    assert len(sandbox.requests) == asked


def test_who_may_write_the_data_may_lock_it(tmp_path: Path, serve: Serve) -> None:
    project = Project(tmp_path, **access(serve(DemoAccount(NOON, end_users=5, responses=5, declines=5))))
    assert project.run(**SURVEYS).code == 0
    (tmp_path / "surveys.duckdb").chmod(0o660)
    assert project.run(**SURVEYS).code == 0
    assert (tmp_path / LOCK_FILE).stat().st_mode & 0o777 == 0o660


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_waits_for_no_lock_of_its_parent_in_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(locks._held, "a dataset", locks._Held("a folder", None, "surveys"))
    child = os.fork()
    if not child:
        os._exit(len(locks._held))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert "a dataset" in locks._held


def test_what_a_pipeline_has_locked_stays_so_and_what_it_has_not_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pipeline(dataset: str, folder: str) -> dlt.Pipeline:
        destination = dlt.destinations.duckdb(str(tmp_path / "surveys.duckdb"))
        return dlt.pipeline("wootric_pipeline", str(tmp_path / folder), destination=destination, dataset_name=dataset)

    places, place = list[object](), locks._place

    def noted(of: dlt.Pipeline) -> object:
        places.append(of)
        return place(of)

    monkeypatch.setattr(locks, "_place", noted)
    loader = pipeline("wootric", "one")
    with locks.exclusive(loader, wait=False):
        assert places == [loader]
        with locks.exclusive(loader, wait=False):
            # Working it out takes longer than all else.
            assert places == [loader]
        with pytest.raises(ConfigurationError), locks.exclusive(pipeline("wootric", "two"), wait=False):
            pass
        loader.dataset_name = "another"
        with locks.exclusive(loader, wait=False):
            assert len(locks._held) == 2
        assert len(locks._held) == 1
    assert not locks._held


def test_a_file_that_a_loader_has_open_is_told_as_its_run(tmp_path: Path, serve: Serve) -> None:
    project = Project(tmp_path, **access(serve(DemoAccount(NOON, end_users=5, responses=5, declines=5))))
    assert project.run(**SURVEYS).code == 0
    file = str(tmp_path / "surveys.duckdb")
    destination = dlt.destinations.duckdb(file)
    loader = dlt.pipeline("another", str(tmp_path / "another"), destination=destination, dataset_name="wootric")
    with duckdb.connect(file):
        with locks.exclusive(loader, wait=False):
            outcome = project.run(**SURVEYS, prelude=WITHOUT_PATIENCE)
        assert (outcome.code, outcome.sentence) == (
            2,
            "Another run loads into the dataset wootric; run again when it has ended, or with --wait.",
        )
        outcome = project.run(**SURVEYS, prelude=WITHOUT_PATIENCE)
        assert (outcome.code, outcome.sentence) == (
            1,
            "The DuckDB file is open in another process; close it there, or run again with --wait.",
        )
