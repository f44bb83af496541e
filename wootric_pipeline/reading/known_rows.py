"""Rows of an overview that are read again: those that have not changed are not loaded again."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .listing import Page, Row
from .overlap import ROWS_MAX, digest

SHAPE, ROWS = "shape", "rows"


class KnownRows:
    """What was loaded of the rows of an overview.

    Args:
        kept: What `kept` told when rows were loaded last; None if nothing was.
        key: The names of what identifies a row.
        shape: Tells apart what changes the form in which rows are loaded: of rows in another form nothing is known.
        dropped: Columns that nobody is to see, not even by a digest with which a guess could be compared.
    """

    def __init__(
        self, kept: Mapping[str, Any] | None, key: Sequence[str], shape: str, dropped: Collection[str] = ()
    ) -> None:
        self._key = key
        self._shape = digest(shape)
        self._dropped = frozenset(dropped)
        self._known: dict[str, str] = dict(kept[ROWS]) if kept and kept[SHAPE] == self._shape else {}

    def parted(self, rows: Page) -> tuple[Page, Page]:
        """The rows that have to be loaded, and those that were loaded as they are; the former are known from now on."""
        changed, unchanged = Page(), Page()
        for row in rows:
            name, content = self.name(row), self._digest_of(row)
            (unchanged if self._known.get(name) == content else changed).append(row)
            self._known[name] = content
        return changed, unchanged

    def name(self, row: Row) -> str:
        """Tells a row from others, in an order that is that of days."""
        return " ".join(str(row[name]) for name in self._key)

    def kept(self, since: str = "") -> dict[str, Any]:
        """What to keep for the next run, to be committed with the rows.

        Args:
            since: The least of the names of rows that will be read again.
        """
        # In one order, since a state that is the same is not written again.
        rows = {name: content for name, content in sorted(self._known.items()) if name >= since}
        return {SHAPE: self._shape, ROWS: dict(list(rows.items())[-ROWS_MAX:])} if rows else {}

    def _digest_of(self, row: Row) -> str:
        return digest({name: value for name, value in row.items() if name not in self._dropped})
