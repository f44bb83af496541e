"""Ranges as a function: closed-open, repeatable, each by itself, and beside each other."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import dlt
import pytest

from tests.conftest import PROJECT, Serve, Servers, access, row
from tests.destinations.test_destination_failures import postgres
from tests.destinations.test_destinations import configuration, pipeline_to
from tests.documents import block
from tests.script import Project
from tests.tables import expected, loaded
from wootric_pipeline.dlt_internals import active_pipeline_name
from wootric_pipeline.errors import ConfigurationError, WootricError
from wootric_pipeline.ranges import LoadedRange, load_range
from wootric_pipeline.sandbox import SECOND, Account, Sandbox
from wootric_pipeline.tables import TABLES

EXAMPLE = block("python", "load_range", "docs/operations.md")
MONTHS = [datetime(2025, month, 1, tzinfo=timezone.utc) for month in range(1, 13)]
MONTHS.append(datetime(2026, 1, 1, tzinfo=timezone.utc))
OCTOBER, NOVEMBER = 9, 10
PROGRAM = """
import json, os, sys
import dlt
from wootric_pipeline.ranges import load_range
dies, *ranges = json.loads(sys.argv[1])
if dies:
    dlt.Pipeline.load = lambda *_, **__: os._exit(9)
print(json.dumps([load_range(start, end, tables="responses,declines").rows for start, end in ranges]))
"""


def seconds(moment: datetime) -> int:
    return int(moment.timestamp())


@pytest.fixture
def account() -> Account:
    """A row at the first and at the last second of each month, and one in between."""
    account, ids = Account(), iter(range(1, 1_000))
    for table in TABLES:
        for start, end in pairwise(MONTHS):
            moments = (seconds(start), (seconds(start) + seconds(end)) // 2, seconds(end) - 1)
            account.fill(table, [row(next(ids), moment, created=seconds(start)) for moment in moments])
    return account


def month_of(account: Account, table: str, month: int) -> dict[int, Any]:
    start, end = (seconds(each) * SECOND for each in MONTHS[month : month + 2])
    within = [each["id"] for each in account.rows[table].values() if start <= each["updated_at"] < end]
    return {row_id: shown for row_id, shown in expected(account, table).items() if row_id in within}


def held(destination: str, table: str) -> dict[int, Any]:
    pipeline = pipeline_to(destination, "wootric")
    pipeline.drop()
    pipeline.sync_destination()
    try:
        return loaded(pipeline, table)
    finally:
        pipeline.deactivate()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(tmp_path / "surveys.duckdb"))
    return tmp_path


Known = Callable[[Sandbox], None]


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Known:
    """Has settings name a sandbox."""

    def name(sandbox: Sandbox) -> None:
        for key, value in access(sandbox).items():
            monkeypatch.setenv(f"SOURCES__WOOTRIC__{key.upper()}", value)

    return name


def command(*words: str) -> int:
    """Runs the command in a process of its own, with the settings of this one."""
    return Project(Path.cwd()).run(*words, **os.environ).code


def left(folder: Path) -> list[str]:
    """The working folders that are still there."""
    return [each.name for each in (folder / "dlt/pipelines").iterdir() if each.is_dir() and "T000000" in each.name]


@pytest.mark.usefixtures("here")
def test_a_table_that_nobody_has_named_stops_no_range(account: Account, serve: Serve, known: Known) -> None:
    known(serve(account, refuses=frozenset({"segments", "survey_templates"})))
    done = load_range(MONTHS[OCTOBER], MONTHS[NOVEMBER], destination="duckdb")
    assert held("duckdb", "responses") == month_of(account, "responses", OCTOBER)
    assert done.rows["responses"] == 3
    with pytest.raises(WootricError, match="segments"):
        load_range(MONTHS[OCTOBER], MONTHS[NOVEMBER], destination="duckdb", tables="responses,segments")


def test_a_range_is_closed_open_and_can_be_loaded_again(
    here: Path, account: Account, serve: Serve, known: Known
) -> None:
    known(serve(account))
    found = load_range(MONTHS[OCTOBER], "2025-11-01", tables="responses,declines")
    assert found[:3] == (MONTHS[OCTOBER], MONTHS[NOVEMBER], {"responses": 3, "declines": 3})
    assert isinstance(found, LoadedRange)
    assert found.requests > 0
    assert held("duckdb", "responses") == month_of(account, "responses", OCTOBER)
    again = load_range(date(2025, 10, 1), date(2025, 11, 1), tables=["responses", "declines"])
    assert again[:2] == found[:2]
    assert held("duckdb", "responses") == month_of(account, "responses", OCTOBER)
    assert left(here) == []


def test_threads_of_one_process_load_one_after_the_other(
    here: Path, account: Account, serve: Serve, known: Known
) -> None:
    known(serve(account))
    wanted = [*months(range(6, 10)), *months(range(6, 7))]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda each: load_range(*each, tables="responses").rows, wanted))
    assert [set(each) for each in found] == [{"responses"}] * len(wanted)
    halves = [month_of(account, "responses", month) for month in range(6, 10)]
    assert held("duckdb", "responses") == {row_id: each for half in halves for row_id, each in half.items()}
    assert left(here) == []


def test_the_pipeline_of_whoever_calls_stays_the_active_one(
    here: Path, account: Account, serve: Serve, known: Known
) -> None:
    known(serve(account))
    before = active_pipeline_name()
    load_range("2025-10-01", "2025-11-01", tables="responses")
    assert active_pipeline_name() == before
    pipeline = dlt.pipeline("another", destination="duckdb", dataset_name="another")
    load_range("2025-10-01", "2025-11-01", tables="responses")
    assert dlt.pipeline() is pipeline
    assert left(here) == []


def test_the_documented_range_is_loaded(
    here: Path, account: Account, serve: Serve, known: Known, capsys: pytest.CaptureFixture[str]
) -> None:
    known(serve(account))
    exec(EXAMPLE, {})
    assert capsys.readouterr().out.split()[0] == "3"
    assert held("duckdb", "responses") == month_of(account, "responses", OCTOBER)
    assert left(here) == []


def test_a_range_leaves_the_cursor_where_it_is(here: Path, account: Account, serve: Serve, known: Known) -> None:
    known(serve(account))
    assert command("--tables", "responses") == 0
    account.change("responses", min(account.rows["responses"]), seconds(MONTHS[12]) * SECOND, score=1)
    assert load_range("2025-10-01", "2025-11-01", tables="responses").rows == {"responses": 3}
    assert command("--tables", "responses") == 0
    assert held("duckdb", "responses") == expected(account, "responses")
    assert here.exists()


def test_who_is_forgotten_stays_so(here: Path, account: Account, serve: Serve, known: Known) -> None:
    known(serve(account))
    assert command("--tables", "end_users") == 0
    person = next(iter(month_of(account, "end_users", OCTOBER)))
    assert command("--forget", str(person)) == 0
    load_range("2025-10-01", "2025-11-01", tables="end_users")
    assert set(held("duckdb", "end_users")) == set(expected(account, "end_users")) - {person}
    assert here.exists()


def run(folder: Path, settings: dict[str, str], ranges: list[tuple[str, str]], *, dies: bool = False) -> Any:
    environment = {"PATH": "", "HOME": str(folder), "DLT_DATA_DIR": str(folder / "dlt"), "PYTHONPATH": str(PROJECT)}
    environment |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "CRITICAL", **settings}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, json.dumps([dies, *ranges])],
        cwd=folder, env=environment, encoding="utf-8", stdout=subprocess.PIPE,
    )  # fmt: skip


def months(numbers: range) -> list[tuple[str, str]]:
    return [(MONTHS[number].isoformat(), MONTHS[number + 1].isoformat()) for number in numbers]


def test_what_another_range_has_left_is_not_loaded_in_its_place(
    here: Path, account: Account, serve: Serve, known: Known
) -> None:
    sandbox = serve(account)
    known(sandbox)
    settings = {f"SOURCES__WOOTRIC__{key.upper()}": value for key, value in access(sandbox).items()}
    settings["DESTINATION__DUCKDB__CREDENTIALS"] = str(here / "surveys.duckdb")
    with run(here, settings, months(range(OCTOBER, OCTOBER + 1)), dies=True) as process:
        assert process.wait() == 9
    assert len(left(here)) == 1
    assert load_range("2025-11-01", "2025-12-01", tables="responses,declines").rows == {"responses": 3, "declines": 3}
    assert held("duckdb", "responses") == month_of(account, "responses", NOVEMBER)
    assert load_range("2025-10-01", "2025-11-01", tables="responses,declines").rows == {"responses": 3, "declines": 3}
    both = {**month_of(account, "responses", OCTOBER), **month_of(account, "responses", NOVEMBER)}
    assert held("duckdb", "responses") == both
    assert left(here) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", [pytest.param("postgres", marks=postgres), "file-delta"])
def test_twelve_months_by_two_processes_are_exact(
    kind: str, here: Path, account: Account, serve: Serve, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = configuration(kind, servers, here)
    destination = "filesystem" if kind == "file-delta" else kind
    settings["DESTINATION_TYPE"] = destination
    settings["DATASET_NAME"] = "wootric"
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    settings |= {f"SOURCES__WOOTRIC__{key.upper()}": value for key, value in access(serve(account)).items()}
    # As two tasks of an orchestrator; the month in the midst is loaded by both.
    halves = (months(range(7)), months(range(6, 12)))
    running = [run(here, settings, half) for half in halves]
    for process, half in zip(running, halves, strict=True):
        with process:
            out, _ = process.communicate()
        counts = json.loads(out)
        assert (process.returncode, len(counts)) == (0, len(half))
    # What the other has loaded as it is, is not loaded again.
    for table in ("responses", "declines"):
        assert held(destination, table) == expected(account, table)
    assert left(here) == []


@pytest.mark.parametrize(
    ("start", "end", "others", "sentence"),
    [
        ("2025-10-01", "2025-10-01", {}, "end_date must be later than start_date."),
        ("2025-10-01", "October", {}, "end_date must be a date such as"),
        (None, "2025-10-01", {}, "start_date must be a date such as"),
        ("2025-10-01", "2025-11-01", {"destination": "nope"}, "There is no destination nope"),
        ("2025-10-01", "2025-11-01", {"tables": "answers"}, "There is no table answers"),
        ("2025-10-01", "2025-11-01", {"account": "acme"}, "There is no account acme"),
    ],
)
def test_what_cannot_be_is_refused(here: Path, start: Any, end: str, others: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        load_range(start, end, **others)
    assert list(here.rglob("*.duckdb")) == []


def test_a_range_that_is_not_complete_is_no_success(
    here: Path, account: Account, serve: Serve, known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wootric_pipeline.api.transport.RETRY_SECONDS_MAX", 0)
    sandbox = serve(account)
    known(sandbox)

    def fail(table: str) -> None:
        if table == "responses":
            raise ConnectionResetError

    sandbox.behaviour.before_answer = fail
    with pytest.raises(WootricError, match="responses"):
        load_range("2025-10-01", "2025-11-01", tables="responses,declines")
    assert held("duckdb", "declines") == month_of(account, "declines", OCTOBER)
    assert left(here) == []
