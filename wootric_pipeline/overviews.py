"""One overview of an account as a dlt resource."""

from collections.abc import Iterator
from typing import Any

import dlt
from dlt.sources import DltResource

from .api.client import Client
from .destinations.layout import Layout, described_by
from .dlt_internals import table_chain
from .reading.overviews import OverviewReader
from .reading.row_filter import RowFilter
from .resources import current_layout, shaped, warn
from .shape import Shape
from .state import RefreshUnderWay, keep_account
from .tables import Overview


def overview_resource(
    overview: Overview, reader: OverviewReader, shape: Shape, files: str, client: Client
) -> DltResource:
    """An overview, to be merged on its key.

    Args:
        overview: Which.
        reader: Reads it.
        shape: What of a row is loaded.
        files: How destinations that keep files lay tables out.
        client: Tells the account from others.
    """

    def rows() -> Iterator[Any]:
        laid_out = current_layout(reader.notes, files)
        keep_account(client.accounts, client.sign_in)
        refresh = RefreshUnderWay(overview.name, is_backfill=reader.is_range(overview))
        schema = dlt.current.source_schema()
        exclusion, hashing = shape.exclusion.of(overview, schema), shape.hashing.of(overview, schema)
        is_new = refresh.replaces_all or not table_chain(schema, overview.name)
        wanted = RowFilter(exclusion.left, dropped=shape.exclusion.dropped_last(overview))
        pages = reader.pages(overview, wanted)
        yield from shaped(pages, overview, shape, laid_out, is_new=is_new)
        notes = reader.notes.table(overview.name)
        refresh.note(is_read=notes.complete and notes.is_history_complete is not False)
        if notes.complete and not reader.is_range(overview):
            has_any = bool(notes.rows_read)
            warn(reader.notes, [*exclusion.ended(has_rows=has_any), *hashing.ended(has_rows=has_any)])

    made = dlt.resource(
        rows,
        name=overview.name,
        primary_key=overview.key,
        write_disposition="merge",
        columns=shape.columns(overview),
    )
    return made.apply_hints(additional_table_hints=described_by(overview.name, Layout()))
