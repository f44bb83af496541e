"""Walks through a range of one list: page after page, each joined to the one before. No sockets, no clock.

The API shows times without the fractions of a second that it stores, cuts pages where it likes, and lets rows move
while a client pages. So a walk seeks: each request begins at the second of the last row, in ascending order. A page is
believed only where it is joined: where rows that were seen come again, no row lies between. Where they do not, the walk
asks again, and then from further back. It has ended when the newest rows of the list, asked for from the other end,
are all known.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from ..errors import IncompleteScan
from ..tables import PRIMARY_KEY
from .listing import PAGE_ROWS, UPDATED, Bounds, Listing, OrderIgnored, Page, Row, ids
from .order import OrderProof, Windows
from .seen import Seen
from .ties import OVERLAP_ROWS, Tie

BACK_ROWS = (1, 5, 25)
BACK_SECONDS = (3_600, 86_400)
AGAIN_MAX = 12
"""How often a page is asked for of a list that was seen to leave rows out by chance."""
READING_SECONDS_MAX = 7 * 86_400
"""No reading takes so long."""
FRUITLESS_MAX = 3
"""How often the same is asked where the answer contradicts what is known."""


class Piece(NamedTuple):
    """Rows of a walk.

    Attributes:
        rows: Which.
        is_settled: Whether all that was yielded up to them is known to be complete.
        reached: Then, up to which second the walk has come; rows that were found beside it may be later ones.
    """

    rows: Page
    is_settled: bool
    reached: int | None = None


class Walk:
    """One walk through a range; other threads may look at it, and split it, while it goes on.

    Args:
        listing: The list.
        bounds: The range, on the axis to walk along. Its end is not asked for: the rows tell when it is passed.
        within: Bounds on other axes, whose filter the list honours.
        proof: What is known of the list's order; walks through one list share it.
        is_anchored: Whether to make sure that the range begins where it is said to.
        known_until: The second up to which rows of the range are known: one that comes again shows that it does.
        first: The first pages of the list, as far as they were answered already.
        doubts_emptiness: Whether to ask once more before believing that there are no rows.
        started: When the reading began, UNIX seconds; what comes after that need not be read to its end.
        is_last: Whether no other walk goes through what lies behind: then its last window is counted.

    Attributes:
        proof: As given, or of its own.
        incomplete: Seconds of which the API does not reveal all rows.
        bounds: The range; `split` moves its end.
        pages_read: How many pages were read.
        position: The last second that was seen, UNIX time.
        seconds_a_page: The pace of the last page; None before there are two.
        first: The rows of the first page, once it was read.
        beyond: Rows of the last page that lie behind the range.
    """

    def __init__(
        self,
        listing: Listing,
        bounds: Bounds,
        *within: Bounds,
        proof: OrderProof | None = None,
        is_anchored: bool = False,
        known_until: int | None = None,
        first: Sequence[Page] = (),
        doubts_emptiness: bool = False,
        started: Callable[[], float] | None = None,
        is_last: bool = True,
    ) -> None:
        self._started, self._is_last = started, is_last
        self._doubts_emptiness = doubts_emptiness
        self._first = list(first)
        self._known_until = known_until
        self._is_anchored = is_anchored
        self.incomplete: list[int] = []
        self.pages_read, self.position = 0, 0
        self.seconds_a_page: int | None = None
        self.first: Page = []
        self.beyond: Page = []
        self._listing, self._within, self.bounds = listing, within, bounds
        self._seen = Seen(bounds.axis)
        self.proof = proof or OrderProof(listing.table, bounds.axis, trusts_pages=bounds.since is not None)
        self._windows = Windows(listing, bounds.axis, within, self._seen, self.proof, bounds.since)
        self._newest_row: Row | None = None
        self._tied_second: int | None = None
        self._horizon: Page = []
        self._has_doubted = False
        self._asked: tuple[int | None, int, int | None] = bounds.since, 1, None

    def pieces(self) -> Iterator[Piece]:
        """All rows of the range; rows of one second may come in any order, and a row that changes comes again.

        Raises:
            IncompleteScan: Rows that must come again do not, however far back it asks.
            OrderIgnored, FilterIgnored: The list cannot be walked along this axis.
        """
        page, before, fruitless, taken = self._begin(), None, 0, 0
        self.first = page
        while True:
            fresh = self._seen.take(page)
            is_settled = bool(fresh) and self._windows.note(page)
            self._note_pace()
            yield from self._wanted(fresh)
            if (yield from self._has_passed_the_end(page)):
                break
            if not self._is_in_a_tie(page, fresh, before) and (yield from self._is_at_the_end(page, fresh)):
                break
            # Where a list is busy, a second may show new rows each time.
            fruitless = fruitless + 1 if before == self._seen.position and taken == self._seen.taken else 0
            taken = self._seen.taken
            if fruitless > 1 and self._ends_earlier(page):
                fruitless = 0
                self._seen.retreat(self.bounds.axis.second(page[-1]))
            if fruitless > 1 and (unsorted := self._unsorted()) is not None:
                raise unsorted
            if fruitless == FRUITLESS_MAX:
                raise self._lost()
            if is_settled:
                yield from self._window_ended(self._seen.position or 0)
            is_tied, before = self._is_tied(page, before), self._seen.position
            page = (yield from self._past(page)) if is_tied else self._next()
            if (is_settled or self.proof.is_proven) and any(map(self._seen.stands, page)):
                yield Piece([], True, self._seen.position)
        yield from self._last_window_ended(page)
        yield Piece([], True, self._seen.position)

    def _note_pace(self) -> None:
        before = self._seen.second_before(PAGE_ROWS)
        self.pages_read += 1
        self.position = self._seen.position or 0
        self.seconds_a_page = None if before is None else max(self.position - before, 1)

    def _is_at_the_end(self, page: Page, fresh: Page) -> Generator[Piece, None, bool]:
        """Whether there is nothing behind a page, which one that is short, or without new rows, lets expect."""
        if self._is_beyond_the_horizon():
            return True
        is_short = self._is_short(page)
        if fresh and (not is_short or self._lies_before_the_newest(page)):
            if is_short:
                yield from self._again(page)
            return False
        newest = self._newest()
        unseen = [row for row in newest if not (self._seen.has(row) or self._lies_before(row))]
        is_the_end = not unseen and self._reaches_the_position(newest) and not self._is_doubtful(newest)
        if is_the_end and self._seen.position is None and self._doubts_emptiness:
            yield from self._again(page)
            return self._seen.position is None
        if is_the_end and (more := self._behind_both_ends(page, newest)):
            self._listing.is_cut = True
            yield from self._wanted(self._seen.take(more, moves=False))
            return False
        if unseen and self._reaches_back(newest):
            # Had the order been what it seems, the pages would show them, and may still do so.
            yield from self._wanted(self._seen.take(unseen, moves=False))
        if not is_the_end:
            yield from self._again(page)
        return is_the_end

    def _is_doubtful(self, newest: Page) -> bool:
        """Whether the newest rows are fewer than were seen; once, since rows may be left out of each page, or go."""
        least = min(self._seen.count(Bounds(self.bounds.axis)), self._listing.full_rows)
        is_doubtful = len(newest) < least and not self._has_doubted
        self._has_doubted |= is_doubtful
        return is_doubtful

    def _behind_both_ends(self, page: Page, newest: Page) -> Page:
        """Rows of the second page of a list whose first one is the same from both ends, as if that were all of it.

        That is so of rows of one second, also where the list ignores the direction and cuts its pages. Of a single row
        along creation it is believed: it is nearly always so, and other requests were spent.
        """
        same = [row[PRIMARY_KEY] for row in page] == [row[PRIMARY_KEY] for row in reversed(newest)]
        least = 1 if self.bounds.axis is UPDATED else 2
        if not same or len(page) < least or not self._has_new_rows():
            return []
        return [row for row in self._ask(self._asked[0], 2) if not self._seen.has(row)]

    def _is_beyond_the_horizon(self) -> bool:
        """Whether all was read that was there when the end was first looked for: a busy list has no end of its own."""
        position, horizon = self._seen.position, self._horizon
        if position is None or not horizon or self._started is None:
            return False
        newest, started = self.bounds.axis.second(horizon[-1]), self._started()
        # A row that came meanwhile is not from the future.
        is_beyond = max(newest, started) < position < started + READING_SECONDS_MAX
        # Rows that are newer, and were there before, show that it was not the end.
        is_the_end = not self._seen.count(Bounds(self.bounds.axis, newest + 1, int(started)))
        return is_beyond and is_the_end and all(self._seen.knows(row) or self._lies_before(row) for row in horizon)

    def _lies_before_the_newest(self, page: Page) -> bool:
        newest = self._newest_second
        return newest is not None and self.bounds.axis.second(page[-1]) < newest

    def _begin(self) -> Page:
        """The first page; of a range that nothing overlaps it holds a row from before it, if there is one."""
        since, second = self.bounds.since, self.bounds.axis.second
        if since is None or not self._is_anchored:
            page = self._answered(since) or self._ask(since)
            # Along creation the count of the first window shows it as well.
            return self._from_the_first_row(page) if since is None and self.bounds.axis is UPDATED else page
        if self._first and second(self._first[0][0]) >= since:
            return self._answered(None)
        known = self._ask(since) if self._known_until is not None else []
        if known and self._known_until is not None and second(known[0]) <= self._known_until:
            return known
        before = self._listing.page(Bounds(self.bounds.axis, None, since), *self._within, rows=1, order="desc")
        if before:
            nearest = min(second(before[-1]), since - 1)
            for begin in (nearest, *(nearest - back for back in BACK_SECONDS)):
                page = self._ask(begin)
                if page and second(page[0]) < since:
                    return page
        return self._from_the_first_row(known if known and not before else self._ask(None))

    def _answered(self, since: int | None) -> Page:
        """The next page that was answered already, as if it had been asked for; none if there is none."""
        if not self._first:
            return []
        self._asked = since, 1, None
        return self._first.pop(0)

    def _from_the_first_row(self, page: Page) -> Page:
        """The first page of all, once nothing lies before it: an answer may be that to another query."""
        second = self.bounds.axis.second
        while page and self._listing.before(self.bounds.axis, second(page[0]), *self._within):
            again = self._ask(None)
            if again and second(again[0]) >= second(page[0]):
                raise OrderIgnored(second(page[0]))
            page = again
        return page

    def split(self, second: int) -> "Walk":
        """Ends this walk at a second it has not reached by far; a walk through the rest."""
        bounds = replace(self.bounds, since=second)
        rest = Walk(
            self._listing, bounds, *self._within, proof=self.proof, started=self._started, is_last=self._is_last
        )
        rest.incomplete = self.incomplete
        self.bounds = replace(self.bounds, until=second)
        self._is_last = False
        return rest

    @property
    def pages_left(self) -> int:
        """How many pages are left, as far as the pace of the last ones tells; 0 before there is one."""
        until = self.bounds.until
        if until is None:
            until = int(self._started()) if self._started is not None else self.position
        return max(until - self.position, 0) // self.seconds_a_page if self.seconds_a_page else 0

    def bridge(self, following: "Walk") -> Iterator[Piece]:
        """What lies between this walk's end and another that begins there: nothing, where a row is in both."""
        known = ids(following.first)
        if missing := [row for row in self.beyond if row[PRIMARY_KEY] not in known]:
            yield Piece(missing, True, self.bounds.axis.second(missing[-1]))
        if len(missing) < len(self.beyond) or not following.first:
            return
        self.bounds = replace(self.bounds, until=None)
        page = self._next()
        while fresh := self._seen.take(page):
            yield Piece(list(filter(self.bounds.holds, fresh)), True, self._seen.position)
            if known & ids(page):
                return
            page = self._next()

    def _ask(self, since: int | None, number: int = 1, rows: int | None = None) -> Page:
        self._asked = since, number, rows
        return self._listing.page(Bounds(self.bounds.axis, since), *self._within, number=number, rows=rows)

    def _wanted(self, rows: Page) -> Iterator[Piece]:
        if wanted := list(filter(self.bounds.holds, rows)):
            yield Piece(wanted, False)

    def _has_passed_the_end(self, page: Page) -> Generator[Piece, None, bool]:
        until = self.bounds.until
        if until is None or not page or self.bounds.axis.second(page[-1]) < until:
            return False
        self.beyond = [row for row in page if self.bounds.axis.second(row) >= until]
        if self._is_short(page):
            yield from self._again(page)
        return True

    def _is_short(self, page: Page) -> bool:
        """Whether a page has fewer rows than it was asked for, as far as pages may have them."""
        full, asked = self._listing.full_rows, self._asked[2]
        return len(page) < (full if asked is None else min(asked, full))

    @property
    def _newest_second(self) -> int | None:
        return None if self._newest_row is None else self.bounds.axis.second(self._newest_row)

    def _newest(self) -> Page:
        """The newest rows of the list, ascending; an empty answer is not believed where rows were seen."""
        for _ in range(1 if self._seen.position is None else FRUITLESS_MAX):
            page = self._listing.page(Bounds(self.bounds.axis), *self._within, order="desc")[::-1]
            if page:
                self._newest_row = page[-1]
                self._horizon = self._horizon or page
                if not self._listing.is_lossy or not all(map(self._seen.has, page)):
                    break
        return page

    def _reaches_the_position(self, newest: Page) -> bool:
        """Whether the newest rows begin no later than the position, and end no earlier, so that none lies between."""
        position, second = self._seen.position, self.bounds.axis.second
        if position is None or not newest:
            return position is None
        # A page within the position's second may show some of its rows, in any order.
        is_whole = second(newest[0]) < position or position == self._tied_second or self._seen.last <= ids(newest)
        return is_whole and second(newest[-1]) >= position

    def _reaches_back(self, newest: Page) -> bool:
        """Whether the newest rows begin before the last second that was seen, so that all of that is among them."""
        position = self._seen.position if self._seen.position is not None else self.bounds.since
        return position is not None and self.bounds.axis.second(newest[0]) < position

    def _lies_before(self, row: Row) -> bool:
        return self.bounds.since is not None and self.bounds.axis.second(row) < self.bounds.since

    def _again(self, page: Page) -> Iterator[Piece]:
        """What a page that was short, or brought nothing new, lacks; nothing where the list cuts its pages."""
        asked, position, fruitless, has_found = self._asked, self._seen.position, 0, False
        for _ in range(AGAIN_MAX):
            again = self._ask(*asked) if position is not None else self._begin()
            is_joined = position is None or any(map(self._seen.stands, again))
            fresh = self._seen.take(again) if is_joined else []
            yield from self._wanted(fresh)
            has_found, fruitless = has_found or bool(fresh), 0 if fresh else fruitless + 1
            if position is not None and any(self.bounds.axis.second(row) < position for row in fresh):
                self._listing.is_lossy = True
            if not self._listing.is_lossy or fruitless == FRUITLESS_MAX:
                break
        if page and not has_found:
            self._listing.is_cut = True

    def _next(self) -> Page:
        """The page behind what was seen, joined to it."""
        candidates = []
        if (page := self._answered(self._seen.position)) and self._joins(page, strictly=True):
            return page
        for index, since in enumerate(self._steps()):
            if index < self._listing.step:
                continue
            page = self._reaching(since)
            if self._joins(page, strictly=index == 0):
                self._listing.note_step(index)
                return page
            candidates.append(page)
        for page in candidates:
            if any(map(self._seen.stands, page)):
                return page
        if page := self._anew():
            return page
        newest = [] if self._newest_row is None else [self._newest_row]
        if newest and all(self._lies_before(row) for page in [newest, *candidates] for row in page):
            # All that was seen of the range has gone.
            self._seen.retreat(self.bounds.axis.second(newest[0]))
            return []
        raise self._lost()

    def _anew(self) -> Page:
        """The first page, where it reaches behind all that was seen: rows that were updated, or deleted, are gone."""
        position, second = self._seen.position, self.bounds.axis.second
        page = self._begin()
        if self.bounds.since is None and page:
            page = self._from_the_first_row(page)
        return page if page and position is not None and second(page[-1]) > position else []

    def _steps(self) -> list[int | None]:
        """Where to begin, ever further back: where the rows that were seen stand, an hour, a day, the beginning."""
        position = self._seen.position
        if position is None:
            return [self.bounds.since]
        rows = [second for back in BACK_ROWS if (second := self._seen.second_before(back)) is not None]
        seconds = [position - back for back in BACK_SECONDS]
        return [position, position, *rows, *seconds, self.bounds.since]

    def _joins(self, page: Page, *, strictly: bool) -> bool:
        if self._seen.position is None:
            return True
        standing = ids(filter(self._seen.stands, page))
        return self._seen.last <= standing if strictly else bool(standing)

    def _reaching(self, since: int | None) -> Page:
        """A page from a second on; a later one where a coarse filter fills it with what lies before what was seen."""
        page, number, position = self._ask(since), 1, self._seen.position
        second = self.bounds.axis.second
        while position is not None and page and second(page[-1]) < position and number < self._listing.pages_max:
            if not (following := self._ask(since, number + 1)):
                # The list ends before what was seen.
                self._asked = since, number, None
                break
            number, page = number + 1, following
        if (
            position is None
            or len(page) < self._listing.full_rows
            or number == self._listing.pages_max
            or not second(page[0]) < position == second(page[-1])
        ):
            return page
        # So many rows a page that it overlaps this one: else a row may have moved out of sight between them.
        if (rows := (len(page) * number - OVERLAP_ROWS) // number) < 1:
            return page
        following = self._ask(since, number + 1, rows)
        new = [row for row in following if row[PRIMARY_KEY] not in ids(page)]
        is_joined = len(new) < len(following) and all(second(row) > position for row in new)
        if is_joined:
            return page + new
        self._asked = since, number, None
        return page

    def _is_in_a_tie(self, page: Page, fresh: Page, before: int | None) -> bool:
        """Whether a page is full of a second, which may have more rows."""
        if len(page) < self._listing.full_rows or not self._is_tied(page, before):
            return False
        return bool(fresh) or self.bounds.axis.second(page[0]) == self._seen.position

    def _is_tied(self, page: Page, before: int | None) -> bool:
        """Whether a page ends in the second where it, or the one before it, begins: seeking gets no further."""
        second, position = self.bounds.axis.second, self._seen.position
        # A single row is no tie, unless pages have no more.
        can_tie = bool(page) and len(page) >= min(2, self._listing.full_rows)
        return can_tie and second(page[-1]) == position and position in (before, second(page[0]))

    def _past(self, page: Page) -> Generator[Piece, None, Page]:
        """Reads a second that fills a page; returns the page that reaches behind it."""
        second = self.bounds.axis.second(page[-1])
        # A page of one second is in any order.
        yield from self._window_ended(second, always=True)
        tie = Tie(self._listing, self.bounds.axis, self._within, self._seen, self._ask, self._inside)
        pages = tie.past(page)
        while (rows := next(pages, None)) is not None:
            self.position = max(self.position, tie.reaches)
            yield from self._wanted(rows)
        if tie.is_read:
            self._tied_second = second
            self._windows.begin(second + 1)
        self.incomplete += tie.incomplete
        return tie.following

    def _inside(self, tied: Bounds, other: Bounds, *others: Bounds) -> "Walk":
        return Walk(self._listing, other, tied, *others)

    def _window_ended(self, until: int, *, always: bool = False) -> Iterator[Piece]:
        for rows in self._windows.ended(until, always=always):
            yield from self._wanted(rows)

    def _last_window_ended(self, page: Page) -> Iterator[Piece]:
        is_short = len(page) < self._listing.full_rows and not self._listing.is_cut
        if self._known_until is not None and self.pages_read == 1 and is_short:
            # All that is new fits into it, in whatever order.
            return
        if (position := self._seen.position) is None or not self._has_new_rows():
            return
        until = self.bounds.until
        if until is None:
            # What came since the reading began may be in it, and is not missed.
            until = max(position + 1, int(self._started()) if self._started is not None else 0)
        yield from self._window_ended(until, always=self._is_last)

    def _ends_earlier(self, page: Page) -> bool:
        """Whether the list ends before the last row that was seen, as both its ends show: that has gone meanwhile."""
        position, newest = self._seen.position, self._newest_row
        if not page or position is None or newest is None:
            return False
        return page[-1][PRIMARY_KEY] == newest[PRIMARY_KEY] and self.bounds.axis.second(page[-1]) < position

    def _has_new_rows(self) -> bool:
        """Whether there are rows behind those that were known before."""
        position, known_until = self._seen.position, self._known_until
        return position is not None and (known_until is None or position > known_until)

    def _unsorted(self) -> OrderIgnored | None:
        """The error where the list shows a row later than the one that it says is its newest."""
        position, newest = self._seen.position, self._newest_second
        is_unsorted = position is not None and newest is not None and newest < position
        return OrderIgnored(position) if is_unsorted and self.bounds.axis is UPDATED else None

    def _lost(self) -> IncompleteScan:
        return self._seen.lost(self._listing.table, self._newest_second)
