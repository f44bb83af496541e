"""Finds out whether what was loaded is all there, and fetches by its id what is not."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from dlt import Pipeline

from ..accounts import account
from ..destinations.locks import exclusive
from ..forgetting import forgotten_in
from ..insight.fit import Fit, Known, Misfit, fit
from ..reading.by_id import absent
from ..settings import at_least
from ..state import state_of
from ..tables import END_USERS, RESPONSES, TABLES
from .account_settings import AccountSettings
from .compare import as_text, compared, missing
from .ids import LISTED_MAX, Ids, compare_ids, counted
from .loading import follow_destination, load_extracted, loaded_state
from .run import Run, source_for
from .runs_table import note
from .runtime import laid_out, source_setting
from .status import status

REPAIR_REQUESTS_MAX = 500


def verified(
    pipeline: Pipeline, run: Run, *, repairs: bool, compares: bool, full: Sequence[str] = (), **arguments: Any
) -> tuple[str, str]:
    """Looks for what is missing, and fetches it; what was found, for people, and a sentence if something is missing.

    Args:
        pipeline: Whose dataset.
        run: Takes the notes, and what was found for machines.
        repairs: Whether what is missing is to be fetched.
        compares: Whether Wootric's own figures are to be compared.
        full: The names of the tables whose ids are to be held against Wootric's lists.
        arguments: Of the source.

    Raises:
        ConfigurationError: Nothing was loaded yet, or another loader is at work.
        WootricError: Wootric does not answer, or does not let the account ask.
        PipelineStepFailed: dlt or the destination failed.
    """
    requests_max = source_setting("repair_requests_max", float, REPAIR_REQUESTS_MAX)
    at_least(1, repair_requests_max=requests_max)
    of_account = AccountSettings()
    with exclusive(pipeline, wait=run.waits) if repairs else nullcontext():
        found = verify(pipeline, run)
        ids = compare_ids(pipeline, run, full, **arguments) if full else None
        misfits = [*found.misfits, *(ids.misfits if ids else ())]
        if repairs and misfits:
            _repair(pipeline, run, list(dict.fromkeys(misfits))[: int(requests_max)], **arguments)
            found = verify(pipeline, run)
            ids = ids and ids.after_repair(pipeline)
        text = _as_text(run, found)
        if ids:
            ids.note(run)
            text += f"\n{ids.as_text()}"
        run.found = _as_json(run, found, ids)
        comparison = None
        if compares:
            known, appends = _fresh(pipeline), laid_out(pipeline).appends
            comparison = compared(pipeline, run, of_account, known, appends=appends, **arguments)
            run.found |= {"comparison": comparison, "requests": run.client.requests if run.client else 0}
            text += f"\n{as_text(comparison)}"
        if source_setting("keep_runs", bool, True):
            note(pipeline, run, list(run.tables), "", "repair" if repairs else "verify")
    failed = [_failed(found, repairs=repairs), ids.sentence if ids else ""]
    return text, " ".join(filter(None, failed)) or (missing(comparison) if comparison else "")


def _failed(found: Fit, *, repairs: bool) -> str:
    if not found.misfits:
        return ""
    if repairs:
        return "Some rows are still missing, or have other scores; the next --repair asks for them again."
    return "Rows are missing, or have other scores; --repair asks Wootric for them by their ids."


def verified_after_load(pipeline: Pipeline, run: Run, **arguments: Any) -> tuple[str, str]:
    """Looks for what is missing as a run of its own; its findings go into the report of the run that has loaded.

    Args:
        pipeline: Whose dataset.
        run: That has loaded.
        arguments: Of the source.

    Raises:
        Exception: Whatever the destination raises when it cannot be reached.
    """
    own = Run(isolates_tables=True, waits=run.waits)
    text, failed = verified(pipeline, own, repairs=False, compares=True, **arguments)
    run.verification = own.found
    for warning in own.warnings:
        run.warn(warning)
    return text, failed


def verify(pipeline: Pipeline, run: Run) -> Fit:
    """Looks for rows that others refer to and that are not there, and notes the verdict of each table.

    Args:
        pipeline: Whose dataset.
        run: Takes the notes.

    Returns:
        What is missing, without what Wootric did not have when it was asked for it, and people who are forgotten.

    Raises:
        ConfigurationError: Nothing was loaded yet.
        Exception: Whatever the destination raises when it cannot be reached.
    """
    state = loaded_state(pipeline)
    found = fit(
        pipeline, account().source, _fresh(pipeline), appends=laid_out(pipeline).appends, has_start=_has_start(state)
    )
    gone = {table: absent(state, account().source, table) for table in TABLES}
    forgotten = forgotten_in(state, account().source)
    misfits = [
        each
        for each in found.misfits
        if each.id not in gone[each.table] and not (each.table == END_USERS.name and each.id in forgotten)
    ]
    left = Fit(misfits, found.unchecked)
    for table in (END_USERS.name, RESPONSES.name):
        run.table(table).complete = not (sentence := _sentence(left, table))
        run.table(table).error = sentence or None
    return left


def _fresh(pipeline: Pipeline) -> dict[str, Known]:
    """Up to when tables are loaded, as far as runs are noted."""
    tables = status(pipeline, list(TABLES)).tables
    return {each.table: Known(each.last_complete_at, each.read_up_to) for each in tables}


def _repair(pipeline: Pipeline, run: Run, misfits: Sequence[Misfit], **arguments: Any) -> None:
    """Fetches rows by their ids, and loads them."""
    paths: dict[str, dict[int, str]] = {}
    for each in misfits:
        paths.setdefault(each.table, {})[each.id] = each.path
    follow_destination(pipeline)
    source = source_for(run, by_id=paths, **arguments)
    pipeline.extract(source.with_resources(*paths))
    load_extracted(pipeline)


def _has_start(state: Mapping[str, Any] | None) -> bool:
    """Whether people and responses are loaded from some day on."""
    states = [state_of(state, account().source, name) for name in (END_USERS.name, RESPONSES.name)]
    cursors = [cursor for each in states for cursor in each.get("incremental", {}).values()]
    return any(cursor.get("initial_value") is not None for cursor in cursors)


def _sentence(found: Fit, table: str) -> str:
    """What is missing of a table; empty if nothing is."""
    missing, other = found.ids(table), found.ids(table, is_there=True)
    sentences = []
    if missing:
        by = "responses or declines name" if table == END_USERS.name else "end_users names as a person's last"
        sentences.append(f"{table}: {counted(missing)} that {by} {'is' if len(missing) == 1 else 'are'} missing.")
    if other:
        have = "has another score" if len(other) == 1 else "have other scores"
        sentences.append(f"{table}: {counted(other)} {have} than end_users tells.")
    return " ".join(sentences)


def _as_text(run: Run, found: Fit) -> str:
    """For people."""
    lines = [notes.error for notes in run.tables.values() if notes.error]
    if not lines:
        gone = ", or gone in Wootric" if any(notes.absent for notes in run.tables.values()) else ""
        lines = [f"All people and last responses that rows refer to are there{gone}."]
    lines += [f"Not checked: {each[:1].lower()}{each[1:]}" for each in found.unchecked]
    for name, notes in run.tables.items():
        if notes.rows:
            lines.append(f"{name}: {notes.rows:,} {'row was' if notes.rows == 1 else 'rows were'} loaded by id.")
        if notes.absent:
            lines.append(f"{name}: Wootric does not have {counted(notes.absent)} any more.")
    return "\n".join(lines)


def _as_json(run: Run, found: Fit, ids: Ids | None) -> dict[str, Any]:
    """For machines."""
    return {
        "verified": {
            name: {
                "complete": notes.complete,
                "missing": len(found.ids(name)),
                "missing_ids": found.ids(name)[:LISTED_MAX],
                "differing": len(found.ids(name, is_there=True)),
                "differing_ids": found.ids(name, is_there=True)[:LISTED_MAX],
                "repaired": notes.rows,
                "absent_ids": notes.absent[:LISTED_MAX],
            }
            for name, notes in run.tables.items()
        },
        **({"ids": ids.as_json()} if ids else {}),
        "unchecked": [*found.unchecked, *(ids.unchecked if ids else ())],
        "requests": run.client.requests if run.client else 0,
    }
