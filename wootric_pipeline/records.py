"""A row as the API shows it becomes a row as it is loaded: times in UTC, documented fields of their type.

No field is dropped, and no odd value stops a row. What can be converted without loss is. Any other value of a
documented field goes into dlt's own variant column beside it (`score__v_text`), and a number that no column holds
becomes a text: these are counted. Only a row that cannot be placed, because its keys cannot be read, is refused.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from functools import cache, lru_cache
from typing import Any
from zlib import crc32

from dlt.common.data_types import TDataType

from .dlt_internals import coerced, variant
from .errors import UnexpectedAnswer
from .tables import BIGINT, BOOL, CURSOR, DATE, DOUBLE, PRIMARY_KEY, TABLES, TEXT, TIMESTAMP, DataType, Table

Row = dict[str, Any]

_PYTHON_TYPES: Mapping[DataType, type] = {
    BIGINT: int,
    BOOL: bool,
    DATE: date,
    DOUBLE: float,
    TEXT: str,
    TIMESTAMP: datetime,
}

TIME_LENGTH_MAX = 64
NESTING_MAX = 20
"""Objects and lists within one another: what is deeper becomes a text of JSON there."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_SECONDS_MIN, _SECONDS_MAX = 10**8, 10**11
"""Numbers that are taken for UNIX seconds: 1973 to 5138. Milliseconds are more, and `20240131` is less."""

_BIGINT_LIMIT = 2**63
_KINDS: Mapping[type, TDataType] = {bool: "bool", int: "bigint", float: "double", dict: "json", list: "json"}

# What follows the 19 characters of `2018-01-02 23:03:41`: a fraction, and a zone in one of the documented forms.
_AFTER_SECONDS = re.compile(r"(?P<fraction>\.\d+)?\s*(?P<zone>Z|UTC|[+-]\d{2}:?\d{2})?")
_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SECONDS = re.compile(r"[0-9]{9,11}(\.[0-9]{1,6})?")
_SECONDS_LENGTH_MAX = 18
_WHOLE = re.compile(r"\s*(?P<digits>[+-]?[0-9]{1,19})(\.0*)?\s*")


class Digits(str):
    """A number as it is written, of which no number column holds all digits."""

    __slots__ = ()


_MAY_HOLD_NUMBERS = (int, float, dict, list, Digits)


class OddRow(Row):
    """A row some of whose values are not loaded as they came.

    Attributes:
        odd_values: How many were replaced, or do not fit their column.
        odd_fields: The fields of the row that hold them, as the API names them.
        has_marks: Whether a text in it begins as those do by which dlt marks types.
    """

    def __init__(
        self, row: Row, odd_values: int = 0, odd_fields: Sequence[str] = (), *, has_marks: bool = False
    ) -> None:
        super().__init__(row)
        self.odd_values = odd_values
        self.odd_fields = tuple(odd_fields)
        self.has_marks = has_marks


def odd_values(rows: Iterable[Row]) -> int:
    """How many values of rows were replaced, or do not fit their columns."""
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


def parse_offset(text: str) -> timedelta | None:
    """How far the clock that a text of the API shows is ahead of UTC; None of a text without its zone, or of none."""
    match = _AFTER_SECONDS.fullmatch(text[19:]) if 19 <= len(text) <= TIME_LENGTH_MAX else None
    if match is None or match["zone"] is None:
        return None
    return _correction("") - _correction(match["zone"])


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


def usable(table: Table, elements: Iterable[Any]) -> tuple[list[Row], dict[int, str]]:
    """The elements of a list answer as rows to load, and a sentence about each that cannot be placed, by its digest."""
    rows, unusable = [], {}
    for element in elements:
        try:
            rows.append(to_record(table, element))
        except UnexpectedAnswer as error:
            unusable[_digest(element)] = str(error)
    return rows, unusable


def foreign(table: Table, elements: Iterable[Any]) -> str:
    """What is wrong with a list answer that has a row of another list, as far as that is sure; else an empty text.

    Sure is what has no documented field that is not the other list's as well, and has all of the other's `signs`. All
    fields of declines are fields of responses, too: there the signs must have values, since a service may show them as
    null.

    Args:
        table: Of the list that was asked for.
        elements: As they came, before anything is left out.
    """
    others = _others(table.name)
    for row in elements:
        if type(row) is not dict:
            continue
        for name, own, signs in others:
            if own.isdisjoint(row) and signs <= row.keys() and (own or not any(row[sign] is None for sign in signs)):
                return f"rows of {name} in place of {table.name}"
    return ""


