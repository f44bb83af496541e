"""The documented query of a list, and what is uncertain about how the service takes it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from .account import SECOND, Account, Row

PER_PAGE_DEFAULT, PER_PAGE_MAX, PAGE_MAX = 25, 50, 30
END_OF_TIME = 2**62
DEFAULT_SORT_KEYS = {"end_users": "email", "responses": "created_at", "declines": "created_at"}


@dataclass
class Behaviour:
    """What is uncertain about the service, and what goes wrong with it.

    Attributes:
        ignores_updated: Tables on which the `updated` filter is silently ignored.
        ignores_sort_key: Tables on which `sort_key` is silently ignored.
        rate_limit: Requests allowed in a window; None is no limit.
        rate_window_seconds: Length of the window.
        token_seconds: How long a token lasts.
        latency_seconds: Added to every answer.
        error_rate: Share of list requests answered with 500.
        truncation_rate: Share of list answers that break off in the middle.
        reset_rate: Share of list requests whose connection is closed without an answer.
        unlisted: By table, the ids of rows that no list shows, and that can be asked for by their ids.
        refuses: Overviews that are answered with 403.
        ignores_dates: Whether overviews answer for days as if they were asked without.
        dates_bare: Whether days are taken as they are; refused with 400 otherwise.
        dates_quoted: Whether days are taken in quotes, as the documentation prints them; refused with 400 otherwise.
        counts_excluded: Whether `nps_summary` counts responses that are excluded from calculations.
        counts_incomplete: Whether it counts responses that are not complete.
        counts_last_day: Whether the last day of a range belongs to it.
        days_in_utc: Whether days are those of UTC, and not of the account's zone.
        clock_ahead_seconds: How far the server's clock is ahead of the machine's.
        before_answer: Called with each list request's table before it is answered: to change rows while they are read.
        seed: Of the faults.
    """

    ignores_updated: frozenset[str] = frozenset()
    ignores_sort_key: frozenset[str] = frozenset()
    rate_limit: int | None = None
    rate_window_seconds: float = 60.0
    token_seconds: int = 7200
    latency_seconds: float = 0.0
    error_rate: float = 0.0
    truncation_rate: float = 0.0
    reset_rate: float = 0.0
    unlisted: Mapping[str, Collection[int]] = field(default_factory=dict)
    refuses: frozenset[str] = frozenset()
    ignores_dates: bool = False
    dates_bare: bool = True
    dates_quoted: bool = True
    counts_excluded: bool = False
    counts_incomplete: bool = True
    counts_last_day: bool = True
    days_in_utc: bool = False
    clock_ahead_seconds: float = 0.0
    before_answer: Callable[[str], None] | None = None
    seed: int = 1


class Refused(Exception):
    """An answer other than 200; the body is a JSON object, as documented."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason

    @property
    def content(self) -> dict[str, Any]:
        """The body."""
        return {"type": "error", "message": self.reason}


class NoRecord(Refused):
    """There is no row of an id."""

    def __init__(self) -> None:
        super().__init__(404, "The record could not be found")

    @property
    def content(self) -> dict[str, Any]:
        """The body."""
        error = {"status": "record_not_found", "message": self.reason, "field": None}
        return {"type": "error_list", "errors": [error]}


class Query:
    """The documented query of a list: filters, order, page.

    Raises:
        Refused: A value is no number, or the page is beyond the last that can be reached.
    """

    def __init__(self, table: str, params: dict[str, str], behaviour: Behaviour) -> None:
        self._table = table
        self._params = params
        self._unlisted = behaviour.unlisted.get(table, ())
        self._per_page = min(max(self._number("per_page", PER_PAGE_DEFAULT), 1), PER_PAGE_MAX)
        self._page = max(self._number("page", 1), 1)
        if self._page > PAGE_MAX:
            raise Refused(400, f"page must be at most {PAGE_MAX}")
        axes = {"created"} if table in behaviour.ignores_updated else {"created", "updated"}
        self._ranges = {
            f"{axis}_at": self._range(axis) for axis in axes if any(f"{axis}[{how}]" in params for how in _BOUNDS)
        }
        sort_keys = ("email", "created_at", "updated_at") if table == "end_users" else ("created_at", "updated_at")
        default_key = DEFAULT_SORT_KEYS[table]
        asked = default_key if table in behaviour.ignores_sort_key else params.get("sort_key", default_key)
        self._sort_key = asked if asked in sort_keys else default_key
        default_order = "asc" if table == "end_users" else "desc"
        self._descending = params.get("sort_order", default_order).lower() == "desc"

    def page(self, account: Account) -> list[Row]:
        """The rows asked for."""
        found = account.query(self._table, self._ranges, self._sort_key, self._descending, self._matches)
        rows = (row for row in found if row["id"] not in self._unlisted)
        start = (self._page - 1) * self._per_page
        return list(islice(rows, start, start + self._per_page))

    def _number(self, name: str, default: int) -> int:
        try:
            return int(self._params.get(name, default))
        except ValueError:
            raise Refused(400, f"{name} must be a number") from None

    def _range(self, axis: str) -> tuple[int, int]:
        low, high = -END_OF_TIME, END_OF_TIME
        for how, bounds in _BOUNDS.items():
            name = f"{axis}[{how}]"
            if name in self._params:
                least, limit = bounds(self._number(name, 0) * SECOND)
                low, high = max(low, least), min(high, limit)
        return low, high

    def _matches(self, row: Row) -> bool:
        if self._table == "end_users" and "email" in self._params:
            return bool(row.get("email") == self._params["email"])
        if self._table == "responses" and "excluded_from_calculations" in self._params:
            return str(row.get("excluded_from_calculations")).lower() == self._params["excluded_from_calculations"]
        return True


# Filters compare with the hidden fractions: `gt` a second may answer rows shown in it, `eq` may miss them.
_BOUNDS: dict[str, Callable[[int], tuple[int, int]]] = {
    "eq": lambda moment: (moment, moment + 1),
    "lt": lambda moment: (0, moment),
    "lte": lambda moment: (0, moment + 1),
    "gt": lambda moment: (moment + 1, END_OF_TIME),
    "gte": lambda moment: (moment, END_OF_TIME),
}
