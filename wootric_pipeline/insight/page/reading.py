"""Asks the marts what the page says: queries that count, in one dialect of SQL, and what follows from their rows."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlglot import exp

from ...accounts import account
from ...errors import ConfigurationError
from ...settings import shown
from ..dates import FIRST_DATE, LAST_DATE
from ..model import DIALECT
from ..statistics import Counts
from ..zones import local_day
from .figures import (
    CATEGORIES,
    DAY,
    Comment,
    Dimension,
    Figures,
    Known,
    LeftOut,
    Month,
    Survey,
    Tally,
    Wanted,
    Window,
)
from .groups import GROUPS_MAX, compared, in_ranges

Rows = Callable[[str], list[tuple[Any, ...]]]
"""What a query gives that is in DuckDB's dialect."""

WINDOW_DAYS = 90
"""Rolling: people are mostly asked again after as many days."""
MONTHS_SHOWN, MONTHS_MAX, QUARTERS_MAX = 13, 24, 24
PROPERTIES_CHOSEN = 2
COVERED_MIN = 0.5
"""Of the answers, that a property must be known of before the page chooses it by itself."""
NAMED_MAX = 20
NO_SURVEY = "No survey"


def figures(marts: Rows, loaded: Rows, wanted: Wanted, known: Known, *, has_comments: bool) -> Figures:
    """All that the page says.

    Args:
        marts: Asks the marts.
        loaded: Asks the loaded tables.
        wanted: What is to be shown.
        known: What is known besides.
        has_comments: Whether the texts of responses are loaded.

    Raises:
        ConfigurationError: There is no such survey or property, or the window ends before it begins.
        Exception: Whatever the destination raises when it cannot be reached.
    """
    surveys = _surveys(marts, wanted.survey)
    if wanted.survey is not None:
        _refuse_unfit(surveys, wanted.survey)
    latest = _latest(marts, wanted)
    window = window_of(wanted, known, latest)
    return _Reading(marts, wanted, window).figures(
        known=known,
        latest=latest,
        surveys=[each for each in surveys if wanted.survey in (None, each.survey_id)],
        loaded=loaded if has_comments else None,
    )


def window_of(wanted: Wanted, known: Known, latest: date | None) -> Window:
    """The days that are shown.

    Raises:
        ConfigurationError: They end before they begin.
    """
    until = wanted.until or _ended(known, latest)
    since = wanted.since or _begin(known, until)
    if since >= until:
        told = "--until" if wanted.until else "the first day that is not loaded as a whole"
        raise ConfigurationError(f"--since {since} must be a day before {told}, {until}; choose an earlier one.")
    return Window(since, until)


def _begin(known: Known, until: date) -> date:
    since = until - WINDOW_DAYS * DAY
    return known.first_day if known.first_day and since < known.first_day < until else since


def _ended(known: Known, latest: date | None) -> date:
    """The day behind the last one that had ended when it was loaded, as far as anybody knows."""
    if known.loaded_up_to is not None:
        return local_day(known.loaded_up_to, known.zone.name)
    return latest or FIRST_DATE + WINDOW_DAYS * DAY


def _surveys(marts: Rows, wanted: int | None) -> list[Survey]:
    rows = marts("SELECT survey_id, metric, score_max, known_by, scores_fit FROM dim_surveys")
    found = [
        Survey(_integer(survey), metric, _integer(best), known_by or "undecided", bool(fits) or metric is None)
        for survey, metric, best, known_by, fits in rows
    ]
    found.sort(key=lambda each: (each.survey_id is None, each.survey_id))
    if wanted is not None and wanted not in [each.survey_id for each in found]:
        raise ConfigurationError(f"There is no survey {wanted}; {_known_surveys(found)}.")
    return found


def _known_surveys(found: Sequence[Survey]) -> str:
    named = [str(each.survey_id) for each in found if each.survey_id is not None]
    if not named:
        return "no response names one"
    return f"there are {', '.join(named[:NAMED_MAX])}{' and others' if len(named) > NAMED_MAX else ''}"


def _refuse_unfit(surveys: Sequence[Survey], wanted: int) -> None:
    survey = next(each for each in surveys if each.survey_id == wanted)
    if survey.metric is None:
        raise ConfigurationError(
            f'What the scores of survey {wanted} are is undecided; say so, as in surveys = {{{wanted} = "nps"}} under '
            f"[{account().section}]."
        )
    if survey.metric != "nps":
        raise ConfigurationError(
            f"Survey {wanted} is {survey.metric}, and the page is about NPS; without --survey it has its share."
        )


