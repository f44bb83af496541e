"""How a run has ended goes into the table of runs, and to whoever wants to be told."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dlt import Pipeline

from ..descriptions import RUNS
from ..destinations.queries import Queries
from .failures import explain
from .notification import checked_url, notify, sentences
from .run import Run
from .runs_table import Kind, note
from .runtime import setting

LAST_RUN = f"SELECT complete FROM {RUNS} WHERE started_at = (SELECT max(started_at) FROM {RUNS} WHERE kind = 'load')"  # noqa: S608

log = logging.getLogger("wootric_pipeline.command")


@contextmanager
def noted(pipeline: Pipeline, run: Run, tables: Sequence[str], kind: Kind) -> Iterator[None]:
    """Notes how the loading of tables ends, unless it is interrupted.

    Args:
        pipeline: Where to.
        run: Which.
        tables: The names of those that are to be loaded.
        kind: What the run is to do.

    Raises:
        ConfigurationError: A setting is none; before anything is loaded.
    """
    keeps = setting("sources.wootric.keep_runs", bool, True)
    url = setting("sources.wootric.notify_url", str, "")
    ending = _Ending(pipeline, run, tables, kind, keeps, checked_url(url) if url else "")
    try:
        yield
    except Exception as error:
        ending.note(explain(error)[0])
        raise
    ending.note("")


class _Ending:
    def __init__(self, pipeline: Pipeline, run: Run, tables: Sequence[str], kind: Kind, keeps: bool, url: str) -> None:
        self._pipeline = pipeline
        self._run = run
        self._tables = tables
        self._kind = kind
        self._keeps = keeps
        self._url = url

    def note(self, sentence: str) -> None:
        """Notes it; the sentence is why the run failed as a whole."""
        failed_before = bool(self._url) and self._keeps and _last_failed(self._pipeline)
        if self._keeps:
            note(self._pipeline, self._run, self._tables, sentence, self._kind)
        if self._url:
            of_tables = " ".join(notes.error for notes in self._run.tables.values() if notes.error)
            place = f"{self._pipeline.destination.destination_name}, dataset {self._pipeline.dataset_name}"
            told = sentences(self._run, place=place, sentence=sentence or of_tables, failed_before=failed_before)
            notify(self._run, self._url, told)


def _last_failed(pipeline: Pipeline) -> bool:
    """Whether the last run that is noted was not complete; no, where that cannot be told."""
    try:
        queries = Queries(pipeline, RUNS)
        return RUNS in queries.tables and not all(complete for (complete,) in queries.rows(LAST_RUN))
    except Exception as error:
        log.info("How the run before has ended cannot be read (%s).", type(error).__name__)
        return False
