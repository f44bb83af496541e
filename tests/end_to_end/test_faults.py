"""What goes wrong between here and Wootric: a run completes, or fails by name and keeps what it had for the next.

The client's part, what it retries and for how long, is in `test_client_retries` and `test_rate_limit`.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dlt.pipeline.exceptions import PipelineStepFailed
from dlt.pipeline.pipeline import Pipeline

from tests.conftest import NOON, Serve, access, first, row
from tests.end_to_end.test_source import assert_equal, list_requests
from tests.script import OVERVIEW_NAMES, TABLE_NAMES, project_for
from tests.script import expected as held
from tests.scripted import SharedClock
from tests.tables import expected, loaded
from wootric_pipeline.api.clock import Clock
from wootric_pipeline.api.transport import RETRY_SECONDS_MAX
from wootric_pipeline.command.loading import load
from wootric_pipeline.command.run import Run, source_for
from wootric_pipeline.sandbox import Account, Behaviour, DemoAccount, Refused, Sandbox
from wootric_pipeline.sandbox.server import Request
from wootric_pipeline.tables import TABLES

HOUR = 3_600
BEGINS = 20
"""How many lists are answered before the fault."""
WITH_A_QUICK_CLOCK = (
    "import wootric_pipeline.api.transport as c; from tests.scripted import SharedClock; c.Clock = SharedClock"
)
"""A prelude: waiting takes no time."""


@pytest.fixture
def account() -> DemoAccount:
    return DemoAccount(NOON, end_users=130, responses=900, declines=90)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> SharedClock:
    """The clock of every client; waiting takes no time."""
    clock = SharedClock()
    monkeypatch.setattr("wootric_pipeline.api.transport.Clock", lambda: clock)
    return clock


def read(pipeline: Pipeline, sandbox: Sandbox, **options: Any) -> Run:
    """One run, as the script does it."""
    run = Run(isolates_tables=True)
    load(pipeline, source_for(run, **access(sandbox)), run, list(TABLES), **options)
    return run


def once_under_way(sandbox: Sandbox, act: Callable[[], None]) -> None:
    """Does something when so many lists have been asked for."""

    def count(_table: str) -> None:
        if list_requests(sandbox) >= BEGINS:
            sandbox.behaviour.before_answer = None
            act()

    sandbox.behaviour.before_answer = count


def begins(sandbox: Sandbox, **fault: Any) -> None:
    """A fault that begins in the middle of a run, and stays."""
    once_under_way(sandbox, lambda: vars(sandbox.behaviour).update(fault))


def assert_goes_on(pipeline: Pipeline, sandbox: Sandbox) -> None:
    """What was loaded is right, there is some, and the next run brings the rest."""
    account = sandbox.account
    kept = {table: loaded(pipeline, table) for table in TABLES}
    assert any(kept.values())
    for table, rows in kept.items():
        everything = expected(account, table)
        assert rows == {row_id: everything[row_id] for row_id in rows}
    assert kept["responses"] != expected(account, "responses")
    sandbox.behaviour = Behaviour()
    assert read(pipeline, sandbox).ok
    assert_equal(pipeline, account)


@pytest.mark.parametrize(
    "faults",
    first(
        {"error_rate": 0.2, "reset_rate": 0.2, "truncation_rate": 0.2, "token_seconds": 1},
        {"error_rate": 0.5},
        {"reset_rate": 0.5},
        {"truncation_rate": 0.5},
    ),
    ids=" ".join,
)
def test_a_storm_is_weathered(pipeline: Pipeline, account: Account, serve: Serve, faults: dict[str, Any]) -> None:
    sandbox = serve(account, **faults)
    assert read(pipeline, sandbox).ok
    assert list_requests(sandbox) > 1.2 * sum(map(len, account.rows.values())) / 50
    assert_equal(pipeline, account)


def test_answers_that_are_slow_for_a_while_are_asked_for_again(
    pipeline: Pipeline, account: Account, serve: Serve, monkeypatch: pytest.MonkeyPatch, clock: SharedClock
) -> None:
    monkeypatch.setattr("wootric_pipeline.api.transport.READ_TIMEOUT_SECONDS", 0.1)
    sandbox = serve(account)
    begins(sandbox, latency_seconds=0.3, before_answer=lambda _table: begins(sandbox, latency_seconds=0.0))
    assert read(pipeline, sandbox).ok
    assert clock.elapsed > 0
    assert_equal(pipeline, account)


@pytest.mark.parametrize("form", first({"ignores_updated": frozenset({"responses"})}, {}), ids=["created", "updated"])
def test_tokens_revoked_in_the_middle_are_replaced(
    pipeline: Pipeline, account: Account, serve: Serve, form: dict[str, Any]
) -> None:
    sandbox = serve(account, **form)
    once_under_way(sandbox, sandbox.revoke_tokens)
    assert read(pipeline, sandbox).ok
    assert [request.path for request in sandbox.requests].count("/oauth/token") == 2
    assert_equal(pipeline, account)


class Misled(Sandbox):
    """Some answers to the query for one list are those to the same query for another."""

    def __init__(self, account: Account, asked: str, answered: str) -> None:
        super().__init__(account)
        self.path, self.other = TABLES[asked].path, TABLES[answered].path
        self.misled: Callable[[int], bool] = lambda _number: False
        self.answers = 0

    def answer(self, request: Request) -> tuple[int, Any, dict[str, str]]:
        """That of the other list, for some."""
        if request.path == self.path:
            self.answers += 1
            if self.misled(self.answers):
                request = replace(request, path=self.other)
        return super().answer(request)


LISTS_MIXED_UP = [("responses", "declines"), ("declines", "responses"), ("end_users", "responses")]


@pytest.mark.parametrize(("asked", "answered"), LISTS_MIXED_UP)
def test_rows_of_another_list_are_loaded_by_no_run(
    pipeline: Pipeline, account: DemoAccount, asked: str, answered: str
) -> None:
    sandbox = Misled(account, asked, answered)
    with sandbox:
        sandbox.misled = lambda number: number in (1, 3, 4)
        assert read(pipeline, sandbox).ok
        assert_equal(pipeline, account)
        account.advance(NOON + 600)
        before = loaded(pipeline, asked)
        sandbox.misled = lambda _number: True
        run = read(pipeline, sandbox)
        errors = {name: notes.error for name, notes in run.tables.items() if notes.error}
        assert errors == {asked: f"Wootric answered {TABLES[asked].path} with rows of {answered} in place of {asked}."}
        assert loaded(pipeline, asked) == before
        sandbox.misled = lambda _number: False
        assert read(pipeline, sandbox).ok
        assert_equal(pipeline, account)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"error_rate": 1.0}, r"gave no usable answer to /v1/\w+ for 120 seconds \(last: status 500\)"),
        ({"reset_rate": 1.0}, r"\(last: the connection failed\)"),
        ({"truncation_rate": 1.0}, r"\(last: the answer broke off\)"),
        ({"latency_seconds": 0.5}, r"\(last: no answer in time\)"),
        ({"rate_limit": 0}, "429, too many requests, for 120 seconds|rate limit let no request through"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, dict) else "",
)
def test_a_fault_that_stays_fails_by_name_and_keeps_what_was_loaded(
    pipeline: Pipeline,
    account: Account,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    fault: dict[str, Any],
    sentence: str,
) -> None:
    monkeypatch.setattr("wootric_pipeline.api.transport.RETRY_SECONDS_MAX", 120)
    monkeypatch.setattr("wootric_pipeline.api.transport.READ_TIMEOUT_SECONDS", 0.2)
    sandbox = serve(account)
    begins(sandbox, **fault)
    errors = [notes.error for notes in read(pipeline, sandbox).tables.values() if notes.error]
    assert errors
    for error in errors:
        assert re.search(sentence, error)
    assert_goes_on(pipeline, sandbox)


@pytest.mark.slow
def test_tokens_refused_for_good_end_the_run_and_keep_what_was_loaded(
    pipeline: Pipeline, account: Account, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = serve(account)

    def lock_out() -> None:
        sandbox.behaviour.token_seconds = 0
        sandbox.revoke_tokens()

    once_under_way(sandbox, lock_out)
    with monkeypatch.context() as patch:
        patch.setattr("wootric_pipeline.command.loading.CHECKPOINT_ROWS", 60)
        with pytest.raises(PipelineStepFailed, match="refuses a token it has just issued"):
            read(pipeline, sandbox)
    assert_goes_on(pipeline, sandbox)


def refuses(sandbox: Sandbox, table: str = "") -> None:
    """Answers 503 from then on, on one table or all."""

    def refuse(asked: str) -> None:
        if table in ("", asked):
            raise Refused(503, "unavailable")

    once_under_way(sandbox, lambda: setattr(sandbox.behaviour, "before_answer", refuse))


@pytest.mark.slow
@pytest.mark.parametrize("status", [404, 503])
@pytest.mark.parametrize("failing", [("responses",), tuple(TABLES)], ids="-".join)
def test_a_full_refresh_keeps_the_rows_of_tables_that_cannot_be_read(
    pipeline: Pipeline, account: DemoAccount, serve: Serve, status: int, failing: tuple[str, ...]
) -> None:
    sandbox = serve(account)
    assert read(pipeline, sandbox).ok
    before = {table: loaded(pipeline, table) for table in TABLES}
    account.advance(NOON + 600)
    # Only a refresh rids the tables of it.
    account.delete("declines", min(account.rows["declines"]))

    def refuse(asked: str) -> None:
        if asked in failing:
            raise Refused(status, "unavailable")

    sandbox.behaviour.before_answer = refuse
    run = read(pipeline, sandbox, full_refresh=True)
    assert [name for name, notes in run.tables.items() if notes.error] == [*failing]
    for table in TABLES:
        assert loaded(pipeline, table) == (before[table] if table in failing else expected(account, table))
        assert run.table(table).rows == (0 if table in failing else len(account.rows[table]))
    sandbox.behaviour = Behaviour()
    assert read(pipeline, sandbox, full_refresh=True).ok
    assert_equal(pipeline, account)


@pytest.mark.parametrize("status", [503, 302])
def test_an_outage_of_ten_minutes_is_waited_out(
    pipeline: Pipeline, account: Account, serve: Serve, clock: SharedClock, status: int
) -> None:
    sandbox = serve(account)
    over: list[float] = []

    def refuse(_table: str) -> None:
        over.append(clock.elapsed + 600) if not over else None
        if clock.elapsed < over[0]:
            raise Refused(status, "unavailable")

    once_under_way(sandbox, lambda: setattr(sandbox.behaviour, "before_answer", refuse))
    assert read(pipeline, sandbox).ok
    assert 600 <= clock.elapsed < RETRY_SECONDS_MAX
    assert_equal(pipeline, account)


@pytest.mark.slow
def test_an_outage_of_an_hour_ends_the_run_and_the_next_completes(serve: Serve, tmp_path: Path) -> None:
    account = DemoAccount(NOON, end_users=130, responses=900, declines=90)
    sandbox = serve(account)
    project = project_for(sandbox, tmp_path)
    refuses(sandbox, "responses")
    outcome = project.run("--json", prelude=WITH_A_QUICK_CLOCK)
    assert (outcome.code, outcome.sentence) == (
        1,
        "Wootric gave no usable answer to /v1/responses for 900 seconds (last: status 503).",
    )
    complete = {name: table["complete"] for name, table in outcome.report["tables"].items()}
    others = dict.fromkeys(OVERVIEW_NAMES, True)
    assert complete == {"end_users": True, "responses": False, "declines": True, **others}
    kept = project.held("responses")
    assert 0 < len(kept) < 900
    assert kept.items() <= held(account, "responses").items()
    sandbox.behaviour = Behaviour()
    assert project.run().code == 0
    assert {table: project.held(table) for table in TABLE_NAMES} == {
        table: held(account, table) for table in TABLE_NAMES
    }


@pytest.mark.slow
def test_a_host_that_cannot_be_found_is_told_and_loads_nothing(serve: Serve, tmp_path: Path) -> None:
    account = Account()
    account.fill("responses", [row(1)])
    project = project_for(serve(account), tmp_path)
    nowhere = {"SOURCES__WOOTRIC__BASE_URL": "https://no-such-host.invalid"}
    outcome = project.run(prelude=WITH_A_QUICK_CLOCK, **nowhere)
    assert (outcome.code, outcome.sentence) == (
        2,
        "no-such-host.invalid cannot be reached (its name cannot be resolved); check base_url under [sources.wootric] "
        "and the network.",
    )
    assert project.run().code == 0
    assert project.held("responses") == {1: NOON}


@pytest.mark.slow
@pytest.mark.parametrize("hours_ahead", [-3, 3])
def test_a_clock_that_differs_from_the_servers_loses_nothing(
    pipeline: Pipeline, serve: Serve, monkeypatch: pytest.MonkeyPatch, hours_ahead: int
) -> None:
    monkeypatch.setattr("wootric_pipeline.api.transport.Clock", Clock)
    account = Account()
    sandbox = serve(account, clock_ahead_seconds=hours_ahead * HOUR)
    for run in range(3):
        now = int(sandbox.now())
        account.fill("responses", [row(1_000 * run + index, now - 2 - index) for index in range(120)])
        account.put("end_users", row(1, now - 2))
        assert read(pipeline, sandbox).ok
        assert_equal(pipeline, account)