@cache
def _others(name: str) -> Sequence[tuple[str, frozenset[str], frozenset[str]]]:
    """The other lists, each with the fields that the list of a name has and it has not, and with its signs."""
    mine = TABLES[name]
    return [
        (each.name, mine.fields - each.fields, frozenset(each.signs)) for each in TABLES.values() if each is not mine
    ]


def _digest(element: Any) -> int:
    """Tells an element from others, as far as it is not nested too deep for that."""
    try:
        return crc32(repr(element).encode(errors="replace"))
    except RecursionError:
        return crc32(repr(list(element)).encode(errors="replace"))


def to_record(table: Table, row: Any) -> Row:
    """One element of a list answer as the row to load; the object is changed in place.

    Returns:
        The row; an `OddRow` where values were replaced or do not fit their columns.

    Raises:
        UnexpectedAnswer: It is no object, or its `id`, `created_at` or `updated_at` is missing or cannot be read.
    """
    _place(table, row)
    return fitted(table, row)


def fitted(table: Table, row: Row) -> Row:
    """A row whose keys are read, with its other values as `to_record` leaves them; it is changed in place."""
    odd: list[str] = []
    _fit(table, row, "", odd)
    for name in table.objects:
        # As a column of its own a null would have no type; the columns made of the object are null without it. Servers
        # that do not tell an empty object from an empty list send the latter.
        if row.get(name, row) in (None, []):
            del row[name]
    for name in table.lists:
        if row.get(name) is not None and type(row[name]) is not list:
            row[name] = [row[name]]
            odd.append(name)
    if not odd:
        return row
    before = row if isinstance(row, OddRow) else OddRow({})
    fields = (*before.odd_fields, *odd)
    return OddRow(row, before.odd_values + len(odd), list(dict.fromkeys(fields)), has_marks=before.has_marks)


def _place(table: Table, row: Any) -> None:
    """Reads what says which row it is and where it stands; see `to_record` for what it raises."""
    if not isinstance(row, dict):
        raise UnexpectedAnswer(f"A row of {table.name} is not an object; the API's format has changed.")
    row_id = whole_number(row.get(PRIMARY_KEY))
    if row_id is None:
        raise UnexpectedAnswer(f"A row{_dated(row)} of {table.name} has no whole number as its id.")
    row[PRIMARY_KEY] = row_id
    for required in ("created_at", CURSOR):
        if row.get(required) is None:
            raise UnexpectedAnswer(f"The row with id {row_id} of {table.name} has no {required}.")
        try:
            row[required] = parse_time(row[required])
        except (ValueError, TypeError, OverflowError):
            raise UnexpectedAnswer(
                f"The row with id {row_id} of {table.name} has a value that is not a time as its {required}."
            ) from None


def _dated(row: Row) -> str:
    """When a row without a name was created, if it says so."""
    try:
        return f" created at {parse_time(row['created_at']):%Y-%m-%d %H:%M:%S} (UTC)"
    except (KeyError, ValueError, TypeError, OverflowError):
        return ""


def _fit(table: Table, fields: Row, prefix: str, odd: list[str]) -> None:
    """Makes the values of fields fit their columns; `odd` gets the field of each that is not loaded as it came.

    Args:
        table: Of the fields.
        fields: Of a row, or of a documented object inside it; changed in place.
        prefix: Of the names of their columns.
        odd: Names of columns that are documented, and of fields that hold what is not.
    """
    expected = _expected(table, prefix)
    for name, value in fields.items():
        kind = type(value)
        if kind is expected.get(name, str):
            # A whole number may be too big.
            if kind is not int or -_BIGINT_LIMIT <= value < _BIGINT_LIMIT:
                continue
        elif value is None:
            continue
        _fit_value(table, fields, name, prefix + name, odd)


