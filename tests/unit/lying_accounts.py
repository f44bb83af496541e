"""Accounts to read, and servers that lie about them: by name, and as strategies."""

import random
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any

from hypothesis import strategies as st

from tests.unit.lying_server import (
    DAY,
    HONEST,
    NOW,
    SECOND,
    Change,
    Compares,
    Glitch,
    Lies,
    LyingServer,
    Row,
)

YEAR = 365 * DAY


@dataclass(frozen=True)
class Plan:
    """What rows an account has. A quarter of them lie on whole seconds, as if someone had named the time.

    Attributes:
        rows: How many come in one after the other, with ascending ids.
        seconds_apart: How far, on average.
        seed: Of everything that is by chance.
        updated_later: The share of them that were updated after their creation.
        tied_created, tied_updated, tied_both: So many of them share a second of that time, or of both.
        to_the_microsecond: Ties are such.
        imports: Rows beside them with high ids and old dates.
        imports_within: From a month before the others up to that share of their time.
        imports_after: How much of them had come when those did: the rest has higher ids.
        before_1970: Rows beside them with such dates.
        future: Rows beside them that were updated in the future, half of them created there, too.
        hidden_share: Of the rows, by chance.
        hidden_run: So many in a row, in the middle.
        created_after_update: Rows that say they were; supposed.
    """

    rows: int = 500
    seconds_apart: float = 3_600.0
    seed: int = 0
    updated_later: float = 0.33
    tied_created: int = 0
    tied_updated: int = 0
    tied_both: int = 0
    to_the_microsecond: bool = False
    imports: int = 0
    imports_within: float = 1.0
    imports_after: float = 1.0
    before_1970: int = 0
    future: int = 0
    hidden_share: float = 0.0
    hidden_run: int = 0
    created_after_update: int = 0

    def build(self) -> list[Row]:
        """The rows."""
        chance = random.Random(self.seed)
        rows = self._tied(self._regular(chance), chance)
        first, last = min((row.created for row in rows), default=NOW * SECOND - DAY), NOW * SECOND - DAY
        for count, low, high in (
            (self.imports, first - 30 * DAY, first + int((last - first) * self.imports_within)),
            (self.before_1970, -15 * YEAR, -1),
            (self.future, NOW * SECOND + DAY, NOW * SECOND + 90 * YEAR),
        ):
            rows += self._beside(len(rows), count, low, high, chance)
        rows = self._renumbered(rows)
        for index in chance.sample(range(len(rows)), min(self.created_after_update, len(rows))):
            rows[index] = replace(rows[index], created=rows[index].updated + chance.randint(1, DAY))
        return self._hidden(rows, chance)

    def _regular(self, chance: random.Random) -> list[Row]:
        last = NOW * SECOND - DAY
        first = last - int(self.rows * self.seconds_apart * SECOND)
        rows = []
        for row_id, created in enumerate(sorted(chance.randint(first, last) for _ in range(self.rows)), 1):
            later = chance.random() < self.updated_later
            updated = chance.randint(created, last + DAY // 2) if later else created
            if row_id % 4 == 0:
                created, updated = (moment // SECOND * SECOND for moment in (created, updated))
            rows.append(Row(row_id, created, updated, _email(chance)))
        return rows

    def _tied(self, rows: list[Row], chance: random.Random) -> list[Row]:
        """The rows in the middle moved into one second: that of the first of them, or one after all others."""

        def moved(second: int) -> int:
            return second // SECOND * SECOND + (0 if self.to_the_microsecond else chance.randrange(SECOND))

        for count, of_created, of_updated in (
            (self.tied_created, True, False),
            (self.tied_updated, False, True),
            (self.tied_both, True, True),
        ):
            begin = max((len(rows) - count) // 2, 0)
            first = rows[begin].created if rows else 0
            for index in range(begin, min(begin + count, len(rows))):
                created = moved(first) if of_created else rows[index].created
                updated = moved(NOW * SECOND - DAY // 4) if of_updated else max(rows[index].updated, created)
                rows[index] = replace(rows[index], created=created, updated=updated)
        return rows

    def _beside(self, known: int, count: int, low: int, high: int, chance: random.Random) -> list[Row]:
        rows = []
        for row_id in range(known + 1, known + count + 1):
            updated = chance.randint(low, high)
            created = NOW * SECOND - 2 * DAY if low > NOW * SECOND and row_id % 2 else updated
            rows.append(Row(row_id, created, updated, _email(chance)))
        return rows

    def _renumbered(self, rows: list[Row]) -> list[Row]:
        """The rows with ids as if the imports had come after a part of the others."""
        before = int(self.rows * self.imports_after)

        def row_id(row: Row) -> int:
            if before < row.id <= self.rows:
                return row.id + self.imports
            return row.id - (self.rows - before) if self.rows < row.id <= self.rows + self.imports else row.id

        return [replace(row, id=row_id(row)) for row in rows]

    def _hidden(self, rows: list[Row], chance: random.Random) -> list[Row]:
        run = range(len(rows) // 3, len(rows) // 3 + self.hidden_run)
        return [
            replace(row, hidden=chance.random() < self.hidden_share or index in run) for index, row in enumerate(rows)
        ]

    def __repr__(self) -> str:
        told = {name: value for name, value in vars(self).items() if value != getattr(Plan, name)}
        return f"Plan({', '.join(f'{name}={value!r}' for name, value in told.items())})"

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """As hypothesis is to print it."""
        printer.text(repr(self))


def _email(chance: random.Random) -> str | None:
    return chance.choice((None, "Unknown", *[f"person{chance.randrange(10_000)}@example.com"] * 8))


@dataclass(frozen=True)
class Named:
    """A server that lies in one way.

    Attributes:
        lies: How.
        rows: What is special about its rows: fields of `Plan`.
        is_read: Whether it can be read to the end, however it lies.
    """

    lies: Lies = HONEST
    rows: dict[str, Any] = field(default_factory=dict)
    is_read: bool = True


def _unread(lies: Lies, **rows: Any) -> Named:
    return Named(lies, rows, is_read=False)


BOTH, OF_UPDATED, OF_CREATED = (
    frozenset(keys) for keys in (("updated_at", "created_at"), ("updated_at",), ("created_at",))
)
IMPORTS = {"imports": 100, "rows": 400, "imports_within": 0.02, "updated_later": 0.0}
IMPORTS_BETWEEN = {"imports": 100, "rows": 400}

SERVERS: dict[str, Named] = {
    **{f"pages of {size} rows": Named(Lies(page_rows=size)) for size in (2, 3, 10, 20, 25, 30, 40, 49)},
    "pages of one row": _unread(Lies(page_rows=1)),
    "a row left out after a page was cut": Named(rows={"hidden_share": 0.004}),
    "a tenth left out after pages were cut": Named(rows={"hidden_share": 0.1}),
    "sixty rows running left out after pages were cut": _unread(Lies(), hidden_run=60),
    "an empty answer, once, at first": Named(Lies(glitches=(Glitch("empty", at=0),))),
    "an empty answer, once, later": Named(Lies(glitches=(Glitch("empty", at=5),))),
    "empty answers at random": Named(Lies(glitches=(Glitch("empty", rate=0.2),))),
    "a page a row short, once": Named(Lies(glitches=(Glitch("short", at=5),))),
    "a page that lacks some of its rows, once": Named(
        Lies(glitches=(Glitch("short", at=3, rows=5, where="anywhere"),))
    ),
    "pages some rows short at random": Named(Lies(glitches=(Glitch("short", rate=0.2, rows=5),))),
    "pages that lack some rows at random": Named(Lies(glitches=(Glitch("short", rate=0.2, rows=5, where="anywhere"),))),
    "times rounded": Named(Lies(shown="rounded")),
    "times rounded up": Named(Lies(shown="rounded_up")),
    "gte is gt on fractions": Named(Lies(gte_is_gt="fractions")),
    "gte is gt on seconds": Named(Lies(gte_is_gt="seconds")),
    "filters compare seconds": Named(Lies(compares=Compares("seconds"))),
    "filters compare minutes": Named(Lies(compares=Compares("minutes"))),
    "filters compare days": _unread(Lies(compares=Compares("days"))),
    "filters cut their parameter to minutes": Named(Lies(compares=Compares("minutes", "parameter"))),
    "filters cut their parameter to days": _unread(Lies(compares=Compares("days", "parameter"))),
    "filters move their parameter up to minutes": Named(Lies(compares=Compares("minutes", "parameter", up=True))),
    "filters move their parameter up to days": Named(Lies(compares=Compares("days", "parameter", up=True))),
    "filters compare minutes, and move up": Named(Lies(compares=Compares("minutes", "both", up=True))),
    "local times without a zone, west": _unread(Lies(zone="Etc/GMT+8", zone_shown=False)),
    "local times without a zone, east": _unread(Lies(zone="Asia/Kolkata", zone_shown=False)),
    "local times without a zone, daylight saving": _unread(Lies(zone="America/Los_Angeles", zone_shown=False)),
    "local times with their zone": Named(Lies(zone="America/Los_Angeles")),
    "sorted by id on both times": _unread(Lies(sorted_by="id", sorted_by_when=BOTH), **IMPORTS),
    "sorted by id where updated_at is asked for": _unread(Lies(sorted_by="id", sorted_by_when=OF_UPDATED), **IMPORTS),
    "sorted by id where created_at is asked for": _unread(Lies(sorted_by="id", sorted_by_when=OF_CREATED), **IMPORTS),
    "sorted by id, imports between the others": _unread(Lies(sorted_by="id"), **IMPORTS_BETWEEN),
    "sorted by id, imports amid the others": _unread(Lies(sorted_by="id"), **IMPORTS_BETWEEN, imports_after=0.6),
    "always sorted by creation": _unread(Lies(sorted_by="created"), **IMPORTS),
    "sort_key ignored": _unread(Lies(sorted_by="default"), **IMPORTS),
    "always sorted by email": _unread(Lies(sorted_by="email"), **IMPORTS),
    "Date of yesterday": Named(Lies(date_stuck_at=NOW - 86_400 - 100)),
    "Date of last year": Named(Lies(date_stuck_at=NOW - 365 * 86_400)),
    "Date of 1970": Named(Lies(date_stuck_at=0)),
    "Date years ahead": Named(Lies(date_ahead_seconds=5 * 365 * 86_400)),
    "local clock years behind": Named(Lies(local_ahead_seconds=-5 * 365 * 86_400)),
    "sort_key=updated_at refused": Named(Lies(refuses=frozenset({"sort_key=updated_at"}))),
    "sort_key=created_at refused": Named(Lies(refuses=frozenset({"sort_key=created_at"}))),
    "sort_key refused": _unread(Lies(refuses=frozenset({"sort_key"}))),
    "the updated filter refused": Named(Lies(refuses=frozenset({"updated"}))),
    "per_page of 50 refused": Named(Lies(page_rows=25, per_page_refused_above=25)),
    "pages beyond 3 refused": Named(Lies(page_last=3)),
    "rows before 1970": Named(rows={"before_1970": 60, "rows": 440}),
    "rows in the future": Named(rows={"future": 60, "rows": 440}),
    "a second with 400 updates": Named(rows={"tied_updated": 400}),
    "a second with 400 new rows": Named(rows={"tied_created": 400}),
    "a second with 400 rows new and updated": Named(rows={"tied_both": 400, "to_the_microsecond": True}),
    "ties ordered anew": _unread(Lies(ties_anew=True), tied_both=120),
}
"""The forty of the report, as far as one list tells them, and some between them."""

CROWDS: dict[str, Named] = {
    "a second with 3,200 updates": Named(rows={"rows": 3_700, "tied_updated": 3_200}),
    "a second with 3,200 new rows": _unread(Lies(), rows=3_700, tied_created=3_200),
    "a second with 3,200 rows new and updated": _unread(Lies(), rows=3_700, tied_both=3_200),
    "a second with 3,200 rows ordered anew": _unread(Lies(ties_anew=True), rows=3_700, tied_both=3_200),
}

SUPPOSED: dict[str, Named] = {
    "per_page ignored": Named(Lies(per_page_ignored=True, page_rows=25)),
    "page ignored": _unread(Lies(page_ignored=True), tied_both=120),
    "one row more than asked for": Named(Lies(extra_row=True)),
    "some rows come twice": Named(Lies(twice_every=7)),
    "offsets by the rows asked for": _unread(Lies(page_rows=25, offset_by_asked=True), tied_updated=120),
    "offsets by the rows asked for, of one second": _unread(Lies(page_rows=20, offset_by_asked=True), tied_both=120),
    "page numbers off by a row": _unread(Lies(offset_more=1), tied_both=120),
    "lt is lte on fractions": Named(Lies(lt_is_lte="fractions")),
    "lt is lte on seconds": Named(Lies(lt_is_lte="seconds")),
    "of two bounds only gte": Named(Lies(only_bound="gte")),
    "of two bounds only lt": _unread(Lies(only_bound="lt")),
    "the created filter ignored": _unread(Lies(created_ignored=True)),
    "times with milliseconds": Named(Lies(shown="milliseconds")),
    "pages beyond the last empty": _unread(Lies(page_beyond_last="empty"), tied_both=1_600, rows=1_700),
    "pages beyond the last the last": _unread(Lies(page_beyond_last="clamped"), tied_both=1_600, rows=1_700),
    "a replica that lags a minute": Named(Lies(lags_seconds=60)),
    "updated ignored beside created": _unread(Lies(only_created_filter=True), tied_updated=120),
    "filters take local time, west": _unread(Lies(filter_ahead_seconds=8 * 3_600)),
    "filters take local time, east": _unread(Lies(filter_ahead_seconds=-5 * 3_600)),
    "always ascending": _unread(Lies(order_ignored="asc"), tied_both=1_600, rows=1_700),
    "always descending": _unread(Lies(order_ignored="desc")),
    "always descending, cut, and all of one second": _unread(
        Lies(order_ignored="desc", page_rows=20), tied_both=60, rows=60
    ),
    "answers a minute old": Named(Lies(cached_seconds=60)),
    **{f"answer {at} shows that before it": _unread(Lies(another="before", another_at=at)) for at in (1, 2, 3, 5, 9)},
    **{
        f"answer {at} shows the newest rows": _unread(Lies(another="newest", another_at=at))
        for at in (0, 1, 2, 3, 5, 9)
    },
    "ids as text": _unread(Lies(ids_as_text=True)),
    "out of order from the fifth request on": _unread(Lies(fails_at=4)),
}
"""Supposed: no report names them.

Left out, because nothing tells them from an honest server at a price that honest ones should pay: pages counted from
zero (the documentation counts from one; a second that fills a page would lose its second one), and rows created after
their update, which a backfill along `created` looks for before its end. Each row twice on pages of three takes more
requests than a run should.
"""

chances = st.integers(0, 2**32 - 1)
rates = st.sampled_from((0.02, 0.1, 0.3))
glitches_once = st.builds(
    Glitch,
    st.sampled_from(("empty", "short")),
    at=st.integers(0, 12),
    rows=st.integers(1, 5),
    where=st.sampled_from(("tail", "anywhere")),
)
glitches_at_random = st.builds(
    Glitch,
    st.sampled_from(("empty", "short")),
    rate=rates,
    rows=st.integers(1, 5),
    where=st.sampled_from(("tail", "anywhere")),
)
zones = st.sampled_from(
    ("America/Los_Angeles", "Europe/Berlin", "Australia/Adelaide", "Asia/Kolkata", "Etc/GMT+8", "Etc/GMT-2")
)
sort_keys = st.sampled_from((BOTH, OF_UPDATED, OF_CREATED))
refusals = st.sampled_from(("sort_key=updated_at", "sort_key=created_at", "sort_key", "updated"))

KINDS: dict[str, st.SearchStrategy[Lies]] = {
    "pages": st.builds(Lies, page_rows=st.integers(1, 50)),
    "glitch": st.builds(Lies, glitches=st.tuples(glitches_once)),
    "glitches": st.builds(Lies, glitches=st.tuples(glitches_at_random)),
    "shown": st.builds(Lies, shown=st.sampled_from(("rounded", "rounded_up"))),
    "gte": st.builds(Lies, gte_is_gt=st.sampled_from(("fractions", "seconds"))),
    "compares": st.builds(
        Lies,
        compares=st.builds(
            Compares,
            st.sampled_from(("seconds", "minutes", "days")),
            st.sampled_from(("both", "parameter")),
            st.booleans(),
        ),
    ),
    "local": st.builds(Lies, zone=zones, zone_shown=st.just(False)),
    "zone": st.builds(Lies, zone=zones, form=st.integers(0, 2)),
    "order": st.builds(Lies, sorted_by=st.sampled_from(("id", "created", "default")), sorted_by_when=sort_keys),
    "ties": st.just(Lies(ties_anew=True)),
    "updated": st.just(Lies(updated_ignored=True)),
    "date": st.builds(Lies, date_stuck_at=st.sampled_from((0, NOW - 365 * 86_400, NOW - 86_400, NOW - 3_600))),
    "date ahead": st.builds(Lies, date_ahead_seconds=st.sampled_from((-600, 600, 86_400, 5 * 365 * 86_400))),
    "clock": st.builds(Lies, local_ahead_seconds=st.sampled_from((-5 * 365 * 86_400, -86_400, 86_400))),
    "refuses": st.builds(Lies, refuses=st.frozensets(refusals, min_size=1, max_size=2)),
    "per_page": st.builds(Lies, page_rows=st.integers(1, 25), per_page_refused_above=st.integers(25, 49)),
    "page": st.builds(Lies, page_last=st.sampled_from((1, 2, 3, 10, 29))),
    "latency": st.just(Lies(latency_seconds=0.0005)),
}

SUPPOSED_KINDS: dict[str, st.SearchStrategy[Lies]] = {
    "per_page ignored": st.builds(Lies, per_page_ignored=st.just(True), page_rows=st.integers(1, 50)),
    "lt": st.builds(Lies, lt_is_lte=st.sampled_from(("fractions", "seconds"))),
    "bounds": st.builds(Lies, only_bound=st.sampled_from(("gte", "lt"))),
    "beyond": st.builds(
        Lies, page_beyond_last=st.sampled_from(("empty", "clamped")), page_last=st.sampled_from((2, 10, 30))
    ),
    "filters": st.builds(Lies, filter_ahead_seconds=st.sampled_from((-10, 10)).map(lambda hours: hours * 3_600)),
    "direction": st.builds(Lies, order_ignored=st.sampled_from(("asc", "desc"))),
    "another": st.builds(Lies, another=st.sampled_from(("before", "newest")), another_at=st.integers(0, 12)),
    "twice": st.builds(Lies, twice_every=st.integers(1, 9)),
    "fails": st.builds(Lies, fails_at=st.integers(0, 30)),
    **{
        name: st.just(lies)
        for name, lies in {
            "page ignored": Lies(page_ignored=True),
            "extra": Lies(extra_row=True),
            "created ignored": Lies(created_ignored=True),
            "milliseconds": Lies(shown="milliseconds"),
            "lags": Lies(lags_seconds=60),
            "only created": Lies(only_created_filter=True),
            "cached": Lies(cached_seconds=60),
            "text": Lies(ids_as_text=True),
        }.items()
    },
}

INDISTINGUISHABLE = (
    {"order", "glitches"},
    {"extra", "glitch"},
    {"extra", "glitches"},
    {"gte", "ties"},
    {"gte", "order"},
    {"lags", "glitch"},
    *(
        {"direction", cut, hidden}
        for cut in ("pages", "per_page", "per_page ignored")
        for hidden in ("page ignored", "page", "beyond", "glitch", "glitches", "another")
    ),
)
"""Kinds that are not told at once. Where a list is in another order, one answer may be all there is to show it: whoever
falsifies each answer by chance sooner or later falsifies every proof. A page that should have a row more than asked for
and lacks one looks full. A row of a whole second that `gte` leaves out is missed where its page shows it; where a
second is in another order, the page may have shown another. A list that is cut and answers the same from both ends
looks like one that has no more rows, unless its second page shows others. Two answers running that lack a row, one
because it is old and one by mistake, agree that there is none."""


@st.composite
def lies(draw: st.DrawFn, kinds: dict[str, st.SearchStrategy[Lies]], at_once: int = 4) -> Lies:
    """Some kinds at once."""
    told = Lies()
    names: set[str] = set()
    for name in draw(st.lists(st.sampled_from(sorted(kinds)), unique=True, max_size=at_once)):
        if not any(forbidden <= names | {name} for forbidden in INDISTINGUISHABLE):
            names.add(name)
            told |= draw(kinds[name])
    # From both ends of a second, few rows in any order may happen to be the same, and a single one is.
    return replace(told, page_rows=max(told.page_rows, 10 if told.ties_anew else 2 if told.order_ignored else 1))


@st.composite
def plans(draw: st.DrawFn, page_rows: int = 50) -> Plan:
    """Small accounts: the smaller the pages the smaller they are, so that examples take milliseconds."""
    rows = draw(st.integers(0, min(400, 20 * page_rows + 20)))
    few, tied = st.integers(0, max(rows // 4, 3)), st.sampled_from((0, 0, rows // 8, rows // 2, rows))
    plan = Plan(
        rows,
        seconds_apart=draw(st.sampled_from((0.0, 0.01, 0.4, 3.0, 60.0, 3_600.0, 86_400.0))),
        seed=draw(chances),
        updated_later=draw(st.sampled_from((0.0, 0.03, 0.3, 1.0))),
        to_the_microsecond=draw(st.booleans()),
    )
    special = draw(
        st.sets(
            st.sampled_from(("tied_created", "tied_updated", "tied_both", "imports", "before_1970", "future")),
            max_size=3,
        )
    )
    counts: dict[str, Any] = {name: draw(tied if name.startswith("tied") else few) for name in sorted(special)}
    if "imports" in special:
        counts["imports_within"] = draw(st.sampled_from((0.0, 0.05, 0.5, 1.0)))
        counts["imports_after"] = draw(st.sampled_from((0.3, 0.8, 1.0)))
    if draw(st.booleans()):
        counts.update(
            hidden_share=draw(st.sampled_from((0.0, 0.02, 0.3))), hidden_run=draw(st.integers(0, page_rows + 3))
        )
    return replace(plan, **counts)


def honest_budget(rows: int, page_rows: int = 50) -> float:
    """The requests that a first load may take; on smaller pages one row of each proves the overlap."""
    return 1.04 * ceil(rows / (page_rows if page_rows == 50 else max(page_rows - 1, 1))) + 4


@dataclass(frozen=True)
class Scenario:
    """A server and what is asked of it.

    Attributes:
        since, until: The range of `updated`, UNIX seconds.
    """

    plan: Plan
    lies: Lies = HONEST
    table: str = "responses"
    changes: tuple[Change, ...] = ()
    since: int | None = None
    until: int | None = None
    connections: int = 1
    seed: int = 0

    def server(self) -> LyingServer:
        """The server, anew; it is not asked for ever."""
        rows = {row.id: row for row in self.plan.build()}
        server = LyingServer(rows, self.lies, self.table, list(self.changes), self.seed)
        # On pages of one row nothing overlaps, so that each is looked for from several sides.
        times = 150 if server.page_rows() == 1 else 30
        server.requests_max = ceil(times * honest_budget(len(rows), server.page_rows()) + 400)
        return server


CHANGE_KINDS = ("nothing", "nothing", "update", "update", "delete", "insert", "insert_old", "insert_late")


@st.composite
def scenarios(draw: st.DrawFn, kinds: dict[str, st.SearchStrategy[Lies]], *, changes: bool = False) -> Scenario:
    """Any account behind any of these lies, and any range."""
    told = draw(lies(kinds))
    plan = draw(plans(told.page_rows))
    # Where rows are left out of every page, one that lacks another by mistake can be as long as they are.
    if told.order_ignored or told.glitches or told.page_rows < 5:
        plan = replace(plan, hidden_share=0.0, hidden_run=0)
    seconds = sorted(row.updated // SECOND for row in plan.build()) or [NOW]
    bounds: list[int | None] = [None, None]
    if draw(st.booleans()):
        picked = sorted(draw(st.lists(st.integers(0, len(seconds) - 1), min_size=2, max_size=2)))
        bounds = [seconds[picked[0]] + draw(st.integers(-1, 1)), seconds[picked[1]] + draw(st.integers(1, 2))]
        if draw(st.integers(0, 3)) == 0:
            bounds[1] = None
    changed = draw(st.lists(st.builds(Change, st.sampled_from(CHANGE_KINDS), chances), max_size=60)) if changes else []
    return Scenario(
        plan,
        told,
        draw(st.sampled_from(("responses", "end_users"))),
        tuple(changed),
        bounds[0],
        bounds[1],
        connections=draw(st.sampled_from((1, 1, 1, 4))),
        seed=draw(st.integers(0, 1_000)),
    )
