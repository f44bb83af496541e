"""Finds rows that Wootric does not have any more, and does with them what the setting `deleted` says.

Whatever is done is done when all of that is known of all tables, and can be done again: a run that is killed leaves
nothing that the next one does not find.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from dlt import Pipeline

from ..accounts import account
from ..destinations.layout import kind_of, layout
from ..destinations.locks import exclusive, kept_open
from ..destinations.queries import Queries
from ..destinations.stored import Stored, stored
from ..dlt_internals import know_column, source_state
from ..errors import AuthenticationFailed, ConfigurationError, HostUnreachable, IncompleteScan, WootricError
from ..insight.gone import ASKED_LAST, Gone, ask, compared
from ..insight.ids import held, paths
from ..reading.by_id import ABSENT
from ..reading.overlap import without
from ..reading.reader import OVERLAP, Reader, Rereading
from ..reading.supervision import Supervision
from ..settings import at_least, deleted
from ..state import check_account, state_of
from ..tables import DELETED_AT, TABLES, TIMESTAMP
from .consent import agreed
from .ids import LISTED_MAX, counted, loaded_lists
from .loading import follow_destination, load_extracted, loaded_state
from .outcome import noted
from .refresh import first_day
from .report import as_table
from .run import Run, source_for
from .runtime import source_setting

REQUESTS_MAX = 500


def find_deleted(
    pipeline: Pipeline, run: Run, selected: Sequence[str], *, yes: bool, **arguments: Any
) -> tuple[str, str]:
    """Looks for what is gone, and marks or removes it; what was found, for people, and a sentence if that is not all.

    Args:
        pipeline: Whose dataset.
        run: Takes the notes, and what was found for machines.
        selected: The names of the tables to look at; others than lists are left out.
        yes: Whether as many rows may go as are gone.
        arguments: Of the source.

    Raises:
        ConfigurationError: Nothing was loaded yet, rows cannot be marked or removed, or so many are gone that somebody
            has to agree.
        WootricError: A list cannot be read to its end, or Wootric does not answer; then nothing is done.
        PipelineStepFailed: dlt or the destination failed.
    """
    what = deleted(source_setting("deleted", str, "keep"))
    requests_max = source_setting("deleted_requests_max", float, REQUESTS_MAX)
    at_least(1, deleted_requests_max=requests_max)
    gone: dict[str, Gone] = {}
    with exclusive(pipeline, wait=run.waits):
        with kept_open(pipeline, wait=run.waits):
            _begin(pipeline, run, what, **arguments)
            names, unchecked = loaded_lists(pipeline, selected)
        with noted(pipeline, run, names, "find_deleted"), _told(run, gone, what, unchecked):
            _look(pipeline, run, names, what, int(requests_max), gone)
            if what != "keep" and not yes:
                _confirm(gone, what)
            with kept_open(pipeline, wait=run.waits):
                _keep_state(pipeline, gone)
                if what != "keep":
                    _do(pipeline, run, gone, what)
            _note(run, gone, what)
    left = " ".join(notes.error for notes in run.tables.values() if notes.error)
    return _as_text(run, gone, what, unchecked), left


def _begin(pipeline: Pipeline, run: Run, what: str, **arguments: Any) -> None:
    """Goes on from what the destination knows, where rows can be marked or removed; see `find_deleted`."""
    loaded_state(pipeline)
    if what != "keep" and layout(kind_of(pipeline), source_setting("files", str, "delta")).appends:
        raise ConfigurationError(
            "Plain files keep each version of a row, and none of them can be marked or removed; set deleted = "
            '"keep", which tells what is gone, or load into files = "delta".'
        )
    follow_destination(pipeline)
    if what != "keep":
        with _removing(pipeline):
            pass
    source_for(run, **arguments)
    client = run.connected()
    check_account(pipeline.state.get("sources", {}).get(account().source, {}), client.accounts, client.sign_in)


@contextmanager
def _removing(pipeline: Pipeline) -> Iterator[Stored]:
    """The tables, where rows of them can be marked or removed.

    Raises:
        ConfigurationError: They cannot.
    """
    with stored(pipeline) as destination:
        if destination is None:
            raise ConfigurationError('This destination marks and removes no rows; set deleted = "keep".')
        yield destination


def _look(
    pipeline: Pipeline, run: Run, names: Sequence[str], what: str, requests_max: int, gone: dict[str, Gone]
) -> None:
    """Finds what is gone of each table; nothing is done meanwhile. See `find_deleted` for what it raises."""
    reader = Reader(run.connected(), Supervision(run, run.checkpoint), Rereading())
    for name in names:
        table, state = TABLES[name], state_of(pipeline.state, account().source, name)
        with kept_open(pipeline, wait=run.waits):
            known = held(Queries(pipeline, account().source), table)
        try:
            # What is to be removed is asked for, whatever its mark says, and whoever is only told need not ask again.
            found = compared(reader, table, known, state, first_day(state), believes_marks=what != "remove")
            with kept_open(pipeline, wait=run.waits):
                where = paths(Queries(pipeline, account().source), table, found.unlisted)
            ask(found, reader, table, where, state, requests_max=requests_max, asks_again=what != "keep")
        except (AuthenticationFailed, ConfigurationError, HostUnreachable):
            raise
        except WootricError as error:
            raise IncompleteScan(
                f"What is gone cannot be told, and nothing was done, since {name} cannot be read completely: {error}"
            ) from error
        gone[name] = found


def _confirm(gone: Mapping[str, Gone], what: str) -> None:
    if much := {name: each for name, each in gone.items() if each.is_much}:
        counts = "; ".join(f"{each.may_go:,} of {each.rows:,} rows of {name}" for name, each in much.items())
        agreed(
            f"--find-deleted would {what} what is gone: {counts}",
            f"{what} them",
            'see with deleted = "keep" which they are',
            "Nothing was marked or removed.",
        )


def _keep_state(pipeline: Pipeline, gone: Mapping[str, Gone]) -> None:
    """Commits which rows Wootric does not have; what is known of their content would keep them from coming again."""
    with source_state(pipeline, account().source) as state:
        for name, found in gone.items():
            of_table = state["resources"][name]
            overlap = without(of_table.get(OVERLAP), found.ids)
            for key, value in {ABSENT: found.absent, ASKED_LAST: found.asked_last, OVERLAP: overlap}.items():
                of_table.pop(key, None)
                if value:
                    of_table[key] = value
    if pipeline.has_pending_data:
        load_extracted(pipeline)


def _do(pipeline: Pipeline, run: Run, gone: Mapping[str, Gone], what: str) -> None:
    """Marks or removes what is gone, and takes marks away from what has come back."""
    with _removing(pipeline) as destination:
        marking = [name for name, found in gone.items() if found.ids and what == "mark"]
        for name in marking:
            destination.add_marks(name)
    if marking:
        know_column(pipeline, marking, DELETED_AT, TIMESTAMP)
    with _removing(pipeline) as destination:
        for name, found in gone.items():
            if found.back:
                destination.mark(name, found.back, None)
            if found.ids and what == "mark":
                destination.mark(name, found.ids, run.started_at)
            elif found.ids:
                destination.remove(name, found.ids)


def _note(run: Run, gone: Mapping[str, Gone], what: str) -> None:
    for name, found in gone.items():
        notes = run.table(name)
        notes.rows_gone = len(found.ids)
        notes.rows = 0 if what == "keep" else len(found.ids) + len(found.back)
        notes.complete = not found.unasked
        if found.unasked:
            left = f"{counted(found.unasked)} {'was' if len(found.unasked) == 1 else 'were'}"
            notes.error = f"{name}: {left} not asked for by id; the next --find-deleted goes on there."
        if found.nameless:
            run.warn(
                f"{name}: {counted(found.nameless)} without a person, so that Wootric cannot be asked for it by its id."
            )


def _as_text(run: Run, gone: Mapping[str, Gone], what: str, unchecked: Sequence[str]) -> str:
    """For people."""
    done = {"keep": "kept", "mark": "marked", "remove": "removed"}[what]
    lines = as_table(
        ["table", "rows", "not listed", "there by id", "gone", "came back"],
        [
            [name, *(f"{n:,}" for n in (each.rows, len(each.unlisted), len(each.there), len(each.ids), len(each.back)))]
            for name, each in gone.items()
        ],
    )
    lines += [
        f"{name}: {counted(each.ids)} {'is' if len(each.ids) == 1 else 'are'} gone in Wootric, and {done}."
        for name, each in gone.items()
        if each.ids
    ]
    return "\n".join(
        [*lines, *(f"Not looked at: {each}" for each in unchecked), *(f"Warning: {each}" for each in run.warnings)]
    )


@contextmanager
def _told(run: Run, gone: Mapping[str, Gone], what: str, unchecked: Sequence[str]) -> Iterator[None]:
    """Keeps what was found for machines, also where nothing could be done with it."""
    is_done = False
    try:
        yield
        is_done = what != "keep"
    finally:
        run.found = {
            "deleted": what,
            "tables": {
                name: _table_as_json(each, run.table(name).complete, what if is_done else "keep")
                for name, each in gone.items()
            },
            "unchecked": list(unchecked),
            "requests": run.connected().requests,
        }


def _table_as_json(found: Gone, complete: bool, done: str) -> dict[str, Any]:
    return {
        "complete": complete,
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
