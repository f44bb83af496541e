"""Holds the ids that the dataset has against those that Wootric lists, by complete readings that load nothing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from dlt import Pipeline

from ..accounts import account
from ..destinations.queries import Queries, in_utc
from ..destinations.stored import require_whole, stored
from ..errors import AuthenticationFailed, ConfigurationError, HostUnreachable, WootricError
from ..forgetting import forgotten_in
from ..insight.fit import Misfit
from ..insight.ids import Held, Other, held, lacking, listed
from ..reading.reader import Reader, Rereading
from ..reading.supervision import Supervision
from ..state import FILTERED_BY, check_account, state_of
from ..tables import CURSOR, END_USERS, TABLES
from .loading import loaded_state
from .refresh import first_day
from .run import Run, source_for
from .runtime import source_setting
from .status import status

LOOKBACK_SECONDS = 300
NAMED_MAX = 10
"""Ids in a sentence."""
LISTED_MAX = 1_000
"""Ids in the report for machines."""


@dataclass(frozen=True)
class TableIds:
    """What was found of a table.

    Attributes:
        rows: How many it holds.
        missing: Rows that are listed and should have been loaded, and that it does not hold.
        unlisted: The ids of rows that are not listed any more; not of those that are marked as gone.
        error: Why the list could not be read to its end, in a sentence.
    """

    rows: int = 0
    missing: list[Other] = field(default_factory=list)
    unlisted: list[int] = field(default_factory=list)
    error: str = ""

    @property
    def missing_ids(self) -> list[int]:
        """In their order."""
        return sorted(row.id for row in self.missing)

    def misfits(self, table: str) -> list[Misfit]:
        """Those of the rows that can be asked for by their ids."""
        people = [(row.id, row.id if table == END_USERS.name else row.end_user_id) for row in self.missing]
        return [Misfit(table, row_id, person) for row_id, person in sorted(people) if person is not None]


@dataclass(frozen=True)
class Ids:
    """What was found.

    Attributes:
        tables: By name.
        unchecked: What could not be looked at, in sentences.
    """

    tables: dict[str, TableIds] = field(default_factory=dict)
    unchecked: list[str] = field(default_factory=list)

    @property
    def misfits(self) -> list[Misfit]:
        """What is missing, as far as it can be asked for by its id."""
        return [each for name, found in self.tables.items() for each in found.misfits(name)]

    @property
    def sentence(self) -> str:
        """What is to be done about it; empty if nothing is missing."""
        errors = " ".join(found.error for found in self.tables.values() if found.error)
        is_missing = any(found.missing for found in self.tables.values())
        missing = "Rows that Wootric lists are missing; --verify full --repair asks for them by their ids."
        return errors or (missing if is_missing else "")

    def after_repair(self, pipeline: Pipeline) -> "Ids":
        """What is missing still.

        Raises:
            Exception: Whatever the destination raises when it cannot be reached.
        """
        queries, tables = Queries(pipeline, account().source), dict(self.tables)
        for name, found in self.tables.items():
            if found.missing:
                there = held(queries, TABLES[name]).ids
                tables[name] = replace(found, missing=[row for row in found.missing if row.id not in there])
        return replace(self, tables=tables)

    def note(self, run: Run) -> None:
        """Notes the verdict of each table, beside what is noted of it already."""
        for name, found in self.tables.items():
            notes = run.table(name)
            error = found.error or _missing(name, found)
            notes.complete = not (error or notes.error)
            notes.error = " ".join(filter(None, (notes.error, error))) or None

    def as_text(self) -> str:
        """For people."""
        lines = []
        for name, found in self.tables.items():
            lines.append(found.error or _missing(name, found) or f"{name}: all rows that Wootric lists are there.")
            if found.unlisted:
                one = len(found.unlisted) == 1
                are, they = ("is", "whether it is") if one else ("are", "which of them are")
                lines.append(
                    f"{name}: {counted(found.unlisted)} {are} not listed any more; --find-deleted asks {they} gone."
                )
        return "\n".join([*lines, *(f"Not compared: {each}" for each in self.unchecked)])

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            name: {
                "complete": not found.error,
                "rows": found.rows,
                "missing": len(found.missing),
                "missing_ids": found.missing_ids[:LISTED_MAX],
                "unlisted": len(found.unlisted),
                "unlisted_ids": found.unlisted[:LISTED_MAX],
                **({"error": found.error} if found.error else {}),
            }
            for name, found in self.tables.items()
        }


def counted(ids: Sequence[int]) -> str:
    """How many rows, and the first of their ids."""
    named = ", ".join(map(str, ids[:NAMED_MAX]))
    more = " and others" if len(ids) > NAMED_MAX else ""
    return f"{len(ids):,} {'row' if len(ids) == 1 else 'rows'} (id {named}{more})"


def _missing(table: str, found: TableIds) -> str:
    is_one = len(found.missing) == 1
    are = "lists is" if is_one else "lists are"
    return f"{table}: {counted(found.missing_ids)} that Wootric {are} missing." if found.missing else ""


def compare_ids(pipeline: Pipeline, run: Run, selected: Sequence[str], **arguments: Any) -> Ids:
    """Reads lists to their ends, and holds their ids against those of the tables as they were before.

    Args:
        pipeline: Whose dataset.
        run: Takes the notes.
        selected: The names of the tables to look at; others than lists are left out.
        arguments: Of the source.

    Raises:
        ConfigurationError: Nothing that could be compared was loaded, or it was loaded with other credentials.
        WootricError: Wootric does not answer at all, or does not let the account ask.
        Exception: Whatever the destination raises when it cannot be reached.
    """
    state = loaded_state(pipeline)
    names, unchecked = loaded_lists(pipeline, selected)
    source_for(run, **arguments)
    client = run.connected()
    check_account(state.get("sources", {}).get(account().source, {}), client.accounts, client.sign_in)
    reader = Reader(client, Supervision(run, run.checkpoint), Rereading())
    read_up_to = {each.table: each.read_up_to for each in status(pipeline, list(TABLES)).tables}
    forgotten, found = forgotten_in(state, account().source), {}
    for name in names:
        known = held(Queries(pipeline, account().source), TABLES[name])
        try:
            of_table = _compared(reader, name, known, state_of(state, account().source, name), read_up_to.get(name))
            if name == END_USERS.name:
                missing = [row for row in of_table.missing if row.id not in forgotten]
                of_table = replace(of_table, missing=missing)
            found[name] = of_table
        except (AuthenticationFailed, ConfigurationError, HostUnreachable):
            raise
        except WootricError as error:
            sentence = f"{name} cannot be read completely, so its ids are not compared: {error}"
            found[name] = TableIds(len(known.ids), error=sentence)
    return Ids(found, unchecked)


def _compared(
    reader: Reader, name: str, known: Held, state: Mapping[str, Any], read_up_to: datetime | None
) -> TableIds:
    start = in_utc(first_day(state))
    shown = listed(reader, TABLES[name], known, start=start, until=_loaded_until(state, read_up_to))
    is_created = "created" in (state.get(FILTERED_BY), reader.notes.table(name).filtered_by)
    missing = [
        row
        for row in shown.others.values()
        if start is None or (row.updated_at >= start and (row.created_at >= start or not is_created))
    ]
    return TableIds(len(known.ids), missing, sorted(known.ids - shown.held - known.marked))


def _loaded_until(state: Mapping[str, Any], read_up_to: datetime | None) -> datetime | None:
    """Rows that were updated before have to be there, as the cursor and the last run tell; None if none have to."""
    cursors = state.get("incremental", {}).get(CURSOR, {})
    last = cursors.get("last_value")
    known = [read_up_to, None if last == cursors.get("initial_value") else in_utc(last)]
    moments = [each for each in known if each is not None]
    lookback = timedelta(seconds=source_setting("lookback_seconds", float, LOOKBACK_SECONDS))
    # Who becomes visible late is brought by the next run.
    return max(moments) - lookback if moments else None


def loaded_lists(pipeline: Pipeline, selected: Collection[str]) -> tuple[list[str], list[str]]:
    """Those of some tables whose ids can be compared with a list's, and why others cannot, in sentences.

    Raises:
        ConfigurationError: There are none, or somebody has dropped one.
        Exception: Whatever the destination raises when it cannot be reached.
    """
    queries = Queries(pipeline, account().source)
    reasons = {name: lacking(queries, name) for name in selected if name in TABLES}
    unchecked = [reason for reason in reasons.values() if reason]
    if len(unchecked) == len(reasons):
        why = " ".join(unchecked) or f"No list is selected; choose from {', '.join(TABLES)}."
        raise ConfigurationError(f"There are no ids to compare with Wootric's. {why}")
    names = [name for name, reason in reasons.items() if not reason]
    with stored(pipeline) as destination:
        if destination is not None:
            require_whole(destination, names)
    return names, unchecked
