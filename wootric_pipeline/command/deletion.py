"""What is done with rows that Wootric does not have any more, and what is told of them.

It is done when all of that is known of all tables, and can be done again: a run that is killed leaves nothing that the
next one does not find.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from dlt import Pipeline

from ..accounts import account
from ..destinations.locks import kept_open
from ..destinations.stored import Stored, stored
from ..dlt_internals import know_column, source_state
from ..errors import ConfigurationError
from ..insight.gone import Gone, kept_of
from ..reading.notes import TableNotes
from ..reading.overlap import without
from ..reading.reader import OVERLAP, Reader, Rereading
from ..reading.supervision import Supervision
from ..settings import at_least, deleted
from ..state import check_account
from ..tables import DELETED_AT, TIMESTAMP
from .ids import LISTED_MAX, counted
from .loading import load_extracted
from .run import Run
from .runtime import source_setting

REQUESTS_MAX = 500


def deletion_settings() -> tuple[str, int]:
    """What to do with rows that are gone, and how many of each table to ask for.

    Raises:
        ConfigurationError: A setting is none.
    """
    what = deleted(source_setting("deleted", str, "keep"))
    requests_max = source_setting("deleted_requests_max", float, REQUESTS_MAX)
    at_least(1, deleted_requests_max=requests_max)
    return what, int(requests_max)


def check_same_account(pipeline: Pipeline, run: Run) -> None:
    """Raises ConfigurationError if the rows were loaded with another account's credentials."""
    client = run.connected()
    check_account(pipeline.state.get("sources", {}).get(account().source, {}), client.accounts, client.sign_in)


@contextmanager
def removing(pipeline: Pipeline) -> Iterator[Stored]:
    """The tables, where rows of them can be marked or removed.

    Raises:
        ConfigurationError: They cannot.
    """
    with stored(pipeline) as destination:
        if destination is None:
            raise ConfigurationError('This destination marks and removes no rows; set deleted = "keep".')
        yield destination


def reader_of(run: Run) -> Reader:
    """Reads again what was read, and asks by ids, with the client of a run."""
    return Reader(run.connected(), Supervision(run, run.checkpoint), Rereading())


def carry_out(pipeline: Pipeline, run: Run, gone: Mapping[str, Gone], what: str) -> None:
    """Does with what is gone what is to be done, and notes it."""
    with kept_open(pipeline, wait=run.waits):
        _keep_state(pipeline, gone)
        if what != "keep":
            _do(pipeline, run, gone, what)
    for name, found in gone.items():
        notes = run.table(name)
        notes.rows_gone = len(found.ids)
        notes.rows = 0 if what == "keep" else len(found.ids) + len(found.back)
        notes.complete = not found.unasked


def _keep_state(pipeline: Pipeline, gone: Mapping[str, Gone]) -> None:
    """Commits which rows Wootric does not have; what is known of their content would keep them from coming again."""
    with source_state(pipeline, account().source) as state:
        for name, found in gone.items():
            of_table = state["resources"][name]
            overlap = without(of_table.get(OVERLAP), found.ids)
            for key, value in {**kept_of(found), OVERLAP: overlap}.items():
                of_table.pop(key, None)
                if value:
                    of_table[key] = value
    if pipeline.has_pending_data:
        load_extracted(pipeline)


def _do(pipeline: Pipeline, run: Run, gone: Mapping[str, Gone], what: str) -> None:
    """Marks or removes what is gone, and takes marks away from what has come back."""
    with removing(pipeline) as destination:
        marking = [name for name, found in gone.items() if found.ids and what == "mark"]
        for name in marking:
            destination.add_marks(name)
    if marking:
        know_column(pipeline, marking, DELETED_AT, TIMESTAMP)
    with removing(pipeline) as destination:
        for name, found in gone.items():
            if found.back:
                destination.mark(name, found.back, None)
            if found.ids and what == "mark":
                destination.mark(name, found.ids, run.started_at)
            elif found.ids:
                destination.remove(name, found.ids)


@contextmanager
def told(run: Run, gone: Mapping[str, Gone], what: str, unchecked: Sequence[str]) -> Iterator[None]:
    """Keeps what was found for machines, also where nothing could be done with it."""
    try:
        yield
    finally:
        run.found = {
            "deleted": what,
            "tables": {name: _table_as_json(each, run.table(name), what) for name, each in gone.items()},
            "unchecked": list(unchecked),
            "requests": run.connected().requests,
        }


def _table_as_json(found: Gone, notes: TableNotes, what: str) -> dict[str, Any]:
    done = "keep" if notes.rows_gone is None else what
    return {
        "complete": notes.complete,
        "rows": found.rows,
        "unlisted": len(found.unlisted),
        "there": len(found.there),
        "there_ids": sorted(found.there)[:LISTED_MAX],
        "gone": len(found.ids),
        "gone_ids": sorted(found.ids)[:LISTED_MAX],
        "unasked": len(found.unasked),
        "marked": len(found.ids) if done == "mark" else 0,
        "removed": len(found.ids) if done == "remove" else 0,
        "unmarked": len(found.back) if done != "keep" else 0,
    }


def gone_lines(gone: Mapping[str, Gone], what: str) -> list[str]:
    """What was found, and done, of each table, for people."""
    done = {"keep": "kept", "mark": "marked", "remove": "removed"}[what]
    return [
        f"{name}: {counted(each.ids)} {are(each.ids)} gone in Wootric, and {done}."
        for name, each in gone.items()
        if each.ids
    ]


def unasked_sentence(table: str, found: Gone) -> str:
    """That there were more rows than are asked for, without its full stop."""
    return f"{table}: {counted(found.unasked)} {'was' if len(found.unasked) == 1 else 'were'} not asked for by id"


def are(ids: Sequence[int]) -> str:
    """The verb for so many rows."""
    return "is" if len(ids) == 1 else "are"
