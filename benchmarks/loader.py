"""Measures dlt's load step for the same responses in each loader file format, at destinations that can be tried here.

Each case loads 200,000 responses with tags, which are made as they are asked for, in a process of its own, into empty
tables. Memory is the most that process ever held. PostgreSQL and the S3 store are real servers on this machine, which
take their share of the seconds. `insert_values` may need several gigabytes. Medians.
"""

import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from benchmarks.processes import ProgramFailed, arguments, machine, print_table
from benchmarks.programs import run_dlt_alone
from tests.destinations.test_destinations import configuration
from tests.servers import Server, postgres, s3

SERVERS = {"postgres": postgres, "s3": s3}
KINDS = {"sqlite": "sqlalchemy", "s3": "filesystem"}
BY_ADBC = ("parquet",) if find_spec("adbc_driver_postgresql") else ()
FORMATS = {
    "duckdb": ("parquet", "jsonl", "insert_values"),
    "ducklake": ("parquet", "jsonl", "insert_values"),
    "postgres": ("insert_values", "csv", *BY_ADBC),
    "sqlite": ("typed-jsonl", "parquet"),
    "s3-delta": ("parquet",),
    "s3-iceberg": ("parquet",),
    "s3-parquet": ("parquet",),
}
"""By destination, as `tests.destinations.test_destinations` names it; the first format is the one chosen there."""


def measured(place: str, file_format: str, rows: int, servers: Mapping[str, Server]) -> tuple[float, float]:
    """Seconds of the load step, and peak memory in megabytes."""
    name, _, files = place.partition("-")
    with tempfile.TemporaryDirectory() as folder:
        settings = configuration(place, servers, Path(folder))
        # Where the extensions of DuckDB are.
        settings["HOME"] = str(Path.home())
        settings["DESTINATION__POSTGRES__DATASET_NAME_LAYOUT"] = f"{Path(folder).name}_%s"
        if name == "duckdb":
            # As the script does.
            settings["LOAD__WORKERS"] = "1"
        words = ("responses", str(rows), KINDS.get(name, name), files or "delta", file_format)
        seconds, cost = run_dlt_alone(Path(folder), *words, **settings)
    return seconds["load"], cost.peak_mb


def main() -> None:
    """Measures and prints."""
    parser = arguments(__doc__, rows=200_000, runs=3)
    parser.add_argument("--only", nargs="+", choices=FORMATS, default=list(FORMATS), metavar="DESTINATION")
    options = parser.parse_args()
    lines: list[list[object]] = []
    with ExitStack() as stack:
        needed = {place.partition("-")[0] for place in options.only} & set(SERVERS)
        servers = {name: stack.enter_context(SERVERS[name]()) for name in needed}
        for place, file_format in [(name, each) for name in options.only for each in FORMATS[name]]:
            try:
                runs = [measured(place, file_format, options.rows, servers) for _ in range(options.runs)]
            except ProgramFailed as failure:
                print(f"{place}, {file_format}: {failure}", file=sys.stderr)
                continue
            seconds, peak_mb = map(median, zip(*runs, strict=True))
            lines.append([f"{place}, {file_format}", round(options.rows / seconds), round(peak_mb)])
    print(f"{machine()}\n\n{options.rows:,} responses with tags, medians of {options.runs}:\n")
    print_table(["destination, loader format", "rows/s, load", "peak MB"], lines)


if __name__ == "__main__":
    main()
