"""The API as `scan` sees it, without HTTP: rows under the documented rules, which may move while they are read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from tests.conftest import NOON, row
from wootric_pipeline.account import SECOND, Account
from wootric_pipeline.sandbox import Behaviour, Query
from wootric_pipeline.scan import Page, Scan, Span
from wootric_pipeline.tables import TABLES

Change = Callable[[Account, int], None]


@dataclass
class Model:
    """Answers the queries of a scan.

    Attributes:
        table: Which list is read.
        behaviour: What the list ignores.
        changes: Happen one before each request, while there are any; called with the account and the second it is.
        queries: What was asked.
    """

    account: Account
    table: str = "responses"
    behaviour: Behaviour = field(default_factory=Behaviour)
    changes: list[Change] = field(default_factory=list)
    queries: list[Mapping[str, str | int]] = field(default_factory=list)
    now: int = NOON

    def fetch(self, params: Mapping[str, str | int]) -> Page:
        """One page, as the client and `records` would hand it over."""
        self.queries.append(params)
        self.now += 1
        if self.changes:
            self.changes.pop(0)(self.account, self.now)
        query = Query(self.table, {name: str(value) for name, value in params.items()}, self.behaviour)
        return [self._as_read(row) for row in query.page(self.account)]

    def read(self, span: Span | None = None, started_at: int | None = None) -> list[dict[str, Any]]:
        """What a scan of the list yields, in order."""
        scan = Scan(TABLES[self.table], self.fetch)
        until = self.now if started_at is None else started_at
        return [row for batch in scan.read(span or Span(0), lambda: until) for row in batch.rows]

    def _as_read(self, row: dict[str, Any]) -> dict[str, Any]:
        times = {key: datetime.fromtimestamp(row[key] // SECOND, timezone.utc) for key in ("created_at", "updated_at")}
        return {**row, **times, "version": row["updated_at"]}


def account_of(rows: list[dict[str, Any]], table: str = "responses") -> Account:
    """An account with one list filled."""
    account = Account()
    account.fill(table, rows)
    return account


def update(choice: int) -> Change:
    """One of the responses is updated."""

    def change(account: Account, now: int) -> None:
        if rows := account.rows["responses"]:
            account.change("responses", list(rows)[choice % len(rows)], now * SECOND)

    return change


def delete(choice: int) -> Change:
    """One of the responses is deleted."""

    def change(account: Account, _now: int) -> None:
        if rows := account.rows["responses"]:
            account.delete("responses", list(rows)[choice % len(rows)])

    return change


def insert(choice: int) -> Change:
    """A response comes in."""

    def change(account: Account, now: int) -> None:
        account.put("responses", row(10_000 + choice, now))

    return change


def nothing(_account: Account, _now: int) -> None:
    """All stays as it is."""
