"""Overviews of accounts, and what Wootric should say of them, counted by itself."""

import time
from collections import Counter
from datetime import date, datetime, timedelta, timezone
from typing import Any

from dlt.pipeline.pipeline import Pipeline

from tests.conftest import row
from wootric_pipeline.sandbox import SECOND, Account

DAY = timedelta(days=1)
ZONE_HOURS = -12
"""Of the zone in which days end last."""
HOURS = (0.5, 3, 9, 15.5, 20, 23.5)

Figures = dict[date, dict[str, Any]]


def last_day() -> date:
    """The last day that has ended everywhere."""
    return (datetime.now(timezone.utc) + timedelta(hours=ZONE_HOURS)).date() - DAY


def surveyed(days: int, zone: str = "America/Los_Angeles", *, every: int = 1) -> Account:
    """An account with responses of the last days, some of them excluded or incomplete, and declines.

    Args:
        days: How many days ago the first response was given.
        zone: The account's.
        every: Responses were given on each of so many days only.
    """
    account = Account(zone)
    now = int(time.time())
    for number in range(0, days + 1, every):
        for index, hours in enumerate(HOURS[: 1 + number % len(HOURS)]):
            row_id = 10 * number + index
            second = min(int(now // 86_400 * 86_400 - number * 86_400 + hours * 3_600), now - 1)
            fields = {
                "score": (row_id * 7) % 11,
                "completed": row_id % 5 != 0,
                "excluded_from_calculations": row_id % 4 == 0,
            }
            account.put("responses", row(row_id, second, **fields))
            if index % 2:
                account.put("declines", row(row_id, second))
    return account


def counted(
    account: Account, *, excluded: bool = False, incomplete: bool = True, in_utc: bool = False, last: date | None = None
) -> Figures:
    """The figures of each ended day from the first with a response on."""
    zone = timezone.utc if in_utc else account.time_zone
    scores: dict[date, list[int]] = {}
    for each in account.rows["responses"].values():
        if (excluded or not each["excluded_from_calculations"]) and (incomplete or each["completed"]):
            scores.setdefault(datetime.fromtimestamp(each["created_at"] / SECOND, zone).date(), []).append(
                each["score"]
            )
    declines = Counter(
        datetime.fromtimestamp(each["created_at"] / SECOND, zone).date() for each in account.rows["declines"].values()
    )
    first, last = min(scores), last or last_day()
    days = [first + number * DAY for number in range((last - first).days + 1)]
    return {day: _figures(day, scores.get(day, []), declines[day]) for day in days}


def _figures(day: date, scores: list[int], declines: int) -> dict[str, Any]:
    kinds = Counter("promoters" if score > 8 else "passives" if score > 6 else "detractors" for score in scores)
    asked = len(scores) + declines
    return {
        "date": day,
        "nps": _rounded(100 * (kinds["promoters"] - kinds["detractors"]) / len(scores)) if scores else 0,
        "responses": len(scores),
        **{kind: kinds[kind] for kind in ("promoters", "passives", "detractors")},
        # Of a month without responses all days have its rate.
        "response_rate": _rounded(100 * len(scores) / asked) if asked else 0,
        "email_response_rate": 0,
    }


def _rounded(number: float) -> int:
    return int(abs(number) + 0.5) * (1 if number >= 0 else -1)


def table(pipeline: Pipeline, name: str, *key: str) -> dict[Any, dict[str, Any]]:
    """All rows of a table by their keys, without dlt's columns."""
    with pipeline.sql_client() as client, client.execute_query(f"SELECT * FROM {name}") as cursor:
        names = [column[0] for column in cursor.description]
        found = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
    rows = {
        tuple(each[part] for part in key) if len(key) > 1 else each[key[0]]: {
            column: value for column, value in each.items() if not column.startswith("_dlt")
        }
        for each in found
    }
    assert len(rows) == len(found), f"{name} holds a row twice"
    return rows
