"""Counts the loaded responses of ranges of time, by every rule at once."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from ..destinations.queries import Queries, in_utc
from ..tables import BIGINT, BOOL, DELETED_AT, PERSON, PRIMARY_KEY, RESPONSES
from .counting import Rule, Surveys, counted_surveys
from .statistics import Counts
from .surveys import Metric, SurveyMetric, metrics
from .zones import DAY, local_day, midnight

PROMOTERS_MIN, PASSIVES_MIN = 9, 7
CREATED = "created_at"
NEEDED: Mapping[str, str | None] = {
    PRIMARY_KEY: None,
    CREATED: None,
    PERSON: None,
    "survey_id": BIGINT,
    "score": BIGINT,
    "completed": BOOL,
    "excluded_from_calculations": BOOL,
}
"""Columns, and the types they have unless they are hashed, where that matters."""
COUNTS = f"""sum(CASE WHEN score >= {PROMOTERS_MIN} THEN 1 ELSE 0 END),
    sum(CASE WHEN score >= {PASSIVES_MIN} AND score < {PROMOTERS_MIN} THEN 1 ELSE 0 END),
    sum(CASE WHEN score < {PASSIVES_MIN} THEN 1 ELSE 0 END)"""
NEWEST_VERSIONS = """(
    SELECT * FROM (
        SELECT *, row_number() OVER (PARTITION BY id ORDER BY updated_at DESC, _dlt_load_id DESC) AS version_number
        FROM responses
    ) AS versions WHERE version_number = 1
)"""

Row = Mapping[str, Any]


class Window(NamedTuple):
    """Some days, from the first to the last, which belong to it."""

    first: date
    last: date

    def __str__(self) -> str:
        """In words."""
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"

    @property
    def days(self) -> int:
        """How many."""
        return (self.last - self.first).days + 1

    def meets(self, other: "Window") -> bool:
        """Whether both have a day in common."""
        return self.first <= other.last and other.first <= self.last

    def halves(self, oldest: date) -> tuple["Window", "Window"]:
        """Both, of two days or more; the days before that with the oldest response are one."""
        middle = self.first + (self.days // 2 - 1) * DAY
        middle = min(max(middle, oldest - DAY), self.last - DAY)
        return Window(self.first, middle), Window(middle + DAY, self.last)


class Span(NamedTuple):
    """A closed-open range of moments, UTC."""

    since: datetime
    until: datetime


class _Cell(NamedTuple):
    survey_id: int | None
    excluded: bool
    completed: bool
    counts: Counts


class Tally:
    """The loaded responses of one account, counted.

    Args:
        queries: Asks the destination.
        zone: The account's.
        given: The metrics of surveys that the settings name.
        appends: Whether each version of a row is kept.

    Raises:
        Exception: Whatever the destination raises when it cannot be reached.
    """

    def __init__(self, queries: Queries, zone: str, given: Mapping[int, Metric], *, appends: bool) -> None:
        self._queries = queries
        self._zone = zone
        self._rows = NEWEST_VERSIONS if appends else RESPONSES.name
        self._where = f" AND {DELETED_AT} IS NULL" if DELETED_AT in queries.columns(RESPONSES.name) else ""
        self._changed: Sequence[Row] = ()
        self._cells: dict[Span, list[_Cell]] = {}
        self._latest: dict[tuple[Span, Rule], Counts] = {}
        self.metrics = self._metrics(given)
        self.surveys: Mapping[Surveys, frozenset[int | None]] = counted_surveys(self.metrics)

    def _metrics(self, given: Mapping[int, Metric]) -> Mapping[int | None, SurveyMetric]:
        scores = self._queries.rows(
            f"SELECT survey_id, min(score), max(score), count(score) FROM {self._rows} AS responses "
            f"WHERE score IS NOT NULL{self._where} GROUP BY survey_id"
        )
        return metrics([(survey, lowest, highest, int(count)) for survey, lowest, highest, count in scores], given)

    def days_within(self, days: Window) -> Window | None:
        """Of some days, those with the oldest and the newest response; None if there is none."""
        since, until = map(self._queries.instant, self.span(days, Rule()))
        query = (
            f"SELECT min({CREATED}), max({CREATED}) FROM {self._rows} AS responses "
            f"WHERE score IS NOT NULL AND {CREATED} >= {since} AND {CREATED} < {until}{self._where}"
        )
        oldest, newest = map(in_utc, self._queries.rows(query)[0])
        if oldest is None or newest is None:
            return None
        return Window(local_day(oldest, self._zone), local_day(newest, self._zone))

    def replace(self, rows: Iterable[Row]) -> None:
        """Counts some responses as they are now, and not as they were loaded.

        Args:
            rows: With the values of the columns, as `records` reads them.
        """
        self._changed = list(rows)
        self._cells.clear()
        self._latest.clear()

    def span(self, window: Window, rule: Rule) -> Span:
        """The moments of a window under a rule."""
        name = rule.zone or self._zone
        end = window.last if rule.last_day_out else window.last + DAY
        return Span(midnight(window.first, name), midnight(end, name))

    def read(self, windows: Collection[Window], rules: Collection[Rule]) -> None:
        """Counts windows under rules with one query."""
        spans = {self.span(window, rule) for window in windows for rule in rules} - self._cells.keys()
        if not spans:
            return
        ordered = sorted(spans)
        self._cells.update({span: [] for span in ordered})
        columns = "survey_id, excluded_from_calculations, completed"
        parts = [
            f"SELECT {number} AS span_number, {columns}, {COUNTS} FROM {self._rows} AS responses "
            f"WHERE {self._within(span)} GROUP BY {columns}"
            for number, span in enumerate(ordered)
        ]
        for number, survey, excluded, completed, *counts in self._queries.rows(" UNION ALL ".join(parts)):
            cell = _Cell(survey, bool(excluded), bool(completed), Counts(*map(int, counts)))
            self._cells[ordered[number]].append(cell)
        for span in ordered:
            self._cells[span] += [_cell(row) for row in self._changed if _is_in(row, span)]

    def _within(self, span: Span) -> str:
        since, until = map(self._queries.instant, span)
        changed = ", ".join(str(int(row[PRIMARY_KEY])) for row in self._changed)
        but = f" AND {PRIMARY_KEY} NOT IN ({changed})" if changed else ""
        return f"{CREATED} >= {since} AND {CREATED} < {until} AND score IS NOT NULL{but}{self._where}"

    def of(self, window: Window, rule: Rule) -> Counts:
        """What there is of a window under a rule."""
        span = self.span(window, rule)
        if rule.latest:
            if (span, rule) not in self._latest:
                self._latest[span, rule] = self._of_latest(span, rule)
            return self._latest[span, rule]
        self.read([window], [rule])
        surveys, found = self.surveys[rule.surveys], Counts()
        for cell in self._cells[span]:
            is_left_out = (cell.excluded and not rule.excluded) or (rule.completed and not cell.completed)
            if not is_left_out and (cell.survey_id in surveys or rule.surveys == "all"):
                found = found.plus(cell.counts)
        return found

    def _of_latest(self, span: Span, rule: Rule) -> Counts:
        """Of each person the latest response alone; those that have changed since they were loaded, as they were."""
        surveys = self.surveys[rule.surveys]
        named = ", ".join(str(each) for each in sorted(each for each in surveys if each is not None))
        choices = [f"survey_id IN ({named})"] if named else []
        choices += ["survey_id IS NULL"] if None in surveys else []
        if not choices:
            return Counts()
        conditions = [f"({' OR '.join(choices)})"]
        conditions += [] if rule.excluded else ["COALESCE(CAST(excluded_from_calculations AS INTEGER), 0) = 0"]
        conditions += ["COALESCE(CAST(completed AS INTEGER), 0) = 1"] if rule.completed else []
        latest = f"row_number() OVER (PARTITION BY {PERSON} ORDER BY {CREATED} DESC, {PRIMARY_KEY} DESC)"
        inner = (
            f"SELECT score, {PERSON}, {latest} AS place FROM {self._rows} AS responses "
            f"WHERE {self._within(span)} AND {' AND '.join(conditions)}"
        )
        query = f"SELECT {COUNTS} FROM ({inner}) AS numbered WHERE place = 1 OR {PERSON} IS NULL"
        return Counts(*(int(count or 0) for count in self._queries.rows(query)[0]))


def _cell(row: Row) -> _Cell:
    score = row["score"]
    kinds = (score >= PROMOTERS_MIN, PASSIVES_MIN <= score < PROMOTERS_MIN, score < PASSIVES_MIN)
    flags = bool(row.get("excluded_from_calculations")), bool(row.get("completed"))
    return _Cell(row.get("survey_id"), *flags, Counts(*map(int, kinds)))


def _is_in(row: Row, span: Span) -> bool:
    return isinstance(row.get("score"), int) and span.since <= row[CREATED] < span.until


def lacking(queries: Queries) -> str:
    """The first column that is not loaded, or not as it is, in words; empty if all are there."""
    if RESPONSES.name not in queries.tables:
        return f"{RESPONSES.name} is not loaded"
    there = queries.columns(RESPONSES.name)
    for column, data_type in NEEDED.items():
        if column not in there:
            return f"{RESPONSES.name}.{column} is not loaded"
        if data_type is not None and there[column].get("data_type") != data_type:
            return f"{RESPONSES.name}.{column} is loaded in another form"
    return ""
