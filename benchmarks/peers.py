"""Loads the same accounts into DuckDB with this project, with tap-wootric and with dlt's `rest_api`, and compares.

Each client runs as its users run it, in processes of its own; the tap is piped into target-duckdb, and their memory
added up. Requests are counted where they arrive: those of a first load of an account in which no times are tied, and of
a second run, before which nothing has changed. Time, CPU and memory are of the first load, from a sandbox which takes
its share of the seconds, but not of the CPU seconds; all are medians. Rows are lost that are missing from DuckDB, or
older there than in the account, once the client has ended; where rows change meanwhile, once it has run a second time
with nothing changing.

With `--latency-ms 100` each answer takes 100 ms more. Losses are not counted then, but this project is compared with
what its requests would take if its connections shared them without a pause.
"""

import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import duckdb

from benchmarks import tap
from benchmarks.accounts import MakeAccount, imported, uniform, updated_at_once
from benchmarks.processes import Cost, ProgramFailed, arguments, machine, print_table, run
from benchmarks.programs import Load, first_loads, run_script
from benchmarks.sandbox_process import Held, SandboxProcess, sandbox_process
from tests.script import DUCKDB_FILE, TABLE_NAMES, Project

CONNECTIONS = 4
SECONDS_MAX = 900.0
REST_API_PIPELINE = Path(__file__).with_name("rest_api_pipeline.py")


@dataclass(frozen=True)
class Client:
    """One of those compared, and the DuckDB file it leaves in its folder."""

    name: str
    load: Load
    database: str


def load_with_tap(sandbox: SandboxProcess, folder: Path) -> Cost:
    """The tap, from the day on which the history begins, piped into the target; in a folder of theirs, they go on."""
    begins = datetime.fromtimestamp(sandbox.history_begins, timezone.utc)
    start = begins.replace(hour=0, minute=0, second=0)
    commands = tap.tap_command(sandbox.access, start, folder, tap.loaded_state(folder)), tap.target_command(folder)
    return run(*commands, folder=folder, environment=Project(folder).environment, seconds_max=SECONDS_MAX)


def load_with_rest_api(sandbox: SandboxProcess, folder: Path) -> Cost:
    """The pipeline in `rest_api_pipeline.py`."""
    environment = Project(folder, **sandbox.access).environment
    command = [sys.executable, str(REST_API_PIPELINE)]
    return run(command, folder=folder, environment=environment, seconds_max=SECONDS_MAX)


CLIENTS = (
    Client("this", run_script, DUCKDB_FILE),
    Client("tap-wootric, target-duckdb", load_with_tap, tap.DUCKDB_FILE),
    Client("dlt's rest_api", load_with_rest_api, "rest_api_pipeline.duckdb"),
)
LOSSES: dict[str, tuple[MakeAccount, int]] = {
    "lost, no ties": (uniform, 0),
    "lost, 400 of one second": (imported, 0),
    "lost, 4,000 updated at once": (updated_at_once, 0),
    "lost, 400 change meanwhile": (uniform, 400),
}
"""Accounts, and how many rows change while they are read."""


def loaded(database: Path) -> Held:
    """What a client loaded; of a row that is there twice, the newest version."""
    if not database.exists():
        return {}
    with duckdb.connect(str(database), read_only=True) as connection:
        tables = connection.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'wootric'").fetchall()
        newest = "SELECT id, max(epoch(updated_at))::BIGINT FROM wootric.{} GROUP BY id"
        return {
            name: dict(connection.execute(newest.format(name)).fetchall()) for name in TABLE_NAMES if (name,) in tables
        }


def lost(held: Held, there: Held) -> int:
    """How many of the rows held are not there, or only in an older version."""
    return sum(
        there.get(table, {}).get(row_id, -1) < second for table in held for row_id, second in held[table].items()
    )


def losses(client: Client, rows: int, account: MakeAccount, changes: int) -> str:
    """How many rows of an account are lost, and why the client did not end well, if so."""
    with sandbox_process(account, rows, changes) as sandbox, tempfile.TemporaryDirectory() as folder:
        error = ""
        try:
            client.load(sandbox, Path(folder))
            if changes:
                sandbox.rest()
                client.load(sandbox, Path(folder))
        except ProgramFailed as failure:
            print(failure, file=sys.stderr)
            error = f", {str(failure).partition(':')[0]}"
        return f"{lost(sandbox.held(), loaded(Path(folder, client.database))):,}{error}"


def unchanged_requests(client: Client, sandbox: SandboxProcess) -> int:
    """The requests of a second run, before which nothing has changed."""
    with tempfile.TemporaryDirectory() as folder:
        client.load(sandbox, Path(folder))
        before = sandbox.requests()
        client.load(sandbox, Path(folder))
    return sandbox.requests() - before


def main() -> None:
    """Measures and prints."""
    parser = arguments(__doc__, rows=0, runs=5)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    options = parser.parse_args()
    latency_seconds = options.latency_ms / 1000
    rows = options.rows or (50_000 if latency_seconds else 20_000)
    with sandbox_process(uniform, rows, latency_seconds=latency_seconds) as sandbox:
        loads = first_loads(sandbox, options.runs, [client.load for client in CLIENTS])
        unchanged = [unchanged_requests(client, sandbox) for client in CLIENTS]
    cases = {} if latency_seconds else LOSSES
    lines = [
        [client.name, requests, later, cost.seconds, cost.cpu_seconds, round(cost.peak_mb)]
        + [losses(client, rows, *case) for case in cases.values()]
        for client, (cost, requests), later in zip(CLIENTS, loads, unchanged, strict=True)
    ]
    print(f"{machine()}\n\n{rows:,} rows, first loads into DuckDB, medians of {options.runs}:\n")
    print_table(["client", "requests", "nothing changed", "seconds", "CPU seconds", "peak MB", *cases], lines)
    if latency_seconds:
        seconds, requests = loads[0][0].seconds, loads[0][1]
        least = requests / CONNECTIONS * latency_seconds
        print(f"{CONNECTIONS} connections need {least:.1f} s at the least; taken: {seconds / least:.2f} times that.")


if __name__ == "__main__":
    main()
