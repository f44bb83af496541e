"""A row as the API shows it becomes a row as it is loaded: times in UTC, documented fields of their type.

Nothing else is changed and no field is dropped, but for numbers that no destination can hold, which become texts, and
are counted.
"""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, cast

from .dlt_internals import coerced
from .errors import UnexpectedAnswer
from .tables import BIGINT, BOOL, CURSOR, PRIMARY_KEY, TEXT, TIMESTAMP, DataType, Table

Row = dict[str, Any]

_PYTHON_TYPES: dict[DataType, type] = {BIGINT: int, BOOL: bool, TEXT: str}

TIME_LENGTH_MAX = 64
NESTING_MAX = 20
"""Objects and lists within one another: of each list dlt makes a table, whose name must fit into that of a file."""

_BIGINT_LIMIT = 2**63
_MAY_HOLD_NUMBERS = (int, float, dict, list)

# What follows the 19 characters of `2018-01-02 23:03:41`: a fraction, and a zone in one of the documented forms.
_AFTER_SECONDS = re.compile(r"(?P<fraction>\.\d+)?\s*(?P<zone>Z|UTC|[+-]\d{2}:?\d{2})?")


class OddRow(Row):
    """A row some of whose values no database can hold.

    Attributes:
        odd_values: How many; they were replaced.
    """

    def __init__(self, row: Row, odd_values: int) -> None:
        super().__init__(row)
        self.odd_values = odd_values


def odd_values(rows: Iterable[Row]) -> int:
    """How many values of rows were replaced."""
    return sum(row.odd_values for row in rows if isinstance(row, OddRow))


def parse_time(text: str) -> datetime:
    """The moment a text of the API means, in UTC.

    Understands the documented forms `2018-01-02 23:03:41 -0800`, `2014-12-01 18:36:59` (no zone: UTC),
    `2015-02-12T06:29:27.000-08:00` and `2015-04-20 04:46:51-08:00`.

    Raises:
        ValueError: The text is no such time. The message does not repeat it.
    """
    # Other ISO forms are shorter, or have a zone within these: neither can be read with one behind it.
    if not 19 <= len(text) <= TIME_LENGTH_MAX:
        raise ValueError("not a time")
    return datetime.fromisoformat(text[:19] + "+00:00") + _correction(text[19:])


@lru_cache(maxsize=4096)
def _correction(after_seconds: str) -> timedelta:
    match = _AFTER_SECONDS.fullmatch(after_seconds)
    if match is None:
        raise ValueError("not a time")
    correction = timedelta(seconds=float(match["fraction"] or 0))
    zone = match["zone"]
    if zone in (None, "Z", "UTC"):
        return correction
    offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return correction - offset if zone[0] == "+" else correction + offset


def to_record(table: Table, row: Any) -> Row:
    """One element of a list answer as the row to load; the object is changed in place.

    Returns:
        The row; an `OddRow` where values were replaced.

    Raises:
        UnexpectedAnswer: It is no object, lacks its `id`, `created_at` or `updated_at`, or a documented field
            has a value of a type that cannot be loaded into its column without loss.
    """
    _check_identity(table, row)
    data_types = table.columns
    replaced: list[Any] = []
    for name, value in row.items():
        if value is None:
            continue
        data_type = data_types.get(name)
        if data_type is None:
            if type(value) in _MAY_HOLD_NUMBERS:
                row[name] = _kept(table, row, value, replaced)
        elif data_type == TIMESTAMP:
            row[name] = _time(table, row, name, value)
        elif type(value) is not _PYTHON_TYPES[data_type] or (data_type == BIGINT and _is_too_big(value)):
            row[name] = _coerced(table, row, name, data_type, value)
    for name in table.objects:
        # As a column of its own a null would have no type; the columns made of the object are null without it.
        if row.get(name, row) is None:
            del row[name]
    return OddRow(row, len(replaced) + odd_values([row])) if replaced else cast(Row, row)


def _check_identity(table: Table, row: Any) -> None:
    if not isinstance(row, dict):
        raise UnexpectedAnswer(f"A row of {table.name} is not an object; the API's format has changed.")
    if type(row.get(PRIMARY_KEY)) is not int:
        raise UnexpectedAnswer(f"A row{_dated(row)} of {table.name} has no whole number as its id.")
    for required in ("created_at", CURSOR):
        if row.get(required) is None:
            raise UnexpectedAnswer(f"{_name(table, row)} has no {required}.")


def _dated(row: Row) -> str:
    """When a row without a name was created, if it says so."""
    try:
        return f" created at {parse_time(row['created_at']):%Y-%m-%d %H:%M:%S} (UTC)"
    except (KeyError, ValueError, TypeError, OverflowError):
        return ""


def _kept(table: Table, row: Row, value: Any, replaced: list[Any]) -> Any:
    """An undocumented value that may hold numbers."""
    try:
        return _storable(value, replaced, NESTING_MAX)
    except RecursionError:
        raise UnexpectedAnswer(f"{_name(table, row)} has values nested more than {NESTING_MAX} deep.") from None


def _storable(value: Any, replaced: list[Any], nesting_max: int) -> Any:
    """The value, with whole numbers beyond 64 bits as texts: one that no column can hold would stop every load.

    `replaced` gets these numbers; RecursionError, where it is nested deeper than `nesting_max`.
    """
    if type(value) in (int, float):
        if not _is_too_big(value):
            return value
        replaced.append(value)
        return str(value)
    if not nesting_max:
        raise RecursionError
    if type(value) is dict:
        for key, inner in value.items():
            if type(inner) in _MAY_HOLD_NUMBERS:
                value[key] = _storable(inner, replaced, nesting_max - 1)
    else:
        value[:] = [
            _storable(inner, replaced, nesting_max - 1) if type(inner) in _MAY_HOLD_NUMBERS else inner
            for inner in value
        ]
    return value


def _is_too_big(number: Any) -> bool:
    # dlt makes whole numbers of floats where a column has them, so these count as well.
    return not -_BIGINT_LIMIT <= number < _BIGINT_LIMIT


def _time(table: Table, row: Row, column: str, value: Any) -> datetime:
    try:
        return parse_time(value)
    except (ValueError, TypeError, OverflowError):
        raise UnexpectedAnswer(f"{_name(table, row)} has a value that is not a time as its {column}.") from None


def _coerced(table: Table, row: Row, column: str, data_type: DataType, value: Any) -> Any:
    try:
        if type(value) in (str, int, float):
            fitting = coerced(data_type, value)
            is_same = type(value) is str or data_type == TEXT or fitting == value
            if is_same and not (data_type == BIGINT and _is_too_big(fitting)):
                return fitting
    except (ValueError, OverflowError):
        pass
    raise UnexpectedAnswer(
        f"{_name(table, row)} has a {column} of type {type(value).__name__} where {data_type} belongs."
    )


def _name(table: Table, row: Row) -> str:
    return f"The row with id {row[PRIMARY_KEY]} of {table.name}"
