"""Measures how first loads grow from 50,000 rows to a million: seconds, requests and peak memory.

The sandbox is a process of its own, so that the memory is that of wootric_pipeline.py alone: the most the system says
its process ever held. Files are parquet, to which each load appends: what is measured there is the loader and dlt.
DuckDB is a part of the process, and merges what is loaded. Medians; the destinations take turns.

Ends with exit code 1 if rows are missing, or the most rows take `GROWTH_MB_MAX` more than the fewest.
"""

import json
import sys
from functools import partial
from math import ceil
from pathlib import Path

from benchmarks.accounts import uniform
from benchmarks.processes import OUTPUT, Cost, ProgramFailed, arguments, machine, print_table
from benchmarks.programs import first_loads, run_script
from benchmarks.sandbox_process import SandboxProcess, sandbox_process
from wootric_pipeline.tables import TABLES

SIZES = (50_000, 1_000_000)
PAGE_ROWS = 50
GROWTH_MB_MAX = 60
DESTINATIONS = {
    "files": {
        "DESTINATION_TYPE": "filesystem",
        "DESTINATION__FILESYSTEM__BUCKET_URL": "files",
        "SOURCES__WOOTRIC__FILES": "parquet",
    },
    "DuckDB": {"DESTINATION_TYPE": "duckdb"},
}


def load(rows: int, environment: dict[str, str], sandbox: SandboxProcess, folder: Path) -> Cost:
    """A first load of all rows.

    Raises:
        ProgramFailed: It ended with an error, or rows are missing.
    """
    cost = run_script(sandbox, folder, **environment)
    tables = json.loads((folder / OUTPUT).read_text())["tables"]
    if (loaded := sum(tables[name]["rows"] for name in TABLES)) != rows:
        raise ProgramFailed(f"{loaded:,} of {rows:,} rows were loaded")
    return cost


def main() -> int:
    """Measures and prints; the exit code."""
    parser = arguments(__doc__, runs=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="ROWS")
    options = parser.parse_args()
    lines: list[list[object]] = []
    peaks: dict[str, list[float]] = {name: [] for name in DESTINATIONS}
    for rows in options.sizes:
        loads = [partial(load, rows, environment) for environment in DESTINATIONS.values()]
        with sandbox_process(uniform, rows) as sandbox:
            measured = first_loads(sandbox, options.runs, loads)
        for name, (cost, requests) in zip(DESTINATIONS, measured, strict=True):
            peaks[name].append(cost.peak_mb)
            least = ceil(rows / PAGE_ROWS)
            lines.append([f"{rows:,} into {name}", cost.seconds, requests, least, cost.cpu_seconds, cost.peak_mb])
    print(f"{machine()}\n\nFirst loads, medians of {options.runs}:\n")
    print_table(["rows", "seconds", "requests", "least possible", "CPU seconds", "peak MB"], lines)
    growth_mb = {name: each[-1] - each[0] for name, each in peaks.items()}
    print("Growth of memory:", ", ".join(f"{name} {each:.0f} MB" for name, each in growth_mb.items()))
    return 0 if max(growth_mb.values()) <= GROWTH_MB_MAX else 1


if __name__ == "__main__":
    sys.exit(main())
