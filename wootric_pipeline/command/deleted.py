"""Finds rows that Wootric does not have any more, by complete readings, and does with them what `deleted` says."""

from collections.abc import Mapping, Sequence
from typing import Any

from dlt import Pipeline

from ..accounts import account
from ..destinations.locks import exclusive, kept_open
from ..destinations.queries import Queries
from ..errors import AuthenticationFailed, ConfigurationError, HostUnreachable, IncompleteScan, WootricError
from ..insight.gone import Gone, ask, compared
from ..insight.ids import held, listed, paths
from ..state import state_of
from ..tables import TABLES
from .consent import agreed
from .deletion import (
    carry_out,
    check_same_account,
    deletion_settings,
    gone_lines,
    reader_of,
    removing,
    told,
    unasked_sentence,
)
from .ids import counted, loaded_lists
from .loading import follow_destination, loaded_state
from .outcome import noted
from .refresh import first_day
from .report import as_table
from .run import Run, source_for
from .runtime import laid_out


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
    what, requests_max = deletion_settings()
    gone: dict[str, Gone] = {}
    with exclusive(pipeline, wait=run.waits):
        with kept_open(pipeline, wait=run.waits):
            _begin(pipeline, run, what, **arguments)
            names, unchecked = loaded_lists(pipeline, selected)
        with noted(pipeline, run, names, "find_deleted"), told(run, gone, what, unchecked):
            _look(pipeline, run, names, what, requests_max, gone)
            if what != "keep" and not yes:
                _confirm(gone, what)
            carry_out(pipeline, run, gone, what)
            _note_left(run, gone)
    left = " ".join(notes.error for notes in run.tables.values() if notes.error)
    return _as_text(run, gone, what, unchecked), left


def _begin(pipeline: Pipeline, run: Run, what: str, **arguments: Any) -> None:
    """Goes on from what the destination knows, where rows can be marked or removed; see `find_deleted`."""
    loaded_state(pipeline)
    if what != "keep" and laid_out(pipeline).appends:
        raise ConfigurationError(
            "Plain files keep each version of a row, and none of them can be marked or removed; set deleted = "
            '"keep", which tells what is gone, or load into files = "delta".'
        )
    follow_destination(pipeline)
    if what != "keep":
        with removing(pipeline):
            pass
    source_for(run, **arguments)
    check_same_account(pipeline, run)


def _look(
    pipeline: Pipeline, run: Run, names: Sequence[str], what: str, requests_max: int, gone: dict[str, Gone]
) -> None:
    """Finds what is gone of each table; nothing is done meanwhile. See `find_deleted` for what it raises."""
    reader, now = reader_of(run), int(run.started_at.timestamp())
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


def _confirm(gone: Mapping[str, Gone], what: str) -> None:
    if much := {name: each for name, each in gone.items() if each.is_much}:
        counts = "; ".join(f"{each.may_go:,} of {each.rows:,} rows of {name}" for name, each in much.items())
        agreed(
            f"--find-deleted would {what} what is gone: {counts}",
            f"{what} them",
            'see with deleted = "keep" which they are',
            "Nothing was marked or removed.",
        )


def _note_left(run: Run, gone: Mapping[str, Gone]) -> None:
    """Notes which rows were not asked for."""
    for name, found in gone.items():
        if found.unasked:
            run.table(name).error = f"{unasked_sentence(name, found)}; the next --find-deleted goes on there."
        if found.nameless:
            run.warn(
                f"{name}: {counted(found.nameless)} without a person, so that Wootric cannot be asked for it by its id."
            )


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
            *gone_lines(gone, what),
            *(f"Not looked at: {each}" for each in unchecked),
            *(f"Warning: {each}" for each in run.warnings),
        ]
    )
