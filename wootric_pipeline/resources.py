"""One list of an account as a dlt resource: its pages get their shape, and dlt gets what the destination needs."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import dlt
from dlt.common.schema.typing import TTableReference, TTableReferenceParam
from dlt.extract.hints import TResourceHints
from dlt.sources import DltResource

from .api.client import Client
from .destinations.layout import Layout, check_same_files, described_by, kind_of, layout, require_packages
from .destinations.layout import hints as destination_hints
from .destinations.turns import turns
from .dlt_internals import Cursor, committed_cursor, table_chain
from .forgetting import FORGOTTEN, Forgotten
from .reading.by_id import ByIdReader
from .reading.listing import Page
from .reading.notes import Notes
from .reading.reader import EMPTY, Reader
from .reading.row_filter import RowFilter
from .shape import Shape
from .state import FILTERED_BY, RefreshUnderWay, keep_account
from .tables import END_USERS, PERSON, PRIMARY_KEY, Table


def resource(
    table: Table, reader: Reader | ByIdReader, incremental: Cursor, shape: Shape, files: str, client: Client
) -> DltResource:
    """A table, to be merged on `id`.

    Args:
        table: Which.
        reader: Reads its pages.
        incremental: Its cursor.
        shape: What of a row is loaded.
        files: How destinations that keep files lay tables out.
        client: Tells the account from others.
    """

    def rows(updated_at: Cursor = incremental) -> Iterator[Any]:
        laid_out = current_layout(reader.notes, files)
        keep_account(client.accounts, client.sign_in)
        is_part = updated_at.end_value is not None or not reader.is_whole
        refresh = RefreshUnderWay(table.name, is_backfill=is_part)
        schema, state = dlt.current.source_schema(), dlt.current.resource_state(table.name)
        exclusion, hashing = shape.exclusion.of(table, schema), shape.hashing.of(table, schema)
        is_empty = EMPTY in state and committed_cursor(updated_at) is None
        is_new = refresh.replaces_all or is_empty or not table_chain(schema, table.name)
        wanted = RowFilter(exclusion.left, dropped=shape.exclusion.dropped_last(table))
        if forgotten := Forgotten(dlt.current.source_state().get(FORGOTTEN)):
            forgetting = forgotten.of(table, schema)
            wanted = wanted._replace(left=lambda row: exclusion.left(forgetting.left(row)), keeps=forgetting.keeps)
        pages = reader.pages(table, updated_at, wanted, once=laid_out.upserts)
        yield from shaped(pages, table, shape, laid_out, is_new=is_new)
        notes = reader.notes.table(table.name)
        refresh.note(is_read=notes.complete)
        if notes.complete and not is_part:
            state[FILTERED_BY] = notes.filtered_by
            has_any = bool(notes.rows or notes.cursor_before)
            warn(reader.notes, [*exclusion.ended(has_rows=has_any), *hashing.ended(has_rows=has_any)])

    made = dlt.resource(
        rows, name=table.name, primary_key=PRIMARY_KEY, write_disposition="merge", columns=shape.columns(table)
    )
    # What is documented of resources has no room for a description.
    described = described_by(table.name, Layout())
    return made.apply_hints(additional_table_hints=described, references=_references(table, shape))


def shaped(
    pages: Iterator[Page | None], table: Table, shape: Shape, laid_out: Layout, *, is_new: bool
) -> Iterator[Any]:
    """Pages of a table as dlt gets them, with what their destination needs and what was left out noted in the state.

    Args:
        pages: As they are read; None where dlt shall turn to other tables.
        table: Whose.
        shape: What of a row is loaded.
        laid_out: How rows are laid out where they go.
        is_new: Whether no row of an earlier load will be left.
    """
    hints: TResourceHints | None = destination_hints(shape.left(table), laid_out, shape.hashing.described)
    schema, state = dlt.current.source_schema(), dlt.current.resource_state(table.name)
    exclusion, hashing = shape.exclusion.of(table, schema), shape.hashing.of(table, schema)
    exclusion.note(state)
    hashing.check_types(shape.columns(table))
    hashing.note(state, is_new=is_new)
    shaping = shape.shaping(table, schema, lists_in_rows=laid_out.lists_in_rows, times_typed=laid_out.times_typed)
    for page in pages:
        if page == [] and laid_out.upserts:
            # dlt makes a row's identifier of its key there, which the empty row that makes a table has not.
            appending = replace(laid_out, upserts=False, appends=True)
            hints = destination_hints(shape.left(table), appending, shape.hashing.described)
        if page:
            page = [shaping.shaped(row) for row in page]
        # dlt works the table out anew for each page that comes with hints: the first is enough.
        yield dlt.mark.with_hints(page, hints) if page is not None and hints else page
        hints = hints if page is None else None
        exclusion.note(state)
        hashing.note(state, is_new=is_new)


def current_layout(notes: Notes, files: str) -> Layout:
    """How rows are laid out where they go; nobody else loads anything there meanwhile."""
    pipeline = dlt.current.pipeline()
    turns.begin(pipeline)
    destination = kind_of(pipeline)
    require_packages(destination, files)
    check_same_files(dlt.current.source_schema(), destination, files)
    laid_out = layout(destination, files)
    notes.appends = laid_out.appends
    return laid_out


def warn(notes: Notes, warnings: Iterable[str]) -> None:
    """Notes warnings."""
    for warning in warnings:
        notes.warn(warning)


def _references(table: Table, shape: Shape) -> TTableReferenceParam | None:
    """Notes for whoever reads the schema, and for destinations that note keys and do not enforce them."""
    is_loaded = PERSON in table.columns and not shape.exclusion.names(table, PERSON)
    person: TTableReference = {
        "columns": [PERSON],
        "referenced_table": END_USERS.name,
        "referenced_columns": [PRIMARY_KEY],
    }
    return [person] if is_loaded else None
