"""JSON as servers write it, which is not always as it is specified.

Nothing in a single value may stop a page, and with it its table for good: what cannot be loaded is replaced.
"""

import codecs
import json as tolerant
import math
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from dlt.common import json

from ..dlt_internals import typed_text_starts
from ..records import Digits, OddRow

_FIRST, _LAST = typed_text_starts()
_UNLOADABLE = re.compile(r"[\0\ud800-\udfff]")
"""U+0000, which PostgreSQL and others refuse, and halves of a character, which UTF-8 does not have."""
_SUSPECT = (
    rb"\u0000",
    _FIRST.encode()[:2],
    *(rf"\u{ord(_FIRST):04{case}}"[:5].encode() for case in "xX"),
)
"""One of these is in any good JSON that holds such a character, or one of dlt's marks, as an escape or in UTF-8.

The first byte of each is rare, and found much faster than the whole.
"""
_LIST_OF_OBJECTS = re.compile(rb"\s*\[\s*\{")
_STRING_OR_BRACKET = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[][{}]', re.DOTALL)
_NESTING_MAX = 200
"""Objects and lists within one another that are left where there are more than Python can go through."""
_DIGITS = bytes(ord("0") if byte in b"0123456789." else ord(" ") for byte in range(256))
_DIGITS_SURE = 15
"""A number of so many digits is the same as one of double precision."""
_LONG_NUMBER = b"0" * (_DIGITS_SURE + 1)
_BIGINT_DIGITS = 18
"""A whole number of so many digits has 64 bits."""


def parsed(body: bytes) -> Any:
    """What JSON says, with U+FFFD for characters and null for numbers that cannot be loaded and for what is too deep.

    A byte order mark before it, control characters in texts and bytes that are not UTF-8 are taken, too. A number that
    neither 64 bits nor double precision hold with all its digits is `Digits`.

    Returns:
        As usual; a row in a list of which values were replaced, or which holds dlt's marks, is an `OddRow`.

    Raises:
        ValueError: It is no JSON, or something else than a row's value is nested too deep.
    """
    body = body.removeprefix(codecs.BOM_UTF8)
    try:
        return _parsed(body)
    except RecursionError:
        if not _LIST_OF_OBJECTS.match(body):
            # There is no row to save.
            raise ValueError("nested too deep") from None
        return _parsed(_shallow(body))


def _parsed(body: bytes) -> Any:
    try:
        content = json.loadb(body)
        if _LONG_NUMBER in body.translate(_DIGITS):
            content = _leniently(body)
        if not any(mark[:1] in body and mark in body for mark in _SUSPECT):
            return content
    except ValueError:
        content = _leniently(body)
    return [_row(element) for element in content] if isinstance(content, list) else _loadable(content, _Found())


def _leniently(body: bytes) -> Any:
    # Bytes that are not UTF-8 become halves of a character, so that they are told from a U+FFFD that was sent.
    text = body.decode("utf-8", "surrogateescape")
    return tolerant.loads(text, strict=False, parse_int=_whole, parse_float=_fraction)


def _shallow(body: bytes) -> bytes:
    """JSON with `NaN`, which is replaced and counted, for each object and list that is nested too deep to be parsed."""
    kept, depth, start = [], 0, 0
    for token in _STRING_OR_BRACKET.finditer(body):
        if token[0] in (b"{", b"["):
            depth += 1
            if depth == _NESTING_MAX + 1:
                kept.append(body[start : token.start()])
        elif token[0] in (b"}", b"]"):
            depth -= 1
            if depth == _NESTING_MAX:
                kept.append(b"NaN")
                start = token.end()
    return b"".join((*kept, body[start:])) if depth <= _NESTING_MAX else b""


def _whole(digits: str) -> int | Digits:
    if len(digits) > _BIGINT_DIGITS + 2:
        return Digits(digits)
    number = int(digits)
    return number if -(2**63) <= number < 2**63 else Digits(digits)


def _fraction(digits: str) -> float | Digits:
    number = float(digits)
    if math.isinf(number):
        return Digits(digits)
    if len(digits) <= _DIGITS_SURE:
        return number
    try:
        return number if Decimal(digits) == Decimal(repr(number)) else Digits(digits)
    except InvalidOperation:
        return Digits(digits)


@dataclass
class _Found:
    """What was found in a row: how many values were replaced, and whether a text begins with one of dlt's marks."""

    replaced: int = 0
    has_marks: bool = False


def _row(element: Any) -> Any:
    found = _Found()
    row = _loadable(element, found)
    is_odd = isinstance(row, dict) and (found.replaced or found.has_marks)
    return OddRow(row, found.replaced, has_marks=found.has_marks) if is_odd else row


def _loadable(value: Any, found: _Found) -> Any:
    """A value, or what is put in its place."""
    if isinstance(value, dict):
        return {_text(key, found): _loadable(inner, found) for key, inner in value.items()}
    if isinstance(value, list):
        return [_loadable(inner, found) for inner in value]
    if type(value) is str:
        found.has_marks |= _FIRST <= value[:1] <= _LAST
        return _text(value, found)
    if isinstance(value, float) and not math.isfinite(value):
        found.replaced += 1
        return None
    return value


def _text(text: str, found: _Found) -> str:
    stored = _UNLOADABLE.sub("\ufffd", text)
    found.replaced += stored != text
    return stored
