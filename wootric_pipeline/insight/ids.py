"""Which rows of a table its list does not show any more, and which it shows that the table does not hold.

A list is read to its end for that, with the proofs with which it is loaded; nothing of it is kept but ids and times.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from ..destinations.queries import Queries, in_utc
from ..errors import IncompleteScan
from ..reading.reader import Reader
from ..reading.span import Span
from ..tables import CURSOR, DELETED_AT, END_USERS, PERSON, PRIMARY_KEY, TABLES, Table
from .fit import Misfit

IDS_A_QUERY = 1_000
BIRTH = "created_at"
Answer = Callable[[str], list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Held:
    """The rows that a table holds.

    Attributes:
        ids: Of all of them.
        marked: Of those that are marked as gone.
        oldest: When the first of them was created, UTC; None where that is not known.
    """

    ids: frozenset[int] = frozenset()
    marked: frozenset[int] = frozenset()
    oldest: datetime | None = None


class Other(NamedTuple):
    """A row of a list that the table does not hold; times are UTC."""

    id: int
    end_user_id: int | None
    created_at: datetime
    updated_at: datetime


@dataclass
class Listed:
    """What a list has shown.

    Attributes:
        held: The ids of rows that the table holds.
        others: Those of all others that were updated before a moment, by id.
    """

    held: set[int] = field(default_factory=set)
    others: dict[int, Other] = field(default_factory=dict)


def lacking(queries: Queries, table: str) -> str:
    """Why the ids of a table cannot be compared with a list's, in a sentence; empty where they can."""
    if table not in queries.tables:
        return f"{table} is not loaded."
    if PERSON in TABLES[table].columns and PERSON not in queries.columns(table):
        return f"{table}.{PERSON} is not loaded, without which no row of {table} can be asked for by its id."
    return ""


def held(queries: Queries, table: Table, *, since: datetime | None = None, until: datetime | None = None) -> Held:
    """What a table holds by now.

    Args:
        queries: Ask the destination.
        table: Which.
        since: Only rows that were created then or later; None is all.
        until: And before; None is all.

    Raises:
        Exception: Whatever the destination raises when it cannot be reached.
    """
    name, columns = table.name, queries.columns(table.name)
    marked, oldest = frozenset[int](), None
    bounds = [f"{BIRTH} {sign} {queries.instant(at)}" for sign, at in ((">=", since), ("<", until)) if at is not None]
    with queries.kept() as answer:
        ids = _ids(answer, name, *bounds)
        if DELETED_AT in columns:
            marked = _ids(answer, name, *bounds, f"{DELETED_AT} IS NOT NULL")
        if BIRTH in columns:
            ((moment,),) = answer(f"SELECT min({BIRTH}) FROM {name}")  # noqa: S608
            oldest = in_utc(moment)
    return Held(ids, marked, oldest)


def _ids(answer: Answer, table: str, *conditions: str) -> frozenset[int]:
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return frozenset(int(row_id) for (row_id,) in answer(f"SELECT {PRIMARY_KEY} FROM {table}{where}"))  # noqa: S608


def listed(
    reader: Reader, table: Table, known: Held, *, start: datetime | None = None, until: datetime | None = None
) -> Listed:
    """Reads a list to its end.

    Args:
        reader: Reads it.
        table: Whose.
        known: What the table held before.
        start: The first day that was to be loaded; None is all history.
        until: Rows that the table does not hold are wanted if they were updated before; None wants none.

    Raises:
        AuthenticationFailed: Wootric does not let the account read it.
        WootricError: It cannot be read to its end.
    """
    # Ranges of days before the first one may have been loaded as well.
    begins = None if start is None or known.oldest is None else int(min(start, known.oldest).timestamp() // 1)
    notes, found = reader.notes.table(table.name), Listed()
    for batch in reader.batches(table, Span(since=begins, created_since=begins)):
        for row in batch.rows if batch else ():
            if (row_id := row[PRIMARY_KEY]) in known.ids:
                found.held.add(row_id)
            elif until is not None and row[CURSOR] < until:
                found.others[row_id] = Other(row_id, row.get(PERSON), row[BIRTH], row[CURSOR])
    # Nothing is loaded, so nothing that was loaded is newer by now.
    notes.began = None
    if notes.left_out:
        raise IncompleteScan(next(iter(notes.left_out.values())))
    return found


def paths(queries: Queries, table: Table, ids: Collection[int]) -> Mapping[int, str]:
    """Where the API has rows that a table holds by their ids; not of rows that do not say whose they are.

    Raises:
        Exception: Whatever the destination raises when it cannot be reached.
    """
    if table.name == END_USERS.name:
        return {row_id: Misfit(table.name, row_id, row_id).path for row_id in ids}
    ordered, found = sorted(ids), dict[int, str]()
    for begin in range(0, len(ordered), IDS_A_QUERY):
        some = ", ".join(map(str, ordered[begin : begin + IDS_A_QUERY]))
        query = f"SELECT {PRIMARY_KEY}, {PERSON} FROM {table.name} WHERE {PRIMARY_KEY} IN ({some})"  # noqa: S608
        of_people = [(int(row_id), person) for row_id, person in queries.rows(query) if person is not None]
        found |= {row_id: Misfit(table.name, row_id, int(person)).path for row_id, person in of_people}
    return found
