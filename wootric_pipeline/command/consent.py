"""Asks before a full refresh removes rows that Wootric may still have."""

import sys
from collections.abc import Sequence
from datetime import datetime

from dlt import Pipeline

from ..errors import ConfigurationError
from .loading import SOURCE, follow_destination
from .refresh import losses


def confirm(pipeline: Pipeline, tables: Sequence[str], start: datetime | None, *, yes: bool) -> None:
    """Makes sure that who asks for a full refresh knows what it would remove.

    Args:
        pipeline: Where to.
        tables: What is to be refreshed.
        start: The first day that is to be loaded.
        yes: Whether that was said on the command line.

    Raises:
        ConfigurationError: It would shorten a table, and nobody agrees.
        Exception: Whatever the destination raises when it cannot be reached.
    """
    if start is None or yes:
        return
    follow_destination(pipeline)
    if not (lost := losses(pipeline, SOURCE, tables, start)):
        return
    sentence = f"--full-refresh from {start:%Y-%m-%d} on would remove what is older: {'; '.join(lost)}"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigurationError(f"{sentence}. Add --yes to remove it, or choose an earlier --start-date.")
    print(f"{sentence}. Remove it? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ConfigurationError("Nothing was removed, and nothing was loaded.")
