"""JSON as servers write it, which is not always as it is specified.

Nothing in a single value may stop a page, and with it its table for good: what cannot be loaded is replaced.
"""

import codecs
import json as tolerant
import math
import re
from typing import Any

from dlt.common import json

from ..dlt_internals import typed_text_starts
from ..records import OddRow

_FIRST, _LAST = typed_text_starts()
_UNLOADABLE = re.compile(rf"[\0\ud800-\udfff]|\A[{_FIRST}-{_LAST}](?!\Z)")
"""U+0000, which PostgreSQL and others refuse, halves of a character, which UTF-8 does not have, and dlt's own marks."""
_SUSPECT = (
    rb"\u0000",
    _FIRST.encode()[:2],
    *(rf"\u{ord(_FIRST):04{case}}"[:5].encode() for case in "xX"),
)
"""One of these is in any good JSON that holds such a character, as an escape or in UTF-8.

The first byte of each is rare, and found much faster than the whole.
"""


def parsed(body: bytes) -> Any:
    """What JSON says, with U+FFFD for characters and null for numbers that cannot be loaded.

    A byte order mark before it, control characters in texts and bytes that are not UTF-8 are taken, too.

    Returns:
        As usual; a row in a list of which values were replaced is an `OddRow`.

    Raises:
        ValueError: It is no JSON, or is nested too deep.
    """
    body = body.removeprefix(codecs.BOM_UTF8)
    try:
        content = json.loadb(body)
        if not any(mark[:1] in body and mark in body for mark in _SUSPECT):
            return content
    except ValueError:
        content = _leniently(body)
    try:
        return [_row(element) for element in content] if isinstance(content, list) else _loadable(content, [])
    except RecursionError:
        raise ValueError("nested too deep") from None


def _leniently(body: bytes) -> Any:
    # Bytes that are not UTF-8 become halves of a character, so that they are told from a U+FFFD that was sent.
    text = body.decode("utf-8", "surrogateescape")
    try:
        return tolerant.loads(text, strict=False, parse_int=_whole)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _whole(digits: str) -> float:
    try:
        return int(digits)
    except ValueError:
        # Python makes no number of thousands of digits.
        return math.inf


def _row(element: Any) -> Any:
    replaced: list[Any] = []
    row = _loadable(element, replaced)
    return OddRow(row, len(replaced)) if replaced and isinstance(row, dict) else row


def _loadable(value: Any, replaced: list[Any]) -> Any:
    """A value, or what is put in its place; `replaced` gets those that are."""
    if isinstance(value, dict):
        return {_loadable(key, replaced): _loadable(inner, replaced) for key, inner in value.items()}
    if isinstance(value, list):
        return [_loadable(inner, replaced) for inner in value]
    stored = value
    if isinstance(value, str):
        stored = _UNLOADABLE.sub("\ufffd", value)
    elif isinstance(value, float) and not math.isfinite(value):
        stored = None
    if stored is not value and stored != value:
        replaced.append(value)
    return stored
