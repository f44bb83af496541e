"""The API as `scan` sees it, without HTTP: rows under the documented rules, which may move while they are read."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from tests.conftest import NOON, row
from wootric_pipeline.reading.lanes import Lane, Lanes
from wootric_pipeline.reading.listing import Listing, Page
from wootric_pipeline.reading.parts import Split
from wootric_pipeline.reading.pool import Pool
from wootric_pipeline.reading.scan import Batch, Clocks, Scan
from wootric_pipeline.reading.span import Span
from wootric_pipeline.reading.walk import Piece, Walk
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
        return [row for batch in self.batches(span, started_at) for row in batch.rows]

    def batches(self, span: Span | None = None, started_at: int | None = None) -> Iterator[Batch]:
        """The batches of a scan of the list."""
        return (batch for batch in self.scan(started_at).read(span or Span()) if batch is not None)

    def scan(self, started_at: int | None = None) -> Scan:
        """A scan of the list."""
        began = self.now if started_at is None else started_at
        listing = Listing(TABLES[self.table], self.fetch)
        return Scan(listing, ByTurns(self.order), lambda: Clocks(began, began), lambda: self.order is not None)

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


class ByTurns(Pool):
    """Advances lanes in one thread, in an order by chance; without one, the first alone."""

    def __init__(self, order: random.Random | None) -> None:
        super().__init__(PARTS_AT_ONCE, window=0)
        self._order = order

    def read(self, walk: Walk, split: Split) -> Iterator[Piece | None]:
        """The pieces, as a pool hands them on."""
        lanes = Lanes(walk, split)

        def advance(_awaited: Lane) -> None:
            waiting = [lane for lane in lanes.lanes if not lane.is_ended]
            if len(waiting) < PARTS_AT_ONCE and (lane := lanes.parted()) is not None:
                waiting.append(lane)
            lane = self._order.choice(waiting) if self._order else waiting[0]
            lane.take(lane.advance())

        return lanes.in_order(advance)


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
