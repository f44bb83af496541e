"""Notes how far ahead of UTC the clock is by which the account shows its times: that tells its time zone.

Times are loaded in UTC, so nothing of it is left in a row.
"""

import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from ..records import parse_offset, parse_time
from .listing import CREATED

APART_SECONDS = 150 * 86_400
"""Between two moments that are noted of one offset: clocks are changed twice a year at most."""
OFFSETS_MAX = 8

Noted = list[list[int]]
"""Of each moment its second, UNIX time, and the seconds by which the account's clock was ahead of UTC."""


class Offsets:
    """A few moments of a list, as the account shows them; the threads that read share it.

    Args:
        kept: What an earlier run has noted.
    """

    def __init__(self, kept: Noted | None = None) -> None:
        self.noted: Noted = [list(each) for each in kept or ()]
        self._lock = threading.Lock()

    def note(self, elements: Sequence[Any]) -> None:
        """Looks at the first and the last element of a page, as the API sends them."""
        for element in (*elements[:1], *elements[1:][-1:]):
            text = element.get(CREATED.field) if isinstance(element, dict) else None
            if isinstance(text, str):
                with suppress(ValueError):
                    self._add(text)

    def _add(self, text: str) -> None:
        if (offset := parse_offset(text)) is None:
            return
        second, ahead = int(parse_time(text).timestamp()), int(offset.total_seconds())
        with self._lock:
            known = (each for each, seconds in self.noted if seconds == ahead)
            if len(self.noted) < OFFSETS_MAX and all(abs(second - each) >= APART_SECONDS for each in known):
                self.noted.append([second, ahead])
