"""One run of the command: what it notes beside what the source does, and the source it reads from."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, NamedTuple

from dlt.sources import DltSource

from .. import wootric_source
from ..reading.checkpoint import Checkpoint
from ..reading.notes import Mode, Notes
from ..reading.supervision import supervised


class SchemaChange(NamedTuple):
    """A column the destination got that no documentation announced."""

    table: str
    column: str
    data_type: str | None


class Refreshed(NamedTuple):
    """How many rows a table had before a full refresh, and has now; None where that cannot be told."""

    rows_before: int | None
    rows_after: int | None


@dataclass
class Run(Notes):
    """Notes of one run, and the checkpoint its readings pause at.

    Attributes:
        checkpoint: Begun by whoever loads.
        waits: Whether it waits for other runs to end, and for a DuckDB file to be closed elsewhere.
        schema_changes: In the order in which they came about.
        refreshed: The tables whose full refresh this run has completed.
        checked: For a run that only checks: along which time each table will be read; None if it cannot be.
        started_at: UTC.
    """

    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    waits: bool = False
    schema_changes: list[SchemaChange] = field(default_factory=list)
    refreshed: dict[str, Refreshed] = field(default_factory=dict)
    checked: dict[str, Mode | None] = field(default_factory=dict)
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
            and all(notes.complete for notes in self.tables.values())
            and all(self.checked.values())
        )

    @contextmanager
    def uncounted(self, tables: Sequence[str]) -> Iterator[None]:
        """Leaves rows of tables out of the count that come again meanwhile."""
        counted = {name: (self.table(name).rows, self.table(name).rows_again) for name in tables}
        try:
            yield
        finally:
            for name, (rows, rows_again) in counted.items():
                self.table(name).rows, self.table(name).rows_again = rows, rows_again

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(notes.rows for notes in self.tables.values())


def source_for(run: Run, **arguments: Any) -> DltSource:
    """A `wootric_source` that takes its notes in a run and pauses at its checkpoint."""
    with supervised(run, run.checkpoint):
        return wootric_source(**arguments)
