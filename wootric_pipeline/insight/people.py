"""Finds a person in the tables of a dataset, and the rows of other tables that are theirs."""

import unicodedata
from collections.abc import Collection, Sequence
from typing import NamedTuple

from ..destinations.queries import Queries
from ..forgetting import tells_of_people
from ..naming import SEPARATOR
from ..tables import END_USERS, PERSON, PERSON_IN_ROW, PRIMARY_KEY, TABLES, Table

EMAIL = "email"
ROW_ID, ROOT_ID = "_dlt_id", "_dlt_root_id"


class Telling(NamedTuple):
    """What of a table tells of people.

    Attributes:
        columns: By name.
        children: Tables of lists, by name; those within others first.
    """

    columns: Sequence[str]
    children: Sequence[str]


def telling(table: Table, chain: dict[str, list[str]]) -> Telling:
    """What of a table and its child tables, as they are loaded, tells of people.

    Args:
        table: Which.
        chain: It and its child tables, parents first, with their columns.
    """
    root, *children = chain
    return Telling(
        [column for column in chain[root] if tells_of_people(table, column)],
        [child for child in reversed(children) if tells_of_people(table, child.removeprefix(f"{root}{SEPARATOR}"))],
    )


def has_emails(queries: Queries) -> bool:
    """Whether a table has people's e-mail addresses."""
    return bool(_places(queries))


def of_email(queries: Queries, texts: Collection[str]) -> frozenset[int]:
    """The ids of all people whom any table knows by an e-mail address: a list may not show all of them.

    Args:
        queries: Whose dataset.
        texts: The address as it may be loaded, hashed, or as `canonical` makes it.

    Raises:
        Exception: Whatever the destination raises when it cannot be reached.
    """
    found: set[int] = set()
    for table, column, person in _places(queries):
        # Not every destination knows the small letters of all scripts, nor takes every letter in a query.
        rows = queries.rows(f'SELECT {person}, "{column}" FROM {table} WHERE "{column}" IS NOT NULL')
        found |= {int(each) for each, email in rows if each is not None and canonical(email) in texts}
    return frozenset(found)


def canonical(email: str) -> str:
    """An address in small letters, composed in one way, and without blanks around it.

    >>> canonical(" Zoe\u0308@X.com") == "zoë@x.com"
    True
    """
    return unicodedata.normalize("NFC", email.strip().lower())


def _places(queries: Queries) -> list[tuple[str, str, str]]:
    """Tables, their columns of e-mail addresses and of people."""
    places = [
        (END_USERS.name, EMAIL, PRIMARY_KEY),
        *((name, f"{PERSON_IN_ROW}{SEPARATOR}{EMAIL}", PERSON) for name in TABLES if name != END_USERS.name),
    ]
    return [
        (table, column, person)
        for table, column, person in places
        if table in queries.tables and {column, person} <= set(queries.columns(table))
    ]


def known(queries: Queries, people: Collection[int]) -> frozenset[int]:
    """Those of some people whom any row is of."""
    found: set[int] = set()
    for table in TABLES.values():
        person = person_column(table)
        if table.name in queries.tables and person in queries.columns(table.name):
            query = f"SELECT DISTINCT {person} FROM {table.name} WHERE {_of(person, people)}"
            found |= {int(each) for (each,) in queries.rows(query)}
    return frozenset(found)


def tells_nothing(queries: Queries, table: Table, about: Telling) -> bool:
    """Whether no row of a table tells anything of anybody.

    Args:
        queries: Whose dataset.
        table: Which.
        about: What of it would.

    Raises:
        Exception: Whatever the destination raises when it cannot be reached.
    """
    told = [f'SELECT COUNT("{column}") FROM {table.name}' for column in about.columns]
    told += [f"SELECT COUNT(*) FROM {child}" for child in about.children if child in queries.tables]
    return not any(count for query in told for ((count,),) in [queries.rows(query)])


def rows_of(queries: Queries, table: Table, people: Collection[int], about: Telling | None = None) -> list[int]:
    """The ids of rows of a table that are some people's.

    Args:
        queries: Whose dataset.
        table: Which, with a column of people.
        people: By id.
        about: Then just of those rows in which something of it is; None is all.

    Raises:
        Exception: Whatever the destination raises when it cannot be reached.
    """
    where = _of(person_column(table), people)
    if about is not None:
        filled = [f'"{column}" IS NOT NULL' for column in about.columns]
        filled += [f"{ROW_ID} IN (SELECT {ROOT_ID} FROM {child})" for child in about.children]
        where += f" AND ({' OR '.join(filled) or '1 = 0'})"
    query = f"SELECT {PRIMARY_KEY} FROM {table.name} WHERE {where}"
    return sorted(int(row_id) for (row_id,) in queries.rows(query))


def person_column(table: Table) -> str:
    """By which a table names people."""
    return PRIMARY_KEY if table.name == END_USERS.name else PERSON


def _of(column: str, ids: Collection[int]) -> str:
    return f"{column} IN ({', '.join(map(str, sorted(ids)))})"
