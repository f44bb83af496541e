"""Measures the peak memory of a first load of 50,000 rows and of a million: into files, and into DuckDB.

Run it with `python benchmarks/memory.py`. The sandbox runs in a process of its own, so that the memory is that of
wootric_pipeline.py alone: the most the system says its process ever held, as medians of five loads. Both destinations
are loaded at the same time, which takes longer, but no more memory of either. Files are parquet, to which each load
appends: what is measured there is the loader and dlt. DuckDB is a part of the process, and merges what is loaded.

Ends with exit code 1 if rows are missing, or a million rows take `GROWTH_MB_MAX` more than 50,000.
"""

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.processes import machine, print_table
from benchmarks.sandbox_process import SandboxProcess, sandbox_process
from benchmarks.script import ScriptRun, run_script

SIZES = (50_000, 1_000_000)
RUNS = 5
GROWTH_MB_MAX = 60
DESTINATIONS = ("filesystem", "duckdb")


def first_load(sandbox: SandboxProcess, destination: str) -> ScriptRun:
    """The cost of loading a sandbox's account."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "DESTINATION__FILESYSTEM__BUCKET_URL": f"file://{folder}/files",
            "SOURCES__WOOTRIC__FILES": "parquet",
        }
        return run_script(sandbox.url, Path(folder), "--destination", destination, settings=settings)


def peaks_mb(rows: int, runs: int) -> dict[str, float]:
    """By destination: the median of the peaks with so many rows.

    Raises:
        ValueError: Rows are missing.
    """
    peaks: dict[str, list[float]] = {destination: [] for destination in DESTINATIONS}
    with sandbox_process("uniform", rows) as sandbox:
        for _ in range(runs):
            with ThreadPoolExecutor(len(DESTINATIONS)) as pool:
                loads = pool.map(partial(first_load, sandbox), DESTINATIONS)
            for destination, loaded in zip(DESTINATIONS, loads, strict=True):
                if loaded.rows != rows:
                    raise ValueError(f"{destination} got {loaded.rows:,} of {rows:,} rows")
                peaks[destination].append(loaded.cost.peak_mb)
    return {destination: median(each) for destination, each in peaks.items()}


def main() -> int:
    """Measures and prints; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=lambda text: [int(size) for size in text.split(",")], default=list(SIZES))
    parser.add_argument("--runs", type=int, default=RUNS)
    options = parser.parse_args()
    peaks = [peaks_mb(rows, options.runs) for rows in options.sizes]
    growth_mb = {name: peaks[-1][name] - peaks[0][name] for name in DESTINATIONS}
    print(f"{machine()}\n\nMedians of {options.runs}:\n")
    print_table(
        ["destination", *[f"{rows:,} rows, peak MB" for rows in options.sizes], "growth, MB"],
        [[name, *[f"{each[name]:.0f}" for each in peaks], f"{growth_mb[name]:.0f}"] for name in DESTINATIONS],
    )
    return 0 if max(growth_mb.values()) <= GROWTH_MB_MAX else 1


if __name__ == "__main__":
    sys.exit(main())
