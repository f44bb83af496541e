"""Accounts that a sandbox serves to benchmarks, of as many rows as asked for."""

from collections.abc import Callable

from wootric_pipeline.sandbox import SECOND, Account, DemoAccount
from wootric_pipeline.sandbox.demo_account import HISTORY_YEARS, YEAR_SECONDS

MakeAccount = Callable[[int, int], Account]
"""Makes an account of so many rows, whose history ends at a moment in UNIX seconds."""

HISTORY_SECONDS = HISTORY_YEARS * YEAR_SECONDS
TIED_ROWS = 400
MANY_TIED_ROWS = 4_000


def uniform(rows: int, ends_at: int) -> Account:
    """The demo account's rows evenly over its years: of a table, no two are created or updated in the same second.

    A quarter of the rows are end users, a half responses, a quarter declines. Every third row was updated some weeks
    after it was created: a twentieth of the rows later.
    """
    account = DemoAccount(ends_at, end_users=rows // 4, responses=rows // 2, declines=rows // 4)
    begins = ends_at - HISTORY_SECONDS
    for table, by_id in account.rows.items():
        later = len(by_id) // 20
        step = (ends_at - begins) / (len(by_id) + later + 1)
        for index, row in enumerate(by_id.values()):
            hidden = index * 7_919 % SECOND
            row["created_at"] = row["updated_at"] = int(begins + index * step) * SECOND + hidden
            if index % 3 == 0:
                row["updated_at"] = int(begins + (index + later + 0.5) * step) * SECOND + hidden
        account.fill(table, ())
    return account


def imported(rows: int, ends_at: int) -> Account:
    """The same, but 400 responses were imported at once: created and updated in one second, amid the others."""
    account = uniform(rows, ends_at)
    responses = list(account.rows["responses"].values())
    middle = len(responses) // 2
    for row in responses[middle : middle + TIED_ROWS]:
        row["created_at"] = row["updated_at"] = responses[middle]["created_at"]
    account.fill("responses", ())
    return account


def updated_at_once(rows: int, ends_at: int) -> Account:
    """The same, but 4,000 end users were updated by one statement, in one second, amid the others."""
    account = uniform(rows, ends_at)
    for row in list(account.rows["end_users"].values())[:MANY_TIED_ROWS]:
        row["updated_at"] = (ends_at - YEAR_SECONDS // 2) * SECOND
    account.fill("end_users", ())
    return account
