"""Finds out whether a run could succeed, and loads nothing."""

from collections.abc import Sequence

from dlt import Pipeline, Schema

from ..accounts import account
from ..dlt_internals import connect
from ..errors import ApiUnavailable, AuthenticationFailed, ListRefused, UnexpectedAnswer
from ..reading.mode import mode_of
from ..reading.notes import Mode
from ..reading.row_filter import RowFilter
from ..tables import OVERVIEWS, TABLES
from .run import Run


def check(pipeline: Pipeline, run: Run, tables: Sequence[str]) -> str:
    """Signs in, reads a row of each list and each overview, and connects to the destination.

    Args:
        pipeline: Where to.
        run: Takes the notes; a source was made with it.
        tables: Their names.

    Returns:
        What cannot be read, in sentences.

    Raises:
        WootricError: Nothing can be read at all.
    """
    client = run.connected()
    client.sign_in()
    troubles = []
    for name in tables:
        try:
            run.checked[name] = _mode(run, name)
        except (ApiUnavailable, UnexpectedAnswer, AuthenticationFailed) as trouble:
            if name in TABLES and isinstance(trouble, AuthenticationFailed) and not isinstance(trouble, ListRefused):
                raise
            run.checked[name] = None
            if name in OVERVIEWS and name not in run.named:
                run.unread.add(name)
                run.warn(f"{name} cannot be read: {trouble}")
                continue
            run.needs_change |= isinstance(trouble, AuthenticationFailed)
            troubles.append(str(trouble))
    connect(pipeline)
    return " ".join(troubles)


def _mode(run: Run, name: str) -> Mode:
    """How a table can be read, after one or two requests."""
    client = run.connected()
    if name in OVERVIEWS:
        overview = OVERVIEWS[name]
        client.get_overview(overview.path, {})
        return "days" if overview.date_params else "whole"
    table = TABLES[name]
    return mode_of(client, table, RowFilter(run.exclusion.of(table, Schema(account().source)).left))
