"""Along which time a table can be read, asked before anything of it is."""

from functools import partial

from ..api.client import Client
from ..records import foreign, to_record
from ..tables import Table
from .listing import UPDATED, Listing, Page, Params
from .notes import Mode
from .row_filter import ALL, RowFilter


def mode_of(client: Client, table: Table, wanted: RowFilter = ALL) -> Mode:
    """Asks a table for one row and tells along which time it will be read; see `Client.get` for what it raises.

    Args:
        client: Asks.
        table: Which.
        wanted: What of a row anybody may see.
    """

    def fetch(params: Params) -> Page:
        elements = client.get(table.path, params, partial(foreign, table))
        return [to_record(table, wanted.left(row)) for row in elements]

    fetch({"per_page": 1})
    return "updated" if Listing(table, fetch, rows_max=1).honours(UPDATED) else "created"
