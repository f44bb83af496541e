"""Asks before rows are removed that Wootric may still have."""

import sys
from collections.abc import Sequence
from datetime import datetime

from dlt import Pipeline

from ..accounts import account
from ..errors import ConfigurationError
from .loading import follow_destination
from .refresh import losses, of_others
from .run import Run

REMOVAL, NOTHING_DONE = "remove it", "Nothing was removed, and nothing was loaded."


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
    if others := of_others(pipeline, account().source, run, tables):
        agreed(
            f"--full-refresh would replace what came with other credentials: {'; '.join(others)}",
            REMOVAL,
            "choose another --dataset",
            NOTHING_DONE,
        )
    elif start is not None and (lost := losses(pipeline, account().source, tables, start)):
        agreed(
            f"--full-refresh from {start:%Y-%m-%d} on would remove what is older: {'; '.join(lost)}",
            REMOVAL,
            "choose an earlier --start-date",
            NOTHING_DONE,
        )


def agreed(sentence: str, action: str, instead: str, otherwise: str) -> None:
    """Asks on a terminal, and elsewhere wants --yes.

    Args:
        sentence: What would be done.
        action: What is to be agreed to, in words.
        instead: What else may be done, in words.
        otherwise: What to say where somebody does not agree.

    Raises:
        ConfigurationError: Nobody agrees.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigurationError(f"{sentence}. Add --yes to {action}, or {instead}.")
    print(f"{sentence}. {action.capitalize()}? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ConfigurationError(otherwise)
