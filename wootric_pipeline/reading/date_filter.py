"""How an overview is asked for days, and whether it looks at them.

Facts (vendor's documentation): `date[start]` and `date[end]` of `nps_summary`, printed with quotes around the days;
`date_range[start_date]` and `date_range[end_date]` of `email_stats`, without. Without days the former answers for the
last month. Nobody says which form is refused, and whether a day that is none is.
"""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from ..api.client import Params
from ..errors import DatesIgnored, RequestRefused

FUTURE_DAYS = 366
"""So far ahead no day has figures."""

Ask = Callable[[Params], Any]
"""Asks the overview with a query."""


class DateFilter:
    """Asks an overview for ranges of days.

    Args:
        path: The overview's, for messages.
        ask: Asks with a query.
        names: Of the parameters for the first and the last day.
        has: Whether there is anything in an answer.
        is_quoted: Whether days were taken in quotes when they were asked for last.

    Attributes:
        is_quoted: Whether days go into quotes.
    """

    def __init__(
        self, path: str, ask: Ask, names: tuple[str, str], has: Callable[[Any], bool], *, is_quoted: bool = False
    ) -> None:
        self._path = path
        self._ask = ask
        self._names = names
        self._has = has
        self.is_quoted = is_quoted

    def range(self, first: date, last: date) -> Any:
        """The answer for days from the first to the last."""
        quote = "'" if self.is_quoted else ""
        return self._ask({name: f"{quote}{day}{quote}" for name, day in zip(self._names, (first, last), strict=True)})

    def check(self, today: date) -> None:
        """Finds the form in which days are looked at: in the future there must be nothing.

        Raises:
            RequestRefused: None is taken.
            DatesIgnored: None is looked at.
        """
        future, answered, refused = today + timedelta(days=FUTURE_DAYS), None, None
        for is_quoted in (self.is_quoted, not self.is_quoted):
            self.is_quoted = is_quoted
            try:
                answered = self.range(future, future + timedelta(days=1))
            except RequestRefused as error:
                refused = error
                continue
            if not self._has(answered):
                return
        if answered is None and refused is not None:
            raise refused
        how = "as without dates" if answered == self._ask({}) else "with figures"
        raise DatesIgnored(
            f"Wootric answers {self._path} for {future:%Y-%m-%d}, a day to come, {how}, so that no day can be told "
            "from others; nothing of it was loaded."
        )
