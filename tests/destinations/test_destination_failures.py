"""Faults of destinations and of disks: one sentence that says what to change, and the next run makes it good.

The servers are real. In the end whole tables are compared with the account's: nothing is lost, nothing comes twice.
"""

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dlt.pipeline.pipeline import Pipeline

from tests.conftest import NOON, Serve, Servers, first
from tests.destinations.test_destinations import change, configuration, pipeline_to
from tests.end_to_end.test_bad_input import DROP_THE_RIGHT_TO_WRITE_ANYWHERE, FAILURE, USER_MISTAKE
from tests.end_to_end.test_privacy import LOUDEST
from tests.script import Outcome, Project, project_for
from tests.servers import SECRET_KEY, Server
from tests.tables import expected, loaded
from wootric_pipeline.destinations.locks import exclusive
from wootric_pipeline.sandbox import DemoAccount
from wootric_pipeline.tables import TABLES

UNREACHABLE = (
    "The destination cannot be reached; check its address under [destination] and whether it is up, and run again."
)
LOGIN_REFUSED = "The destination refuses the login; check user and password in its credentials under [destination]."
NO_DATABASE = "The destination has no database of that name; create it, or check its credentials under [destination]."
NO_RIGHTS = (
    "The destination does not let its user do what loading needs; grant the rights to create schemas, tables and "
    "temporary tables, or set another user under [destination]."
)
NO_ADDRESS = (
    "The credentials under [destination] must be an address such as postgresql://user:password@host:5432/database."
)
STORE_REFUSES = (
    "The bucket does not exist, or the credentials may not use it; check bucket_url and credentials under "
    "[destination.filesystem]."
)
NO_BUCKET_URL = "bucket_url under [destination.filesystem] must be an address such as s3://bucket/folder, or a path."
NO_ENDPOINT = (
    "endpoint_url under [destination.filesystem.credentials] must be an address such as https://s3.example.com."
)
DISK_FULL = "The disk is full, or a file may not grow further; make room and run again."

BUCKET_URL = "DESTINATION__FILESYSTEM__BUCKET_URL"
S3_KEY, S3_SECRET, S3_ENDPOINT = (
    f"DESTINATION__FILESYSTEM__CREDENTIALS__{name}"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "ENDPOINT_URL")
)
IMPATIENT = {
    "LOAD__RAISE_ON_MAX_RETRIES": "1",
    "AWS_MAX_ATTEMPTS": "1",
    "DESTINATION__FILESYSTEM__DELTALAKE_STORAGE_OPTIONS": json.dumps({"max_retries": "0"}),
}
"""Fewer retries of dlt, of S3's client and of Delta Lake's: a test need not wait for them."""

HIDDEN = "import sys; sys.modules.update(dict.fromkeys({modules}))"
"""A prelude: modules that are not installed."""

LIMITED = """
import resource
from dlt.pipeline.pipeline import Pipeline
step = Pipeline.{step}
def limited(*words, **named):
    resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
    return step(*words, **named)
Pipeline.{step} = limited
"""
"""A prelude: from a step on, no file may grow beyond a size, which is what writing to a full disk comes to."""

HELD = """
import itertools, pathlib, time
from dlt.destinations.impl.filesystem import filesystem
calls, method, held = itertools.count(1), filesystem.{owner}.{name}, pathlib.Path("held")
def hold(*words):
    if next(calls) == {call}:
        held.touch()
        while held.exists():
            time.sleep(0.02)
    return method(*words)
filesystem.{owner}.{name} = hold
"""
"""A prelude: before a call the run waits until the file `held`, which it makes, is gone."""

UNNOTICED = """
import importlib, os, signal
owner = getattr(importlib.import_module("dlt.destinations.{module}"), "{job}")
copy = owner.run
def die(job):
    copy(job)
    if job.load_table_name == "responses":
        os.kill(os.getpid(), signal.SIGKILL)
owner.run = die
"""
"""A prelude: the run is killed when the destination has committed rows, before that is noted."""

SLOW_MERGE = """
import time
from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient
execute = Psycopg2SqlClient.execute_query
def executed(self, query, *words, **named):
    if "DELETE FROM" in str(query):
        time.sleep(1)
    return execute(self, query, *words, **named)
Psycopg2SqlClient.execute_query = executed
"""
"""A prelude: between the copy of rows into the staging dataset and their merge lies time for another loader."""

