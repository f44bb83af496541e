"""What dlt's state keeps beside the cursors, committed with the rows: a full refresh that is under way."""

from typing import Any

import dlt

from .dlt_internals import current_load_id

REFRESH, LOADS, ROWS_BEFORE = "refresh", "loads", "rows_before"
"""In the state of a table whose full refresh is not complete: the loads that belong to it, and how many rows there were
before. What none of these loads has brought is gone when it is complete."""


def note_load(table: str) -> None:
    """Counts the load that is being extracted, also that of a backfill, to a full refresh that is under way."""
    resources: dict[str, Any] = dlt.current.source_state().get("resources", {})
    refresh = resources.get(table, {}).get(REFRESH)
    if refresh is not None and (load_id := current_load_id()) not in refresh[LOADS]:
        refresh[LOADS].append(load_id)
