"""What is noted of each table while it is read, for whoever started the run."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from typing import Literal

from ..api.client import Client
from ..errors import UnexpectedAnswer
from ..exclusion import Exclusion
from ..hashing import Hashing
from ..records import OddRow
from ..tables import CURSOR, PRIMARY_KEY
from .history import History
from .listing import Page
from .progress import WholeList
from .scan import Clocks

log = logging.getLogger("wootric_pipeline.reading")

Mode = Literal["updated", "created", "whole", "days"]
"""The time a list is read along; of overviews, that they are read as a whole or by day."""

NAMED_MAX = 10
"""Rows that are named in one sentence."""

LEFT_OUT_ROWS_MAX, LEFT_OUT_SHARE_MAX = 5, 0.1
"""Rows of a table that may be left out, and their share of all: where more cannot be placed, the format has changed."""


@dataclass
class TableNotes:
    """What a run did with one table.

    Attributes:
        rows: Rows handed to dlt.
        rows_again: Those of them that are no newer than the cursor was before the run, and may be as they were.
        rows_unchanged: Rows that were read again, and not handed to dlt, since they were loaded as they are.
        rows_by_id: Those of them that were asked for by their ids.
        absent: The ids of rows that were asked for, and that Wootric does not have.
        rows_gone: How many rows that are loaded Wootric does not have any more; None where that was not asked.
        odd_values: Values in them that no database can hold, and that were replaced, or that do not fit their column.
        odd_fields: The fields they are in, with the ids of the rows.
        left_out: A sentence about each row that cannot be placed, and so is not loaded, by a digest of the row.
        rows_answered: Rows on all pages, also those that came before.
        requests: Pages asked for.
        mode: The time the table was read along.
        changes_first: Whether the newest changes were read first, by the order of a list that cannot be asked for them.
        filtered_by: The time by which rows were chosen; a start date is about that.
        cursor_before, cursor_after: The newest `updated_at` committed before and by the run, UTC.
        ages_read: Up to which age, in seconds, rows were read when, UNIX seconds, the youngest first; None is any age,
            and never.
        listed: What the list has shown, where all of it was read again, and to its end; else None.
        began: When the reading began, by the earlier of two clocks, UNIX seconds.
        history_from: The first day that is loaded of an overview by day.
        is_history_complete: Whether nothing is before it; None of all else.
        complete: Whether everything that was to be read has been.
        error: Why it is not complete.
        is_refused: Whether it could not be read, and nobody had asked for it by its name.
    """

    rows: int = 0
    rows_again: int = 0
    rows_unchanged: int = 0
    rows_by_id: int = 0
    absent: list[int] = field(default_factory=list)
    rows_gone: int | None = None
    odd_values: int = 0
    odd_fields: dict[str, list[int]] = field(default_factory=dict)
    left_out: dict[int, str] = field(default_factory=dict)
    rows_answered: int = 0
    requests: int = 0
    mode: Mode | None = None
    changes_first: bool = False
    filtered_by: Mode | None = None
    cursor_before: datetime | None = None
    cursor_after: datetime | None = None
    ages_read: list[tuple[int | None, int | None]] = field(default_factory=list)
    listed: WholeList | None = None
    began: int | None = None
    history_from: date | None = None
    is_history_complete: bool | None = None
    complete: bool = False
    error: str | None = None
    is_refused: bool = False
    begun: bool = False
    _committed: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to do in this run."""
        return self.complete or self.is_refused or self.error is not None

    @property
    def read_up_to(self) -> datetime | None:
        """All that was updated before is loaded, UTC; None where some of the table was never read."""
        ages = [began for _, began in self.ages_read] or [self.began if self.complete else None]
        begun = [each for each in ages if each is not None]
        return datetime.fromtimestamp(min(begun), timezone.utc) if len(begun) == len(ages) else None

    @property
    def found_none(self) -> bool:
        """Whether there were no rows, not even some that had to be left out."""
        return not self.rows and not self.left_out

    @property
    def rows_new(self) -> int:
        """Those that are newer than what was loaded before the run."""
        return self.rows - self.rows_again

    @property
    def rows_read(self) -> int:
        """All of them, whether they are handed to dlt or not."""
        return self.rows + self.rows_unchanged

    @property
    def rows_read_again(self) -> int:
        """Those that were loaded before, whether they are handed to dlt again or not."""
        return self.rows_again + self.rows_unchanged

    def count(self, rows: Page, *, are_compared: bool) -> None:
        """Counts rows that are handed to dlt; those that were compared with what is loaded are new or have changed."""
        self.rows += len(rows)
        for row in rows:
            if isinstance(row, OddRow):
                self.odd_values += row.odd_values
                for each in row.odd_fields:
                    self.odd_fields.setdefault(each, []).append(row[PRIMARY_KEY])
        if self.cursor_before and not are_compared:
            self.rows_again += sum(row[CURSOR] <= self.cursor_before for row in rows)

    def note_history(self, history: History, now: int) -> None:
        """Notes when which part of the list was read last."""
        self.ages_read = history.ages_read(now)

    def begin(self, committed: datetime | None) -> None:
        """Notes where a reading starts; one that goes on after a checkpoint keeps its first start."""
        if not self.begun:
            self.begun, self.cursor_before = True, committed
        self.cursor_after, self.complete, self.error, self.is_refused = committed, False, None, False
        self.listed = None
        self._committed = committed

    def note_page(self, rows: int, unusable: Mapping[int, str]) -> None:
        """Notes an answer.

        Args:
            rows: How many are on it.
            unusable: A sentence about each of them that cannot be placed, by a digest of it.

        Raises:
            UnexpectedAnswer: There are too many of these by now for the others to be the rule.
        """
        self.rows_answered += rows
        self.left_out.update(unusable)
        if unusable and len(self.left_out) > max(LEFT_OUT_ROWS_MAX, LEFT_OUT_SHARE_MAX * self.rows_answered):
            raise UnexpectedAnswer(next(iter(unusable.values())))

    def left_out_sentence(self, table: str) -> str | None:
        """Which rows are not loaded, and why; None if there are none."""
        if not self.left_out:
            return None
        count, shown = len(self.left_out), list(dict.fromkeys(self.left_out.values()))[:NAMED_MAX]
        if not self.rows_read:
            return shown[0]
        more = f" So it is with {count - len(shown):,} more." if len(shown) == NAMED_MAX < count else ""
        if count == 1:
            return f"1 row is left out of {table}, and all others are loaded. {shown[0]}"
        return f"{count:,} rows are left out of {table}, and all others are loaded. {' '.join(shown)}{more}"

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
        hashing: The source's, once there is one.
        named: Tables that somebody has asked for by their names: an overview among them that cannot be read is a
            failure, any other a warning.
        tables: By name.
        needs_change: Whether a table cannot be read until the user changes something.
        appends: Whether the destination keeps each version of a row, because plain files cannot be merged into.
        warnings: What is not as it should be and stops nothing, a sentence each.
        clocks_told: Whether clocks that are far apart are among them.
    """

    isolates_tables: bool = False
    client: Client | None = None
    exclusion: Exclusion = field(default_factory=Exclusion)
    hashing: Hashing = field(default_factory=Hashing)
    named: frozenset[str] = frozenset()
    tables: dict[str, TableNotes] = field(default_factory=dict)
    needs_change: bool = False
    appends: bool = False
    warnings: list[str] = field(default_factory=list)
    clocks_told: bool = False

    def warn_of_clocks(self, clocks: Clocks) -> None:
        """Notes clocks that are far apart, once."""
        if not self.clocks_told and (warning := clocks.warning()) is not None:
            self.clocks_told = True
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
