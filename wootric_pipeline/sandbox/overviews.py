"""The overviews of an account: what it is set up with, and its own figures by day.

From the vendor's documentation: figures are whole numbers, days are those of the account's time zone, and without days
the last month is meant. What it does not say is up to `Behaviour`.
"""

from bisect import bisect_left
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import Any

from ..tables import EMAIL_SOURCES, EMAIL_STATS, NPS_SUMMARY, OVERVIEWS, SEGMENTS, SURVEY_TEMPLATES
from .account import SECOND, Account, Row
from .query import Behaviour, Refused

PATHS = {overview.path: name for name, overview in OVERVIEWS.items()}
DAY = timedelta(days=1)
MONTH_DAYS = 30
OPENED_PERCENT, SENT_PER_RESPONSE = 60, 4
NOTHING = ("bounce", "dropped", "opted_out", "not_delivered", "spamreport", "not_eligible")

Days = tuple[date, date]
"""The first and the last day of a range, both in it."""


class Overviews:
    """Answers for one account.

    Args:
        account: Whose rows are counted.
        behaviour: How.
    """

    def __init__(self, account: Account, behaviour: Behaviour) -> None:
        self._account = account
        self._behaviour = behaviour

    def answer(self, name: str, params: Mapping[str, str], now: float) -> Any:
        """The content of an answer; call it with the account's lock held.

        Raises:
            Refused: The overview, or a day, is refused.
        """
        if name in self._behaviour.refuses:
            raise Refused(403, "forbidden")
        if name == SEGMENTS.name:
            return [self._account.shown(row) for row in self._account.segments]
        if name == SURVEY_TEMPLATES.name:
            templates = self._account.survey_templates
            return {
                "default_survey_template_id": templates[0]["id"] if templates else None,
                "survey_templates": templates,
            }
        if name == EMAIL_SOURCES.name:
            return self._account.email_sources
        days = self._days(OVERVIEWS[name].date_params or ("", ""), params, now)
        responses, declines = self._within("responses", days), self._within("declines", days)
        if name == NPS_SUMMARY.name:
            return self._nps_summary(responses, declines)
        assert name == EMAIL_STATS.name
        return self._email_stats(responses, days)

    def _days(self, names: tuple[str, str], params: Mapping[str, str], now: float) -> Days:
        today = datetime.fromtimestamp(now, self._zone).date()
        first, last = today - MONTH_DAYS * DAY, today
        asked = [self._day(name, params[name]) if params.get(name) else None for name in names]
        if not self._behaviour.ignores_dates:
            first, last = asked[0] or first, asked[1] or last
        return first, last

    def _day(self, name: str, text: str) -> date:
        is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
        if not (self._behaviour.dates_quoted if is_quoted else self._behaviour.dates_bare):
            raise Refused(400, f"{name} is invalid")
        try:
            return date.fromisoformat(text.strip("\"'"))
        except ValueError:
            raise Refused(400, f"{name} is invalid") from None

    @property
    def _zone(self) -> tzinfo:
        return timezone.utc if self._behaviour.days_in_utc else self._account.time_zone

    def _bounds(self, days: Days) -> tuple[datetime, datetime]:
        """The moments at which days begin and have ended."""
        first, last = days
        end = last + DAY if self._behaviour.counts_last_day else last
        begins, ends = (datetime.combine(day, time(), self._zone) for day in (first, end))
        return begins, ends

    def _within(self, table: str, days: Days) -> list[Row]:
        since, until = (int(moment.timestamp()) * SECOND for moment in self._bounds(days))
        created = self._account.created(table)
        start, stop = bisect_left(created, (since,)), bisect_left(created, (until,))
        return [self._account.rows[table][row_id] for _, row_id in created[start:stop]]

    def _counted(self, responses: list[Row]) -> list[int]:
        """The scores that count."""
        return [
            row["score"]
            for row in responses
            if row.get("score") is not None
            and (self._behaviour.counts_excluded or not row.get("excluded_from_calculations"))
            and (self._behaviour.counts_incomplete or row.get("completed"))
        ]

    def _nps_summary(self, responses: list[Row], declines: list[Row]) -> dict[str, int]:
        scores = self._counted(responses)
        promoters, detractors = sum(score >= 9 for score in scores), sum(score <= 6 for score in scores)
        return {
            "nps": _percent(promoters - detractors, len(scores)),
            "responses": len(scores),
            "detractors": detractors,
            "passives": len(scores) - promoters - detractors,
            "promoters": promoters,
            "response_rate": _percent(len(scores), len(scores) + len(declines)),
            "email_response_rate": 0,
        }

    def _email_stats(self, responses: list[Row], days: Days) -> dict[str, Any]:
        """As if each response had come by one of some e-mails."""
        answered = len(responses)
        sent = SENT_PER_RESPONSE * answered
        opened = sent * OPENED_PERCENT // 100
        begins, ends = self._bounds(days)
        return {
            "email_stats": {
                "send_date": "-".join(f"{day:%b} {day.day:2}, {day.year}" for day in days),
                "send_requests": sent,
                "emails_sent": sent,
                "delivered": sent,
                "delivered_percentage": f"{100.0 if sent else 0.0}%",
                "bounce_rate": 0,
                "bounce_rate_percentage": "0.0%",
                "open_rate": f"{_percent(opened, sent)}%",
                "response_rate": f"{_percent(answered, sent)}%",
                "not_eligible": "0 (0%)",
                "raw_results": {
                    **dict.fromkeys(NOTHING, 0),
                    **dict.fromkeys(("processed", "delivered", "total_surveys"), sent),
                    "open": opened,
                    "total_responses": answered,
                    "sart_date": begins.isoformat(),
                    "end_date": (ends - timedelta(seconds=1)).isoformat(),
                },
            },
            "initial_send": None,
            "reminder_send": None,
        }


def _percent(part: int, whole: int) -> int:
    """A percentage as Wootric shows it: 41 of 75 is 55; halves go away from zero."""
    if not whole:
        return 0
    rounded = (200 * abs(part) + whole) // (2 * whole)
    return rounded if part >= 0 else -rounded
