"""When a reading pauses, so that what it has read so far is committed."""

import time
from collections import Counter
from collections.abc import Callable


class Checkpoint:
    """Comes due after some time, or after some rows of one table; without `begin` it never does.

    Whoever begins one commits what was read before it came due, and begins another, or ends it. What is paused when it
    ends is given up: a later reading cannot know whether the rows before the pause were committed.
    """

    def __init__(self) -> None:
        self._due_at: float | None = None
        self._rows_max = 0
        self._rows: Counter[str] = Counter()
        self._give_up: list[Callable[[], None]] = []

    def begin(self, seconds: float, rows: int) -> None:
        """Makes it due after that time, or that many rows of one table."""
        self._due_at = time.monotonic() + seconds
        self._rows_max = rows
        self._rows.clear()

    def end(self) -> None:
        """Makes it due no more."""
        self._due_at = None
        for give_up in self._give_up:
            give_up()

    def on_end(self, give_up: Callable[[], None]) -> None:
        """Has something called whenever it ends."""
        self._give_up.append(give_up)

    def count(self, table: str, rows: int) -> None:
        """Counts rows of a table that were read."""
        self._rows[table] += rows

    def is_due(self) -> bool:
        """Whether to pause now."""
        if self._due_at is None:
            return False
        return time.monotonic() >= self._due_at or max(self._rows.values(), default=0) >= self._rows_max