def _latest(marts: Rows, wanted: Wanted) -> date | None:
    condition = f"metric = 'nps' AND is_counted = TRUE{_of_survey(wanted)}"
    return _day(marts(f"SELECT MAX(local_date) FROM fct_responses WHERE {condition}")[0][0])


def _of_survey(wanted: Wanted, table: str = "") -> str:
    return "" if wanted.survey is None else f" AND {table}survey_id = {wanted.survey}"


def _integer(value: Any) -> int | None:
    # Some databases have decimals for what is counted.
    return None if value is None else int(value)


def _day(value: Any) -> date | None:
    return value.date() if isinstance(value, datetime) else value


def _literal(value: str | date) -> str:
    if isinstance(value, date):
        return f"CAST('{value.isoformat()}' AS DATE)"
    return exp.Literal.string(value).sql(DIALECT)


class _Reading:
    """Of one window."""

    def __init__(self, marts: Rows, wanted: Wanted, window: Window) -> None:
        self._marts, self._wanted, self._window = marts, wanted, window
        self._inside = self._between(window)

    def figures(self, *, known: Known, latest: date | None, surveys: Sequence[Survey], loaded: Rows | None) -> Figures:
        answers = self._answers()
        now = self._tally(answers, is_now=True)
        before = self._tally(answers, is_now=False) if known.has_all(self._window.before) else None
        period, months = self._months(known, latest)
        scores = Counter[int]()
        for row in answers:
            if row["is_now"] and row["is_counted"] and row["metric"] == "nps":
                scores[row["score"]] += row["answers"]
        movers, people = self._people(known.first_day or FIRST_DATE)
        with_answers = [_with_answers(each, answers) for each in surveys]
        return Figures(
            wanted=self._wanted,
            known=known,
            window=self._window,
            latest=latest,
            now=now,
            before=before,
            period=period,
            months=months,
            scores=[scores[score] for score in range(11)],
            dimensions=self._dimensions(with_answers, now.counts),
            tags=self._tags(now.counts),
            movers=movers,
            people=people,
            surveys=with_answers,
            left_out=_left_out(answers),
            comments=self._comments(loaded) if loaded and self._wanted.comments else [],
            comments_missing="" if loaded else "Comments are not loaded.",
        )

    def _between(self, window: Window, table: str = "") -> str:
        return (
            f"{table}local_date >= {_literal(max(window.since, FIRST_DATE))} "
            f"AND {table}local_date < {_literal(min(window.until, LAST_DATE))}{_of_survey(self._wanted, table)}"
        )

    def _counted(self, table: str = "") -> str:
        return f"{table}metric = 'nps' AND {table}is_counted = TRUE AND {self._between(self._window, table)}"

    def _answers(self) -> list[dict[str, Any]]:
        """The answers of the window and of that before, by all that tells them apart."""
        columns = (
            "survey_id",
            "metric",
            "category",
            "score",
            "is_counted",
            "is_excluded",
            "is_completed",
            "has_comment",
        )
        named = ", ".join(columns)
        both = self._between(Window(self._window.before.since, self._window.until))
        rows = self._marts(f"""
            SELECT is_now, {named}, COUNT(*)
            FROM (
                SELECT {named}, CASE WHEN local_date >= {_literal(self._window.since)} THEN 1 ELSE 0 END AS is_now
                FROM fct_responses
                WHERE {both}
            ) AS answers
            GROUP BY is_now, {named}""")
        found = [dict(zip(("is_now", *columns, "answers"), row, strict=True)) for row in rows]
        numbers = ("is_now", "survey_id", "score", "answers")
        return [{**row, **{name: _integer(row[name]) for name in numbers}} for row in found]

    def _tally(self, answers: Sequence[Mapping[str, Any]], *, is_now: bool) -> Tally:
        window = self._window if is_now else self._window.before
        counted = [row for row in answers if row["is_now"] == is_now and row["is_counted"] and row["metric"] == "nps"]
        commented = [row for row in counted if row["has_comment"]]
        declines = self._marts(f"""
            SELECT COUNT(*)
            FROM fct_asks
            JOIN dim_surveys ON COALESCE(dim_surveys.survey_id, -1) = COALESCE(fct_asks.survey_id, -1)
            WHERE fct_asks.outcome = 'declined' AND dim_surveys.metric = 'nps'
                AND {self._between(window, "fct_asks.")}""")
        return Tally(
            _counts((row["category"], row["answers"]) for row in counted),
            int(declines[0][0]),
            sum(row["answers"] for row in commented),
            sum(row["answers"] for row in commented if row["category"] == "detractor"),
        )

    def _months(self, known: Known, latest: date | None) -> tuple[str, list[Month]]:
        """The last months up to the end of the window; all of a longer window, in quarters if it is very long.

        What began before the first day that is loaded is none of them.
        """
        last = self._window.last
        months = max(MONTHS_SHOWN, (last.year - self._window.since.year) * 12 + last.month - self._window.since.month)
        period = "month" if months <= MONTHS_MAX else "quarter"
        scope = (
            "scope = 'all'" if self._wanted.survey is None else f"scope = 'survey' AND {_of_survey(self._wanted)[5:]}"
        )
        rows = self._marts(f"""
            SELECT period_start, promoters, passives, detractors, nps_low, nps_high
            FROM mart_nps_periods
            WHERE period = '{period}' AND {scope}
                AND period_start >= {_literal(known.first_day or FIRST_DATE)} AND period_start <= {_literal(last)}
            ORDER BY period_start""")
        ended = _ended(known, latest)
        found = [
            Month(start, Counts(*map(int, counts)), _float(low), _float(high), _following(period, start) <= ended)
            for at, *counts, low, high in rows
            if (start := _day(at)) is not None
        ]
        return period, found[-(min(months, MONTHS_MAX) if period == "month" else QUARTERS_MAX) :]

    def _people(self, first_day: date) -> tuple[dict[tuple[str, str], int], Counts]:
        """Who moved from where to where, and each person's latest answer of the window."""
        since = _literal(self._window.since)
        until_now = self._between(Window(min(first_day, self._window.since), self._window.until))
        rows = self._marts(f"""
            SELECT earlier.category, later.category, COUNT(*)
            FROM (
                SELECT end_user_id,
                    MAX(CASE WHEN local_date < {since} THEN response_number END) AS number_before,
                    MAX(CASE WHEN local_date >= {since} THEN response_number END) AS number_now
                FROM fct_responses
                WHERE metric = 'nps' AND is_counted = TRUE AND end_user_id IS NOT NULL AND {until_now}
                GROUP BY end_user_id
            ) AS people
            JOIN fct_responses AS later ON later.end_user_id = people.end_user_id
                AND later.response_number = people.number_now AND later.metric = 'nps'
            LEFT JOIN fct_responses AS earlier ON earlier.end_user_id = people.end_user_id
                AND earlier.response_number = people.number_before AND earlier.metric = 'nps'
            GROUP BY earlier.category, later.category""")
        movers = {(before, now): int(people) for before, now, people in rows if before}
        return movers, _counts((now, people) for _, now, people in rows)

    def _dimensions(self, surveys: Sequence[Survey], total: Counts) -> list[Dimension]:
        found = []
        of_nps = {_survey_name(each.survey_id): each.counts for each in surveys if each.metric == "nps"}
        if len([name for name, counts in of_nps.items() if counts.responses]) > 1 and not self._wanted.segments:
            found.append(compared("Survey", {name: of_nps[name] for name in of_nps}, total))
        chosen = self._named() if self._wanted.segments else self._chosen(total)
        return found + [self._by_property(name, total) for name in chosen]

    def _named(self) -> list[str]:
        """The properties that were asked for, as the marts spell them."""
        known = sorted(str(row[0]) for row in self._marts("SELECT DISTINCT property FROM fct_response_properties"))
        plain = {_plain(name): name for name in reversed(known)}
        found = []
        for key in self._wanted.segments:
            name = key if key in known else plain.get(_plain(key))
            if name is None:
                named = ", ".join(shown(each)[:40] for each in known[:NAMED_MAX])
                more = " and others" * (len(known) > NAMED_MAX)
                raise ConfigurationError(
                    f"There is no property {shown(key)[:40]}; "
                    f"{f'there are {named}{more}' if known else 'none is loaded'}."
                )
            found.append(name)
        return list(dict.fromkeys(found))

    def _chosen(self, total: Counts) -> list[str]:
        """Properties with a few values that most answers have; the one that most have first."""
        rows = self._marts(f"""
            SELECT properties.property, COUNT(*), COUNT(DISTINCT properties.value_text), COUNT(properties.value_number)
            FROM fct_response_properties AS properties
            JOIN fct_responses ON fct_responses.response_id = properties.response_id
            WHERE {self._counted("fct_responses.")}
            GROUP BY properties.property""")
        fit = [
            (-int(answers), int(values), str(name))
            for name, answers, values, numbers in rows
            if not int(numbers) and 2 <= int(values) <= GROUPS_MAX and answers >= COVERED_MIN * total.responses
        ]
        return [name for _, _, name in sorted(fit)[:PROPERTIES_CHOSEN]]

    def _by_property(self, name: str, total: Counts) -> Dimension:
        rows = self._marts(f"""
            SELECT properties.value_text, properties.value_number, fct_responses.category, COUNT(*)
            FROM fct_response_properties AS properties
            JOIN fct_responses ON fct_responses.response_id = properties.response_id
            WHERE properties.property = {_literal(name)} AND {self._counted("fct_responses.")}
            GROUP BY properties.value_text, properties.value_number, fct_responses.category""")
        texts = _by_key((str(text), category, answers) for text, _, category, answers in rows if text is not None)
        numbers = _by_key((number, category, answers) for text, number, category, answers in rows if text is None)
        groups = {**texts, **in_ranges({float(number): counts for number, counts in numbers.items()})}
        return compared(name, groups, total, has_rest=True, is_in_order=not texts)

    def _tags(self, total: Counts) -> Dimension | None:
        rows = self._marts(f"""
            SELECT tags.tag, fct_responses.category, COUNT(*)
            FROM fct_response_tags AS tags
            JOIN fct_responses ON fct_responses.response_id = tags.response_id
            WHERE {self._counted("fct_responses.")}
            GROUP BY tags.tag, fct_responses.category""")
        return compared("Tag", _by_key(rows), total) if rows else None

    def _comments(self, loaded: Rows) -> list[Comment]:
        rows = self._marts(f"""
            SELECT local_date, survey_id, score, category, response_id
            FROM fct_responses
            WHERE has_comment = TRUE AND {self._counted()}
            ORDER BY responded_at DESC, response_id DESC
            LIMIT {self._wanted.comments}""")
        if not rows:
            return []
        ids = ", ".join(str(int(row[-1])) for row in rows)
        texts = {int(each): text for each, text in loaded(f"SELECT id, text FROM responses WHERE id IN ({ids})")}
        return [
            Comment(day, _integer(survey), int(score), category, str(texts[int(response)]))
            for at, survey, score, category, response in rows
            if (day := _day(at)) is not None and texts.get(int(response))
        ]


