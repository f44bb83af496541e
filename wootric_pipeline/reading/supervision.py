"""How a program that reports and commits, such as the command, hands its notes and its checkpoint to a source."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from .checkpoint import Checkpoint
from .notes import Notes


@dataclass(frozen=True)
class Supervision:
    """What a source is made with; without any it has notes that nobody reads, and never pauses.

    Attributes:
        notes: Taken by the source.
        checkpoint: At which its readings pause.
        exclude_columns: Patterns of columns that are left out beside those of the settings.
        is_demo: Whether the demo is read, with which no setting of a real account has to do.
        by_id: Where the API has the rows that are to be read, by table and id; None reads the lists.
    """

    notes: Notes = field(default_factory=Notes)
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    exclude_columns: Sequence[str] = ()
    is_demo: bool = False
    by_id: Mapping[str, Mapping[int, str]] | None = None


_current: ContextVar[Supervision | None] = ContextVar("wootric_supervision", default=None)


@contextmanager
def supervised(given: Supervision) -> Iterator[None]:
    """Sources that are made within take it; the arguments of a source are settings only, which dlt resolves."""
    token = _current.set(given)
    try:
        yield
    finally:
        _current.reset(token)


def supervision() -> Supervision:
    """What a source made now takes."""
    return _current.get() or Supervision()
