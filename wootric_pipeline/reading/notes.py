"""What is noted of each table while it is read, for whoever started the run."""

import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ..api.client import Client
from ..exclusion import Exclusion
from ..records import odd_values
from ..tables import CURSOR
from .listing import Page
from .scan import Clocks

log = logging.getLogger("wootric_pipeline.reading")

Mode = Literal["updated", "created"]
"""The time a table is read along."""


@dataclass
class TableNotes:
    """What a run did with one table.

    Attributes:
        rows: Rows handed to dlt.
        rows_again: Those of them that are no newer than the cursor was before the run.
        odd_values: Values in them that no database can hold, and that were replaced.
        requests: Pages asked for.
        mode: The time the table was read along.
        cursor_before, cursor_after: The newest `updated_at` committed before and by the run, UTC.
        as_of: The reading went on with one that was broken off and had begun then, UNIX seconds.
        complete: Whether everything that was to be read has been.
        error: Why it is not complete.
    """

    rows: int = 0
    rows_again: int = 0
    odd_values: int = 0
    requests: int = 0
    mode: Mode | None = None
    cursor_before: datetime | None = None
    cursor_after: datetime | None = None
    as_of: int | None = None
    complete: bool = False
    error: str | None = None
    begun: bool = False
    _committed: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to do in this run."""
        return self.complete or self.error is not None

    @property
    def rows_new(self) -> int:
        """Those that are newer than what was loaded before the run."""
        return self.rows - self.rows_again

    def count(self, rows: Page) -> None:
        """Counts rows that are handed to dlt."""
        self.rows += len(rows)
        self.odd_values += odd_values(rows)
        if self.cursor_before:
            self.rows_again += sum(row[CURSOR] <= self.cursor_before for row in rows)

    def begin(self, committed: datetime | None) -> None:
        """Notes where a reading starts; one that goes on after a checkpoint keeps its first start."""
        if not self.begun:
            self.begun, self.cursor_before = True, committed
        self.cursor_after, self.complete, self.error = committed, False, None
        self._committed = committed

    def not_loaded(self) -> None:
        """Takes back what was noted of rows that were read and could not be loaded."""
        self.cursor_after, self.complete = self._committed, False


@dataclass
class Notes:
    """Notes of one run, written by the source.

    Attributes:
        isolates_tables: Whether a table that cannot be read is noted and the others go on; else it raises.
        client: The source's, once there is one; it counts requests.
        exclusion: The source's, once there is one.
        tables: By name.
        needs_change: Whether a table cannot be read until the user changes something.
        appends: Whether the destination keeps each version of a row, because plain files cannot be merged into.
        warnings: What is not as it should be and stops nothing, a sentence each.
    """

    isolates_tables: bool = False
    client: Client | None = None
    exclusion: Exclusion = field(default_factory=Exclusion)
    tables: dict[str, TableNotes] = field(default_factory=dict)
    needs_change: bool = False
    appends: bool = False
    warnings: list[str] = field(default_factory=list)
    _is_warned_of_clocks: bool = False

    def warn_of_clocks(self, clocks: Clocks) -> None:
        """Notes clocks that are far apart, once."""
        if not self._is_warned_of_clocks and (warning := clocks.warning()) is not None:
            self._is_warned_of_clocks = True
            self.warn(warning)

    def warn(self, warning: str) -> None:
        """Notes what is not as it should be, once."""
        if warning not in self.warnings:
            self.warnings.append(warning)
            log.warning(warning)

    def connected(self) -> Client:
        """The source's client; a source has to have been made with these notes."""
        if self.client is None:
            raise ValueError("no source was made with these notes")
        return self.client

    def table(self, name: str) -> TableNotes:
        """The notes of a table."""
        return self.tables.setdefault(name, TableNotes())

    def forget(self, name: str) -> None:
        """Takes back all that was noted of a table, but for how often it was asked for."""
        self.tables[name] = TableNotes(requests=self.table(name).requests)
