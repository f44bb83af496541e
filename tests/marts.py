"""What the marts of an account should hold, worked out of its rows in Python: nothing here knows of the models."""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from wootric_pipeline.sandbox import SECOND, Account

Row = dict[str, Any]
Marts = dict[str, list[Row]]
TABLES = ("end_users", "responses", "declines")


def expected_marts(
    rows: Mapping[str, Iterable[Row]],
    zone: str,
    metrics: Mapping[int | None, tuple[str | None, int | None, str]],
    *,
    as_columns: bool = True,
    counting: Collection[str] = (),
) -> Marts:
    """The rows of all marts but `dim_dates`.

    Args:
        rows: Of `end_users`, `responses` and `declines`, as accounts have them, with times in microseconds.
        zone: The name of the account's time zone.
        metrics: The metric of each survey, its best score, and how it is known.
        as_columns: Whether properties are loaded as a column for each key.
        counting: What the setting says.
    """
    responses = sorted(rows["responses"], key=lambda row: (at(row), row["id"]))
    facts = _responses(responses, ZoneInfo(zone), metrics, counting)
    asks = [
        {
            "outcome": outcome,
            "ask_id": row["id"],
            "end_user_id": row.get("end_user_id"),
            "survey_id": row.get("survey_id"),
            "asked_at": at(row),
            "local_date": at(row).astimezone(ZoneInfo(zone)).date(),
        }
        for outcome, table in (("answered", "responses"), ("declined", "declines"))
        for row in rows[table]
    ]
    daily = _daily(facts, asks, metrics)
    return {
        "dim_surveys": _surveys(responses, asks, metrics),
        "dim_people": _people(rows["end_users"], facts, asks),
        "fct_responses": facts,
        "fct_asks": asks,
        "fct_response_tags": [
            {"response_id": row["id"], "tag": tag} for row in responses for tag in dict.fromkeys(row.get("tags") or ())
        ],
        "fct_response_properties": [each for row in responses for each in _properties(row, as_columns)],
        "mart_nps_daily": daily,
        "mart_nps_periods": _periods(daily),
    }


