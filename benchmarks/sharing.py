"""Measures one account's limit that two processes share, and many accounts that one process loads in turn.

The limit is 20 requests in 10 seconds. A first load of all tables is made by one process, and by two at once, each of
which takes some of the tables. Then `--accounts all` loads several accounts, each of as many rows.
"""

import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.accounts import uniform
from benchmarks.peers import loaded, lost
from benchmarks.processes import OUTPUT, Cost, arguments, machine, print_table
from benchmarks.programs import run_script
from benchmarks.sandbox_process import SandboxProcess, sandbox_process
from tests.script import DUCKDB_FILE

SHARES = (("end_users,responses,declines",), ("responses", "end_users,declines"))
"""The tables of each process."""
SOME_ACCOUNTS = (1, 5, 20)


def shared(rows: int) -> list[list[object]]:
    """By number of processes: seconds, requests, those of them that were refused, and rows lost."""
    figures: list[list[object]] = []
    for shares in SHARES:
        with (
            sandbox_process(uniform, rows, rate_limit=20, rate_window_seconds=10) as sandbox,
            tempfile.TemporaryDirectory() as folder,
        ):
            folders = [Path(folder, str(number)) for number in range(len(shares))]
            with ThreadPoolExecutor(len(shares)) as pool:
                costs = list(pool.map(partial(_load, sandbox), folders, shares))
            reports = [json.loads((each / OUTPUT).read_text().splitlines()[-1]) for each in folders]
            tables = sum(sum(table["requests"] for table in each["tables"].values()) for each in reports)
            found: dict[str, dict[int, int]] = {}
            for each in folders:
                found |= {name: rows for name, rows in loaded(each / DUCKDB_FILE).items() if rows}
            requests = sandbox.requests()
            refused = requests - tables - len(shares)
            figures.append([max(cost.seconds for cost in costs), requests, refused, lost(sandbox.held(), found)])
    return figures


def _load(sandbox: SandboxProcess, folder: Path, tables: str) -> Cost:
    folder.mkdir()
    return run_script(sandbox, folder, SOURCES__WOOTRIC__TABLES=tables)


def accounts(rows: int, counts: tuple[int, ...]) -> list[list[object]]:
    """By number of accounts: requests, seconds and peak memory."""
    figures: list[list[object]] = []
    with sandbox_process(uniform, rows) as sandbox:
        for count in counts:
            before = sandbox.requests()
            with tempfile.TemporaryDirectory() as folder:
                names = {f"SOURCES__WOOTRIC__A{number}__CONNECTIONS": "4" for number in range(count)}
                cost = run_script(sandbox, Path(folder), "--accounts", "all", **names)
                reports = json.loads(Path(folder, OUTPUT).read_text().splitlines()[-1])
                if not all(each["ok"] for each in reports) or len(reports) != count:
                    raise RuntimeError("Not all accounts are complete.")
            figures.append([sandbox.requests() - before, cost.seconds, cost.peak_mb])
    return figures


def main() -> None:
    """Measures and prints."""
    options = arguments(__doc__, rows=5_000).parse_args()
    print(f"{machine()}\n\n{options.rows:,} rows of an account, 20 requests in 10 seconds:\n")
    head = ["processes", "seconds", "requests", "of them refused", "rows lost"]
    print_table(head, [[len(shares), *each] for shares, each in zip(SHARES, shared(options.rows), strict=True)])
    print(f"Accounts of {options.rows:,} rows each, without a limit, by one process:\n")
    head = ["accounts", "requests", "seconds", "peak MB"]
    rows = accounts(options.rows, SOME_ACCOUNTS)
    print_table(head, [[count, *each] for count, each in zip(SOME_ACCOUNTS, rows, strict=True)])


if __name__ == "__main__":
    main()
