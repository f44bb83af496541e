"""Measures the memory and the time of a first load into DuckDB of 20,000 and of 200,000 rows.

Run it with `python benchmarks/memory.py`. The sandbox runs in a process of its own, so that the memory is that of
wootric_pipeline.py alone: the most the system says its process ever held. Seconds are from its start to its end; the
sandbox takes its share of them. Ends with exit code 1 if memory grows by 100 MB or more, or rows are missing.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.processes import machine, print_table
from benchmarks.sandbox_process import sandbox_process
from benchmarks.script import ScriptRun, run_script

SIZES = (20_000, 200_000)
GROWTH_MB_MAX = 100


def first_load(rows: int) -> ScriptRun:
    """The cost of loading an account of so many rows."""
    with sandbox_process("demo", rows) as sandbox, tempfile.TemporaryDirectory() as folder:
        return run_script(sandbox.url, Path(folder))


def main() -> int:
    """Measures and prints; the exit code."""
    runs = {rows: first_load(rows) for rows in SIZES}
    print(f"{machine()}\n")
    print_table(
        ["account", "rows loaded", "peak memory, MB", "seconds", "CPU seconds"],
        [
            [
                f"{rows:,} rows",
                run.rows,
                f"{run.cost.peak_mb:.0f}",
                f"{run.cost.seconds:.1f}",
                f"{run.cost.cpu_seconds:.1f}",
            ]
            for rows, run in runs.items()
        ],
    )
    small, large = (runs[rows] for rows in SIZES)
    growth_mb = large.cost.peak_mb - small.cost.peak_mb
    print(f"Memory grows by {growth_mb:.0f} MB; the limit is {GROWTH_MB_MAX} MB.")
    complete = all(run.rows == rows for rows, run in runs.items())
    return 0 if complete and growth_mb < GROWTH_MB_MAX else 1


if __name__ == "__main__":
    sys.exit(main())
