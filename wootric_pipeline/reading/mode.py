"""Along which time a table can be read, asked before anything of it is."""

from collections.abc import Callable
from typing import Any

from ..api.client import Client
from ..records import to_record
from ..tables import Table
from .listing import UPDATED, Listing, Page, Params, Row
from .notes import Mode

Left = Callable[[Any], Any]
"""Of a row as it came, what is left."""
Keeps = Callable[[Row], bool]
"""Whether a row, once it is read, is to be loaded."""


def whole(row: Any) -> Any:
    """All of a row."""
    return row


def every(_row: Row) -> bool:
    """Each row."""
    return True


def mode_of(client: Client, table: Table, left: Left = whole) -> Mode:
    """Asks a table for one row and tells along which time it will be read; see `Client.get` for what it raises.

    Args:
        client: Asks.
        table: Which.
        left: As for `Reader.pages`.
    """

    def fetch(params: Params) -> Page:
        return [to_record(table, left(row)) for row in client.get(table.path, params)]

    fetch({"per_page": 1})
    return "updated" if Listing(table, fetch, rows_max=1).honours(UPDATED) else "created"
