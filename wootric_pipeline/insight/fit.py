"""Do the tables of a dataset fit each other: is there what their rows refer to?

Two things tell for nothing that Wootric's lists have left a row out, as one company has seen them do: a response or a
decline whose person is not among the end users, and a person whose last response is not among the responses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, NamedTuple

from dlt import Pipeline

from ..destinations.queries import Queries, in_utc
from ..tables import DECLINES, END_USERS, RESPONSES

FOUND_MAX = 10_000
"""Of each kind."""

NO_PERSON = f"""
SELECT asked.end_user_id, min(asked.updated_at)
FROM {{asked}} AS asked LEFT JOIN {END_USERS.name} AS person ON person.id = asked.end_user_id
WHERE person.id IS NULL AND asked.end_user_id IS NOT NULL
GROUP BY asked.end_user_id ORDER BY asked.end_user_id LIMIT {FOUND_MAX}
"""  # noqa: S608
OTHER_LAST_RESPONSE = f"""
SELECT person.last_response__id, person.id, person.updated_at, person._dlt_load_id, response.id, response.updated_at
FROM {END_USERS.name} AS person LEFT JOIN {RESPONSES.name} AS response ON response.id = person.last_response__id
WHERE person.last_response__id IS NOT NULL AND {{differs}}
ORDER BY person.last_response__id LIMIT {FOUND_MAX}
"""  # noqa: S608
IS_MISSING = "response.id IS NULL"
IS_MISSING_OR_DIFFERS = (
    "(response.id IS NULL OR response.score <> person.last_response__score OR "
    "(response.score IS NULL AND person.last_response__score IS NOT NULL))"
)


class Misfit(NamedTuple):
    """A row that others refer to and that is not in the dataset, or is there with another score.

    Attributes:
        table: Where it belongs.
        id: Its id.
        end_user_id: Whose it is; that of a person is the person's own.
        is_there: Whether it is there.
    """

    table: str
    id: int
    end_user_id: int
    is_there: bool = False

    @property
    def path(self) -> str:
        """Where the API has it by its id."""
        person = f"{END_USERS.path}/{self.end_user_id}"
        return person if self.table == END_USERS.name else f"{person}/{self.table}/{self.id}"


class Known(NamedTuple):
    """Up to when a table is known to be loaded, UTC; None is up to now.

    Attributes:
        new_rows: Rows that were new before are in.
        changes: Rows that had changed before are in.
    """

    new_rows: datetime | None = None
    changes: datetime | None = None


@dataclass(frozen=True)
class Fit:
    """What was found.

    Attributes:
        misfits: What is not there as it has to be.
        unchecked: What could not be looked at, in sentences.
    """

    misfits: list[Misfit] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    def ids(self, table: str, *, is_there: bool = False) -> list[int]:
        """Of the rows of a table that are missing, or are there with another score."""
        return [each.id for each in self.misfits if (each.table, each.is_there) == (table, is_there)]


def fit(
    pipeline: Pipeline, schema: str, known: Mapping[str, Known], *, appends: bool = False, has_start: bool = False
) -> Fit:
    """Looks for what is missing.

    What refers to a row was loaded at another moment than the row would have been: only what had happened before both
    were is looked at.

    Args:
        pipeline: Whose dataset.
        schema: The name of the schema of Wootric's tables.
        known: Up to when which table is loaded.
        appends: Whether each version of a row is kept, so that nothing can be said of scores.
        has_start: Whether the lists are loaded from some day on, so that people, and responses of theirs, may be older.

    Raises:
        Exception: Whatever the destination raises when it cannot be reached.
    """
    queries = Queries(pipeline, schema)
    found = Fit()
    _people(queries, known, found, has_start=has_start)
    _last_responses(queries, known, found, appends=appends, has_start=has_start)
    return found


def _people(queries: Queries, known: Mapping[str, Known], found: Fit, *, has_start: bool) -> None:
    missing: dict[int, Misfit] = {}
    for table in (RESPONSES, DECLINES):
        lacking = _lacking(queries, {END_USERS.name: ("id",), table.name: ("end_user_id", "updated_at")})
        if lacking or has_start:
            reason = lacking or "end_users is loaded from a start date on, and people may be older"
            found.unchecked.append(f"Whether the end users of {table.name} are there: {reason}.")
            continue
        limit = known.get(END_USERS.name, Known()).new_rows
        for person, told_at in queries.rows(NO_PERSON.format(asked=table.name)):
            if _is_before(told_at, limit):
                missing[person] = Misfit(END_USERS.name, person, person)
    found.misfits.extend(missing[person] for person in sorted(missing))


def _last_responses(
    queries: Queries, known: Mapping[str, Known], found: Fit, *, appends: bool, has_start: bool
) -> None:
    needed = {
        END_USERS.name: ("id", "updated_at", "last_response__id", "last_response__score"),
        RESPONSES.name: ("id", "score", "updated_at"),
    }
    lacking = _lacking(queries, needed)
    if lacking or has_start:
        reason = lacking or "responses are loaded from a start date on, and people may have older ones"
        found.unchecked.append(f"Whether the last responses of end_users are there: {reason}.")
        return
    if appends:
        found.unchecked.append("Whether the last responses of end_users have the same score: files keep all versions.")
    limits = known.get(RESPONSES.name, Known())
    differs = IS_MISSING if appends else IS_MISSING_OR_DIFFERS
    query = OTHER_LAST_RESPONSE.format(differs=differs)
    for response, person, told_at, load, loaded, changed_at in queries.rows(query):
        # It may have changed since its person was read, who need not have changed with it.
        if loaded is not None and not _is_before(changed_at, _began(load)):
            continue
        if _is_before(told_at, limits.new_rows if loaded is None else limits.changes):
            found.misfits.append(Misfit(RESPONSES.name, response, person, is_there=loaded is not None))


def _began(load: str) -> datetime:
    """When the load of an id began to read."""
    return datetime.fromtimestamp(float(load), timezone.utc)


def _is_before(moment: Any, limit: datetime | None) -> bool:
    at = in_utc(moment)
    return limit is None or at is None or at < limit


def _lacking(queries: Queries, needed: Mapping[str, Sequence[str]]) -> str:
    """The first table or column that is not loaded, in words."""
    for table, columns in needed.items():
        if table not in queries.tables:
            return f"{table} is not loaded"
        there = queries.columns(table)
        if lacking := [column for column in columns if column not in there]:
            return f"{table}.{lacking[0]} is not loaded"
    return ""
