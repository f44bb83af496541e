"""Finds out whether a run could succeed, and loads nothing."""

from collections.abc import Sequence

from dlt import Pipeline, Schema

from ..dlt_internals import connect
from ..errors import ApiUnavailable, ListRefused, UnexpectedAnswer
from ..reading.mode import mode_of
from ..tables import TABLES
from .loading import SOURCE
from .run import Run


def check(pipeline: Pipeline, run: Run, tables: Sequence[str]) -> str:
    """Signs in, reads a row of each table and connects to the destination.

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
            table = TABLES[name]
            run.checked[name] = mode_of(client, table, run.exclusion.of(table, Schema(SOURCE)).left)
        except (ApiUnavailable, UnexpectedAnswer, ListRefused) as trouble:
            run.checked[name] = None
            run.needs_change |= isinstance(trouble, ListRefused)
            troubles.append(str(trouble))
    connect(pipeline)
    return " ".join(troubles)
