"""What dlt's state keeps beside the cursors, committed with the rows: the account, and full refreshes under way."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dlt

from .dlt_internals import current_load_id
from .errors import ConfigurationError

ACCOUNT = "account"
"""In the state of the source: tells the account whose rows were loaded from others."""

DEMO = "demo"
"""In place of the demo's."""

KNOWN = "known"
"""In the state of an overview: digests of rows that were loaded and are read again."""

FILTERED_BY = "filtered_by"
"""In the state of a table: the time by which rows were chosen when it was last read to its end."""

REFRESH, LOADS, ROWS_BEFORE, READ = "refresh", "loads", "rows_before", "read"
"""In the state of a table whose full refresh is not complete: the loads that belong to it, how many rows there were
before, and whether all has been read. Then what none of these loads has brought is gone."""


def keep_account(accounts: Sequence[str], sign_in: Callable[[], object]) -> None:
    """Notes whose rows are loaded, unless that is known; see `check_account`."""
    state = dlt.current.source_state()
    check_account(state, accounts, sign_in)
    state[ACCOUNT] = accounts[0]


def is_of_another(state: Mapping[str, Any], accounts: Sequence[str]) -> bool:
    """Whether the state of a source is another account's; the earliest versions did not note whose it is.

    Args:
        state: Of the source.
        accounts: What tells the account from others, in this version and in former ones.
    """
    return state.get(ACCOUNT, accounts[0]) not in accounts


def check_account(state: Mapping[str, Any], accounts: Sequence[str], sign_in: Callable[[], object]) -> None:
    """Makes sure that the state of a source is an account's; see `is_of_another`.

    Raises:
        ConfigurationError: It is another account's.
        AuthenticationFailed: The credentials are nobody's.
    """
    if is_of_another(state, accounts):
        sign_in()
        raise ConfigurationError(
            "What was loaded before came with other credentials: if they are another account's, choose another "
            "--dataset for this one; if the same account has got new ones, or this one shall take the other's place, "
            "load all tables again with --full-refresh."
        )


def state_of(state: Mapping[str, Any] | None, source: str, table: str) -> Mapping[str, Any]:
    """What the state of a pipeline has of a table; nothing before there is any.

    Args:
        state: Of the pipeline.
        source: The name of the source in it.
        table: The name of the table.
    """
    found: Mapping[str, Any] = (state or {}).get("sources", {}).get(source, {}).get("resources", {}).get(table, {})
    return found


class RefreshUnderWay:
    """The full refresh of a table, if one is under way, while some of the table is extracted.

    Args:
        table: Its name.
        is_backfill: Whether just a range is extracted: its rows belong to the refresh, but are never all there are.
    """

    def __init__(self, table: str, *, is_backfill: bool) -> None:
        resources: dict[str, Any] = dlt.current.source_state().get("resources", {})
        self._state = resources.get(table, {}).get(REFRESH)
        self._is_backfill = is_backfill
        if self._state is None:
            return
        if (load_id := current_load_id()) not in self._state[LOADS]:
            self._state[LOADS].append(load_id)
        self.note(is_read=False)

    @property
    def replaces_all(self) -> bool:
        """Whether all rows that were loaded before this load will come again, or go."""
        return self._state is not None and len(self._state[LOADS]) == 1

    def note(self, *, is_read: bool) -> None:
        """Notes whether the table has been read to its end."""
        if self._state is not None and not self._is_backfill:
            self._state[READ] = is_read
