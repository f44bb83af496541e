"""Loads into DuckDB within little memory."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dlt
from dlt import Pipeline

from ..dlt_internals import environment, opening_with
from .layout import kind_of

DUCKDB_SPARING = ("SET threads = 1", "SET checkpoint_threshold = '1MB'")
"""It is a part of this process. A second thread holds as much as the first and saves no time, and what is committed
would stay in memory until the connection closes."""

_environment = threading.Lock()


@contextmanager
def sparing_memory(pipeline: Pipeline, *, compacts: bool) -> Iterator[None]:
    """Loads into DuckDB within little memory; what the user has set goes before. Elsewhere it does nothing.

    Loads of one process take turns, since dlt is told by the environment.

    Args:
        pipeline: Where to.
        compacts: Whether a merge puts small groups of rows together. That keeps what is updated from lying scattered,
            but takes groups of 122,880 rows into memory: of a long reading each load is large enough as it is.
    """
    if kind_of(pipeline) != "duckdb":
        yield
        return
    statements = [*DUCKDB_SPARING, f"SET max_vacuum_tasks = {int(compacts)}"]
    # Several tables at once need much more, and are no faster.
    workers = dlt.config.get("load.workers", str) or "1"
    with _environment, opening_with(pipeline, statements), environment({"LOAD__WORKERS": workers}):
        yield
