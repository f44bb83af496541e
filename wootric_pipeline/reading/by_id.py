"""Reads rows by their ids, for whoever knows of some that no list has shown."""

from collections.abc import Iterator, Mapping
from typing import Any

import dlt

from ..api.client import Client
from ..dlt_internals import Cursor, let_all_rows_pass
from ..records import usable
from ..state import state_of
from ..tables import PRIMARY_KEY, Table
from .listing import Page
from .notes import Notes
from .row_filter import ALL, RowFilter
from .supervision import Supervision

ABSENT = "absent"
"""In the state of a table: the ids of rows that Wootric did not have when it was asked for them."""
ABSENT_MAX = 10_000

Paths = Mapping[str, Mapping[int, str]]
"""By table and id, where the API has a row."""


class ByIdReader:
    """The rows of some ids; the cursors of their tables stay where they are.

    Args:
        client: Asks the API.
        supervision: Takes note of what is done.
        paths: Of the rows.
    """

    is_whole = False

    def __init__(self, client: Client, supervision: Supervision, paths: Paths) -> None:
        self.notes = supervision.notes
        self._client = client
        self._paths = paths

    def pages(
        self,
        table: Table,
        cursor: Cursor,
        wanted: RowFilter = ALL,
        *,
        once: bool = False,  # noqa: ARG002  # no row comes twice
    ) -> Iterator[Page]:
        """A page for each row there is; see `Reader.pages`.

        Raises:
            WootricError: Wootric does not answer, or does not let the account ask.
        """
        let_all_rows_pass(cursor)
        notes, state = self.notes.table(table.name), dlt.current.resource_state(table.name)
        for row_id, path in self._paths.get(table.name, {}).items():
            page = one(self._client, self.notes, table, row_id, path, wanted)
            if page is None:
                notes.absent.append(row_id)
                state[ABSENT] = sorted({*state.get(ABSENT, ()), row_id})[-ABSENT_MAX:]
            elif page := list(filter(wanted.keeps, page)):
                notes.count(page, are_compared=True)
                yield page


def one(client: Client, notes: Notes, table: Table, row_id: int, path: str, wanted: RowFilter = ALL) -> Page | None:
    """A page of the row of an id; None where Wootric does not have it, and without a row where it answers another.

    Args:
        client: Asks the API.
        notes: Takes note of it.
        table: Of the row.
        row_id: Its id.
        path: Where the API has it.
        wanted: What of the row is loaded.

    Raises:
        WootricError: Wootric does not answer, or does not let the account ask.
    """
    found = client.get_one(path)
    notes.table(table.name).requests += 1
    if found is None:
        return None
    page, _ = usable(table, [wanted.left(found)])
    if [row[PRIMARY_KEY] for row in page] == [row_id]:
        return page
    notes.warn(f"{table.name}: what Wootric answered for the id {row_id} is not that row.")
    return []


def absent(state: Mapping[str, Any] | None, source: str, table: str) -> frozenset[int]:
    """The ids of a table that Wootric was asked for and did not have.

    Args:
        state: Of a pipeline.
        source: The name of the source in it.
        table: The name of the table.
    """
    return frozenset(state_of(state, source, table).get(ABSENT, ()))
