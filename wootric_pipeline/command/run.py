"""One run of the command: what it notes beside what the source does, and the source it reads from."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from inspect import signature
from typing import Any, NamedTuple

from dlt.sources import DltSource

from .. import wootric_source
from ..accounts import SECTION, account
from ..reading.checkpoint import Checkpoint
from ..reading.notes import Mode, Notes
from ..reading.supervision import Supervision, supervised


class SchemaChange(NamedTuple):
    """A column the destination got that no documentation announced."""

    table: str
    column: str
    data_type: str | None


class Refreshed(NamedTuple):
    """How many rows a table had before a full refresh, has now, and has lost; None where that cannot be told."""

    rows_before: int | None
    rows_after: int | None
    rows_removed: int | None

    def __str__(self) -> str:
        """In the words of the report: what adds up."""
        before, after, removed = self
        if before is None or after is None or removed is None:
            return "how many rows are gone cannot be told"
        new = after - before + removed
        removed_and_new = [f"{count:,} {what}" for count, what in ((removed, "removed"), (new, "new")) if count]
        return ", ".join([f"{before:,} rows before", *removed_and_new, f"{after:,} now"])


@dataclass
class Run(Notes):
    """Notes of one run, and the checkpoint its readings pause at.

    Attributes:
        checkpoint: Begun by whoever loads.
        waits: Whether it waits for other runs to end, and for a DuckDB file to be closed elsewhere.
        schema_changes: In the order in which they came about.
        refreshed: The tables whose full refresh this run has completed.
        checked: For a run that only checks: along which time each table will be read; None if it cannot be.
        unread: Those of them that cannot be, and that nobody had asked for by their names.
        found: For one that loads nothing, or little: what it has found, for machines.
        deleted: What was found gone after the load, likewise.
        verification: What a verification after the load has found, likewise.
        comparison: What the comparison with Wootric's own figures has found, for machines.
        marts: What was built of the loaded tables, for machines; None where nothing was.
        page: The report page that was written, for machines; None where none was.
        started_at: UTC.
    """

    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    waits: bool = False
    schema_changes: list[SchemaChange] = field(default_factory=list)
    refreshed: dict[str, Refreshed] = field(default_factory=dict)
    checked: dict[str, Mode | None] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    found: dict[str, Any] | None = None
    deleted: dict[str, Any] | None = None
    verification: dict[str, Any] | None = None
    comparison: dict[str, Any] | None = None
    marts: dict[str, Any] | None = None
    page: dict[str, Any] | None = None
    started_at: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    _started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    @property
    def ok(self) -> bool:
        """Whether all tables are complete, or readable if that was all to be found out."""
        return (
            bool(self.tables or self.checked)
            and all(notes.complete or notes.is_refused for notes in self.tables.values())
            and all(mode or name in self.unread for name, mode in self.checked.items())
        )

    @contextmanager
    def uncounted(self, tables: Sequence[str]) -> Iterator[None]:
        """Leaves rows of tables out of the count that come again meanwhile."""
        counted = {name: replace(self.table(name)) for name in tables}
        try:
            yield
        finally:
            for name, before in counted.items():
                notes = self.table(name)
                notes.rows, notes.rows_again = before.rows, before.rows_again
                notes.rows_unchanged = before.rows_unchanged

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(notes.rows for notes in self.tables.values())

    @property
    def rows_unchanged(self) -> int:
        """Of all tables, rows that were read and not loaded."""
        return sum(notes.rows_unchanged for notes in self.tables.values())


def source_for(
    run: Run,
    *,
    also_exclude: Sequence[str] = (),
    is_demo: bool = False,
    by_id: Mapping[str, Mapping[int, str]] | None = None,
    **arguments: Any,
) -> DltSource:
    """A `wootric_source` that takes its notes in a run and pauses at its checkpoint.

    Args:
        run: Takes the notes.
        also_exclude: Patterns of columns that are left out beside those that `exclude_columns` names, in the arguments
            or the settings.
        is_demo: Whether the demo is read.
        by_id: Where the API has the rows that are to be read, by table and id; None reads the lists.
        arguments: Of `wootric_source`.
    """
    whose = account()
    made = wootric_source.clone(name=whose.source, section=SECTION) if whose.name else wootric_source
    with supervised(Supervision(run, run.checkpoint, also_exclude, is_demo, by_id)):
        return made(**{**whose.arguments(signature(wootric_source).parameters), **arguments})
