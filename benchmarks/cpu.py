"""Measures the CPU seconds of loading 100,000 rows into DuckDB, beside what dlt alone needs for the same rows.

Run it with `python benchmarks/cpu.py`. The script reads them from a sandbox in another process. dlt alone is given them
as lists in memory, with their types and the source's hints, in a process of its own; making the lists does not count.
The CPU seconds of `--help`, which has to import all that is needed, are taken off the script's: dlt alone is measured
from after its imports. Then come those of `--help`, and of a run in which nothing has changed. All are medians of five.

`--profile` shows instead where the script's process spends its time in Python, by py-spy, which it installs in
`benchmarks/.peers`: all functions by themselves, and the loader's with what they call. Time that DuckDB, Arrow and
compression spend without Python's lock is not in it. Without `--profile`, the exit code is 1 if more is needed than
`RATIO_MAX` and so on allow.
"""

import argparse
import gc
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent))

import dlt

from benchmarks.processes import OUTPUT, clean_environment, machine, print_table, run
from benchmarks.rows_at_hand import rows_source, typed_rows
from benchmarks.sandbox_process import sandbox_process, uniform
from benchmarks.script import DATASET, environment, run_script, script_command
from benchmarks.tap import environment_python
from wootric_pipeline.destinations.layout import layout
from wootric_pipeline.tables import TABLES

ROWS, RUNS = 100_000, 5
RATIO_MAX = 1.5
HELP_SECONDS_MAX = 1.0
UNCHANGED_SECONDS_MAX = 2.0
PY_SPY_VERSION = "0.4.3"
PACKAGE = "(wootric_pipeline/"
PROFILE = "profile.txt"
PROFILE_LINES = 15
SAMPLES_PER_SECOND = 250


def load_rows_at_hand(rows: int) -> None:
    """Loads lists of rows with dlt alone, in this process, and prints its CPU seconds."""
    account = uniform(rows, int(time.time()))
    pages = {name: [typed_rows(account, table)] for name, table in TABLES.items()}
    del account
    # Of these none is garbage: looking at them again and again would count as dlt's.
    gc.freeze()
    before = time.process_time()
    pipeline = dlt.pipeline("rows_at_hand", destination="duckdb", dataset_name=DATASET)
    pipeline.run(rows_source(pages, layout("duckdb", "delta")))
    print(time.process_time() - before)


def cpu_of_dlt(rows: int) -> float:
    """CPU seconds of dlt alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, __file__, "--rows", str(rows), "--rows-at-hand"]
        run(command, folder=folder, environment=clean_environment(folder, LOAD__WORKERS="1"))
        return float((folder / OUTPUT).read_text().splitlines()[-1])


def cpu_of_help() -> float:
    """CPU seconds of `--help`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return run(script_command("--help"), folder=folder, environment=clean_environment(folder)).cpu_seconds


def cpu_of_script(url: str) -> tuple[float, float]:
    """CPU seconds of a first load, and of a second run, in which nothing has changed."""
    with tempfile.TemporaryDirectory() as folder:
        first, second = (run_script(url, Path(folder)).cost.cpu_seconds for _ in range(2))
        return first, second


def compare(rows: int, runs: int) -> bool:
    """Measures and prints; whether no more is needed than allowed."""
    with sandbox_process("uniform", rows) as sandbox:
        measured = [(cpu_of_help(), *cpu_of_script(sandbox.url), cpu_of_dlt(rows)) for _ in range(runs)]
    medians: list[float] = [median(each) for each in zip(*measured, strict=True)]
    of_help, first, unchanged, of_dlt = medians
    ratio = (first - of_help) / of_dlt
    print(f"{machine()}\n\n{rows:,} rows, medians of {runs}:\n")
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
    return ratio <= RATIO_MAX and of_help <= HELP_SECONDS_MAX and unchanged <= UNCHANGED_SECONDS_MAX


def profile(rows: int) -> None:
    """Prints the functions in which a first load spends most of its time in Python."""
    py_spy = environment_python("py-spy", [f"py-spy=={PY_SPY_VERSION}"]).with_name("py-spy")
    with sandbox_process("uniform", rows) as sandbox, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spy = [str(py_spy), "record", "--gil", "--function", "--format=raw", f"--rate={SAMPLES_PER_SECOND}"]
        command = [*spy, f"--output={folder / PROFILE}", "--", *script_command()]
        run(command, folder=folder, environment=environment(sandbox.url, folder))
        stacks = [line.rpartition(" ") for line in (folder / PROFILE).read_text().splitlines()]
    samples = [(stack.split(";"), int(count)) for stack, _, count in stacks if stack]
    alone, with_callees = Counter[str](), Counter[str]()
    for functions, count in samples:
        alone[functions[-1]] += count
        with_callees.update(dict.fromkeys(filter(lambda name: PACKAGE in name, functions), count))
    total = sum(count for _, count in samples)
    print(f"{total / SAMPLES_PER_SECOND:.1f} seconds in Python.\n")
    for title, counter in (
        ("function, by itself", alone),
        ("function of the loader's, and what it calls", with_callees),
    ):
        shares = [[f"`{name}`", f"{count / total:.1%}"] for name, count in counter.most_common(PROFILE_LINES)]
        print_table([title, "share"], shares)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--rows-at-hand", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.rows_at_hand:
        load_rows_at_hand(options.rows)
    elif options.profile:
        profile(options.rows)
    else:
        return 0 if compare(options.rows, options.runs) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
