"""What of a row is left out: dropped as it comes, before anything in it is checked, and long before it is written."""

from collections.abc import MutableMapping
from typing import Any

from dlt import Schema

from .naming import SEPARATOR, named
from .patterns import Pattern, Selection, TableSelection
from .tables import Overview, Table

LEFT_OUT = "left_out"
"""In the state of a resource: by pattern, columns that it kept from being loaded since the first load."""
COLUMNS_KEPT = 10
"""How many of them; a pattern can match thousands."""


class Exclusion(Selection["TableExclusion"]):
    """The columns that a user leaves out; see `Selection`.

    A column that was loaded before stays, with its old values in the rows that have not changed since: a full refresh
    removes it.
    """

    setting = "exclude_columns"

    def dropped_last(self, table: Table) -> list[str]:
        """The columns of a table that are left out only when the reading, which needs them, is done with a row."""
        return [column for column in _read_by(table) if self.names(table, column)]

    def _made(self, table: Table, schema: Schema) -> "TableExclusion":
        return TableExclusion(table, schema, self)


class TableExclusion(TableSelection):
    """What is left out of the rows of one table; see `Exclusion.of`."""

    def __init__(self, table: Table, schema: Schema, exclusion: Exclusion) -> None:
        super().__init__(table, schema, exclusion.patterns)
        self._exclusion = exclusion
        self._kept = _read_by(table)
        self._left_out: dict[str, list[str]] = {}

    def left(self, row: Any) -> Any:
        """A row without what is left out, changed in place, however deep it is nested."""
        if not self._patterns or type(row) is not dict:
            return row
        # With the path of each object as its columns are named, and as its keys are written.
        waiting: list[tuple[Any, str, str]] = [(row, "", "")]
        while waiting:
            value, path, written = waiting.pop()
            if type(value) is list:
                waiting += ((each, path, written) for each in value if type(each) in (dict, list))
                continue
            for key in list(value):
                if not self._is_dropped(value, key, path, written) and type(value[key]) in (dict, list):
                    inner = path + named(key, self._schema) + SEPARATOR
                    waiting.append((value[key], inner, written + key + SEPARATOR))
        return row

    def _is_dropped(self, fields: dict[str, Any], key: str, path: str, written: str) -> bool:
        patterns = self.patterns_of(key, path, written)
        if not patterns and type(fields[key]) is not dict:
            patterns = self.patterns_in_place_of(key, path)
        if not patterns:
            return False
        column = path + named(key, self._schema)
        for pattern in patterns:
            columns = self._left_out.setdefault(pattern, [])
            if fields[key] not in (None, [], {}) and column not in columns and len(columns) < COLUMNS_KEPT:
                columns.append(column)
        if not path and isinstance(fields[key], self._kept.get(key, ())):
            return False
        del fields[key]
        return True

    def has_matched(self, pattern: Pattern) -> bool:
        """See `TableSelection`."""
        return pattern.text in self._left_out

    def note(self, state: MutableMapping[str, Any]) -> None:
        """Adds what was left out by now to the state of the table's resource, and learns from it what was before."""
        for pattern, columns in state.get(LEFT_OUT, {}).items():
            kept = self._left_out.setdefault(pattern, [])
            kept += [each for each in columns if each not in kept][: COLUMNS_KEPT - len(kept)]
        if self._left_out:
            # Other threads read on meanwhile.
            state[LEFT_OUT] = {pattern: list(columns) for pattern, columns in list(self._left_out.items())}

    def taken_back(self) -> list[str]:
        """A warning, if what was left out of earlier rows no longer is."""
        texts = {pattern.text for pattern in self._patterns}
        columns = [each for pattern, left in self._left_out.items() if pattern not in texts for each in left]
        columns = sorted({each for each in columns if not self._exclusion.names(self._table, each)})
        if not columns:
            return []
        missing = ", ".join(columns[:COLUMNS_KEPT])
        return [
            f"{self._table.name}: what exclude_columns left out before ({missing}) is missing from the rows loaded "
            f"then; --full-refresh --tables {self._table.name} loads them again."
        ]

    def ended(self, *, has_rows: bool) -> list[str]:
        """What is to be said when the table has been read to its end."""
        self.is_complete, self.has_rows = True, has_rows
        return [*self.taken_back(), *self._exclusion.unmatched(self._table)]


def _read_by(table: Table) -> dict[str, type]:
    """The fields of a row that reading looks at, and of which type it can use them."""
    if isinstance(table, Overview):
        return dict.fromkeys(table.needed, object)
    return {table.default_sort_key: str, **dict.fromkeys((*table.needed, "created_at"), object)}
