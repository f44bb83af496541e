"""Loads the same accounts into DuckDB with this project, with tap-wootric and with dlt's `rest_api`, and compares.

Run it with `python benchmarks/peers.py`; the first run installs tap-wootric and target-duckdb in `benchmarks/.peers`.

Each client runs as its users run it, in processes of its own; the tap is piped into the target, and their memory added
up. Time, CPU and memory are medians of `--runs` first loads of an account in which no times are tied, from a sandbox
without a rate limit, which takes its share of the seconds, but not of the CPU seconds. Rows are lost that are missing
from DuckDB, or older there than in the account, once the client has ended; where rows change meanwhile, once it has run
a second time with nothing changing.

With `--latency-ms 100` each answer takes 100 ms more, and only first loads are compared, with each other and with what
the requests of this project would take if its connections shared them without a pause. With `--rate-limit 100` each
client loads once from a sandbox that allows so many requests a minute, which may take the tap an hour.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import duckdb

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import script, tap
from benchmarks.processes import Cost, ProgramFailed, clean_environment, machine, median, print_table, run
from benchmarks.sandbox_process import Held, SandboxProcess, sandbox_process
from wootric_pipeline.sandbox import CLIENT_ID, CLIENT_SECRET
from wootric_pipeline.sandbox.demo_account import HISTORY_YEARS, YEAR_SECONDS
from wootric_pipeline.tables import TABLES

ROWS, ROWS_WITH_LATENCY = 20_000, 50_000
CHANGES = 400
CONNECTIONS = 4
SECONDS_MAX = 900.0
RATE_LIMITED_SECONDS_MAX = 7_200.0
REST_API_PIPELINE = Path(__file__).with_name("rest_api_pipeline.py")

Load = Callable[[str, Path, float], Cost]
"""Loads what the sandbox at an address holds, in a folder, in at most so many seconds."""


@dataclass(frozen=True)
class Client:
    """One of those compared, and the DuckDB file it leaves in its folder."""

    name: str
    load: Load
    database: str


@dataclass(frozen=True)
class Result:
    """What became of loading an account: rows lost, how many of them are there in an older version, and an error."""

    lost: int
    stale: int
    error: str = ""

    def __str__(self) -> str:
        """As it stands in the table."""
        stale = f" ({self.stale:,} stale)" if self.stale else ""
        return f"{self.lost:,}{stale}{', ' if self.error else ''}{self.error}"


def load_with_script(url: str, folder: Path, seconds_max: float) -> Cost:
    """This project, as its README says."""
    return script.run_script(url, folder, seconds_max=seconds_max).cost


def load_with_tap(url: str, folder: Path, seconds_max: float) -> Cost:
    """The tap, from the day on which the history begins, piped into the target."""
    begins = datetime.fromtimestamp(time.time() - HISTORY_YEARS * YEAR_SECONDS, timezone.utc)
    start = begins.replace(hour=0, minute=0, second=0, microsecond=0)
    return tap.run_tap_and_target(url, CLIENT_ID, CLIENT_SECRET, start, folder, seconds_max)


def load_with_rest_api(url: str, folder: Path, seconds_max: float) -> Cost:
    """The pipeline in `rest_api_pipeline.py`."""
    access = {"WOOTRIC_URL": url, "WOOTRIC_CLIENT_ID": CLIENT_ID, "WOOTRIC_CLIENT_SECRET": CLIENT_SECRET}
    environment = clean_environment(folder, **access)
    return run(
        [sys.executable, str(REST_API_PIPELINE)], folder=folder, environment=environment, seconds_max=seconds_max
    )


CLIENTS = (
    Client("wootric_pipeline.py", load_with_script, script.DUCKDB_FILE),
    Client(f"{tap.TAP_NAME}, {tap.TARGET_NAME}", load_with_tap, tap.DUCKDB_FILE),
    Client("dlt rest_api", load_with_rest_api, "rest_api_pipeline.duckdb"),
)
DATASET = "wootric"


def loaded(database: Path) -> Held:
    """What a client loaded; of a row that is there twice, the newest version."""
    if not database.exists():
        return {}
    with duckdb.connect(str(database), read_only=True) as connection:
        tables = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = ?", [DATASET]
        ).fetchall()
        newest = "SELECT id, max(epoch(updated_at))::BIGINT FROM {}.{} GROUP BY id"
        return {
            table: dict(connection.execute(newest.format(DATASET, table)).fetchall())
            for (table,) in tables
            if table in TABLES
        }


def result(client: Client, account: str, rows: int, changes: int = 0) -> Result:
    """What is lost of an account."""
    with sandbox_process(account, rows, changes=changes) as sandbox, tempfile.TemporaryDirectory() as folder:
        error = ""
        try:
            client.load(sandbox.url, Path(folder), SECONDS_MAX)
            if changes:
                sandbox.rest()
                client.load(sandbox.url, Path(folder), SECONDS_MAX)
        except ProgramFailed as failure:
            error = _told(failure)
        return compared(sandbox.held(), loaded(Path(folder, client.database)), error)


def compared(held: Held, there: Held, error: str) -> Result:
    """What of the rows held is not there, or only in an older version."""
    seconds = [
        (second, there.get(table, {}).get(row_id)) for table, rows in held.items() for row_id, second in rows.items()
    ]
    missing = sum(found is None for _, found in seconds)
    stale = sum(found is not None and found < second for second, found in seconds)
    return Result(missing + stale, stale, error)


def _told(failure: ProgramFailed) -> str:
    print(failure, file=sys.stderr)
    return "not ended" if "not ended" in str(failure) else "ended with an error"


def first_load(client: Client, sandbox: SandboxProcess) -> tuple[Cost, int]:
    """The cost of a first load, and its requests."""
    before = sandbox.requests()
    with tempfile.TemporaryDirectory() as folder:
        cost = client.load(sandbox.url, Path(folder), SECONDS_MAX)
    return cost, sandbox.requests() - before


def first_loads(rows: int, runs: int, latency_ms: float | None) -> dict[str, tuple[Cost, int]]:
    """By client: the medians of some first loads, and the requests of the last; the clients take turns."""
    costs: dict[str, list[Cost]] = {client.name: [] for client in CLIENTS}
    requests: dict[str, int] = {}
    with sandbox_process("uniform", rows, latency_ms=latency_ms) as sandbox:
        for _ in range(runs):
            for client in CLIENTS:
                cost, requests[client.name] = first_load(client, sandbox)
                costs[client.name].append(cost)
    return {name: (median(each), requests[name]) for name, each in costs.items()}


def cost_cells(cost: Cost, requests: int) -> list[object]:
    """A client's figures in the table."""
    return [requests, f"{cost.seconds:.1f}", f"{cost.cpu_seconds:.1f}", f"{cost.peak_mb:.0f}"]


