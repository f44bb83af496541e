"""Loads responses, then increments, and prints what these took as JSON; `benchmarks.increments` runs it.

`increment.py DESTINATION FILES ROWS RUNS PID SCATTERED`; the process of that id serves the destination, 0 for none.
"""

import io
import json
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

import dlt
import duckdb
import pyarrow.csv
from dlt import Pipeline
from dlt.destinations.sql_client import SqlClientBase

from benchmarks.accounts import uniform
from benchmarks.dlt_alone import MODELS, PAGE_ROWS, responses, rows_source, typed_rows
from wootric_pipeline.command.loading import load_extracted
from wootric_pipeline.destinations.layout import Layout, layout
from wootric_pipeline.dlt_internals import staging_dataset
from wootric_pipeline.records import Row
from wootric_pipeline.tables import RESPONSES

CHANGED, NEW = 500, 500
RECENT_ROWS = 20_000
PIECE_ROWS = 50_000


def ids(rows: int, number: int, *, scattered: bool) -> list[int]:
    """Of what an increment brings."""
    chance = random.Random(number)
    known = rows + number * NEW
    changed = chance.sample(range(0 if scattered else max(known - RECENT_ROWS, 0), known), CHANGED)
    return [*changed, *range(known, known + NEW)]


def pages(wanted: Sequence[int], number: int) -> Iterator[list[Row]]:
    """Pages of responses of some ids, updated later than all others."""
    models = typed_rows(uniform(2 * MODELS, 1_700_000_000), RESPONSES)
    rows = [
        {**model, "id": row_id, "updated_at": model["updated_at"] + timedelta(days=400, hours=number)}
        for row_id in wanted
        for model in (models[row_id % MODELS],)
    ]
    for first in range(0, len(rows), PAGE_ROWS):
        yield rows[first : first + PAGE_ROWS]


def cpu_seconds(pid: int) -> float:
    """Of this process, and of a server and all it has started."""
    if not pid:
        return time.process_time()
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(stat.parent.name) == pid:
            ticks += sum(map(int, fields[11:15]))
        elif int(fields[1]) == pid:
            ticks += sum(map(int, fields[11:13]))
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def first_load(pipeline: Pipeline, rows: int, laid_out: Layout) -> None:
    """Loads in pieces, as the command does."""
    source = responses(rows)
    for _ in range(0, rows, PIECE_ROWS):
        piece = [page for page, _ in zip(source, range(PIECE_ROWS // PAGE_ROWS), strict=False)]
        pipeline.extract(rows_source({RESPONSES.name: piece}, laid_out))
        load_extracted(pipeline)


def by_hand(pipeline: Pipeline, pid: int) -> float:
    """CPU seconds of loading the rows of the last increment once more by the database's own means.

    They come from Arrow's tables in memory, over a connection of its own, into temporary tables, and are merged by SQL.
    """
    tables = ("responses", "responses__tags")
    with pipeline.sql_client() as client:
        dataset, other = (client.escape_column_name(name) for name in (client.dataset_name, staging_dataset(client)))
        rows: dict[str, Any] = {}
        for table in tables:
            with client.execute_query(f"SELECT * FROM {other}.{table}") as cursor:
                rows[table] = cursor.arrow()
    before = cpu_seconds(pid)
    with pipeline.sql_client() as client, client.begin_transaction():
        for table, content in rows.items():
            client.execute_sql(f"CREATE TEMPORARY TABLE new_{table} AS SELECT * FROM {other}.{table} LIMIT 0")
            copied(client, f"new_{table}", content)
        again = "SELECT id FROM new_responses"
        roots = f"SELECT _dlt_id FROM {dataset}.responses WHERE id IN ({again})"
        client.execute_sql(f"DELETE FROM {dataset}.responses__tags WHERE _dlt_root_id IN ({roots})")
        client.execute_sql(f"DELETE FROM {dataset}.responses WHERE id IN ({again})")
        for table, content in rows.items():
            names = ", ".join(f'"{name}"' for name in content.column_names)
            client.execute_sql(f"INSERT INTO {dataset}.{table} ({names}) SELECT {names} FROM new_{table}")
            client.execute_sql(f"DROP TABLE new_{table}")
    return cpu_seconds(pid) - before


def copied(client: SqlClientBase[Any], table: str, content: Any) -> None:
    """Copies rows into a temporary table: DuckDB reads Arrow's, PostgreSQL takes CSV."""
    connection = client.native_connection
    if isinstance(connection, duckdb.DuckDBPyConnection):
        connection.register("content", content).execute(f"INSERT INTO {table} SELECT * FROM content")
        connection.unregister("content")
        return
    text = io.BytesIO()
    pyarrow.csv.write_csv(content, text, pyarrow.csv.WriteOptions(include_header=False))
    text.seek(0)
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY {table} FROM STDIN (FORMAT csv)", text)


def main() -> None:
    """Loads and prints."""
    destination, files, rows, runs, pid, scattered = sys.argv[1:]
    laid_out = layout(destination, files)
    pipeline = dlt.pipeline("increments", destination=destination, dataset_name="wootric")
    first_load(pipeline, int(rows), laid_out)
    seconds, merges = [], []
    for number in range(int(runs)):
        wanted = ids(int(rows), number, scattered=bool(int(scattered)))
        pipeline.extract(rows_source({RESPONSES.name: pages(wanted, number)}, laid_out))
        pipeline.normalize()
        before = cpu_seconds(int(pid))
        load_extracted(pipeline)
        seconds.append(cpu_seconds(int(pid)) - before)
        if destination in ("duckdb", "postgres"):
            merges.append(by_hand(pipeline, int(pid)))
    hand = median(merges) if merges else None
    print(json.dumps({"load": median(seconds), "by_hand": hand}))


if __name__ == "__main__":
    main()
