"""Loads rows with dlt alone, as this project hands them to it, but without the API: with their types and its hints.

`programs.run_dlt_alone` runs it: `dlt_alone.py responses|account ROWS DESTINATION FILES [FORMAT]` prints the seconds of
dlt's steps and the CPU seconds of all of them as JSON. `responses` have tags, and are made as they are asked for; an
`account` has rows of all tables, made before anything is measured.
"""

import gc
import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import dlt
from dlt.common.schema.typing import TFileFormat
from dlt.extract import DltResource
from dlt.extract.hints import TResourceHints

from benchmarks.accounts import uniform
from wootric_pipeline.destinations.layout import Layout
from wootric_pipeline.destinations.layout import hints as destination_hints
from wootric_pipeline.destinations.layout import layout as layout_of
from wootric_pipeline.records import Row, to_record
from wootric_pipeline.sandbox import Account
from wootric_pipeline.shape import Shape
from wootric_pipeline.tables import PRIMARY_KEY, RESPONSES, TABLES, Table

MODELS = 1_000
PAGE_ROWS = 50

Pages = Mapping[str, Iterable[list[Row]]]
"""By table."""


def typed_rows(account: Account, table: Table) -> list[Row]:
    """The rows of an account as they are loaded, the oldest update first."""
    oldest_first = sorted(account.rows[table.name].values(), key=lambda row: int(row["updated_at"]))
    return [to_record(table, account.shown(row)) for row in oldest_first]


def responses(count: int) -> Iterator[list[Row]]:
    """Pages of responses, each like one of a thousand."""
    models = typed_rows(uniform(2 * MODELS, 1_700_000_000), RESPONSES)
    for first in range(0, count, PAGE_ROWS):
        yield [
            {**model, "id": row_id, "updated_at": model["updated_at"] + timedelta(seconds=row_id)}
            for row_id in range(first, min(first + PAGE_ROWS, count))
            for model in (models[row_id % MODELS],)
        ]


@dlt.source(name="wootric")
def rows_source(pages: Pages, layout: Layout) -> list[DltResource]:
    """Tables of rows, declared as `wootric_source` declares them for a layout."""
    dlt.current.source_schema().remove_type_detection("iso_timestamp")
    return [_resource(TABLES[name], rows, layout) for name, rows in pages.items()]


def _resource(table: Table, pages: Iterable[list[Row]], layout: Layout) -> DltResource:
    def rows() -> Iterator[Any]:
        hints: TResourceHints | None = destination_hints(table, layout)
        for page in pages:
            yield dlt.mark.with_hints(page, hints) if hints else page
            hints = None

    columns = Shape().columns(table)
    return dlt.resource(rows, name=table.name, primary_key=PRIMARY_KEY, write_disposition="merge", columns=columns)


def load(pages: Pages, destination: str, layout: Layout) -> dict[str, float]:
    """Loads pages: the seconds of dlt's steps, and `cpu`."""
    # Of the rows none is garbage: looking at them again and again would count as dlt's.
    gc.freeze()
    before = time.process_time()
    pipeline = dlt.pipeline("dlt_alone", destination=destination, dataset_name="wootric")
    pipeline.run(rows_source(pages, layout))
    seconds = {"cpu": time.process_time() - before}
    assert pipeline.last_trace
    for step in pipeline.last_trace.steps:
        seconds[step.step] = (step.finished_at - step.started_at).total_seconds()
    return seconds


def main() -> None:
    """Loads and prints."""
    what, rows, destination, files, *file_format = sys.argv[1:]
    layout = layout_of(destination, files)
    if file_format:
        layout = replace(layout, file_format=cast(TFileFormat, file_format[0]))
    pages: Pages = {RESPONSES.name: responses(int(rows))}
    if what == "account":
        account = uniform(int(rows), int(time.time()))
        pages = {name: [typed_rows(account, table)] for name, table in TABLES.items()}
        del account
    print(json.dumps(load(pages, destination, layout)))


if __name__ == "__main__":
    main()
