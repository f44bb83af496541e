"""A full refresh: everything is read again and merged into what is there, and what has not come again goes in the end.

So each row is there at any moment, as it was or as it is by now, whenever a run is killed, fails or is stopped. dlt's
state keeps that a refresh is under way, and any later run of the command completes it.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from dlt import Pipeline
from dlt.sources import DltSource

from ..destinations.stored import Unused, stored
from ..dlt_internals import declared_columns, forget_in_schema, has_schema, source_state, table_chain
from ..state import ACCOUNT, FILTERED_BY, LOADS, READ, REFRESH, ROWS_BEFORE, check_account, is_of_another
from ..tables import ALL_TABLES, CURSOR, DAY, TABLES
from .run import Refreshed, Run

log = logging.getLogger("wootric_pipeline.command")

BIRTH = "created_at"

Commit = Callable[[Pipeline], object]
"""Loads what was extracted."""


def begin_refresh(pipeline: Pipeline, source: str, run: Run, tables: Sequence[str], commit: Commit) -> None:
    """Forgets the cursors of tables, and notes in the state that they are to be refreshed.

    If they are all there are, they may become those of another account.

    Raises:
        ConfigurationError: Others are of another account.
    """
    if not has_schema(pipeline):
        # Nothing was ever loaded.
        return
    known = pipeline.state.get("sources", {}).get(source, {})
    if not (takes_over := _is_all(known, tables)):
        client = run.connected()
        check_account(known, client.accounts, client.sign_in)
    before = _rows_before(pipeline, run, tables)
    with source_state(pipeline, source) as state:
        if takes_over:
            state.pop(ACCOUNT, None)
        resources = state.setdefault("resources", {})
        times = {name: resources.pop(name, {}).get(FILTERED_BY) for name in tables}
        resources |= {
            name: {FILTERED_BY: times[name], REFRESH: {LOADS: [], ROWS_BEFORE: before[name], READ: False}}
            for name in before
        }
    if pipeline.has_pending_data:
        commit(pipeline)
    # Had its cursor not been forgotten before, a table made anew would get none but the newest rows.
    with stored(pipeline) as destination:
        for name in before:
            if destination is not None:
                destination.restore(name)


def _rows_before(pipeline: Pipeline, run: Run, tables: Sequence[str]) -> dict[str, int | None]:
    """How many rows there are of each table that can be refreshed."""
    with stored(pipeline) as destination:
        if destination is None:
            run.warnings.append("This destination removes no rows: what is gone in Wootric stays in its tables.")
            return {}
        known = _known(pipeline, tables)
        gone = destination.gone(known)
        return {name: 0 if gone.get(name) == name else destination.rows(name) for name in known}


def to_catch_up(pipeline: Pipeline, source: str, run: Run) -> list[str]:
    """Tables that are read, and hold rows that have not come again: they may have moved on while others were read.

    Only where a table is read by what has changed do rows move, and is it read again in two requests.
    """
    read = {name: marker for name, marker in _read(pipeline, source, run).items() if run.table(name).mode == "updated"}
    if not read:
        return []
    with stored(pipeline) as destination:
        if destination is None:
            return []
        return [
            name for name, marker in read.items() if destination.rows(name) != destination.rows(name, marker[LOADS])
        ]


def complete_refresh(pipeline: Pipeline, source: DltSource, run: Run, commit: Commit, *, empties: bool) -> None:
    """Removes what has not come again from tables that are complete, and notes that they are refreshed.

    Args:
        pipeline: Where to.
        source: Whose columns are declared.
        run: Takes the notes.
        commit: Loads the state.
        empties: Whether all rows of a table may go because Wootric shows none.
    """
    read = _read(pipeline, source.name, run)
    done = [name for name, marker in read.items() if _complete(pipeline, source, run, name, marker, empties)]
    if not done:
        return
    with source_state(pipeline, source.name) as state:
        for name in done:
            del state["resources"][name][REFRESH]
    commit(pipeline)


def _read(pipeline: Pipeline, source: str, run: Run) -> dict[str, dict[str, Any]]:
    """The refreshes of tables that this run, too, has found complete."""
    return {
        name: marker
        for name, marker in refreshes(pipeline, source).items()
        if marker[READ] and name in run.tables and run.table(name).complete
    }


def _is_all(state: Mapping[str, Any], tables: Sequence[str]) -> bool:
    """Whether nothing but some tables was loaded, as the state of the source has it."""
    return set(state.get("resources", {})) <= set(tables)


def of_others(pipeline: Pipeline, source: str, run: Run, tables: Sequence[str]) -> list[str]:
    """What a full refresh would replace of another account's rows, by table.

    Raises:
        AuthenticationFailed: The credentials are nobody's.
    """
    known = pipeline.state.get("sources", {}).get(source, {})
    client = run.connected()
    if not is_of_another(known, client.accounts) or not _is_all(known, tables):
        return []
    client.sign_in()
    with stored(pipeline) as destination:
        if destination is None:
            return list(known.get("resources", {}))
        loaded = _known(pipeline, tables)
        gone = destination.gone(loaded)
        found = {name: None if name in gone else destination.rows(name) for name in loaded}
    return [f"{'all' if rows is None else f'{rows:,}'} rows of {name}" for name, rows in found.items() if rows != 0]


def losses(pipeline: Pipeline, source: str, tables: Sequence[str], start: datetime) -> list[str]:
    """What a full refresh from a start date on would remove although it may exist, by table."""
    found = []
    resources = pipeline.state.get("sources", {}).get(source, {}).get("resources", {})
    # The API knows whole seconds, so it is asked for all rows of the first.
    start = start.replace(microsecond=0)
    with stored(pipeline) as destination:
        if destination is None:
            return []
        known = _known(pipeline, tables)
        gone = destination.gone(known)
        for name in [each for each in known if each not in gone]:
            state = resources.get(name, {})
            is_later = (first := first_day(state)) is None or first < start
            rows = destination.rows(name)
            if rows is None and is_later and name in TABLES:
                found.append(f"{name} was loaded from {f'{first:%Y-%m-%d} on' if first else 'the beginning'}")
            column = _axis(pipeline, name, state.get(FILTERED_BY), is_later=is_later)
            if column and rows and (older := destination.older(name, start, column)):
                found.append(f"{older:,} of {rows:,} rows of {name}")
    return found


def _axis(pipeline: Pipeline, table: str, filtered_by: str | None, *, is_later: bool) -> str | None:
    """The time by which a table's rows come again from a start date on; None where all come again.

    Former versions did not note it. Then it is the one by which more rows would go, unless the table was loaded from
    that date: by the other, it holds older rows as a matter of course.
    """
    if table not in TABLES:
        return DAY if DAY in ALL_TABLES[table].key else None
    is_created = filtered_by == "created" or (filtered_by is None and is_later)
    return BIRTH if is_created and BIRTH in pipeline.default_schema.tables[table]["columns"] else CURSOR


def first_day(state: Mapping[str, Any]) -> datetime | None:
    """The date at which the first run of a table began, in the state that dlt keeps of its cursor."""
    start: datetime | None = state.get("incremental", {}).get(CURSOR, {}).get("initial_value")
    return start


def refreshes(pipeline: Pipeline, source: str) -> dict[str, dict[str, Any]]:
    """What the state notes of refreshes that are under way, by table."""
    resources = pipeline.state.get("sources", {}).get(source, {}).get("resources", {})
    return {name: state[REFRESH] for name, state in resources.items() if REFRESH in state}


def _known(pipeline: Pipeline, tables: Sequence[str]) -> list[str]:
    return [name for name in tables if table_chain(pipeline.default_schema, name)]


def _complete(
    pipeline: Pipeline, source: DltSource, run: Run, name: str, marker: dict[str, Any], empties: bool
) -> bool:
    notes, before, loads = run.table(name), marker[ROWS_BEFORE], marker[LOADS]
    # Were the removal to fail, the table would not be refreshed.
    notes.complete = False
    declared = declared_columns(source.resources[name])
    with stored(pipeline) as destination:
        if destination is None:
            return False
        after = destination.rows(name, loads)
        if before != 0 and not empties and not (notes.rows_read if after is None else after):
            notes.error = _no_rows(name, before)
            return False
        held = destination.rows(name)
        destination.keep(name, loads)
        unused = destination.unused(name, declared)
    _drop(pipeline, run, unused)
    notes.complete = True
    removed = None if held is None or after is None else held - after
    run.refreshed[name] = Refreshed(before, after, removed)
    log.info("%s: refreshed; %s.", name, run.refreshed[name])
    return True


def _drop(pipeline: Pipeline, run: Run, unused: Unused) -> None:
    # dlt must not look for columns that are gone; that some are there which it does not know does no harm.
    forget_in_schema(pipeline, unused.tables, unused.columns)
    with stored(pipeline) as destination:
        for name in destination.drop(unused) if destination else ():
            run.warnings.append(f"{name} holds nothing any more, but the destination does not drop it.")


def _no_rows(table: str, before: int | None) -> str:
    held = "what was loaded before stays" if before is None else f"the {before:,} loaded before stay"
    return (
        f"Wootric shows no {table}, so {held} and the table is not refreshed; if the account really has none, run with "
        f"--full-refresh --tables {table} --yes."
    )
