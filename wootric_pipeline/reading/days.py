"""Which days of an overview to ask for: the last ones in each run, all before them once, within a budget of requests.

An answer is for a range of days, so that one for a month tells whether there is anything in it. Whether the last day
of a range belongs to it, nobody says: the first day that has figures tells that as well.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime, timedelta, timezone
from typing import Any

DAYS_AGAIN = 35
"""So many last days are read again by each run: scores are changed, and responses excluded, days later. A day is final
when it was read at that age.
"""
LONG_DAYS = 8
"""Of so many days or more that were missed, it is asked first whether there is anything in a month."""
EARLIEST = date(2000, 1, 1)
"""Days before are not looked for: Wootric is younger."""
LAST_ZONE = timezone(timedelta(hours=-12))
"""Where days end last."""

DAY = timedelta(days=1)
AskDays = Callable[[date, date], Any]
"""The answer for days from the first to the last, as these are sent."""
Rows = list[tuple[date, Any]]
"""Days, and the answer for each."""


def last_ended_day(now: float) -> date:
    """The last day that has ended everywhere; `now` is UNIX time."""
    return datetime.fromtimestamp(now, LAST_ZONE).date() - DAY


@dataclass
class Place:
    """How far the days of an account have been read, as dlt's state keeps it.

    Attributes:
        begin: The first day that is looked at.
        low, high: Between which the first day with figures is, while it is looked for.
        first: That day; None until it is found.
        is_last_in: Whether the last day of a range belongs to it.
        since, settled: All days from the one to the day before the other are final. Older ones are history.
        filled_since: History from this day up to `since` is known to have figures in it.
    """

    begin: date
    low: date | None = None
    high: date | None = None
    first: date | None = None
    is_last_in: bool = True
    since: date | None = None
    settled: date | None = None
    filled_since: date | None = None

    @classmethod
    def of_state(cls, kept: Mapping[str, Any] | None, begin: date) -> "Place":
        """What a former run has kept, or the beginning, which is that of the first run that found anything."""
        if not kept:
            return cls(begin)
        known = {each.name for each in fields(cls)}
        place: dict[str, Any] = {
            name: date.fromisoformat(value) if isinstance(value, str) else value
            for name, value in kept.items()
            if name in known
        }
        return cls(**place)

    def as_state(self) -> dict[str, Any]:
        """In types of JSON, without what is not known; nothing before anything is found."""
        if self.first is None and self.low is None:
            return {}
        return {
            name: value.isoformat() if isinstance(value, date) else value
            for name, value in asdict(self).items()
            if value is not None
        }

    @property
    def is_whole(self) -> bool:
        """Whether all history has been read, or there is none."""
        return self.high is None and self.since == self.first


class Days:
    """The days to read in one run.

    Args:
        ask: Asks for days.
        has: Whether there is anything in an answer.
        place: How far former runs have come; it is moved.
        last: The last day that has ended.
        requests_max: How many requests history may take.
    """

    def __init__(self, ask: AskDays, has: Callable[[Any], bool], place: Place, last: date, requests_max: int) -> None:
        self._ask = ask
        self._has = has
        self.place = place
        self._last = last
        self._left = requests_max

    def read(self) -> Iterator[Rows]:
        """The days of this run, some at a time; nothing of some where that only took a request.

        The place is moved before what it stands for is handed on, so both have to be committed together.
        """
        yield from self._find_first()
        place = self.place
        if place.first is None or place.first > self._last:
            return
        again = max(place.first, self._last - (DAYS_AGAIN - 1) * DAY)
        if place.since is None or place.settled is None:
            place.since = place.settled = again
        yield from self._days(again, self._last)
        yield from self._settle(place.settled, again)
        yield from self._history(place.first)

    def in_range(self, since: date, until: date) -> Iterator[Rows]:
        """All ended days of a closed-open range, whatever that takes, from the first that has figures on."""
        place = self.place
        if place.first is None or since < place.begin:
            place.first = None
            place.begin, place.low, place.high = since, None, None
            self._last, self._left = min(self._last, until - DAY), 10**9
            yield from self._find_first()
            if place.first is None:
                return
        first, last = max(since, place.first), min(until - DAY, self._last)
        yield from self._segments(first, last)

    def _find_first(self) -> Iterator[Rows]:
        """Finds the first day with figures, by halves, and whether the last day of a range belongs to it."""
        place = self.place
        if place.first is not None:
            return
        if place.high is None or place.low is None:
            yield []
            if not self._may_ask() or not self._has(self._ask(place.begin, self._last + DAY)):
                return
            place.low, place.high = place.begin, self._last + DAY
        while place.low < place.high:
            yield []
            if not self._may_ask():
                return
            middle = place.low + (place.high - place.low) // 2
            if self._has(self._ask(place.begin, middle)):
                place.high = middle
            else:
                place.low = middle + DAY
        yield []
        if not self._may_ask():
            return
        place.is_last_in = self._has(self._ask(place.low, place.low))
        first = place.low if place.is_last_in else place.low - DAY
        place.low = place.high = None
        # What has not ended may be gone by then, or be another.
        place.first = first if first <= self._last else None

    def _settle(self, settled: date, until: date) -> Iterator[Rows]:
        """Reads the days that are no longer among the last, and were not read since."""
        if settled >= until:
            return
        last = until - DAY
        parts = self._segments(settled, last) if (until - settled).days >= LONG_DAYS else self._days(settled, last)
        for rows in parts:
            if rows:
                self.place.settled = max(day for day, _ in rows) + DAY
            yield rows

    def _history(self, first: date) -> Iterator[Rows]:
        """Reads the days before all that was read, the newest month first."""
        place = self.place
        while place.since is not None and place.since > first:
            last = place.since - DAY
            if place.filled_since is None or place.filled_since > last:
                if not self._may_ask():
                    return
                start = max(first, last.replace(day=1))
                answer = self._of(start, last)
                if not self._has(answer):
                    place.since = start
                    yield _each(start, last, answer)
                    continue
                place.filled_since = start
                yield []
            if not self._may_ask():
                return
            rows = [(last, self._of(last, last))]
            place.since = last
            yield rows
        place.filled_since = None

    def _segments(self, first: date, last: date) -> Iterator[Rows]:
        """Days in order, month by month, each of which is asked as a whole first."""
        while first <= last:
            end = min(last, (first.replace(day=28) + 4 * DAY).replace(day=1) - DAY)
            answer = self._of(first, end)
            yield []
            if self._has(answer) and first < end:
                yield from self._days(first, end)
            else:
                yield _each(first, end, answer)
            first = end + DAY

    def _days(self, first: date, last: date) -> Iterator[Rows]:
        while first <= last:
            yield [(first, self._of(first, first))]
            first += DAY

    def _of(self, first: date, last: date) -> Any:
        """The answer for days, both ends included."""
        return self._ask(first, last if self.place.is_last_in else last + DAY)

    def _may_ask(self) -> bool:
        """Whether history may take another request, which is counted."""
        self._left -= 1
        return self._left >= 0


def _each(first: date, last: date, answer: Any) -> Rows:
    """Days of which none has figures, or the only one; the answer is that of each."""
    return [(first + number * DAY, answer) for number in range((last - first).days + 1)]