STDOUT_IS = "import os; {open}; os.dup2(out, 1); os.close(out)"
READER_GONE = STDOUT_IS.format(open="gone, out = os.pipe(); os.close(gone)")
NO_ROOM = STDOUT_IS.format(open="out = os.open('/dev/full', os.O_WRONLY)")

postgres = pytest.mark.xdist_group("postgres")
s3 = pytest.mark.xdist_group("s3")
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such files")


@dataclass(frozen=True)
class Loading:
    """A user's project that loads an account to a destination."""

    account: DemoAccount
    project: Project
    settings: dict[str, str]

    def run(self, *words: str, **options: str) -> Outcome:
        return self.project.run(*words, **{**self.settings, **IMPATIENT, **options})

    def change(self, second: int) -> None:
        """Updates rows in two seconds: a cursor that has moved past the second one hides the first."""
        change(self.account, "updated rows", second)
        change(self.account, "fewer tags", second + 5)

    def fails(self, code: int, sentence: str, *words: str, **options: str) -> None:
        """Whether a run fails with a sentence, and nothing else is shown."""
        outcome = self.run(*words, **options)
        assert (outcome.code, outcome.sentence, outcome.stdout) == (code, sentence, "")

    def completes(self, *words: str) -> None:
        """Whether a run succeeds, and whole tables at the destination are the account's then."""
        outcome = self.run(*words)
        assert (outcome.code, outcome.stderr) == (0, "")
        self.holds_everything()

    def holds_everything(self) -> None:
        """Whether whole tables at the destination are the account's."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.settings.items():
                patch.setenv(name, value)
            pipeline = pipeline_to(self.settings["DESTINATION_TYPE"], self.settings["DATASET_NAME"])
            pipeline.sync_destination()
            for table in TABLES:
                assert loaded(pipeline, table) == expected(self.account, table)

    @contextmanager
    def locked_out(self) -> Iterator[Pipeline]:
        """Locks the dataset, as a loader elsewhere does; its pipeline."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.settings.items():
                patch.setenv(name, value)
            pipeline = pipeline_to(self.settings["DESTINATION_TYPE"], self.settings["DATASET_NAME"])
            with exclusive(pipeline, wait=False):
                yield pipeline

    def shows_nothing_of_rows(self, outcome: Outcome) -> bool:
        emails = {row["email"] for row in self.account.rows["end_users"].values() if row.get("email")}
        assert emails
        return not [word for word in (*emails, SECRET_KEY) if word in outcome.stdout + outcome.stderr]


To = Callable[[str], Loading]


@pytest.fixture
def to(serve: Serve, servers: Servers, tmp_path: Path) -> To:
    """Prepares loading a new account to a kind of destination, into a dataset of the test's own."""

    def prepare(kind: str) -> Loading:
        account = DemoAccount(NOON, end_users=40, responses=110, declines=30)
        destination = {"duckdb": kind, "postgres": kind, "sqlite": "sqlalchemy"}.get(kind, "filesystem")
        names = {"DESTINATION_TYPE": destination, "DATASET_NAME": tmp_path.name}
        file = {"DESTINATION__DUCKDB__CREDENTIALS": str(tmp_path / "surveys.duckdb")} if kind == "duckdb" else {}
        settings = {**configuration(kind, servers, tmp_path), **names, **file}
        # No overlap of runs makes good what one has lost.
        project = project_for(serve(account), tmp_path / "project", tables=",".join(TABLES), lookback_seconds=0)
        return Loading(account, project, settings)

    return prepare