@lru_cache(maxsize=256)
def _expected(table: Table, prefix: str) -> Mapping[str, type]:
    """The documented fields of an object, each with the type of the values that fit its column as they are."""
    return {
        name.removeprefix(prefix): _PYTHON_TYPES[data_type]
        for name, data_type in table.documented.items()
        if name.startswith(prefix)
    }


def _fit_value(table: Table, fields: Row, name: str, path: str, odd: list[str]) -> None:
    """Makes one value fit its column; see `_fit`."""
    value, data_type = fields[name], table.documented.get(path)
    if data_type is not None:
        fitting = _fitting(data_type, value)
        if fitting is None:
            fitting = aside(_storable(value, [], NESTING_MAX))
            odd.append(path)
        fields[name] = fitting
    elif type(value) is dict and path in table.documented_objects:
        _fit(table, value, f"{path}__", odd)
    elif value:
        replaced: list[Any] = []
        fields[name] = _storable(value, replaced, NESTING_MAX)
        odd += [path] * len(replaced)


def _fitting(data_type: DataType, value: Any) -> Any:
    """A value of another type, as that of a column without loss; None where it cannot be."""
    if isinstance(value, (dict, list)):
        return None
    if data_type == BIGINT:
        return whole_number(value)
    if data_type == TEXT and type(value) is int:
        return str(value)
    try:
        if data_type == TIMESTAMP:
            return _time(value)
        if kind_of(value) == "double" and not math.isfinite(value):
            return None
        fitting = coerced(data_type, str(value) if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        return None
    if isinstance(value, str) or (data_type == TEXT and kind_of(value) != BOOL):
        return fitting
    if data_type == DOUBLE and kind_of(value) == "bigint":
        return fitting if fitting == value else None
    return fitting if data_type == BOOL and fitting == value else None


def whole_number(value: Any) -> int | None:
    """A whole number of 64 bits, also as a text or a fraction of nothing; None of anything else."""
    if isinstance(value, str):
        match = _WHOLE.fullmatch(value)
        value = int(match["digits"]) if match else None
    elif type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and not _is_too_big(value) else None


def _time(value: Any) -> datetime:
    """A time as documented, or a day, or UNIX seconds as a number or a text."""
    if isinstance(value, str):
        if len(value) > _SECONDS_LENGTH_MAX:
            return parse_time(value)
        if _DAY.fullmatch(value):
            return parse_time(f"{value} 00:00:00")
        if not _SECONDS.fullmatch(value):
            return parse_time(value)
        value = float(value)
    if type(value) not in (int, float) or not _SECONDS_MIN <= value < _SECONDS_MAX:
        raise ValueError("not a time")
    return _EPOCH + timedelta(seconds=value)


def kind_of(value: Any) -> TDataType:
    """The type of column a value would get by itself; that of objects and lists is `json`."""
    return _KINDS.get(type(value), "text")


def aside(value: Any) -> Row | None:
    """A value that its column cannot hold, so that it goes into the one beside it that dlt makes for its type."""
    if value is None:
        return None
    kind = kind_of(value)
    if kind == "json":
        return {variant(kind): json_text(value)}
    return {variant(kind): str(value) if kind == "text" else value}


def json_text(value: Any) -> str | None:
    """An object or a list as a text of JSON; None where even that is nested too deep."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return None


def _storable(value: Any, replaced: list[Any], nesting_max: int) -> Any:
    """The value, with what no column can hold replaced by a text, or by null; `replaced` gets what was.

    Whole numbers beyond 64 bits would stop every load, and so would what is nested deeper than dlt goes.
    """
    kind = type(value)
    if kind not in _MAY_HOLD_NUMBERS or (kind in (int, float) and not _is_too_big(value)):
        return value
    if kind not in (dict, list):
        replaced.append(value)
        return Digits(value) if kind is Digits or math.isfinite(value) else None
    if not nesting_max:
        replaced.append(value)
        return json_text(value)
    for key, inner in value.items() if kind is dict else enumerate(value):
        if type(inner) in _MAY_HOLD_NUMBERS:
            value[key] = _storable(inner, replaced, nesting_max - 1)
    return value


def _is_too_big(number: Any) -> bool:
    # dlt makes whole numbers of floats where a column has them, so these count as well.
    return not -_BIGINT_LIMIT <= number < _BIGINT_LIMIT
