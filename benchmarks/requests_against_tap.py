"""Counts the requests of a first load and of a run in which nothing changed, beside tap-wootric on the same sandbox.

Run it with `python benchmarks/requests_against_tap.py`; the first run installs tap-wootric in `benchmarks/.peers`.

The sandbox serves 20,000 rows over four years and stands still. Both clients begin on the day of its oldest row: the
tap asks for each stretch of time separately, so that an earlier start would only cost it more. Requests are counted
where they arrive. Rows are counted by distinct id: what the tap wrote, and what is in the DuckDB file.
"""

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timezone
from math import ceil
from pathlib import Path
from typing import TypeVar

import duckdb

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.processes import machine, print_table
from benchmarks.script import DATASET, DUCKDB_FILE, run_script
from benchmarks.tap import TAP_NAME, run_tap, tap_python
from wootric_pipeline.sandbox import CLIENT_ID, CLIENT_SECRET, SECOND, Account, DemoAccount, Sandbox
from wootric_pipeline.sandbox.query import PER_PAGE_MAX

LOADER_NAME = "wootric_pipeline.py"
FIRST, UNCHANGED = "first load", "nothing changed"
TOKEN = "token"

Requests = dict[str, Counter[str]]
"""By run, then by table."""
Answer = TypeVar("Answer")


def day_of_oldest_row(account: Account) -> datetime:
    """The midnight, UTC, before the first row was created."""
    oldest = min(row["created_at"] for rows in account.rows.values() for row in rows.values())
    moment = datetime.fromtimestamp(oldest // SECOND, timezone.utc)
    return moment.replace(hour=0, minute=0, second=0)


def counted(sandbox: Sandbox, run: Callable[[], Answer]) -> tuple[Answer, Counter[str]]:
    """What a run answers, and the requests that arrived meanwhile."""
    before = len(sandbox.requests)
    answer = run()
    return answer, Counter(request.path.rpartition("/")[2] for request in sandbox.requests[before:])


def load_twice(sandbox: Sandbox, start: datetime, folder: Path) -> tuple[Requests, dict[str, int]]:
    """The requests of the script's two runs, and the rows in DuckDB."""

    def run() -> None:
        run_script(sandbox.url, folder, "--start-date", f"{start:%Y-%m-%d}")

    requests = {name: counted(sandbox, run)[1] for name in (FIRST, UNCHANGED)}
    with duckdb.connect(str(folder / DUCKDB_FILE), read_only=True) as database:
        rows = {table: _distinct_ids(database, table) for table in sandbox.account.rows}
    return requests, rows


def _distinct_ids(database: duckdb.DuckDBPyConnection, table: str) -> int:
    (count,) = database.execute(f"SELECT count(DISTINCT id) FROM {DATASET}.{table}").fetchone() or (0,)
    return int(count)


def tap_twice(sandbox: Sandbox, start: datetime, folder: Path) -> tuple[Requests, dict[str, int]]:
    """The requests of the tap's two runs, and the rows of the first."""
    tap_python()
    first, first_requests = counted(sandbox, lambda: run_tap(sandbox.url, CLIENT_ID, CLIENT_SECRET, start, folder))
    _, unchanged_requests = counted(
        sandbox, lambda: run_tap(sandbox.url, CLIENT_ID, CLIENT_SECRET, start, folder, first.state)
    )
    rows = {table: len(first.rows.get(table, {})) for table in sandbox.account.rows}
    return {FIRST: first_requests, UNCHANGED: unchanged_requests}, rows


def print_requests(held: dict[str, int], clients: dict[str, Requests]) -> None:
    """One row for each client and run."""
    least = {table: ceil(rows / PER_PAGE_MAX) for table, rows in held.items()}
    lines: list[list[object]] = [
        ["least possible, first load", *least.values(), 0, sum(least.values())],
        ["least possible, nothing changed", *(1 for _ in held), 0, len(held)],
    ]
    for client, requests in clients.items():
        lines += [
            [f"{client}, {run}", *(counts[name] for name in (*held, TOKEN)), counts.total()]
            for run, counts in requests.items()
        ]
    print_table(["requests", *held, TOKEN, "all"], lines)


def main() -> None:
    """Measures and prints."""
    account = DemoAccount(int(time.time()))
    held = {table: len(rows) for table, rows in account.rows.items()}
    start = day_of_oldest_row(account)
    with tempfile.TemporaryDirectory() as folder, Sandbox(account) as sandbox:
        for name in ("loader", "tap"):
            Path(folder, name).mkdir()
        loader_requests, loader_rows = load_twice(sandbox, start, Path(folder, "loader"))
        tap_requests, tap_rows = tap_twice(sandbox, start, Path(folder, "tap"))
    print(machine())
    print(f"{sum(held.values()):,} rows, both clients with start_date {start:%Y-%m-%d}, which covers all of them.\n")
    print_requests(held, {LOADER_NAME: loader_requests, TAP_NAME: tap_requests})
    lines = {"held by the sandbox": held, LOADER_NAME: loader_rows, TAP_NAME: tap_rows}
    print_table(
        ["rows, distinct by id", *held, "all"],
        [[name, *rows.values(), sum(rows.values())] for name, rows in lines.items()],
    )


if __name__ == "__main__":
    main()
