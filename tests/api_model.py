"""The API as `scan` sees it, without HTTP: rows under the documented rules, which may move while they are read."""

import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from tests.conftest import NOON, row
from wootric_pipeline.reading.listing import Page
from wootric_pipeline.reading.scan import Scan, Span
from wootric_pipeline.reading.seek import Seek
from wootric_pipeline.sandbox import SECOND, Account, Behaviour, Query
from wootric_pipeline.tables import TABLES

PARTS_AT_ONCE = 4
Change = Callable[[Account, int], None]


@dataclass
class Model:
    """Answers the queries of a scan.

    Attributes:
        table: Which list is read.
        behaviour: What the list ignores.
        changes: Happen one before each request, while there are any; called with the account and the second it is.
        order: If given, ranges are split into parts, which are read at the same time, in an order by chance.
        page_rows_max: The most rows a page has, whatever is asked for.
        left_out: Ids of rows that are left out of a page after it was cut.
        short_after: After so many requests, the next page with two rows or more that no page has shown before lacks
            its last one; once.
        queries: What was asked.
        answers: What was answered.
    """

    account: Account
    table: str = "responses"
    behaviour: Behaviour = field(default_factory=Behaviour)
    changes: list[Change] = field(default_factory=list)
    order: random.Random | None = None
    page_rows_max: int = 50
    left_out: frozenset[int] = frozenset()
    short_after: int | None = None
    queries: list[Mapping[str, str | int]] = field(default_factory=list)
    answers: list[Page] = field(default_factory=list)
    now: int = NOON

    def fetch(self, params: Mapping[str, str | int]) -> Page:
        """One page, as the client and `records` would hand it over."""
        self.queries.append(params)
        self.now += 1
        if self.changes:
            self.changes.pop(0)(self.account, self.now)
        asked = {**params, "per_page": min(int(params.get("per_page", 25)), self.page_rows_max)}
        query = Query(self.table, {name: str(value) for name, value in asked.items()}, self.behaviour)
        self.answers.append([self._as_read(row) for row in self._shortened(query.page(self.account))])
        return self.answers[-1]

    def begun(self) -> set[int]:
        """The seconds of `updated_at` from which on was asked before any page had ended there."""
        begun: set[int] = set()
        ends: set[int] = set()
        for query, page in zip(self.queries, self.answers, strict=True):
            begun |= {int(query["updated[gte]"])} - ends if "updated[gte]" in query else set()
            ends |= {int(row["updated_at"].timestamp()) for row in page[-1:]}
        return begun

    def read(self, span: Span | None = None, started_at: int | None = None) -> list[dict[str, Any]]:
        """What a scan of the list yields, in order."""
        scan = self.scan()
        until = self.now if started_at is None else started_at
        return [row for batch in scan.read(span or Span(0), lambda: until) for row in batch.rows]

    def scan(self) -> Scan:
        """A scan of the list."""
        if self.order is None:
            return Scan(Seek(TABLES[self.table], self.fetch))
        return Scan(Seek(TABLES[self.table], self.fetch, in_order=self._interleaved, splits=lambda: True))

    def _interleaved(self, parts: Iterator[Iterator[Page]]) -> Iterator[Page]:
        """The parts in order, each read up to some point while others before it are."""
        assert self.order is not None
        under_way: deque[tuple[Iterator[Page], list[Page | Exception]]] = deque()
        while True:
            while len(under_way) < PARTS_AT_ONCE and (part := _next_part(parts)) is not None:
                under_way.append((part, []))
            if not under_way:
                return
            part, read = self.order.choice(under_way)
            try:
                page = next(part, None)
            except Exception as error:
                read.append(error)
                continue
            if page is not None:
                read.append(page)
            elif part is under_way[0][0]:
                yield from _replayed(under_way.popleft()[1])

    def _shortened(self, page: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if self.short_after is not None and len(self.queries) > self.short_after:
            shown = {row["id"] for answer in self.answers for row in answer}
            if len({row["id"] for row in page} - shown) > 1:
                self.short_after = None
                return page[:-1]
        return [row for row in page if row["id"] not in self.left_out]

    def _as_read(self, row: dict[str, Any]) -> dict[str, Any]:
        times = {key: datetime.fromtimestamp(row[key] // SECOND, timezone.utc) for key in ("created_at", "updated_at")}
        return {**row, **times, "version": row["updated_at"]}


def _next_part(parts: Iterator[Iterator[Page]]) -> Iterator[Page] | None:
    try:
        return next(parts, None)
    except Exception as error:
        return _replayed([error])


def _replayed(outcomes: list[Page | Exception]) -> Iterator[Page]:
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
        yield outcome


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
