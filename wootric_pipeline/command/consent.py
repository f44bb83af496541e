"""Asks before a full refresh removes rows that Wootric may still have."""

import sys
from collections.abc import Sequence
from datetime import datetime

from dlt import Pipeline

from ..errors import ConfigurationError
from .loading import SOURCE, follow_destination
from .refresh import losses, of_others
from .run import Run


def confirm(pipeline: Pipeline, run: Run, tables: Sequence[str], start: datetime | None, *, yes: bool) -> None:
    """Makes sure that who asks for a full refresh knows what it would remove.

    Args:
        pipeline: Where to.
        run: A source was made with it.
        tables: What is to be refreshed.
        start: The first day that is to be loaded.
        yes: Whether that was said on the command line.

    Raises:
        ConfigurationError: It would shorten a table, or replace another account's rows, and nobody agrees.
        AuthenticationFailed: The credentials are nobody's, and rows are another account's.
        Exception: Whatever the destination raises when it cannot be reached.
    """
    if yes:
        return
    follow_destination(pipeline)
    if others := of_others(pipeline, SOURCE, run, tables):
        _ask(
            f"--full-refresh would replace what came with other credentials: {'; '.join(others)}",
            "choose another --dataset",
        )
    elif start is not None and (lost := losses(pipeline, SOURCE, tables, start)):
        _ask(
            f"--full-refresh from {start:%Y-%m-%d} on would remove what is older: {'; '.join(lost)}",
            "choose an earlier --start-date",
        )


def _ask(sentence: str, instead: str) -> None:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigurationError(f"{sentence}. Add --yes to remove it, or {instead}.")
    print(f"{sentence}. Remove it? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ConfigurationError("Nothing was removed, and nothing was loaded.")
