"""Rows as the loader hands them to dlt, but without the API: with their types, in resources with the source's hints."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import dlt
from dlt.extract import DltResource
from dlt.extract.hints import TResourceHints

from wootric_pipeline.destinations.layout import Layout
from wootric_pipeline.destinations.layout import hints as destination_hints
from wootric_pipeline.records import Row, to_record
from wootric_pipeline.sandbox import Account
from wootric_pipeline.shape import Shape
from wootric_pipeline.tables import PRIMARY_KEY, TABLES, Table


def typed_rows(account: Account, table: Table) -> list[Row]:
    """The rows of an account as they are loaded, the oldest update first."""
    oldest_first = sorted(account.rows[table.name].values(), key=lambda row: int(row["updated_at"]))
    return [to_record(table, account.shown(row)) for row in oldest_first]


@dlt.source(name="wootric")
def rows_source(pages: Mapping[str, Iterable[list[Row]]], layout: Layout) -> list[DltResource]:
    """Tables of rows at hand, by name, declared as `wootric_source` declares them for a layout."""
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
