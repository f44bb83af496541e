"""A list of the API that may lie a little: what a client gets, and what it should have got. No sockets, no product.

`Lies()` is an honest server. Every field of `Lies` is one kind of lie, and any of them may be told at once. Those
marked "supposed" are in no report of the service, but are plausible for a Rails application with Grape behind a CDN.

Times inside are microseconds since 1970, UTC, of which the service shows seconds at most.
"""

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any, Literal
from zoneinfo import ZoneInfo

SECOND = 1_000_000
MINUTE, DAY = 60 * SECOND, 86_400 * SECOND
NOW = 1_731_585_600
"""2024-11-14 12:00:00 UTC, UNIX seconds: eleven days after daylight saving ended in the United States."""
PER_PAGE_DEFAULT, PER_PAGE_MAX, PAGE_MAX = 25, 50, 30

Field = Literal["created", "updated"]
Record = dict[str, Any]
Params = Mapping[str, str | int]


class Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status}: {reason}")
        self.status = status


class TooManyRequests(BaseException):
    """The reading does not end; no handler of errors shall take it for an answer."""

    def __init__(self, requests: int, rows: int) -> None:
        super().__init__(f"ENDLESS: more than {requests} requests for {rows} rows")


@dataclass(frozen=True)
class Row:
    """A row as the service stores it.

    Attributes:
        created, updated: Microseconds since 1970.
        hidden: No list shows it, although pages are cut as if it were there.
        version: How often it was updated.
    """

    id: int
    created: int
    updated: int
    email: str | None = None
    hidden: bool = False
    version: int = 0


@dataclass(frozen=True)
class Change:
    """What happens to the rows before a request; `choice` says to which.

    Rows inserted old say that they were created some days ago, and late ones that they were four minutes ago at most,
    as those of a transaction that took so long.
    """

    kind: Literal["nothing", "update", "delete", "insert", "insert_old", "insert_late"] = "nothing"
    choice: int = 0


@dataclass(frozen=True)
class Glitch:
    """Answers that lack rows now and then.

    No row is left out of two answers running that should hold it: else it would be a hidden one to any client.

    Attributes:
        kind: `[]`, or a page that lacks up to `rows` rows.
        at: Only that answer, counted from 0 among those with rows; None is at random.
        rate: How often.
        where: Which rows a short page lacks.
    """

    kind: Literal["empty", "short"]
    at: int | None = None
    rate: float = 0.0
    rows: int = 1
    where: Literal["tail", "anywhere"] = "tail"


@dataclass(frozen=True)
class Compares:
    """A filter that compares coarser units than it should.

    Attributes:
        sides: Whether the row's time is cut as well.
        up: What is asked for is moved up to the next unit instead of down.
    """

    unit: Literal["seconds", "minutes", "days"]
    sides: Literal["both", "parameter"] = "both"
    up: bool = False

    @property
    def microseconds(self) -> int:
        return {"seconds": SECOND, "minutes": MINUTE, "days": DAY}[self.unit]


