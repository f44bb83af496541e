"""Looks for rows that are gone in Wootric where a load has read a whole list again anyway."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from dlt import Pipeline

from ..accounts import account
from ..destinations.locks import exclusive, kept_open
from ..destinations.queries import Queries
from ..destinations.stored import stored
from ..errors import WootricError
from ..insight.gone import Gone, ask, compared, leave_out_known
from ..insight.ids import held, lacking, paths
from ..reading.by_id import ABSENT
from ..reading.progress import WholeList
from ..state import state_of
from ..tables import TABLES
from .deletion import (
    are,
    carry_out,
    check_same_account,
    deletion_settings,
    gone_lines,
    reader_of,
    told,
    unasked_sentence,
)
from .ids import counted
from .loading import follow_destination
from .outcome import noted
from .run import Run
from .runtime import laid_out


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
    what, requests_max = deletion_settings()
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
                check_same_account(pipeline, run)
            with noted(pipeline, run, list(lists), "find_deleted"), told(run, gone, what, ()):
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
    return "keep" if laid_out(pipeline).appends else what


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
    reader = reader_of(run)
    try:
        for name, (found, where) in news.items():
            state = state_of(pipeline.state, account().source, name)
            ask(found, reader, TABLES[name], where, state, requests_max=requests_max, asks_again=what != "keep")
    except WootricError as error:
        run.warn(f"What is gone cannot be told, and nothing was done: {error}")
        return
    carry_out(pipeline, run, gone, what)
    for name, found in gone.items():
        if found.unasked:
            run.warn(
                f"{unasked_sentence(name, found)}; --find-deleted goes on there, and so does the next load that can."
            )


def _much(name: str, found: Gone, what: str) -> str:
    does = "" if what == "keep" else f", and with --yes {what}s those that are gone"
    return (
        f"{name}: {len(found.unlisted):,} of {found.rows:,} rows are not listed any more, so many that nothing was "
        f"done; --find-deleted asks for each by its id{does}."
    )


def _found_lines(run: Run, gone: Mapping[str, Gone], what: str) -> list[str]:
    """What a load is to tell people; nothing where nothing was done."""
    done = {name: found for name, found in gone.items() if run.table(name).rows_gone is not None}
    lines = gone_lines(done, what)
    for name, found in done.items():
        if found.back and what != "keep":
            lines.append(f"{name}: {counted(found.back)} {are(found.back)} listed again, and unmarked.")
        if found.there:
            it = "it" if len(found.there) == 1 else "them"
            lines.append(f"{name}: {counted(found.there)} {are(found.there)} not listed, but Wootric has {it}.")
    return lines
