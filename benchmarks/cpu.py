"""Measures the CPU seconds of loading 100,000 rows into DuckDB, beside what dlt alone needs for the same rows.

The script reads them from a sandbox in another process. dlt alone is given them as lists in memory, with their types
and the source's hints, in a process of its own; making the lists does not count. The CPU seconds of `--help`, which has
to import all that is needed, are taken off the script's: dlt alone is measured from after its imports. Then come those
of `--help`, and of a run in which nothing has changed. All are medians. Ends with exit code 1 if more is needed than
`RATIO_MAX` and so on allow.
"""

import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.accounts import uniform
from benchmarks.processes import arguments, machine, print_table, run
from benchmarks.programs import run_dlt_alone, run_script
from benchmarks.sandbox_process import SandboxProcess, sandbox_process
from tests.script import Project

RATIO_MAX = 1.5
HELP_SECONDS_MAX = 1.0
UNCHANGED_SECONDS_MAX = 2.0


def measured(sandbox: SandboxProcess, rows: int) -> tuple[float, float, float, float]:
    """CPU seconds of `--help`, of a first load, of a second run, in which nothing has changed, and of dlt alone."""
    with tempfile.TemporaryDirectory() as name:
        project = Project(Path(name))
        command = [sys.executable, *project.command("--help")]
        of_help = run(command, folder=project.folder, environment=project.environment)
        first, unchanged = (run_script(sandbox, project.folder) for _ in range(2))
    with tempfile.TemporaryDirectory() as name:
        seconds, _ = run_dlt_alone(Path(name), "account", str(rows), "duckdb", "delta", LOAD__WORKERS="1")
    return of_help.cpu_seconds, first.cpu_seconds, unchanged.cpu_seconds, seconds["cpu"]


def main() -> int:
    """Measures and prints; the exit code."""
    options = arguments(__doc__, rows=100_000, runs=5).parse_args()
    with sandbox_process(uniform, options.rows) as sandbox:
        runs = [measured(sandbox, options.rows) for _ in range(options.runs)]
    of_help, first, unchanged, of_dlt = map(median, zip(*runs, strict=True))
    ratio = (first - of_help) / of_dlt
    print(f"{machine()}\n\n{options.rows:,} rows, medians of {options.runs}:\n")
    print_table(
        ["CPU seconds", "", "at most"],
        [
            ["first load, from HTTP to DuckDB, without start-up", f"{first - of_help:.2f}", ""],
            ["dlt alone, the same rows from memory to DuckDB", f"{of_dlt:.2f}", ""],
            ["ratio", f"{ratio:.2f}", f"{RATIO_MAX:.2f}"],
            ["--help", f"{of_help:.2f}", f"{HELP_SECONDS_MAX:.2f}"],
            ["a run in which nothing has changed", f"{unchanged:.2f}", f"{UNCHANGED_SECONDS_MAX:.2f}"],
        ],
    )
    return 0 if ratio <= RATIO_MAX and of_help <= HELP_SECONDS_MAX and unchanged <= UNCHANGED_SECONDS_MAX else 1


if __name__ == "__main__":
    sys.exit(main())