@dataclass(frozen=True)
class Lies:
    """The kinds of lies, all of them optional.

    Attributes:
        page_rows: A page has no more rows, whatever is asked for.
        per_page_refused_above: A larger `per_page` gets 400.
        page_last: A later page gets 400.
        refuses: Parameters that get 400, as `sort_key=updated_at`, `sort_key` or `updated`.
        glitches: See `Glitch`.
        updated_ignored: The `updated` filter is.
        compares: See `Compares`.
        gte_is_gt: On hidden fractions, or on whole seconds.
        sorted_by: Whatever is asked for; `default` is what the list is sorted by if nothing is.
        sorted_by_when: The sort keys on which that happens.
        ties_anew: Rows of one second come in a new order with each request.
        shown: How a time is made a whole second; with `milliseconds` it is not, which is supposed.
        zone: The account's, an IANA name.
        zone_shown: Else local times look like UTC.
        form: Which of the three documented forms with a zone.
        date_stuck_at: What `Date` says, UNIX seconds; None is the truth.
        date_ahead_seconds: How far `Date` is ahead.
        local_ahead_seconds: How far the client's own clock is ahead.
        latency_seconds: Answers take up to that long, each another time.
        page_beyond_last: Supposed. It is empty, or the last one again.
        per_page_ignored: Supposed. Pages always have `page_rows` rows.
        page_ignored: Supposed. It is always the first.
        pages_from_zero: Supposed. `page=1` is the second one.
        extra_row: Supposed. A page has one row more than asked for, which begins the next as well.
        twice_every: Supposed. Rows whose id this divides come twice.
        cut_by_creation: Supposed. Pages are cut in the order of creation, and then sorted as asked for.
        offset_by_asked: Supposed. A page begins behind as many rows as were asked for, however few come.
        offset_more: Supposed. All pages but the first begin so many rows too late.
        lt_is_lte: Supposed. On hidden fractions, or on whole seconds.
        only_bound: Supposed. Of two on one time only that is honoured.
        created_ignored: Supposed. The `created` filter is.
        only_created_filter: Supposed. Beside a `created` filter the `updated` filter is ignored.
        filter_ahead_seconds: Supposed. Filters take what they are given for local time.
        order_ignored: Supposed. `sort_order` is.
        another: Supposed. Instead of one answer comes the one before it, or the newest rows, in the order asked for.
        another_at: Which answer, counted from 0.
        cached_seconds: Supposed. The answer to the same query stays the same for that long.
        lags_seconds: Supposed. By chance an answer comes from a replica that is so much behind.
        ids_as_text: Supposed.
        fails_at: Supposed. That request and all after it get 500.
    """

    page_rows: int = PER_PAGE_MAX
    per_page_refused_above: int = 1_000_000
    page_last: int = PAGE_MAX
    refuses: frozenset[str] = frozenset()
    glitches: tuple[Glitch, ...] = ()
    updated_ignored: bool = False
    compares: Compares | None = None
    gte_is_gt: Literal["fractions", "seconds"] | None = None
    sorted_by: Literal["id", "created", "email", "default"] | None = None
    sorted_by_when: frozenset[str] = frozenset({"created_at", "updated_at", "email"})
    ties_anew: bool = False
    shown: Literal["truncated", "rounded", "rounded_up", "milliseconds"] = "truncated"
    zone: str = "UTC"
    zone_shown: bool = True
    form: int = 0
    date_stuck_at: int | None = None
    date_ahead_seconds: int = 0
    local_ahead_seconds: int = 0
    latency_seconds: float = 0.0
    page_beyond_last: Literal["empty", "clamped"] | None = None
    per_page_ignored: bool = False
    page_ignored: bool = False
    pages_from_zero: bool = False
    extra_row: bool = False
    twice_every: int = 0
    cut_by_creation: bool = False
    offset_by_asked: bool = False
    offset_more: int = 0
    lt_is_lte: Literal["fractions", "seconds"] | None = None
    only_bound: Literal["gte", "lt"] | None = None
    created_ignored: bool = False
    only_created_filter: bool = False
    filter_ahead_seconds: int = 0
    order_ignored: Literal["asc", "desc"] | None = None
    another: Literal["before", "newest"] = "before"
    another_at: int | None = None
    cached_seconds: int = 0
    lags_seconds: int = 0
    ids_as_text: bool = False
    fails_at: int | None = None

    def __or__(self, other: "Lies") -> "Lies":
        """Both at once; where both lie about the same, the other does."""
        return replace(self, **other.told())

    def told(self) -> dict[str, Any]:
        """The lies that are told."""
        return {each.name: value for each in fields(self) if (value := getattr(self, each.name)) != each.default}

    def __repr__(self) -> str:
        return f"Lies({', '.join(f'{name}={value!r}' for name, value in self.told().items())})"

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """As hypothesis is to print it."""
        printer.text(repr(self))


HONEST = Lies()


@dataclass(frozen=True)
class Expected:
    """What a reading should bring.

    Attributes:
        required: The rows that existed throughout, unchanged, by id.
        allowed: All versions of rows that were ever shown, as far as they may belong to the range.
    """

    required: dict[int, Record]
    allowed: dict[int, list[Record]]