COST_HEAD = ["requests", "seconds", "CPU seconds", "peak MB"]
LOSSES: dict[str, tuple[str, int]] = {
    "lost, no ties": ("uniform", 0),
    "lost, 400 of one second": ("imported", 0),
    "lost, 4,000 updated at once": ("updated-at-once", 0),
    "lost, rows change meanwhile": ("uniform", CHANGES),
}


def compare(rows: int, runs: int) -> None:
    """First loads, and what each client loses."""
    costs = first_loads(rows, runs, None)
    print(f"{rows:,} rows, first load into DuckDB, medians of {runs}:\n")
    losses = {
        client.name: [result(client, account, rows, changes) for account, changes in LOSSES.values()]
        for client in CLIENTS
    }
    print_table(
        ["client", *COST_HEAD, *LOSSES],
        [[client.name, *cost_cells(*costs[client.name]), *losses[client.name]] for client in CLIENTS],
    )


def compare_with_latency(rows: int, runs: int, latency_ms: float) -> None:
    """First loads from a server that answers late."""
    costs = first_loads(rows, runs, latency_ms)
    cost, requests = costs[CLIENTS[0].name]
    own, least = cost.seconds, requests / CONNECTIONS * latency_ms / 1000
    print(f"{rows:,} rows, first load into DuckDB, each answer {latency_ms:.0f} ms late, medians of {runs}:\n")
    print_table(
        ["client", *COST_HEAD, "times as long"],
        [[name, *cost_cells(*figures), f"{figures[0].seconds / own:.1f}"] for name, figures in costs.items()],
    )
    print(f"The least that {CONNECTIONS} connections need for {requests:,} requests: {least:.1f} s.")
    print(f"Taken: {own / least:.2f} times that.")


def compare_with_rate_limit(rows: int, rate_limit: int) -> None:
    """One load by each client from a server that allows so many requests a minute."""
    lines: list[list[object]] = []
    for client in CLIENTS:
        with (
            sandbox_process("uniform", rows, rate_limit=rate_limit) as sandbox,
            tempfile.TemporaryDirectory() as folder,
        ):
            error, started = "", time.monotonic()
            try:
                client.load(sandbox.url, Path(folder), RATE_LIMITED_SECONDS_MAX)
            except ProgramFailed as failure:
                error = _told(failure)
            seconds = time.monotonic() - started
            lost = compared(sandbox.held(), loaded(Path(folder, client.database)), error)
            lines.append([client.name, sandbox.requests(), f"{seconds:.0f}", lost])
    print(f"{rows:,} rows, first load into DuckDB, {rate_limit:,} requests a minute:\n")
    print_table(["client", "requests", "seconds", "lost"], lines)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, help=f"default {ROWS:,}, or {ROWS_WITH_LATENCY:,} with --latency-ms")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--latency-ms", type=float)
    parser.add_argument("--rate-limit", type=int, metavar="N")
    options = parser.parse_args()
    tap.tap_python()
    tap.target_python()
    print(f"{machine()}\n")
    if options.latency_ms:
        compare_with_latency(options.rows or ROWS_WITH_LATENCY, options.runs, options.latency_ms)
    elif options.rate_limit:
        compare_with_rate_limit(options.rows or ROWS, options.rate_limit)
    else:
        compare(options.rows or ROWS, options.runs)


if __name__ == "__main__":
    main()
