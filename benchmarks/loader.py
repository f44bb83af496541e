"""Measures dlt's steps for the same responses in each loader file format, at each destination that can be tried here.

Run it with `python benchmarks/loader.py`. Each case loads 200,000 responses with tags, which are made as they are
asked for, in a process of its own, into empty tables: dlt extracts, normalises and loads them. Memory is the most that
process ever held, medians of three. PostgreSQL and the S3 store are real servers on this machine, which take their
share of the seconds. `insert_values` may need several gigabytes.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import get_args

sys.path.insert(0, str(Path(__file__).parent.parent))

import dlt
from dlt.common.schema.typing import TFileFormat

from benchmarks.processes import OUTPUT, Cost, ProgramFailed, clean_environment, machine, print_table, run
from benchmarks.processes import median as median_cost
from benchmarks.rows_at_hand import rows_source, typed_rows
from tests.destinations.test_destinations import configuration
from tests.servers import Server, postgres, s3
from wootric_pipeline.destinations.layout import FileLayout, layout
from wootric_pipeline.records import Row
from wootric_pipeline.sandbox import DemoAccount
from wootric_pipeline.tables import RESPONSES

ROWS, RUNS = 200_000, 3
PAGE_ROWS = 50
MODELS = 1_000
STEPS = ("extract", "normalize", "load")
ENDS_AT = 1_700_000_000
SERVERS = {"postgres": postgres, "s3": s3}
KINDS = {"sqlite": "sqlalchemy", "file": "filesystem", "s3": "filesystem"}

Steps = Mapping[str, float]
"""Seconds by step."""


@dataclass(frozen=True)
class Case:
    """A destination as `tests.destinations.test_destinations` names it, and a loader file format dlt takes for it."""

    destination: str
    file_format: TFileFormat

    @property
    def server(self) -> str:
        """The server it needs, if it is one of `SERVERS`."""
        return self.destination.partition("-")[0]

    @property
    def kind(self) -> str:
        """What dlt calls the destination."""
        return KINDS.get(self.server, self.server)

    @property
    def files(self) -> str:
        """How a destination of files lays out tables; no other asks."""
        files = self.destination.partition("-")[2]
        return files if files in get_args(FileLayout) else "delta"

    @property
    def is_default(self) -> bool:
        """Whether the loader takes this format there."""
        return layout(self.kind, self.files).file_format == self.file_format


CASES = (
    Case("duckdb", "parquet"),
    Case("duckdb", "jsonl"),
    Case("duckdb", "insert_values"),
    Case("ducklake", "parquet"),
    Case("ducklake", "jsonl"),
    Case("ducklake", "insert_values"),
    Case("postgres", "csv"),
    Case("postgres", "insert_values"),
    *([Case("postgres", "parquet")] if find_spec("adbc_driver_postgresql") else []),
    Case("sqlite", "typed-jsonl"),
    Case("sqlite", "parquet"),
    Case("file-delta", "parquet"),
    Case("file-iceberg", "parquet"),
    Case("file-parquet", "parquet"),
    Case("file-jsonl", "jsonl"),
    Case("s3-delta", "parquet"),
    Case("s3-iceberg", "parquet"),
    Case("s3-parquet", "parquet"),
    Case("s3-jsonl", "jsonl"),
)


def responses(count: int) -> Iterator[list[Row]]:
    """Pages of responses, each like one of a thousand of the demo account's."""
    models = typed_rows(DemoAccount(ENDS_AT, end_users=100, responses=MODELS, declines=0), RESPONSES)
    for first in range(0, count, PAGE_ROWS):
        yield [
            {**model, "id": row_id, "updated_at": model["updated_at"] + timedelta(seconds=row_id)}
            for row_id in range(first, min(first + PAGE_ROWS, count))
            for model in (models[row_id % MODELS],)
        ]


def load(case: Case, rows: int) -> None:
    """Loads the responses in this process, and prints the seconds of each step."""
    laid_out = replace(layout(case.kind, case.files), file_format=case.file_format)
    pipeline = dlt.pipeline("rows_at_hand", destination=case.kind, dataset_name="wootric")
    pipeline.run(rows_source({RESPONSES.name: responses(rows)}, laid_out))
    trace = pipeline.last_trace
    seconds = dict.fromkeys(STEPS, 0.0)
    for step in trace.steps if trace else ():
        if step.step in seconds:
            seconds[step.step] += (step.finished_at - step.started_at).total_seconds()
    written = trace.last_normalize_info.row_counts if trace and trace.last_normalize_info else {}
    # Of rows in CSV, dlt 1.31 counts the cells.
    if written.get(RESPONSES.name, 0) < rows:
        raise ValueError(f"{rows} responses should have been written: {written}")
    print(json.dumps(seconds))


def measured(case: Case, rows: int, servers: Mapping[str, Server]) -> tuple[Steps, Cost]:
    """Runs a case in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = configuration(case.destination, servers, folder)
        if case.kind == "duckdb":
            # As the script does.
            settings["LOAD__WORKERS"] = "1"
        settings["DESTINATION__POSTGRES__DATASET_NAME_LAYOUT"] = f"{folder.name}_%s"
        command = [sys.executable, __file__, "--case", case.destination, case.file_format, "--rows", str(rows)]
        cost = run(command, folder=folder, environment=clean_environment(folder, **settings))
        steps: Steps = json.loads((folder / OUTPUT).read_text().splitlines()[-1])
        return steps, cost


def line(case: Case, rows: int, runs: Sequence[tuple[Steps, Cost]]) -> list[object]:
    """A case's line in the table."""
    seconds = {step: median(steps[step] for steps, _ in runs) for step in STEPS}
    cost = median_cost([cost for _, cost in runs])
    return [
        f"{case.destination}, {case.file_format}{' *' if case.is_default else ''}",
        *(f"{seconds[step]:.1f}" for step in STEPS),
        round(rows / seconds["load"]),
        round(rows / sum(seconds.values())),
        f"{cost.cpu_seconds:.1f}",
        round(cost.peak_mb),
    ]


def compare(cases: Sequence[Case], rows: int, runs: int) -> None:
    """Measures and prints."""
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(start())
            for name, start in SERVERS.items()
            if any(case.server == name for case in cases)
        }
        lines = []
        for case in cases:
            try:
                lines.append(line(case, rows, [measured(case, rows, servers) for _ in range(runs)]))
            except ProgramFailed as failure:
                print(f"{case.destination}, {case.file_format}: {failure}", file=sys.stderr)
    print(f"{machine()}\n\n{rows:,} responses with tags, medians of {runs}; * is what the loader does:\n")
    print_table(["destination, loader format", *STEPS, "rows/s, load", "rows/s, all", "CPU seconds", "peak MB"], lines)


def main() -> None:
    """Measures all cases, or one in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--only", metavar="A,B", default="", help="destinations beginning with these")
    parser.add_argument("--case", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        load(Case(*options.case), options.rows)
    else:
        only = tuple(options.only.split(","))
        compare([case for case in CASES if case.destination.startswith(only)], options.rows, options.runs)


if __name__ == "__main__":
    main()