def _plain(name: str) -> str:
    """A key without what its column's name leaves out."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _counts(rows: Iterable[tuple[Any, Any]]) -> Counts:
    answers = Counter[str]()
    for category, number in rows:
        answers[category] += int(number)
    return Counts(*(answers[category] for category in CATEGORIES))


def _by_key(rows: Iterable[tuple[Any, ...]]) -> dict[Any, Counts]:
    found: dict[Any, list[tuple[Any, Any]]] = defaultdict(list)
    for key, category, answers in rows:
        found[key].append((category, answers))
    return {key: _counts(of_key) for key, of_key in found.items()}


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _following(period: str, start: date) -> date:
    """The first day behind a month or a quarter."""
    later = start + timedelta(days=31 if period == "month" else 92)
    return later.replace(day=1)


def _survey_name(survey: int | None) -> str:
    return NO_SURVEY if survey is None else f"Survey {survey}"


def _with_answers(survey: Survey, answers: Sequence[Mapping[str, Any]]) -> Survey:
    mine = [row for row in answers if row["is_now"] and row["survey_id"] == survey.survey_id]
    counted = [row for row in mine if row["is_counted"] or survey.metric is None]
    good = [row for row in counted if row["category"] in ("satisfied", "easy")]
    return Survey(
        survey.survey_id,
        survey.metric,
        survey.score_max,
        survey.known_by,
        survey.fits,
        sum(row["answers"] for row in counted),
        _counts((row["category"], row["answers"]) for row in counted if survey.metric == "nps"),
        sum(row["answers"] for row in good),
    )


def _left_out(answers: Sequence[Mapping[str, Any]]) -> LeftOut:
    reasons = Counter[str]()
    for row in answers:
        if row["is_now"]:
            reason = _reason(row)
            reasons[reason] += row["answers"]
            reasons["responses"] += row["answers"]
            if reason == "counted" and not row["is_completed"]:
                reasons["counted_incomplete"] += row["answers"]
    del reasons["counted"]
    return LeftOut(**reasons)


def _reason(row: Mapping[str, Any]) -> str:
    if row["metric"] is None:
        return "undecided"
    if row["metric"] != "nps":
        return "other_metric"
    if row["is_counted"]:
        return "counted"
    if row["category"] is None:
        return "no_score"
    return "excluded" if row["is_excluded"] else "incomplete"
