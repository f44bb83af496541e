"""When which part of a list was last read: a list that ignores `updated` shows changes only to whoever reads it again.

How stale a row may be grows with its age. History is kept as intervals of `created_at`, each with the reading that saw
it last. An interval is due when a change of its youngest row may be as old as its age allows; what is older than the
most that is allowed is read round and round instead, so that no run has all of it to do. Neighbours that are due are
read as one range, and parted anew by their age then. What has changed is what was updated since that reading; what has
appeared with older times shows in the ids of an interval, of which a digest is kept.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from math import floor
from typing import Any, NamedTuple

from ..tables import CURSOR, PRIMARY_KEY
from .listing import CREATED, PAGE_ROWS, Bounds, Page, Row

SECONDS_PER_DAY = 86_400
YOUNGEST_SECONDS = 900
"""What was created so shortly before a reading is read again by the next one in any case."""
SHARE_OF_AGE = 0.2
"""How long an interval is, beside the age of its youngest row: by so much its oldest row is read too often."""
INTERVALS_PER_LIST = 400
ROWS_MAX_LEAST = 2 * PAGE_ROWS
"""No interval has more rows than that, or than its share of the list: what is read at once bounds a run."""
SOON = 0.8
"""So much of the time that it may be stale has passed for an interval that may be read early, to have runs even."""
ROWS_OF_A_PAGE = PAGE_ROWS - 2
"""One page brings them, with a row before and one behind."""
SUMS = 2**32
MULTIPLIER = 0x9E37_79B9_7F4A_7C15
"""2**64 by the golden ratio: products of numbers that are near each other lie far apart."""
ROWS_BETWEEN = PAGE_ROWS
"""So many rows between two ranges are read along: to begin another one costs as much."""


class Reading(NamedTuple):
    """One reading of a list.

    Attributes:
        began: When, UNIX seconds.
        newest: The newest `updated_at` known by then, UNIX seconds; None before there was one.
    """

    began: int
    newest: float | None = None


class Interval(NamedTuple):
    """A part of a list, which ends where the next one begins.

    Attributes:
        since: Where it begins on `created_at`, UNIX seconds; None is the beginning.
        reading: That saw it last; None if none did.
        rows: How many there were.
        ids: The sum of digests of the ids that it had of rows created before that reading; None where it is not known.
    """

    since: int | None
    reading: Reading | None = None
    rows: int = 0
    ids: int | None = None


def sum_of_ids(ids: Iterable[int]) -> int:
    """Tells one set of ids from another; sums of parts add up to that of the whole, below `SUMS`."""
    # Not the ids themselves: of those that follow each other, one more and one less would not show.
    return sum((row_id * MULTIPLIER % 2**64) // SUMS for row_id in ids) % SUMS


class Pace(NamedTuple):
    """How stale rows may be.

    Attributes:
        share: Of a row's age.
        seconds_max: However old it is.
    """

    share: float = 0.1
    seconds_max: float = 30 * SECONDS_PER_DAY

    def seconds(self, age_seconds: float) -> float:
        """How stale a row of an age may be."""
        return min(self.share * max(age_seconds, 0), self.seconds_max)


DEFAULT_PACE = Pace()


@dataclass(frozen=True)
class History:
    """When all of a list was last read.

    Attributes:
        intervals: In their order; the last one has no end.
        changes: Up to when the newest changes were read, wherever they were, UNIX seconds; None if they never were.
    """

    intervals: tuple[Interval, ...]
    changes: float | None = None

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> "History":
        """From what `as_state` made of it."""
        try:
            # Former versions kept a third number of a reading, no sum of ids, and not up to when changes were read.
            readings = [Reading(int(began), newest) for began, newest, *_ in state["readings"]]
            intervals = [
                Interval(since, None if index is None else readings[index], int(rows), *ids)
                for since, index, rows, *ids in state["intervals"]
            ]
            changes = state.get("changes", max((each.newest or 0 for each in readings), default=None))
            changes = None if changes is None else float(changes)
        except (KeyError, IndexError, TypeError, ValueError):
            intervals = []
        begins = [_number(each.since) for each in intervals]
        # Whoever has edited it has all read again.
        return cls(tuple(intervals), changes) if begins and begins == sorted(begins) else cls((Interval(None),))

    def as_state(self) -> dict[str, Any]:
        """As JSON can hold it, and small: a reading stands once."""
        readings = sorted({each.reading for each in self.intervals if each.reading is not None}, key=_rank)
        numbers: dict[Reading | None, int | None] = {each: number for number, each in enumerate(readings)}
        return {
            "readings": [list(each) for each in readings],
            "intervals": [[since, numbers.get(reading), rows, ids] for since, reading, rows, ids in self.intervals],
            "changes": self.changes,
        }

    def reaching(self, since: int | None) -> "History":
        """With what lies before its beginning, if that is wanted as well."""
        first = self.intervals[0].since
        if first is None or (since is not None and since >= first):
            return self
        return replace(self, intervals=(Interval(since), *self.intervals))

    @property
    def newest(self) -> float | None:
        """All that was updated before was seen; None if something was never read."""
        known = [each.reading and each.reading.newest for each in self.intervals]
        times = [each for each in known if each is not None]
        return min(times) if len(times) == len(known) else None

    def ages_read(self, now: int) -> list[tuple[int | None, int | None]]:
        """Up to which age, in seconds, rows were seen when; None is any age, and never. The youngest first."""
        found: list[tuple[int | None, int | None]] = []
        for interval in reversed(self.intervals):
            began = None if interval.reading is None else interval.reading.began
            age_seconds = None if interval.since is None else now - interval.since
            if found and (found[-1][1] == began or not _is_earlier(began, found[-1][1])):
                found[-1] = age_seconds, found[-1][1]
            else:
                found.append((age_seconds, began))
        return found

    @property
    def newest_known(self) -> float | None:
        """The newest `updated_at` that any reading knew."""
        times = (each.reading.newest for each in self.intervals if each.reading is not None)
        return max((each for each in times if each is not None), default=None)

    @property
    def changes_known(self) -> float | None:
        """Up to when no change is unknown that is late only because its part of the list is not due."""
        return max((each for each in (self.changes, self.newest) if each is not None), default=None)

    def _spans(self) -> Iterator[tuple[Interval, int | None]]:
        """The intervals with their ends."""
        ends = [*(each.since for each in self.intervals[1:]), None]
        return zip(self.intervals, ends, strict=True)

    def due(self, pace: Pace, now: int) -> list[Bounds]:
        """The ranges to read, the newest first."""
        rows_max, found = self.rows_max, list[tuple[Interval, int | None, bool]]()
        due = self._due(pace, now)
        for (interval, end), is_due in zip(self._spans(), due, strict=True):
            if found and end is not None and (is_due or found[-1][2]):
                before = found[-1][0]
                if (joined := _joined(before, interval, end, now, rows_max)) is not None:
                    found[-1] = joined, end, True
                    continue
            found.append((interval, end, is_due))
        due = [each[2] for each in found]
        for index in range(1, len(found) - 1):
            between = not due[index] and due[index - 1] and found[index + 1][2]
            due[index] |= between and found[index][0].rows <= ROWS_BETWEEN
        ranges = []
        for is_due, run in groupby(zip(found, due, strict=True), key=lambda each: each[1]):
            if is_due:
                parts = [each for each, _ in run]
                ranges.append(Bounds(CREATED, parts[0][0].since, parts[-1][1]))
        return ranges[::-1]

    def rows_in(self, bounds: Bounds) -> int:
        """How many rows a range had, but for those of the last interval, which every run reads."""
        begin, end = _number(bounds.since), float("inf") if bounds.until is None else bounds.until
        return sum(each.rows for each in self.intervals[:-1] if begin <= _number(each.since) < end)

    def groups(self) -> list[tuple[Bounds, Reading | None]]:
        """Ranges of which each was seen last by one reading, the newest first."""
        found: list[tuple[Bounds, Reading | None]] = []
        for interval, end in self._spans():
            if found and found[-1][1] == interval.reading:
                found[-1] = replace(found[-1][0], until=end), interval.reading
            else:
                found.append((Bounds(CREATED, interval.since, end), interval.reading))
        return found[::-1]

    @cached_property
    def rows_max(self) -> int:
        """How many rows an interval may have."""
        rows = sum(each.rows for each in self.intervals)
        return max(ROWS_MAX_LEAST, rows // INTERVALS_PER_LIST)

    def _due(self, pace: Pace, now: int) -> list[bool]:
        """Which intervals to read; where fewer rows are due than in the mean, some whose time comes soon, too."""
        limit_age = pace.seconds_max / pace.share if pace.share else float("inf")
        old = [end is not None and now - end >= limit_age for _, end in self._spans()]
        rows_old = sum(each.rows for each, is_old in zip(self.intervals, old, strict=True) if is_old)
        last = max((each.reading.began for each in self.intervals if each.reading is not None), default=now)
        due, soon, rows_before, rows_due, rows_expected = list[bool](), list[tuple[float, int]](), 0, 0, 0.0
        for number, ((interval, end), is_old) in enumerate(zip(self._spans(), old, strict=True)):
            place = (rows_before + interval.rows / 2) / max(rows_old, 1) if is_old else None
            due.append(_is_due(interval.reading, end, pace, now, place))
            rows_before += interval.rows
            rows_due += interval.rows * due[-1]
            if interval.reading is not None and end is not None:
                seconds = pace.seconds(interval.reading.began - end)
                rows_expected += interval.rows * min((now - last) / max(seconds, 1), 1)
                elapsed = (now - interval.reading.began) / max(seconds, 1)
                if not due[-1] and place is None and elapsed >= SOON:
                    soon.append((elapsed, number))
        for _, number in sorted(soon, reverse=True):
            if rows_due + self.intervals[number].rows > rows_expected:
                break
            due[number] = True
            rows_due += self.intervals[number].rows
        return due

    def is_changed(self, row: Row, lookback_seconds: float) -> bool:
        """Whether a row may be new, or newer than when its interval was last read."""
        second = CREATED.second(row)
        reading = self.intervals[self.number_at(second)].reading
        if reading is None or reading.newest is None or 0 < reading.began <= second:
            return True
        return bool(row[CURSOR].timestamp() >= floor(reading.newest) - lookback_seconds)

    def number_at(self, second: int) -> int:
        """Which interval a second of `created_at` lies in."""
        return max(bisect_right(self._begins, second) - 1, 0)

    @cached_property
    def _begins(self) -> list[float]:
        return [_number(each.since) for each in self.intervals]

    def with_read(self, since: int | None, until: int | None, read: Sequence[Interval]) -> "History":
        """With other intervals in a range; what they leave of it, if it is not read to its end, is as it was."""
        before, behind = list[Interval](), list[Interval]()
        begin, limit = _number(since), float("inf") if until is None else until
        for interval, end in self._spans():
            if _number(interval.since) < begin:
                before.append(interval)
            if (float("inf") if end is None else end) > limit:
                starts_within = _number(interval.since) < limit
                behind.append(interval._replace(since=until, ids=None) if starts_within else interval)
        return replace(self, intervals=(*before, *read, *behind))


def _rank(reading: Reading) -> tuple[float, ...]:
    return reading.began, reading.newest or 0


def _is_earlier(one: int | None, other: int | None) -> bool:
    """Of two moments, of which None is never."""
    return other is not None and (one is None or one < other)


def _number(second: int | None) -> float:
    return float("-inf") if second is None else second


def _is_due(reading: Reading | None, end: int | None, pace: Pace, now: int, place: float | None) -> bool:
    """Whether a part of a list has to be read.

    Args:
        reading: That saw it last.
        end: Of the part; None if it is the last.
        pace: How stale it may be.
        now: When this reading begins.
        place: Among the rows that are read round and round, from 0 to 1; None where it is not among them.
    """
    # One that began later than now did so by a clock that was ahead: it tells nothing.
    if reading is None or end is None or reading.began > now:
        return True
    if now - reading.began >= pace.seconds(reading.began - end):
        return True
    if place is None:
        return False
    return floor(now / pace.seconds_max - place) > floor(reading.began / pace.seconds_max - place)


def _joined(one: Interval, other: Interval, end: int, now: int, rows_max: int) -> Interval | None:
    """Two neighbours as one, if that is not too long or too large for their age."""
    rows = one.rows + other.rows
    is_short = one.since is not None and end - one.since <= SHARE_OF_AGE * (now - end) and rows <= rows_max
    if not (is_short or rows <= ROWS_OF_A_PAGE):
        return None
    ids = None if one.ids is None or other.ids is None else (one.ids + other.ids) % SUMS
    return Interval(one.since, one.reading, rows, ids)


class Cuts:
    """Parts a range by the age of its rows while it is read.

    Args:
        since: Where it begins, UNIX seconds.
        reading: That reads it.
        rows_max: Of a part.
    """

    def __init__(self, since: int | None, reading: Reading, rows_max: int) -> None:
        self._reading = reading
        self._rows_max = rows_max
        self._done: list[Interval] = []
        self._since = since
        self._begin: int | None = since
        self._last: int | None = None
        self._rows, self._ids = 0, 0

    def take(self, rows: Page) -> None:
        """Counts rows, in the order of their creation."""
        for row in rows:
            second = CREATED.second(row)
            if self._begin is None:
                self._begin = second
            if self._last is not None and second > self._last and self._is_full(second):
                self._done.append(Interval(self._since, self._reading, self._rows, self._ids))
                self._since, self._begin, self._rows, self._ids = second, second, 0, 0
                if len(self._done) == 2 * INTERVALS_PER_LIST:
                    self._halve()
            self._rows += 1
            if second < self._reading.began:
                self._ids = (self._ids + sum_of_ids([row[PRIMARY_KEY]])) % SUMS
            self._last = second if self._last is None else max(second, self._last)

    def _halve(self) -> None:
        """Joins the parts by twos: how long the list is shows only while it is read for the first time."""
        self._rows_max *= 2
        done, ends = self._done, [*(each.since for each in self._done[1:]), self._since]
        self._done = []
        for interval, end in zip(done, ends, strict=True):
            joined = None
            if self._done and end is not None:
                joined = _joined(self._done[-1], interval, end, self._reading.began, self._rows_max)
            self._done[-1:] = [joined] if joined is not None else [*self._done[-1:], interval]

    def _is_full(self, second: int) -> bool:
        age_seconds = self._reading.began - second
        if age_seconds < YOUNGEST_SECONDS or self._begin is None:
            return False
        is_long = second - self._begin > SHARE_OF_AGE * age_seconds
        return self._rows >= self._rows_max or (is_long and self._rows >= ROWS_OF_A_PAGE)

    def intervals(self, reading: Reading) -> list[Interval]:
        """The parts so far."""
        parts = [*self._done, Interval(self._since, reading, self._rows, self._ids)]
        return [each._replace(reading=reading) for each in parts]
