"""People who are not to be loaded any more, and what of other tables' rows tells of them.

The state of the source keeps a digest of each person's id, with a salt beside it. That hides no id from whoever has the
state and tries all numbers; the id is no more than Wootric's number, which responses and declines have as well.
"""

import hashlib
import secrets
from base64 import b64encode
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from dlt import Schema

from .exclusion import Exclusion
from .patterns import PERSONAL
from .records import whole_number
from .tables import END_USERS, PERSON, PERSON_IN_ROW, PRIMARY_KEY, TABLES, Table

FORGOTTEN = "forgotten"
"""In the state of the source, where no full refresh forgets it: which people are not to be loaded."""
SALT, PEOPLE = "salt", "people"
SALT_BYTES, DIGEST_BYTES = 16, 9

ABOUT_PEOPLE = (
    PERSONAL,
    *(f"{END_USERS.name}.{part}" for part in (*END_USERS.properties, "last_response")),
    *(f"{table.name}.{PERSON_IN_ROW}" for table in TABLES.values() if PERSON_IN_ROW in table.objects),
)
"""Patterns of all columns and lists that tell of a person, the person's free-form properties among them."""


class Forgotten:
    """The people who are not to be loaded.

    Args:
        kept: What the state of the source keeps of them; None if nothing.
    """

    def __init__(self, kept: Mapping[str, Any] | None = None) -> None:
        self._salt: str = kept[SALT] if kept else secrets.token_hex(SALT_BYTES)
        self._digests = frozenset[str](kept[PEOPLE] if kept else ())
        self._about = Exclusion(ABOUT_PEOPLE)

    def __contains__(self, end_user_id: object) -> bool:
        return bool(self._digests) and (number := whole_number(end_user_id)) is not None and self._has(number)

    def __bool__(self) -> bool:
        return bool(self._digests)

    def _has(self, end_user_id: int) -> bool:
        return self._digest(end_user_id) in self._digests

    def _digest(self, end_user_id: int) -> str:
        salt = bytes.fromhex(self._salt)
        content = hashlib.blake2b(str(end_user_id).encode(), digest_size=DIGEST_BYTES, salt=salt)
        return b64encode(content.digest()).decode()

    def added(self, people: Iterable[int]) -> dict[str, Any]:
        """What to keep when some people are not to be loaded either."""
        return self._kept(self._digests | {self._digest(each) for each in people})

    def without(self, people: Iterable[int]) -> dict[str, Any]:
        """What to keep when some people are to be loaded again; nothing if there are no others."""
        return self._kept(self._digests - {self._digest(each) for each in people})

    def _kept(self, digests: Collection[str]) -> dict[str, Any]:
        # In one order, since a state that is the same is not written again.
        return {SALT: self._salt, PEOPLE: sorted(digests)} if digests else {}

    def of(self, table: Table, schema: Schema) -> "TableForgetting":
        """What of a table is not to be loaded.

        Args:
            table: Which.
            schema: Says how columns are named.
        """
        return TableForgetting(self, table, self._about, schema)


class TableForgetting:
    """What of the rows of one list is not to be loaded; see `Forgotten.of`."""

    def __init__(self, forgotten: Forgotten, table: Table, about: Exclusion, schema: Schema) -> None:
        self._forgotten = forgotten
        self._about = about.of(table, schema)
        self._is_of_people = table.name == END_USERS.name
        self._person = PRIMARY_KEY if self._is_of_people else PERSON

    def left(self, row: Any) -> Any:
        """A row as it came, changed in place: without what tells of a person who is not to be loaded."""
        if self._forgotten and type(row) is dict and row.get(self._person) in self._forgotten:
            return self._about.left(row)
        return row

    def keeps(self, row: Mapping[str, Any]) -> bool:
        """Whether a row is to be loaded at all."""
        return not (self._is_of_people and row[PRIMARY_KEY] in self._forgotten)


def tells_of_people(table: Table, column: str) -> bool:
    """Whether a column of a list, or a list in its rows, is cleared when a person is forgotten.

    Args:
        table: Which.
        column: As it is named at the destination, also one for values of another type; a child table without the name
            of its parent.
    """
    return Exclusion(ABOUT_PEOPLE).names(table, column)


def forgotten_in(state: Mapping[str, Any] | None, source: str) -> Forgotten:
    """The people who are not to be loaded, as the state of a pipeline has it.

    Args:
        state: Of the pipeline.
        source: The name of the source in it.
    """
    return Forgotten((state or {}).get("sources", {}).get(source, {}).get(FORGOTTEN))