def wait_until(reached: Callable[[], Any], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, "a moment of the run was not reached"
        time.sleep(0.02)


def run_into(
    loading: Loading, reached: Callable[[], Any], fault: AbstractContextManager[None], **options: str
) -> Outcome:
    """How a run ends that meets a fault at a moment; the fault lasts until then."""
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(loading.run, **options)
        wait_until(lambda: reached() or running.done())
        assert not running.done(), running.result()
        with fault:
            return running.result()


@postgres
def test_mistakes_in_the_settings_of_postgres_are_told(to: To) -> None:
    loading = to("postgres")
    mistakes = [
        (SECRET_KEY, "wrong-secret", USER_MISTAKE, LOGIN_REFUSED),
        ("loader:", "stranger:", USER_MISTAKE, LOGIN_REFUSED),
        ("/analytics", "/missing", USER_MISTAKE, NO_DATABASE),
        # The loader may not create schemas in this one.
        ("/analytics", "/postgres", USER_MISTAKE, NO_RIGHTS),
        ("//", "/", USER_MISTAKE, NO_ADDRESS),
        (r":\d+/", ":1/", FAILURE, UNREACHABLE),
        (r"127\.0\.0\.1", "nowhere.invalid", FAILURE, UNREACHABLE),
    ]
    address = loading.settings["DESTINATION__POSTGRES__CREDENTIALS"]
    for right, wrong, code, sentence in mistakes:
        loading.fails(code, sentence, DESTINATION__POSTGRES__CREDENTIALS=re.sub(right, wrong, address))
    loading.completes()


@pytest.mark.slow
@s3
def test_mistakes_in_the_settings_of_s3_are_told(to: To) -> None:
    loading = to("s3-delta")
    mistakes = [
        ({BUCKET_URL: "s3://missing/surveys"}, USER_MISTAKE, STORE_REFUSES),
        ({S3_SECRET: "wrong-secret"}, USER_MISTAKE, STORE_REFUSES),
        ({S3_KEY: "wrong-key"}, USER_MISTAKE, STORE_REFUSES),
        ({BUCKET_URL: "s3:/wootric/surveys"}, USER_MISTAKE, NO_BUCKET_URL),
        ({S3_ENDPOINT: "127.0.0.1:1"}, USER_MISTAKE, NO_ENDPOINT),
        ({S3_ENDPOINT: "http://127.0.0.1:1"}, FAILURE, UNREACHABLE),
    ]
    for wrong, code, sentence in mistakes:
        loading.fails(code, sentence, **wrong)
    loading.completes()


@contextmanager
def locked(loading: Loading, table: str) -> Iterator[Any]:
    """Makes whoever writes to a table of the loader's wait; a cursor beside."""
    import psycopg2

    with closing(psycopg2.connect(loading.settings["DESTINATION__POSTGRES__CREDENTIALS"])) as connection:
        cursor = connection.cursor()
        cursor.execute(f"LOCK TABLE {loading.settings['DATASET_NAME']}.{table} IN SHARE MODE")
        yield cursor


def waiting(cursor: Any) -> list[int]:
    """The processes of the database that wait for a lock."""
    cursor.execute("SELECT pid FROM pg_locks WHERE NOT granted")
    return [pid for (pid,) in cursor.fetchall()]


@postgres
def test_a_killed_database_loses_nothing(to: To, servers: Servers) -> None:
    loading = to("postgres")
    loading.completes()
    # In the merge of a table, and when all are merged but not committed as a load.
    for second, table in ((10, "responses"), (20, "_dlt_loads")):
        loading.change(second)
        with locked(loading, table) as cursor:
            outcome = run_into(loading, lambda: waiting(cursor), servers["postgres"].down(), **LOUDEST)
        assert (outcome.code, outcome.stderr.splitlines()[-1], outcome.stdout) == (FAILURE, UNREACHABLE, "")
        assert loading.shows_nothing_of_rows(outcome)
    loading.completes()


@contextmanager
def terminated(cursor: Any) -> Iterator[None]:
    """Ends the connections that wait for a lock, as an administrator does, and gives the lock up."""
    (pid,) = waiting(cursor)
    cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    wait_until(lambda: not waiting(cursor))
    cursor.connection.rollback()
    yield


@postgres
def test_a_terminated_connection_loses_nothing(to: To) -> None:
    loading = to("postgres")
    loading.completes()
    # A merge is tried again at once, by default; what comes after it is not.
    for second, table, code in ((10, "responses", 0), (20, "_dlt_loads", FAILURE)):
        loading.change(second)
        with locked(loading, table) as cursor:
            outcome = run_into(loading, lambda: waiting(cursor), terminated(cursor), LOAD__RAISE_ON_MAX_RETRIES="5")
        assert (outcome.code, outcome.stderr.strip()) == (code, UNREACHABLE if code else "")
    loading.completes()


@postgres
def test_two_loaders_at_once_into_one_dataset_lose_nothing(to: To) -> None:
    loading = to("postgres")
    # Tables and the columns of all properties are there: this is not about who makes them.
    assert loading.run("--start-date", "2023-10-01").code == 0
    middle, end = "2022-11-14", "2023-11-15"
    ranges = [("--start-date", "2019-01-01", "--end-date", middle), ("--start-date", middle, "--end-date", end)]
    with ThreadPoolExecutor(2) as threads:
        running = [
            threads.submit(
                loading.run, *words, "--wait", prelude=SLOW_MERGE, DLT_DATA_DIR=str(loading.project.folder / name)
            )
            for name, words in zip(("one", "other"), ranges, strict=True)
        ]
    assert [each.result().code for each in running] == [0, 0]
    loading.holds_everything()


@pytest.mark.parametrize("kind", [*first("duckdb", pytest.param("postgres", marks=postgres)), "file-delta"])
def test_a_run_of_another_machine_is_waited_for_or_told(to: To, kind: str) -> None:
    loading = to(kind)
    loading.completes()
    loading.change(10)
    dataset = loading.settings["DATASET_NAME"]
    others = {"DLT_DATA_DIR": str(loading.project.folder / "other")}
    busy = f"Another run loads into the dataset {dataset}; run again when it has ended, or with --wait."
    log = loading.project.folder / "wootric.log"
    with ThreadPoolExecutor(1) as thread:
        with loading.locked_out():
            loading.fails(USER_MISTAKE, busy, **others)
            running = thread.submit(loading.run, "--wait", "--log-file", str(log), **others)
            waits = f"Waits for another run to end that loads into the dataset {dataset}."
            wait_until(lambda: running.done() or (log.exists() and waits in log.read_text()))
            assert not running.done(), running.result()
        assert running.result().code == 0
    loading.holds_everything()


@postgres
def test_a_lock_that_is_lost_with_its_connection_is_taken_again(to: To) -> None:
    import psycopg2

    loading = to("postgres")
    locks = "SELECT DISTINCT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid != pg_backend_pid()"
    with closing(psycopg2.connect(loading.settings["DESTINATION__POSTGRES__CREDENTIALS"])) as connection:
        cursor = connection.cursor()

        def holders() -> list[int]:
            cursor.execute(locks)
            return [pid for (pid,) in cursor.fetchall()]

        with loading.locked_out() as pipeline:
            (first,) = holders()
            with exclusive(pipeline, wait=False):
                assert holders() == [first]
            cursor.execute("SELECT pg_terminate_backend(%s)", [first])
            wait_until(lambda: not holders())
            with exclusive(pipeline, wait=False):
                (second,) = holders()
                assert second != first
            wait_until(lambda: not holders())


@pytest.mark.parametrize(
    ("kind", "module", "job"),
    first(
        pytest.param("postgres", "insert_job_client", "InsertValuesLoadJob", marks=postgres),
        ("duckdb", "impl.duckdb.duck", "DuckDbCopyJob"),
    ),
)
def test_what_was_committed_unnoticed_comes_once(to: To, kind: str, module: str, job: str) -> None:
    loading = to(kind)
    loading.completes()
    loading.change(10)
    assert loading.run(prelude=UNNOTICED.format(module=module, job=job)).code == -signal.SIGKILL
    loading.completes()


@contextmanager
def down(server: Server, held: Path) -> Iterator[None]:
    """Kills a server for a while, and then lets a run go on that is held."""
    with server.down():
        held.unlink()
        yield


@pytest.mark.slow
@s3
def test_a_killed_store_loses_nothing(to: To, servers: Servers) -> None:
    loading = to("s3-delta")
    held = loading.project.folder / "held"
    # When one table is merged, and when all are merged but not committed as a load.
    for owner, name, call in (("DeltaLoadFilesystemJob", "run", 2), ("FilesystemClient", "complete_load", 1)):
        prelude = HELD.format(owner=owner, name=name, call=call)
        outcome = run_into(loading, held.exists, down(servers["s3"], held), prelude=prelude, LOAD__WORKERS="1")
        assert (outcome.code, outcome.sentence, outcome.stdout) == (FAILURE, UNREACHABLE, "")
        loading.change(10)
    loading.completes()


def test_a_full_disk_is_told_and_loses_nothing(to: To) -> None:
    loading = to("duckdb")
    # The last is too small for what DuckDB writes, and large enough for what dlt does.
    for step, size in (("extract", 1_000), ("normalize", 1_000), ("load", 40_000)):
        loading.fails(FAILURE, DISK_FULL, prelude=LIMITED.format(step=step, size=size))
    loading.completes()


def test_a_database_file_that_a_full_disk_left_unfinished_is_told(to: To) -> None:
    loading = to("duckdb")
    loading.fails(FAILURE, DISK_FULL, prelude=LIMITED.format(step="destination_client", size=5_000))
    sentence = (
        "The file to load into is no DuckDB database; move it away, or set another file under [destination.duckdb] "
        "credentials."
    )
    file = Path(loading.settings["DESTINATION__DUCKDB__CREDENTIALS"])
    assert file.stat().st_size == 5_000
    loading.fails(USER_MISTAKE, sentence)
    file.unlink()
    loading.completes()


@pytest.mark.skipif(sys.platform != "linux" and os.geteuid() == 0, reason="root writes to any folder")
def test_a_working_folder_that_cannot_be_is_told(to: To) -> None:
    loading = to("duckdb")
    working = loading.project.folder / "dlt"
    sentence = "dlt cannot work in {folder}; check its permissions, or set another folder in DLT_DATA_DIR."
    working.write_text("a file")
    loading.fails(USER_MISTAKE, sentence.format(folder=working))
    loading.fails(USER_MISTAKE, sentence.format(folder=working / "below"), DLT_DATA_DIR="dlt/below")
    working.unlink()
    working.mkdir(mode=0o555)
    as_root = DROP_THE_RIGHT_TO_WRITE_ANYWHERE.format(script=str(loading.project.script)) if os.geteuid() == 0 else ""
    loading.fails(USER_MISTAKE, sentence.format(folder=working), prelude=as_root)
    working.chmod(0o755)
    loading.completes()


def test_a_folder_for_files_that_cannot_be_is_told(to: To, tmp_path: Path) -> None:
    loading = to("file-delta")
    name = "destination.filesystem.bucket_url"
    missing = f"Settings are missing ({name}); put them in .dlt/secrets.toml or in the environment."
    address = loading.settings.pop(BUCKET_URL)
    loading.fails(USER_MISTAKE, missing)
    loading.settings[BUCKET_URL] = address
    bucket = tmp_path / "bucket"
    bucket.write_text("a file")
    outcome = loading.run()
    assert outcome.code == USER_MISTAKE
    assert re.fullmatch(
        rf"{bucket}\S* cannot be written; check its permissions, or set another bucket_url under "
        r"\[destination\.filesystem\]\.",
        outcome.sentence,
    )
    bucket.unlink()
    loading.completes()


@linux
def test_a_settings_file_that_cannot_be_read_is_told(to: To) -> None:
    loading = to("duckdb")
    loading.project.write(".dlt/config.toml", "")
    config = loading.project.folder / ".dlt/config.toml"
    config.write_bytes("[sources.wootric]\nstart_date = 'März'\n".encode("latin-1"))
    loading.fails(USER_MISTAKE, "config.toml is not valid TOML; check what is written in it under .dlt.")
    config.unlink()
    # It opens for root, too, but reading it fails.
    config.symlink_to("/proc/self/mem")
    loading.fails(USER_MISTAKE, "config.toml cannot be read; check its permissions under .dlt.")
    config.unlink()
    loading.completes()


@pytest.mark.parametrize(
    ("kind", "modules", "sentence"),
    [
        (
            "postgres",
            ("psycopg2",),
            'postgres destination needs more packages; install them with: pip install "dlt[postgres]"',
        ),
        ("s3-delta", ("s3fs",), 'filesystem needs more packages; install them with: pip install "dlt[s3]"'),
        (
            "file-delta",
            ("deltalake",),
            'files = "delta" needs more packages; install them with: pip install "dlt[deltalake]"',
        ),
    ],
)
def test_a_driver_that_is_not_installed_names_its_extra(
    to: To, kind: str, modules: tuple[str, ...], sentence: str
) -> None:
    loading = to(kind)
    for words in ((), ("--check",)):
        loading.fails(USER_MISTAKE, sentence, *words, prelude=HIDDEN.format(modules=modules))


@linux
def test_a_report_that_cannot_be_printed_needs_no_traceback(to: To) -> None:
    loading = to("duckdb")
    for words in ((), ("--json",)):
        outcome = loading.run(*words, prelude=READER_GONE)
        assert (outcome.code, outcome.stderr) == (0, "")
    loading.fails(FAILURE, DISK_FULL, prelude=NO_ROOM)
    loading.completes()


def test_a_sqlite_file_that_cannot_be_written_is_told(to: To, tmp_path: Path) -> None:
    loading = to("sqlite")
    (tmp_path / "file").write_text("no folder")
    loading.settings["DESTINATION__SQLALCHEMY__CREDENTIALS"] = f"sqlite:///{tmp_path}/file/surveys.sqlite"
    loading.fails(
        USER_MISTAKE,
        "The SQLite file cannot be written; check the path and its permissions, or set another file under "
        "[destination.sqlalchemy] credentials.",
    )
