"""Measures the peak memory of a first load of 50,000 rows and of a million: into files, and into DuckDB.

Run it with `python benchmarks/memory.py`. The sandbox runs in a process of its own, so that the memory is that of
wootric_pipeline.py alone: the most the system says its process ever held. Files are parquet, to which each load
appends: what is measured there is the loader and dlt. DuckDB is a part of the process, and merges what is loaded.

Ends with exit code 1 if rows are missing, or a million rows take `GROWTH_MB_MAX` more than 50,000 where they are loaded
into files.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.processes import machine, print_table
from benchmarks.sandbox_process import sandbox_process
from benchmarks.script import ScriptRun, run_script

SIZES = (50_000, 1_000_000)
GROWTH_MB_MAX = 60
DESTINATIONS = ("filesystem", "duckdb")


def first_load(rows: int, destination: str) -> ScriptRun:
    """The cost of loading an account of so many rows."""
    with sandbox_process("uniform", rows) as sandbox, tempfile.TemporaryDirectory() as folder:
        settings = {
            "DESTINATION__FILESYSTEM__BUCKET_URL": f"file://{folder}/files",
            "SOURCES__WOOTRIC__FILES": "parquet",
        }
        return run_script(sandbox.url, Path(folder), "--destination", destination, settings=settings)


def main() -> int:
    """Measures and prints; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=lambda text: [int(size) for size in text.split(",")], default=list(SIZES))
    sizes = parser.parse_args().sizes
    runs = {destination: [first_load(rows, destination) for rows in sizes] for destination in DESTINATIONS}
    print(f"{machine()}\n")
    growth_mb = {name: each[-1].cost.peak_mb - each[0].cost.peak_mb for name, each in runs.items()}
    print_table(
        ["destination", *[f"{rows:,} rows, peak MB" for rows in sizes], "growth, MB"],
        [[name, *[f"{run.cost.peak_mb:.0f}" for run in each], f"{growth_mb[name]:.0f}"] for name, each in runs.items()],
    )
    complete = all([run.rows for run in each] == sizes for each in runs.values())
    return 0 if complete and growth_mb["filesystem"] <= GROWTH_MB_MAX else 1


if __name__ == "__main__":
    sys.exit(main())
