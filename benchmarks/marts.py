"""Measures how long the marts take to be built of so many responses, and the memory that the process held at most.

Responses with tags and properties are loaded by another process before. PostgreSQL is a real server on this machine,
whose memory is not counted. DuckDB is a part of the process; so it is where tables are files.
"""

import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.loader import KINDS, SERVERS
from benchmarks.processes import OUTPUT, Cost, arguments, machine, print_table, run
from tests.destinations.test_destinations import configuration
from tests.script import Project
from tests.servers import Server

PLACES = ("duckdb", "postgres", "file-delta")
SIZES = (20_000, 1_000_000)


def measured(place: str, rows: int, server: Server | None) -> tuple[float, float, int]:
    """Seconds, megabytes, and how many responses there are in the end."""
    name, _, files = place.partition("-")
    with tempfile.TemporaryDirectory() as folder:
        settings = configuration(place, {name: server} if server else {}, Path(folder))
        settings["DESTINATION__POSTGRES__DATASET_NAME_LAYOUT"] = f"{Path(folder).name}_%s"
        kind = {"file": "filesystem"}.get(name, KINDS.get(name, name))
        environment = {**Project(Path(folder)).environment, **settings, "SOURCES__WOOTRIC__SURVEYS": "{}"}
        for number in (rows, 0):
            words = [kind, files or "delta", str(number)]
            command = [sys.executable, "-m", "benchmarks.marts_process", *words]
            cost: Cost = run(command, folder=Path(folder), environment=environment)
        told: dict[str, Any] = json.loads((Path(folder) / OUTPUT).read_text().splitlines()[-1])
        return told["seconds"], cost.peak_mb, told["tables"]["fct_responses"]


def main() -> None:
    """Measures and prints."""
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="+", choices=PLACES, default=list(PLACES), metavar="DESTINATION")
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES), metavar="ROWS")
    options = parser.parse_args()
    lines: list[list[object]] = []
    for place in options.only:
        for rows in options.sizes:
            with ExitStack() as stack:
                start = SERVERS.get(place.partition("-")[0])
                seconds, peak_mb, count = measured(place, rows, stack.enter_context(start()) if start else None)
                lines.append([place, f"{count:,}", f"{seconds:.1f}", f"{peak_mb:.0f}"])
    print(f"{machine()}\n")
    print_table(["destination", "responses", "seconds", "MB"], lines)


if __name__ == "__main__":
    main()