@dataclass
class LyingServer:
    """One list of one account; threads may share it.

    Attributes:
        rows: By id.
        table: Whose list it is.
        changes: Happen one before each request, while there are any.
        seed: Of what happens at random.
        requests: How many there were.
        requests_max: More raise `TooManyRequests`.
        queries: What was asked for.
        now: The service's true time, microseconds; a second passes with each request.
    """

    rows: dict[int, Row]
    lies: Lies = HONEST
    table: str = "responses"
    changes: list[Change] = field(default_factory=list)
    seed: int = 0
    requests: int = 0
    requests_max: int = 1_000_000
    queries: list[dict[str, str]] = field(default_factory=list)
    now: int = NOW * SECOND

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._shown = _Shown(self.lies)
        self._versions = {row.id: [row] for row in self.rows.values()}
        self._changed: set[int] = set()
        self._orders: dict[str, list[Row]] = {}
        self._cache: dict[str, tuple[int, list[Row]]] = {}
        self._past: list[tuple[int, dict[int, Row]]] = []
        self._missed: set[int] = set()
        self._answers_with_rows = 0
        self._has_shown_rows = False

    def get(self, path: str, params: Params) -> list[Record]:
        """A page of the list.

        Raises:
            Refused: It is answered with another status.
        """
        query = {name: str(value) for name, value in params.items()}
        if self.lies.latency_seconds:
            time.sleep(random.Random(f"{self.seed}{query}").uniform(0, self.lies.latency_seconds))
        with self._lock:
            self._begin(path, query)
            chance = random.Random(self.seed * 1_000_003 + self.requests)
            page = self._glitched(self._answered(query, chance), chance)
            return [self._rendered(row) for row in page]

    def date(self) -> float:
        """What the `Date` header says, UNIX seconds."""
        if self.lies.date_stuck_at is not None:
            return self.lies.date_stuck_at
        return self.now // SECOND + self.lies.date_ahead_seconds

    def local_time(self) -> float:
        """The client's clock, UNIX seconds."""
        return self.now / SECOND + self.lies.local_ahead_seconds

    def record(self, row: Row) -> Record:
        """What an answer says of a row, with the moments that its times mean to a reader of the documentation."""
        times = {f"{name}_at": self._shown.moment(getattr(row, name)) for name in ("created", "updated")}
        return {"id": row.id, "version": row.version, **self._email(row), **times}

    def expected(self, since: int | None = None, until: int | None = None) -> Expected:
        """What a reading from the beginning up to now should have brought.

        Where the shown time of a row and the stored one lie on two sides of a bound, it may come or not. The same goes
        for rows created before a start without an end: lists that ignore `updated` are read from there on.
        """
        required, allowed = {}, {}
        for versions in self._versions.values():
            row = versions[-1]
            if row.hidden:
                continue
            inside = self._inside(row, since, until)
            if all(inside) and row.id not in self._changed and (until or self._is_created_since(row, since)):
                required[row.id] = self.record(row)
            allowed[row.id] = [self.record(each) for each in versions if any(self._inside(each, since, until))]
        return Expected(required, allowed)

    def pass_a_second(self) -> None:
        """Lets the next change happen."""
        self.now += SECOND
        if self.changes:
            self._change(self.changes.pop(0))

    def shows_nothing(self) -> bool:
        """Whether every answer up to now was empty for rows that no list shows: the end of a list looks the same."""
        return not self._has_shown_rows and any(row.hidden for row in self.rows.values())

    def page_rows(self) -> int:
        """How many rows a page has at most that is asked for as most clients do."""
        return min(self.lies.page_rows, PER_PAGE_MAX)

    def _inside(self, row: Row, since: int | None, until: int | None) -> list[bool]:
        seconds = (row.updated // SECOND, int(self._shown.moment(row.updated).timestamp()))
        return [(since is None or since <= each) and (until is None or each < until) for each in seconds]

    def _is_created_since(self, row: Row, since: int | None) -> bool:
        shown = self._shown.moment(row.created).timestamp()
        return since is None or min(row.created // SECOND, shown) >= since

    def _begin(self, path: str, query: dict[str, str]) -> None:
        self.requests += 1
        if self.requests > self.requests_max:
            raise TooManyRequests(self.requests_max, len(self.rows))
        self.queries.append(query)
        self.pass_a_second()
        if path != f"/v1/{self.table}":
            raise Refused(404, "no such list")
        if self.lies.fails_at is not None and self.requests > self.lies.fails_at:
            raise Refused(500, "out of order")

    def _change(self, change: Change) -> None:
        ids = sorted(self.rows)
        if change.kind == "nothing" or (not ids and not change.kind.startswith("insert")):
            return
        self._past.append((self.now, dict(self.rows)))
        row = self._new(change) if change.kind.startswith("insert") else self.rows[ids[change.choice % len(ids)]]
        self._changed.add(row.id)
        self._orders.clear()
        if change.kind == "delete":
            del self.rows[row.id]
            return
        if change.kind == "update":
            row = replace(row, updated=self.now, version=row.version + 1)
        self.rows[row.id] = row
        self._versions.setdefault(row.id, []).append(row)

    def _new(self, change: Change) -> Row:
        seconds_late = change.choice % 240 if change.kind == "insert_late" else 0
        seconds_old = change.choice % 1_000_000 if change.kind == "insert_old" else seconds_late
        created, updated = self.now - seconds_old * SECOND, self.now - seconds_late * SECOND
        return Row(max(self._versions, default=0) + 1, created, updated, f"new{change.choice}@example.com")

    def _answered(self, query: dict[str, str], chance: random.Random) -> list[Row]:
        if self.requests - 1 != self.lies.another_at:
            return self._cached(query, chance)
        if self.lies.another == "before":
            return self._cached((self.queries[-2:-1] or [query])[0], chance)
        unfiltered = {name: value for name, value in query.items() if "[" not in name and name != "page"}
        newest = self._cached({**unfiltered, "sort_order": "desc"}, chance)
        return newest[::-1] if query.get("sort_order") == "asc" else newest

    def _cached(self, query: dict[str, str], chance: random.Random) -> list[Row]:
        key = str(sorted(query.items()))
        if self.lies.cached_seconds and key in self._cache:
            cached_at, page = self._cache[key]
            if self.now - cached_at < self.lies.cached_seconds * SECOND:
                return page
        asked = _Query(query, self.lies, self.table)
        page = [row for row in asked.page(self._ordered(asked.sort_key, chance)) if not row.hidden]
        self._cache[key] = self.now, page
        return page

    def _ordered(self, key: str, chance: random.Random) -> list[Row]:
        if self.lies.ties_anew and key in ("created", "updated"):
            return sorted(self.rows.values(), key=lambda row: (getattr(row, key) // SECOND, chance.random()))
        if self.lies.lags_seconds and chance.random() < 0.5:
            return sorted(self._rows_before(self.now - self.lies.lags_seconds * SECOND), key=_SORT_KEYS[key])
        if key not in self._orders:
            self._orders[key] = sorted(self.rows.values(), key=_SORT_KEYS[key])
        return self._orders[key]

    def _rows_before(self, moment: int) -> Iterable[Row]:
        return next((rows for changed_at, rows in self._past if changed_at > moment), self.rows).values()

    def _glitched(self, page: list[Row], chance: random.Random) -> list[Row]:
        should_hold = page
        for glitch in self.lies.glitches if page else ():
            happens = self._answers_with_rows == glitch.at or chance.random() < glitch.rate
            if happens:
                page = self._without(page, glitch, chance)
        self._answers_with_rows += bool(should_hold)
        self._has_shown_rows |= bool(page)
        self._missed.difference_update(row.id for row in page)
        self._missed.update({row.id for row in should_hold} - {row.id for row in page})
        return page

    def _without(self, page: list[Row], glitch: Glitch, chance: random.Random) -> list[Row]:
        if glitch.kind == "empty":
            return page if any(row.id in self._missed for row in page) else []
        count = chance.randint(1, glitch.rows)
        lacking = page[-count:] if glitch.where == "tail" else chance.sample(page, min(count, len(page)))
        ids = {row.id for row in lacking} - self._missed
        return [row for row in page if row.id not in ids]

    def _rendered(self, row: Row) -> Record:
        times = {f"{name}_at": self._shown.text(getattr(row, name)) for name in ("created", "updated")}
        row_id = str(row.id) if self.lies.ids_as_text else row.id
        return {"id": row_id, "version": row.version, **self._email(row), **times}

    def _email(self, row: Row) -> Record:
        return {"email": row.email} if self.table == "end_users" else {}


_SORT_KEYS: dict[str, Callable[[Row], Any]] = {
    "id": lambda row: row.id,
    "created": lambda row: (row.created, row.id),
    "updated": lambda row: (row.updated, row.id),
    "email": lambda row: (row.email is None, row.email or "", row.id),
}
_SORT_KEY_NAMES = {"created_at": "created", "updated_at": "updated"}
_FORMS: tuple[Callable[[datetime], str], ...] = (
    lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S %z"),
    lambda moment: moment.isoformat(sep="T", timespec="milliseconds"),
    lambda moment: moment.isoformat(sep=" ", timespec="seconds"),
)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class _Shown:
    """How the times of rows are shown."""

    def __init__(self, lies: Lies) -> None:
        self._lies = lies
        self._zone: tzinfo = timezone.utc if lies.zone == "UTC" else ZoneInfo(lies.zone)
        self._texts: dict[int, str] = {}

    def text(self, microseconds: int) -> str:
        if microseconds not in self._texts:
            self._texts[microseconds] = self._text(microseconds)
        return self._texts[microseconds]

    def _text(self, microseconds: int) -> str:
        local = self._local(microseconds)
        if not self._lies.zone_shown:
            return f"{local:%Y-%m-%d %H:%M:%S}"
        return _FORMS[1 if self._lies.shown == "milliseconds" else self._lies.form](local)

    def moment(self, microseconds: int) -> datetime:
        """What the text means, UTC: without a zone it is documented to be that."""
        local = self._local(microseconds)
        if not self._lies.zone_shown:
            return local.replace(microsecond=0, tzinfo=timezone.utc)
        return local.astimezone(timezone.utc)

    def _local(self, microseconds: int) -> datetime:
        unit = SECOND // 1_000 if self._lies.shown == "milliseconds" else SECOND
        up = {"rounded": SECOND // 2, "rounded_up": SECOND - 1}.get(self._lies.shown, 0)
        return (_EPOCH + timedelta(microseconds=(microseconds + up) // unit * unit)).astimezone(self._zone)


class _Query:
    """One query of the list, as the server takes it."""

    def __init__(self, params: dict[str, str], lies: Lies, table: str) -> None:
        self._params = params
        self._lies = lies
        self._table = table
        self._check()
        self.sort_key = self._sort_key()

    def page(self, ordered: list[Row]) -> list[Row]:
        """The rows that the page is cut from, those that no list shows included."""
        rows: Iterable[Row] = ordered
        for axis, how, second in self._filters():
            rows = self._filtered(rows, axis, how, second)
        rows = list(rows)
        if self._descending():
            rows.reverse()
        if self._lies.twice_every:
            rows = [row for row in rows for _ in range(1 + (row.id % self._lies.twice_every == 0))]
        size, number = self._size(), self._number("page", 1)
        if self._lies.page_beyond_last == "clamped":
            number = min(number, self._lies.page_last)
        skipped = number if self._lies.pages_from_zero and "page" in self._params else number - 1
        before = self._number("per_page", PER_PAGE_DEFAULT) if self._lies.offset_by_asked else size
        start = 0 if self._lies.page_ignored or skipped <= 0 else skipped * before + self._lies.offset_more
        if number > self._lies.page_last and self._lies.page_beyond_last == "empty":
            return []
        if not self._lies.cut_by_creation:
            return rows[start : start + size + self._lies.extra_row]
        rows.sort(key=_SORT_KEYS["created"], reverse=self._descending())
        return sorted(rows[start : start + size], key=_SORT_KEYS[self.sort_key], reverse=self._descending())

    def _check(self) -> None:
        for name, value in self._params.items():
            if self._lies.refuses & {name, name.split("[")[0], f"{name}={value}"}:
                raise Refused(400, f"{name} does not have a valid value")
        if self._number("page", 1) > self._lies.page_last and not self._lies.page_beyond_last:
            raise Refused(400, "page does not have a valid value")
        if self._number("per_page", 1) > self._lies.per_page_refused_above:
            raise Refused(400, "per_page does not have a valid value")

    def _size(self) -> int:
        asked = self._lies.page_rows if self._lies.per_page_ignored else self._number("per_page", PER_PAGE_DEFAULT)
        return min(max(asked, 1), self._lies.page_rows)

    def _sort_key(self) -> str:
        default = "email" if self._table == "end_users" else "created"
        asked = self._params.get("sort_key", "")
        if self._lies.sorted_by and (not asked or asked in self._lies.sorted_by_when):
            return default if self._lies.sorted_by == "default" else self._lies.sorted_by
        return _SORT_KEY_NAMES.get(asked, default)

    def _descending(self) -> bool:
        default = "asc" if self._table == "end_users" else "desc"
        return (self._lies.order_ignored or self._params.get("sort_order", default)) == "desc"

    def _filters(self) -> list[tuple[Field, str, int]]:
        ignored = {"updated"} if self._lies.updated_ignored else set()
        if self._lies.only_created_filter and any(name.startswith("created[") for name in self._params):
            ignored.add("updated")
        if self._lies.created_ignored:
            ignored.add("created")
        axes: list[Field] = ["created", "updated"]
        return [
            (axis, how, self._number(f"{axis}[{how}]", 0))
            for axis in axes
            if axis not in ignored
            for how in self._bounds(axis)
        ]

    def _bounds(self, axis: Field) -> list[str]:
        given = [how for how in _BOUNDS if f"{axis}[{how}]" in self._params]
        return [self._lies.only_bound] if self._lies.only_bound and {"gte", "lt"} <= set(given) else given

    def _filtered(self, rows: Iterable[Row], axis: Field, how: str, second: int) -> Iterable[Row]:
        """The rows whose time compares as asked for, as the server compares."""
        if how == "gte" and self._lies.gte_is_gt:
            how = "gt" if self._lies.gte_is_gt == "fractions" else "gt_seconds"
        if how == "lt" and self._lies.lt_is_lte:
            how = "lte" if self._lies.lt_is_lte == "fractions" else "lte_seconds"
        compare, bound = _COMPARISONS[how], (second + self._lies.filter_ahead_seconds) * SECOND
        compares = self._lies.compares
        if not compares:
            return [row for row in rows if compare(getattr(row, axis), bound)]
        unit = compares.microseconds
        bound = (bound + (unit - 1 if compares.up else 0)) // unit * unit
        of_rows = unit if compares.sides == "both" else 1
        return [row for row in rows if compare(getattr(row, axis) // of_rows * of_rows, bound)]

    def _number(self, name: str, default: int) -> int:
        try:
            return int(self._params.get(name, default))
        except ValueError:
            raise Refused(400, f"{name} is invalid") from None


_BOUNDS = ("gte", "gt", "lt", "lte", "eq")
# Compared are microseconds, unless a lie says otherwise.
_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "gte": lambda moment, bound: moment >= bound,
    "gt": lambda moment, bound: moment > bound,
    "gt_seconds": lambda moment, bound: moment // SECOND > bound // SECOND,
    "lt": lambda moment, bound: moment < bound,
    "lte": lambda moment, bound: moment <= bound,
    "lte_seconds": lambda moment, bound: moment // SECOND <= bound // SECOND,
    "eq": lambda moment, bound: moment == bound,
}
