"""Measures how the CPU seconds of the load step of one increment grow with the table it goes into.

Responses with tags are loaded into each destination, and then increments of 500 changed and 500 new ones of recent
weeks, as the command loads them: indexes are made, files are compacted. What a server here takes counts, too.
Beside it stands the same by hand: the rows, in memory, are copied into temporary tables by the database's own means,
and merged by three statements; of Delta it is dlt's merge that is the native way. Medians.
"""

import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.loader import KINDS, SERVERS
from benchmarks.processes import OUTPUT, arguments, machine, print_table, run
from tests.destinations.test_destinations import configuration
from tests.script import Project
from tests.servers import Server

PLACES = ("duckdb", "postgres", "sqlite", "file-delta")
SIZES = (100_000, 1_000_000)
LARGE = 5_000_000


def measured(place: str, rows: int, runs: int, server: Server | None, *, scattered: bool) -> dict[str, float | None]:
    """Of increments into a table of so many responses: CPU seconds of the load step, and of the merge by hand."""
    name, _, files = place.partition("-")
    with tempfile.TemporaryDirectory() as folder:
        settings = configuration(place, {name: server} if server else {}, Path(folder))
        settings["DESTINATION__POSTGRES__DATASET_NAME_LAYOUT"] = f"{Path(folder).name}_%s"
        kind = {"file": "filesystem"}.get(name, KINDS.get(name, name))
        words = [kind, files or "delta", str(rows), str(runs), str(server.pid if server else 0), str(int(scattered))]
        command = [sys.executable, "-m", "benchmarks.increment", *words]
        return last_line(command, Path(folder), {**Project(Path(folder)).environment, **settings})


def last_line(command: list[str], folder: Path, environment: dict[str, str]) -> dict[str, float | None]:
    """The JSON a program prints in the end.

    Raises:
        ProgramFailed: It ended with an error.
    """
    run(command, folder=folder, environment=environment)
    told: dict[str, float | None] = json.loads((folder / OUTPUT).read_text().splitlines()[-1])
    return told


def main() -> None:
    """Measures and prints."""
    parser = arguments(__doc__, runs=3)
    parser.add_argument("--only", nargs="+", choices=PLACES, default=list(PLACES), metavar="DESTINATION")
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES), metavar="ROWS", help=f"such as {LARGE}")
    parser.add_argument("--scattered", action="store_true", help="changed rows are of all history, not of recent weeks")
    options = parser.parse_args()
    lines: list[list[object]] = []
    for place in options.only:
        found = []
        for rows in options.sizes:
            with ExitStack() as stack:
                start = SERVERS.get(place.partition("-")[0])
                server = stack.enter_context(start()) if start else None
                found.append(measured(place, rows, options.runs, server, scattered=options.scattered))
        seconds = [each["load"] for each in found]
        by_hand = [each["by_hand"] for each in found]
        lines.append(
            [
                place,
                " / ".join(f"{each:.2f}" for each in seconds if each is not None),
                f"{(seconds[-1] or 0) / (seconds[0] or 1):.1f}",
                " / ".join("-" if each is None else f"{each:.2f}" for each in by_hand),
            ]
        )
    sizes = " / ".join(f"{rows:,}" for rows in options.sizes)
    print(f"{machine()}\n\n500 changed and 500 new responses into tables of {sizes}; CPU seconds, medians:\n")
    print_table(["destination", "load step", "last by first", "by hand"], lines)


if __name__ == "__main__":
    main()
