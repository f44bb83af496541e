"""Asks Wootric for its own figures, with a few requests.

Facts (vendor's documentation): `nps_summary` counts promoters, passives and detractors of a range of days, which are
those of the account's time zone. `email_stats` shows both ends of its range with their offsets, and spells one key
`sart_date`.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any

from ..api.client import Client, Params
from ..errors import ListRefused, RequestRefused, UnexpectedAnswer, WootricError
from ..reading.date_filter import DateFilter
from ..reading.listing import CREATED, PAGE_ROWS, UPDATED, Bounds, Page
from ..records import parse_offset, parse_time, usable
from ..tables import EMAIL_STATS, NPS_SUMMARY, RESPONSES
from .statistics import Counts
from .tallies import Span, Window
from .zones import Offset

REQUESTS_MAX = 12
LISTED_PAGES_MAX = 3
RANGE = ("start_date", "sart_date", "end_date")
TIMES = (CREATED.field, UPDATED.field)
PERCENT = range(98, 103)
"""Sums of three rounded shares."""
KINDS = ("promoters", "passives", "detractors")


class BudgetSpent(WootricError):
    """As many requests were sent as may be."""


class OwnFigures:
    """What Wootric says of an account.

    Args:
        client: Asks the API.
        is_quoted: Whether days were taken in quotes when they were asked for last.

    Attributes:
        requests: How many were sent, but for signing in.
    """

    def __init__(self, client: Client, *, is_quoted: bool = False) -> None:
        self._client = client
        self._known: dict[Window, Counts] = {}
        names = NPS_SUMMARY.date_params or ("", "")
        self._dates = DateFilter(NPS_SUMMARY.path, self._summary, names, _has_any, is_quoted=is_quoted)
        self.requests = 0

    @property
    def left(self) -> int:
        """How many requests may still be sent."""
        return REQUESTS_MAX - self.requests

    def check(self, today: date) -> None:
        """Finds out whether days are looked at; see `DateFilter.check`."""
        self._dates.check(today)

    def of(self, window: Window, *, last_day_out: bool = False) -> Counts:
        """What Wootric counts in a window.

        Args:
            window: The days.
            last_day_out: Whether the last day of a range does not belong to it, so that the next one is asked for.

        Raises:
            BudgetSpent: No request is left.
            WootricError: Wootric does not answer, or with something else.
        """
        sent = Window(window.first, window.last + timedelta(days=last_day_out))
        if sent not in self._known:
            self._known[sent] = _counts(self._dates.range(*sent))
        return self._known[sent]

    def offsets(self, year: int) -> list[Offset]:
        """How the account shows moments of both halves of a year, in between which most zones change their clocks.

        Raises:
            BudgetSpent: No request is left.
            WootricError: Wootric does not answer, or with something else.
        """
        begin, middle = f"{year}-01-01", f"{year}-07-01"
        with suppress(RequestRefused, ListRefused, UnexpectedAnswer):
            names = EMAIL_STATS.date_params or ("", "")
            answer = self._asked(EMAIL_STATS.path, dict(zip(names, (begin, middle), strict=True)))
            if found := _offsets(_texts(answer, RANGE)):
                return found
        texts = []
        for day in (begin, middle):
            since = Bounds(CREATED, int(datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp()))
            answer = self._asked(RESPONSES.path, {"sort_key": CREATED.field, "sort_order": "asc", **since.params()})
            texts += [text for row in answer for text in _texts(row, TIMES)] if isinstance(answer, list) else []
        return _offsets(texts)

    def changed_since(self, moment: datetime, *, is_ordered: bool) -> Page | None:
        """The responses that have changed since a moment; None if that cannot be known.

        Args:
            moment: UTC.
            is_ordered: Whether the list is known to be sorted by `updated_at` where that is asked for.

        Raises:
            WootricError: As in `of`.
        """
        second, rows = int(moment.timestamp()), Page()
        for number in range(1, LISTED_PAGES_MAX + 1):
            page = self._listed({"sort_key": UPDATED.field, "sort_order": "desc", "page": number})
            rows += page
            if UPDATED.out_of_order(rows[::-1]) is not None:
                return None
            if not page or UPDATED.second(page[-1]) < second:
                # A list that ignores the order may look like one that keeps it.
                is_shown = is_ordered or CREATED.out_of_order(rows[::-1]) is not None
                return [row for row in rows if UPDATED.second(row) >= second] if is_shown else None
        return None

    def listed(self, span: Span) -> Page | None:
        """The responses that were given in a range of moments; None if there are too many.

        Raises:
            WootricError: As in `of`.
        """
        bounds = Bounds(CREATED, int(span.since.timestamp()), int(span.until.timestamp()))
        rows = Page()
        for number in range(1, LISTED_PAGES_MAX + 1):
            page = self._listed({"sort_key": CREATED.field, "sort_order": "asc", "page": number, **bounds.params()})
            if not all(map(bounds.holds, page)):
                return None
            rows += page
            if not page or len(page) < PAGE_ROWS // 2:
                return rows
        return None

    def _listed(self, params: Params) -> Page:
        answer = self._asked(RESPONSES.path, {"per_page": PAGE_ROWS, **params})
        if not isinstance(answer, list):
            raise UnexpectedAnswer(f"Wootric answered {RESPONSES.path} with something that is no list.")
        return usable(RESPONSES, answer)[0]

    def _summary(self, params: Params) -> Any:
        return self._asked(NPS_SUMMARY.path, params)

    def _asked(self, path: str, params: Params) -> Any:
        if not self.left:
            raise BudgetSpent(f"No more than {REQUESTS_MAX} requests are sent for a comparison.")
        self.requests += 1
        return self._client.get_overview(path, params)


def _has_any(answer: Any) -> bool:
    return _counts(answer).responses > 0


def _counts(answer: Any) -> Counts:
    found = [_whole(answer.get(kind)) for kind in KINDS] if isinstance(answer, dict) else [None]
    whole = [each for each in found if each is not None]
    if len(whole) < len(KINDS):
        raise UnexpectedAnswer(f"Wootric answered {NPS_SUMMARY.path} without counting {', '.join(KINDS)}.")
    counts, told = Counts(*whole), _whole(answer.get("responses"))
    if counts.responses != told is not None and counts.responses in PERCENT:
        kinds = ", ".join(KINDS)
        raise UnexpectedAnswer(f"Wootric answered {NPS_SUMMARY.path} with {kinds} whose sum is not responses.")
    return counts


def _whole(value: Any) -> int | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return int(number) if number.is_integer() and number >= 0 else None


def _texts(answer: Any, names: Sequence[str]) -> list[str]:
    """The texts under some names, however deep."""
    if not isinstance(answer, Mapping):
        return []
    found = [value for name, value in answer.items() if name in names and isinstance(value, str)]
    return found + [text for value in answer.values() for text in _texts(value, names)]


def _offsets(texts: list[str]) -> list[Offset]:
    """What times are shown with, as far as they are."""
    found = []
    for text in texts:
        with suppress(ValueError):
            if (offset := parse_offset(text)) is not None:
                found.append(Offset(parse_time(text), int(offset.total_seconds())))
    return found