def at(row: Row) -> datetime:
    return datetime.fromtimestamp(row["created_at"] // SECOND, timezone.utc)


def of_account(account: Account) -> dict[str, list[Row]]:
    return {table: list(account.rows[table].values()) for table in TABLES}


def category_of(metric: str | None, score_max: int | None, score: int | None) -> str | None:
    if metric is None or score is None or score_max is None or not (0 if metric == "nps" else 1) <= score <= score_max:
        return None
    if metric == "nps":
        return "detractor" if score < 7 else "passive" if score < 9 else "promoter"
    if metric == "csat":
        return "satisfied" if score >= score_max - 1 else "not satisfied"
    return "easy" if score > 4 else "not easy"


def _responses(
    responses: Sequence[Row], zone: ZoneInfo, metrics: Mapping[Any, Any], counting: Collection[str]
) -> list[Row]:
    earlier: dict[Any, list[Row]] = defaultdict(list)
    facts = []
    for row in responses:
        metric, score_max, _ = metrics.get(row.get("survey_id"), (None, None, ""))
        fact = _fact(row, zone, metric, score_max, counting)
        facts.append(fact)
        if not fact["is_counted"]:
            continue
        nobody = row["id"] if row.get("end_user_id") is None else None
        before = earlier[row.get("end_user_id"), nobody, metric, score_max]
        if before:
            before[-1]["is_latest"] = False
            fact["previous_score"] = before[-1]["score"]
        before.append(fact)
        fact["response_number"] = len(before)
    return facts


def _fact(row: Row, zone: ZoneInfo, metric: str | None, score_max: Any, counting: Collection[str]) -> Row:
    category = category_of(metric, score_max, row.get("score"))
    is_excluded = row.get("excluded_from_calculations") is True
    is_counted = category is not None and not (is_excluded and "excluded" not in counting)
    is_counted = is_counted and (row.get("completed") is True or "completed" not in counting)
    points = {"promoter": 100, "passive": 0, "detractor": -100}.get(category or "")
    return {
        "response_id": row["id"],
        "end_user_id": row.get("end_user_id"),
        "survey_id": row.get("survey_id"),
        "responded_at": at(row),
        "local_date": at(row).astimezone(zone).date(),
        "score": row.get("score"),
        "metric": metric,
        "category": category,
        "nps_points": points if is_counted else None,
        "is_counted": is_counted,
        "is_completed": row.get("completed"),
        "is_excluded": is_excluded,
        "has_comment": bool((row.get("text") or "").strip(" ")),
        "response_number": None,
        "is_latest": is_counted,
        "previous_score": None,
    }


def _surveys(responses: Sequence[Row], asks: Sequence[Row], metrics: Mapping[Any, Any]) -> list[Row]:
    found = []
    for survey in {ask["survey_id"] for ask in asks}:
        metric, score_max, known_by = metrics[survey]
        answers = [row for row in responses if row.get("survey_id") == survey]
        scores = [row["score"] for row in answers if row.get("score") is not None]
        lowest_fit = 0 if metric == "nps" else 1
        found.append(
            {
                "survey_id": survey,
                "metric": metric,
                "score_max": score_max,
                "known_by": known_by,
                "scores_fit": all(lowest_fit <= score <= (score_max or 10**9) for score in scores) or metric is None,
                "lowest_score": min(scores, default=None),
                "highest_score": max(scores, default=None),
                "first_response_at": min(map(at, answers), default=None),
                "last_response_at": max(map(at, answers), default=None),
                "responses": len(answers),
                "declines": sum(ask["outcome"] == "declined" and ask["survey_id"] == survey for ask in asks),
            }
        )
    return found


def _people(users: Iterable[Row], facts: Sequence[Row], asks: Sequence[Row]) -> list[Row]:
    latest = {fact["end_user_id"]: fact for fact in facts if fact["is_latest"] and fact["metric"] == "nps"}
    of_person: dict[int, list[Row]] = {row["id"]: [] for row in users}
    for ask in asks:
        if ask["end_user_id"] is not None:
            of_person.setdefault(ask["end_user_id"], []).append(ask)
    return [
        {
            "end_user_id": person,
            "latest_score": latest.get(person, {}).get("score"),
            "latest_category": latest.get(person, {}).get("category"),
            "latest_responded_at": latest.get(person, {}).get("responded_at"),
            "answers": sum(ask["outcome"] == "answered" for ask in asked),
            "declines": sum(ask["outcome"] == "declined" for ask in asked),
            "first_asked_at": min((ask["asked_at"] for ask in asked), default=None),
            "last_asked_at": max((ask["asked_at"] for ask in asked), default=None),
        }
        for person, asked in of_person.items()
    ]


def _properties(row: Row, as_columns: bool) -> list[Row]:
    found = []
    for key, value in ((row.get("end_user") or {}).get("properties") or {}).items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        name = key.lower().replace(" ", "_") if as_columns else key
        text = str(value).lower() if isinstance(value, bool) else value
        if value is not None:
            found.append(
                {
                    "response_id": row["id"],
                    "property": name,
                    "value_text": None if is_number else text,
                    "value_number": float(value) if is_number else None,
                }
            )
    return found


def _daily(facts: Sequence[Row], asks: Sequence[Row], metrics: Mapping[Any, Any]) -> list[Row]:
    days: dict[Any, Counter[str]] = defaultdict(Counter)
    for fact in facts:
        if fact["metric"] == "nps" and fact["is_counted"]:
            count = days[fact["local_date"], fact["survey_id"]]
            count.update(["responses", f"{fact['category']}s", *(["comments"] if fact["has_comment"] else [])])
    for ask in asks:
        if ask["outcome"] == "declined" and metrics[ask["survey_id"]][0] == "nps":
            days[ask["local_date"], ask["survey_id"]].update(["declines"])
    names = ("responses", "promoters", "passives", "detractors", "comments", "declines")
    return [
        {"local_date": day, "survey_id": survey, **{name: count[name] for name in names}}
        for (day, survey), count in days.items()
    ]


def _first_day(period: str, day: date) -> date:
    if period == "week":
        return day - timedelta(days=day.weekday())
    return date(day.year, day.month if period == "month" else (day.month - 1) // 3 * 3 + 1, 1)


def _next(period: str, day: date) -> date:
    return (
        day + timedelta(days=7)
        if period == "week"
        else _first_day(period, day + timedelta(days=100 if period == "quarter" else 32))
    )


def interval(promoters: int, detractors: int, responses: int) -> tuple[float, float]:
    """The difference of shares of the adjusted Wald interval, and its standard error."""
    total = responses + 3
    for_them, against = (promoters + 0.75) / total, (detractors + 0.75) / total
    return for_them - against, math.sqrt((for_them + against - (for_them - against) ** 2) / total)


def _periods(daily: Sequence[Row]) -> list[Row]:
    names = ("responses", "promoters", "passives", "detractors", "comments", "declines")
    scopes: dict[tuple[str, int | None], list[Row]] = defaultdict(list)
    for row in daily:
        scopes["survey", row["survey_id"]].append(row)
        scopes["all", None].append(row)
    found = []
    for (scope, survey), rows in scopes.items():
        for period in ("week", "month", "quarter"):
            start, before = _first_day(period, min(row["local_date"] for row in rows)), None
            while start <= max(row["local_date"] for row in rows):
                inside = [row for row in rows if start <= row["local_date"] < _next(period, start)]
                counts = {name: sum(row[name] for row in inside) for name in names}
                row = {"period": period, "period_start": start, "scope": scope, "survey_id": survey, **counts}
                found.append({**row, **figures_of(counts, before)})
                start, before = _next(period, start), counts
    return found


def figures_of(counts: Mapping[str, int], before: Mapping[str, int] | None) -> Row:
    responses, asked = counts["responses"], counts["responses"] + counts["declines"]
    figures: Row = dict.fromkeys(("nps", "nps_low", "nps_high", "nps_change", "change_z"))
    figures |= {"answered_rate": responses / asked if asked else None, "is_small": responses < 30}
    if not responses:
        return figures
    difference, error = interval(counts["promoters"], counts["detractors"], responses)
    figures["nps"] = nps_of(counts)
    figures["nps_low"] = max(100 * (difference - 1.96 * error), -100)
    figures["nps_high"] = min(100 * (difference + 1.96 * error), 100)
    if before is not None and before["responses"]:
        other, other_error = interval(before["promoters"], before["detractors"], before["responses"])
        figures["nps_change"] = figures["nps"] - nps_of(before)
        figures["change_z"] = (difference - other) / math.hypot(error, other_error)
    return figures


def nps_of(counts: Mapping[str, int]) -> float:
    return 100 * (counts["promoters"] - counts["detractors"]) / counts["responses"]


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Rows without dlt's columns and with rounded figures, in an order that tells nothing of where they come from."""
    plain = [{name: _plain(value) for name, value in row.items() if not name.startswith("_dlt")} for row in rows]
    return sorted(plain, key=lambda row: repr(sorted(row.items())))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc)
    return round(value, 9) + 0.0 if isinstance(value, float) else value
