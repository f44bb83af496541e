"""A range of time as a function, for orchestrators that have a task for each."""

import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from dlt import Pipeline

from . import settings
from .accounts import about, named
from .accounts import account as account_of
from .command.failures import USER_MISTAKE, explain
from .command.loading import load
from .command.lock import exclusive_run
from .command.outcome import noted
from .command.pipeline import configured, keep_apart, no_trace_of_failures, pipeline_name, pipeline_to, range_folder
from .command.run import Run, source_for
from .command.runtime import check_working_folder, files
from .destinations.layout import kind_of, require_packages
from .destinations.locks import kept_open
from .dlt_internals import keeping_active_pipeline
from .errors import ConfigurationError, WootricError

Moment = str | date
"""An ISO date or time, or one of Python's; what has no time zone is UTC."""


_one_thread = threading.Lock()


class LoadedRange(NamedTuple):
    """What was loaded of a range.

    Attributes:
        start: Its first moment, UTC.
        end: The moment behind its last, UTC.
        rows: How many were loaded, by table.
        requests: How many were sent.
        seconds: How long it took.
    """

    start: datetime
    end: datetime
    rows: Mapping[str, int]
    requests: int
    seconds: float


def load_range(
    start: Moment,
    end: Moment,
    *,
    destination: Any = None,
    dataset: str | None = None,
    tables: str | Sequence[str] | None = None,
    account: str = "",
) -> LoadedRange:
    """Loads the rows that were updated in a closed-open range, whatever else is loaded of the account.

    It may be called again, and side by side with the command and with other ranges: rows are merged, cursors stay where
    they are, and each range has a working folder of its own, so that nothing that another one has left is loaded in its
    place. Threads of one process wait for each other, and so do all loads into a dataset where the destination has
    locks; a resource of another pipeline cannot call it while that runs. In a dataset, it has the state of the
    command's pipeline: whose rows there are, and who is forgotten.

    >>> load_range("2026-10-01", "2026-11-01", destination="postgres").rows["responses"]
    817

    Args:
        start: The first moment.
        end: The moment behind the last.
        destination: The name of one of dlt's, or one of its objects; None is what settings say, or
            DuckDB, in a file in the current folder.
        dataset: None is what settings say, or `wootric`, or that of the account.
        tables: Their names; None is what settings say, or the default.
        account: The name of one that has settings of its own.

    Returns:
        The range and its own counts, when all of it is loaded.

    Raises:
        ConfigurationError: A setting or an argument is none, or the range is empty.
        WootricError: A table could not be read completely; what was read of it and of others is loaded.
        PipelineStepFailed: dlt or the destination failed; what was loaded before stays valid.
        Exception: Whatever the destination raises when it cannot be reached.
    """
    with about(named(account)):
        first, last = settings.range_of(
            *(each.isoformat() if isinstance(each, date) else str(each) for each in (start, end))
        )
        run = Run(isolates_tables=True, waits=True)
        chosen = account_of().value("tables") if tables is None else tables
        names = settings.tables(chosen)
        with _pipeline(first, last, names, *configured(destination, dataset)) as pipeline:
            check_working_folder(pipeline.working_dir, kind_of(pipeline))
            require_packages(kind_of(pipeline), files())
            with noted(pipeline, run, names, "range", is_end=False), kept_open(pipeline, wait=True):
                keep_apart(pipeline)
            # Tables that nobody has named stop nothing where they cannot be read.
            given: dict[str, Any] = {} if chosen is None else {"tables": names}
            source = source_for(run, start_date=first.isoformat(), end_date=last.isoformat(), **given)
            with no_trace_of_failures(pipeline), noted(pipeline, run, names, "range"):
                load(pipeline, source, run, names)
        if failed := " ".join(notes.error for notes in run.tables.values() if notes.error):
            raise WootricError(failed)
        rows = {name: notes.rows for name, notes in run.tables.items()}
        return LoadedRange(first, last, rows, run.client.requests if run.client else 0, run.seconds)


@contextmanager
def _pipeline(
    first: datetime, last: datetime, tables: Sequence[str], destination: Any, dataset: str
) -> Iterator[Pipeline]:
    """The command's pipeline in a working folder of the range's own, which is gone in the end.

    Whoever loads the same range meanwhile waits, and all other threads of this process, of which dlt can have one
    pipeline active. What is left by a process that was killed is gone with the next call.
    """
    folder = range_folder(first, last, (tables, getattr(destination, "destination_name", destination), dataset))
    with _one_thread, exclusive_run(folder.name, folder.parent, wait=True), keeping_active_pipeline():
        shutil.rmtree(folder, ignore_errors=True)
        # What is written there holds personal data.
        folder.mkdir(mode=0o700)
        try:
            yield _made(destination, dataset, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _made(destination: Any, dataset: str, folder: Path) -> Pipeline:
    try:
        return pipeline_to(pipeline_name(), destination, dataset, folder=str(folder))
    except Exception as error:
        sentence, code = explain(error)
        if code == USER_MISTAKE:
            raise ConfigurationError(sentence) from None
        raise
