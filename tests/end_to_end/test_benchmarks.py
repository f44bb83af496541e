"""What the benchmarks measure with: costs of processes, accounts and what is lost of them."""

import os
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import duckdb
import pytest

from benchmarks.accounts import MANY_TIED_ROWS, TIED_ROWS, imported, uniform, updated_at_once
from benchmarks.peers import loaded, lost
from benchmarks.processes import OUTPUT, ProgramFailed, run
from benchmarks.sandbox_process import SandboxProcess, sandbox_process
from tests.conftest import NOON, PROJECT
from tests.scripted import connected
from wootric_pipeline.api.client import Client, Credentials
from wootric_pipeline.sandbox import SECOND, Account


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_pipe_of_programs_costs_what_both_take(tmp_path: Path) -> None:
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    writer, reader = f"{busy}\nprint('passed on')", f"{busy}\nprint(input().upper())"

    cost = run(python(writer), python(reader), folder=tmp_path, environment=os.environ)

    assert (tmp_path / OUTPUT).read_text() == "PASSED ON\n"
    assert cost.cpu_seconds >= 0.6
    assert cost.peak_mb > 2


def test_a_program_that_fails_is_told_of_wherever_it_stands(tmp_path: Path) -> None:
    with pytest.raises(ProgramFailed, match=r"ended with 1: .*for this reason"):
        run(
            python("raise SystemExit('for this reason')"),
            python("import sys; sys.stdin.read()"),
            folder=tmp_path,
            environment=os.environ,
        )


def test_a_program_that_does_not_end_is_killed(tmp_path: Path) -> None:
    with pytest.raises(ProgramFailed, match="not ended"):
        run(
            python("import time; time.sleep(60)"),
            folder=tmp_path,
            environment=os.environ,
            seconds_max=0.3,
        )


def test_what_is_lost_is_missing_or_older() -> None:
    held = {"responses": {1: 100, 2: 200, 3: 300, 4: 400}, "declines": {1: 100}}

    assert lost(held, {"responses": {1: 100, 2: 199, 3: 301, 4: 399}}) == 3
    assert lost(held, {"declines": {1: 99}}) == 5


def test_of_a_row_loaded_twice_the_newest_counts(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "some.duckdb")) as connection:
        connection.execute("CREATE SCHEMA wootric")
        connection.execute(
            "CREATE TABLE wootric.responses AS FROM (VALUES (1, TIMESTAMP '2024-01-01')) rows(id, updated_at)"
        )
        connection.execute("INSERT INTO wootric.responses VALUES (1, '2024-01-02'), (2, '2024-01-01')")

    assert loaded(tmp_path / "some.duckdb") == {"responses": {1: 1_704_153_600, 2: 1_704_067_200}}
    assert loaded(tmp_path / "none.duckdb") == {}


def most_of_one_second(account: Account, table: str, axis: str) -> int:
    seconds = [row[axis] // SECOND for row in account.rows[table].values()]
    return max(map(seconds.count, set(seconds)))


def test_times_are_tied_only_where_they_are_meant_to_be() -> None:
    plain, tied = uniform(4_000, NOON), imported(4_000, NOON)
    at_once = updated_at_once(5 * MANY_TIED_ROWS, NOON)

    assert {
        most_of_one_second(plain, table, axis) for table in plain.rows for axis in ("created_at", "updated_at")
    } == {1}
    assert most_of_one_second(tied, "responses", "created_at") == TIED_ROWS
    assert most_of_one_second(at_once, "end_users", "updated_at") == MANY_TIED_ROWS
    assert most_of_one_second(at_once, "end_users", "created_at") == 1
    for account in (plain, tied, at_once):
        for rows in account.rows.values():
            assert all(row["created_at"] <= row["updated_at"] < NOON * SECOND for row in rows.values())


def connected_to(sandbox: SandboxProcess) -> AbstractContextManager[Client]:
    access = dict(sandbox.access)
    return connected(access.pop("base_url"), credentials=Credentials(**access))


@pytest.mark.parametrize(("changes", "expected"), [(2, 2), (5, 3)])
def test_a_sandbox_of_its_own_changes_rows_until_it_rests(changes: int, expected: int) -> None:
    with sandbox_process(uniform, 400, changes=changes) as sandbox, connected_to(sandbox) as client:
        before = sandbox.held()["declines"]
        for _ in range(3):
            client.get("/v1/declines", {})
        after = sandbox.held()["declines"]
        sandbox.rest()
        client.get("/v1/declines", {})

        assert sandbox.requests() == 1 + 4
        assert sandbox.held()["declines"] == after
        changed = [second for row_id, second in after.items() if second != before[row_id]]
        assert len(changed) == expected
        assert min(changed) > max(before.values())


SMALL = {
    "budget": ["500"],
    "connections": ["--rows", "300", "--runs", "1"],
    "cpu": ["--rows", "300", "--runs", "1"],
    "growth": ["--sizes", "300", "600", "--runs", "1"],
    "sharing": ["--rows", "300"],
}
"""Options with which a benchmark takes seconds. Whether it keeps its bounds shows nothing then."""


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_measures(name: str) -> None:
    command = [sys.executable, "-m", f"benchmarks.{name}", *SMALL[name]]
    measured = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert "Traceback" not in measured.stderr
    assert measured.stdout.count("\n|") > 2
