"""How a run has ended goes into the table of runs, and to whoever wants to be told."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from dlt import Pipeline

from ..descriptions import RUNS
from ..destinations.queries import Queries, in_utc
from ..errors import ConfigurationError
from .failures import explain
from .notification import checked_url, notify, sentences
from .run import Run
from .runs_table import Kind, note
from .runtime import source_setting

LAST_RUNS = f"SELECT started_at, complete FROM {RUNS} WHERE kind = 'load' ORDER BY started_at DESC LIMIT 40"  # noqa: S608

log = logging.getLogger("wootric_pipeline.command")


@contextmanager
def noted(pipeline: Pipeline, run: Run, tables: Sequence[str], kind: Kind, *, is_end: bool = True) -> Iterator[None]:
    """Notes how the loading of tables ends, unless it is interrupted.

    Args:
        pipeline: Where to.
        run: Which.
        tables: The names of those that are to be loaded.
        kind: What the run is to do.
        is_end: Whether the run ends with this; else only what keeps it from beginning is noted, unless that is a
            mistake of the user's.

    Raises:
        ConfigurationError: A setting is none; before anything is loaded.
    """
    keeps = source_setting("keep_runs", bool, True)
    url = source_setting("notify_url", str, "")
    ending = _Ending(pipeline, run, tables, kind, keeps, checked_url(url) if url else "")
    try:
        yield
    except Exception as error:
        if is_end or not isinstance(error, ConfigurationError):
            ending.note(explain(error)[0])
        raise
    if is_end:
        ending.note("")


@dataclass(frozen=True)
class _Ending:
    pipeline: Pipeline
    run: Run
    tables: Sequence[str]
    kind: Kind
    keeps: bool
    url: str

    def note(self, sentence: str) -> None:
        """Notes it; the sentence is why the run failed as a whole."""
        if self.keeps:
            note(self.pipeline, self.run, self.tables, sentence, self.kind)
        if self.url:
            # Only now are runs noted that could not be before.
            is_of_loads = self.kind in ("load", "range")
            failed_before = self.keeps and is_of_loads and _failed_before(self.pipeline, self.run.started_at)
            of_tables = " ".join(notes.error for notes in self.run.tables.values() if notes.error)
            place = f"{self.pipeline.destination.destination_name}, dataset {self.pipeline.dataset_name}"
            told = sentences(self.run, place=place, sentence=sentence or of_tables, failed_before=failed_before)
            notify(self.run, self.url, told)


def _failed_before(pipeline: Pipeline, start: datetime) -> bool:
    """Whether the last run that is noted, of those that began before, was not complete; no, where nobody can tell."""
    try:
        queries = Queries(pipeline, RUNS)
        rows = queries.rows(LAST_RUNS) if RUNS in queries.tables else []
    except Exception as error:
        log.info("How the run before has ended cannot be read (%s).", type(error).__name__)
        return False
    before = [(at, complete) for moment, complete in rows if (at := in_utc(moment)) is not None and at < start]
    return any(at == before[0][0] and not complete for at, complete in before)
