"""Finds rows that Wootric does not have any more, and does with them what the setting `deleted` says.

Whatever is done is done when all of that is known of all tables, and can be done again: a run that is killed leaves
nothing that the next one does not find.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

from dlt import Pipeline

from ..accounts import account
from ..destinations.layout import kind_of, layout
from ..destinations.locks import exclusive, kept_open
from ..destinations.queries import Queries
from ..destinations.stored import Stored, stored
from ..dlt_internals import know_column, source_state
from ..errors import AuthenticationFailed, ConfigurationError, HostUnreachable, IncompleteScan, WootricError
from ..insight.gone import Gone, ask, compared, kept_of, leave_out_known
from ..insight.ids import held, lacking, listed, paths
from ..reading.by_id import ABSENT
from ..reading.notes import TableNotes
from ..reading.overlap import without
from ..reading.progress import WholeList
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
    what, requests_max = _settings()
    gone: dict[str, Gone] = {}
    with exclusive(pipeline, wait=run.waits):
        with kept_open(pipeline, wait=run.waits):
            _begin(pipeline, run, what, **arguments)
            names, unchecked = loaded_lists(pipeline, selected)
        with noted(pipeline, run, names, "find_deleted"), _told(run, gone, what, unchecked):
            _look(pipeline, run, names, what, requests_max, gone)
            if what != "keep" and not yes:
                _confirm(gone, what)
            _carry_out(pipeline, run, gone, what)
            _note_left(run, gone)
    left = " ".join(notes.error for notes in run.tables.values() if notes.error)
    return _as_text(run, gone, what, unchecked), left


def _settings() -> tuple[str, int]:
    """What to do with rows that are gone, and how many of each table to ask for.

    Raises:
        ConfigurationError: A setting is none.
    """
    what = deleted(source_setting("deleted", str, "keep"))
    requests_max = source_setting("deleted_requests_max", float, REQUESTS_MAX)
    at_least(1, deleted_requests_max=requests_max)
    return what, int(requests_max)


def _begin(pipeline: Pipeline, run: Run, what: str, **arguments: Any) -> None:
    """Goes on from what the destination knows, where rows can be marked or removed; see `find_deleted`."""
    loaded_state(pipeline)
    if what != "keep" and _appends(pipeline):
        raise ConfigurationError(
            "Plain files keep each version of a row, and none of them can be marked or removed; set deleted = "
            '"keep", which tells what is gone, or load into files = "delta".'
        )
    follow_destination(pipeline)
    if what != "keep":
        with _removing(pipeline):
            pass
    source_for(run, **arguments)
    _check_account(pipeline, run)


def _appends(pipeline: Pipeline) -> bool:
    """Whether each version of a row is kept."""
    return layout(kind_of(pipeline), source_setting("files", str, "delta")).appends


def _check_account(pipeline: Pipeline, run: Run) -> None:
    client = run.connected()
    check_account(pipeline.state.get("sources", {}).get(account().source, {}), client.accounts, client.sign_in)


def find_deleted_after_load(pipeline: Pipeline, run: Run, tables: Sequence[str]) -> tuple[str, str]:
    """Looks for what is gone of lists that a load has read as a whole again, and does what the setting says.

    What is looked for is a run of its own, whose findings go into the report of the run that has loaded. Where nothing
    is gone, there is none.

    Args:
        pipeline: Whose dataset.
        run: That has loaded.
        tables: The names of those that it was to load.

    Returns:
        What was found, for people, and that nothing has failed.

    Raises:
        ConfigurationError: A setting is none.
        PipelineStepFailed: dlt or the destination failed.
        Exception: Whatever the destination raises when it cannot be reached.
    """
    lists = _whole_lists(run, tables)
    if not lists:
        return "", ""
    what, requests_max = _settings()
    own = Run(isolates_tables=True, client=run.client, waits=run.waits)
    with kept_open(pipeline, wait=run.waits):
        what = _possible(pipeline, what)
        news = _news(pipeline, own, lists, what) if what else {}
    if not news:
        return "", ""
    requests_before, warned = own.connected().requests, len(run.warnings)
    lines = _looked_after(pipeline, own, {name: lists[name] for name in news}, what, requests_max)
    if own.found is not None:
        run.deleted = {**own.found, "requests": own.connected().requests - requests_before}
    for warning in own.warnings:
        run.warn(warning)
    return "\n".join([*lines, *(f"Warning: {each}" for each in run.warnings[warned:])]), ""


def _looked_after(
    pipeline: Pipeline, run: Run, lists: Mapping[str, WholeList], what: str, requests_max: int
) -> list[str]:
    """The run that looks for what is gone after another one has loaded; what it has found, for people."""
    gone: dict[str, Gone] = {}
    try:
        with exclusive(pipeline, wait=run.waits):
            with kept_open(pipeline, wait=run.waits):
                follow_destination(pipeline)
                _check_account(pipeline, run)
            with noted(pipeline, run, list(lists), "find_deleted"), _told(run, gone, what, ()):
                _ask_and_carry_out(pipeline, run, lists, what, requests_max, gone)
    except WootricError as error:
        run.warn(f"What is gone was not looked for after this load. {error}")
    return _found_lines(run, gone, what)


def _whole_lists(run: Run, tables: Sequence[str]) -> dict[str, WholeList]:
    """What the lists have shown that were read as a whole again."""
    listed = {name: run.tables[name].listed for name in tables if name in run.tables and run.tables[name].complete}
    return {name: each for name, each in listed.items() if each is not None}


def _possible(pipeline: Pipeline, what: str) -> str:
    """What can be done with rows that are gone: plain files keep them, and where no tables can be read, nothing."""
    with stored(pipeline) as destination:
        if destination is None:
            return ""
    return "keep" if _appends(pipeline) else what


def _news(
    pipeline: Pipeline, run: Run, lists: Mapping[str, WholeList], what: str
) -> dict[str, tuple[Gone, Mapping[int, str]]]:
    """What nobody knows yet of tables, and where Wootric has the rows to ask for; nothing of tables without news."""
    queries, news = Queries(pipeline, account().source), dict[str, tuple[Gone, Mapping[int, str]]]()
    for name, whole in lists.items():
        if lacking(queries, name):
            continue
        state = state_of(pipeline.state, account().source, name)
        found = _compared(queries, name, whole, state, int(run.started_at.timestamp()), what)
        where = {} if found.may_be_much else paths(queries, TABLES[name], found.unlisted)
        is_there_again = len(found.absent) < len(state.get(ABSENT, ()))
        if found.may_be_much or where or is_there_again or (found.back and what != "keep"):
            news[name] = found, where
    return news


def _compared(queries: Queries, name: str, whole: WholeList, state: Mapping[str, Any], now: int, what: str) -> Gone:
    since, began = (None if second is None else _moment(second) for second in (whole.since, whole.began))
    # Rows from before were not asked for, and the list may lack some that were created after it was read.
    known = held(queries, TABLES[name], since=since, until=began)
    found = compared(known.ids.intersection(whole.ids), known, state, now, believes_marks=what != "remove")
    leave_out_known(found, state, asks_again=what != "keep")
    return found


def _moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, timezone.utc)


def _ask_and_carry_out(
    pipeline: Pipeline, run: Run, lists: Mapping[str, WholeList], what: str, requests_max: int, gone: dict[str, Gone]
) -> None:
    """Asks for what is not listed, and does with what is gone what is to be done; nothing where much would go."""
    with kept_open(pipeline, wait=run.waits):
        news = _news(pipeline, run, lists, what)
    for name in lists:
        # Of one without news, somebody else has found them meanwhile.
        run.table(name).complete = name not in news
    gone |= {name: found for name, (found, _) in news.items()}
    if much := [name for name, found in gone.items() if found.may_be_much]:
        for name in much:
            run.warn(_much(name, gone[name], what))
        return
    reader = _reader(run)
    try:
        for name, (found, where) in news.items():
            state = state_of(pipeline.state, account().source, name)
            ask(found, reader, TABLES[name], where, state, requests_max=requests_max, asks_again=what != "keep")
    except WootricError as error:
        run.warn(f"What is gone cannot be told, and nothing was done: {error}")
        return
    _carry_out(pipeline, run, gone, what)
    for name, found in gone.items():
        if found.unasked:
            run.warn(f"{_unasked(name, found)}; --find-deleted goes on there, and so does the next load that can.")


def _much(name: str, found: Gone, what: str) -> str:
    does = "" if what == "keep" else f", and with --yes {what}s those that are gone"
    return (
        f"{name}: {len(found.unlisted):,} of {found.rows:,} rows are not listed any more, so many that nothing was "
        f"done; --find-deleted asks for each by its id{does}."
    )


def _found_lines(run: Run, gone: Mapping[str, Gone], what: str) -> list[str]:
    """What a load is to tell people; nothing where nothing was done."""
    done = {name: found for name, found in gone.items() if run.table(name).rows_gone is not None}
    lines = _gone_lines(done, what)
    for name, found in done.items():
        if found.back and what != "keep":
            lines.append(f"{name}: {counted(found.back)} {_are(found.back)} listed again, and unmarked.")
        if found.there:
            it = "it" if len(found.there) == 1 else "them"
            lines.append(f"{name}: {counted(found.there)} {_are(found.there)} not listed, but Wootric has {it}.")
    return lines


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
    reader, now = _reader(run), int(run.started_at.timestamp())
    for name in names:
        table, state = TABLES[name], state_of(pipeline.state, account().source, name)
        with kept_open(pipeline, wait=run.waits):
            known = held(Queries(pipeline, account().source), table)
        try:
            shown = listed(reader, table, known, start=first_day(state)).held
            # What is to be removed is asked for, whatever its mark says, and whoever is only told need not ask again.
            found = compared(shown, known, state, now, believes_marks=what != "remove")
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


def _reader(run: Run) -> Reader:
    return Reader(run.connected(), Supervision(run, run.checkpoint), Rereading())


def _confirm(gone: Mapping[str, Gone], what: str) -> None:
    if much := {name: each for name, each in gone.items() if each.is_much}:
        counts = "; ".join(f"{each.may_go:,} of {each.rows:,} rows of {name}" for name, each in much.items())
        agreed(
            f"--find-deleted would {what} what is gone: {counts}",
            f"{what} them",
            'see with deleted = "keep" which they are',
            "Nothing was marked or removed.",
        )


def _carry_out(pipeline: Pipeline, run: Run, gone: Mapping[str, Gone], what: str) -> None:
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


def _note_left(run: Run, gone: Mapping[str, Gone]) -> None:
    """Notes which rows were not asked for."""
    for name, found in gone.items():
        if found.unasked:
            run.table(name).error = f"{_unasked(name, found)}; the next --find-deleted goes on there."
        if found.nameless:
            run.warn(
                f"{name}: {counted(found.nameless)} without a person, so that Wootric cannot be asked for it by its id."
            )


def _unasked(table: str, found: Gone) -> str:
    return f"{table}: {counted(found.unasked)} {'was' if len(found.unasked) == 1 else 'were'} not asked for by id"


def _as_text(run: Run, gone: Mapping[str, Gone], what: str, unchecked: Sequence[str]) -> str:
    """For people."""
    lines = as_table(
        ["table", "rows", "not listed", "there by id", "gone", "came back"],
        [
            [name, *(f"{n:,}" for n in (each.rows, len(each.unlisted), len(each.there), len(each.ids), len(each.back)))]
            for name, each in gone.items()
        ],
    )
    return "\n".join(
        [
            *lines,
            *_gone_lines(gone, what),
            *(f"Not looked at: {each}" for each in unchecked),
            *(f"Warning: {each}" for each in run.warnings),
        ]
    )


def _gone_lines(gone: Mapping[str, Gone], what: str) -> list[str]:
    done = {"keep": "kept", "mark": "marked", "remove": "removed"}[what]
    return [
        f"{name}: {counted(each.ids)} {_are(each.ids)} gone in Wootric, and {done}."
        for name, each in gone.items()
        if each.ids
    ]


def _are(ids: Sequence[int]) -> str:
    return "is" if len(ids) == 1 else "are"


@contextmanager
def _told(run: Run, gone: Mapping[str, Gone], what: str, unchecked: Sequence[str]) -> Iterator[None]:
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
