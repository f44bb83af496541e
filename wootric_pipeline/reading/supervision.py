"""How a program that reports and commits, such as the command, hands its notes and its checkpoint to a source."""

from collections.abc import Iterator, Sequence
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
    """

    notes: Notes = field(default_factory=Notes)
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    exclude_columns: Sequence[str] = ()


_current: ContextVar[Supervision | None] = ContextVar("wootric_supervision", default=None)


@contextmanager
def supervised(notes: Notes, checkpoint: Checkpoint, exclude_columns: Sequence[str] = ()) -> Iterator[None]:
    """Sources that are made within take these; the arguments of a source are settings only, which dlt resolves."""
    token = _current.set(Supervision(notes, checkpoint, exclude_columns))
    try:
        yield
    finally:
        _current.reset(token)


def supervision() -> Supervision:
    """What a source made now takes."""
    return _current.get() or Supervision()
