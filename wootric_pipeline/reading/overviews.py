"""Reads the overviews of one account for dlt: each is asked for as a whole, or day by day.

Facts (vendor's documentation): `segments` is a list, `survey_templates` an object with the list and the id of the
default one, `nps_summary` an object of whole numbers. `email_stats` answers three objects, of all sends and of the
first and the reminding ones, which may be null, and spells one key `sart_date`; its `sources` are two lists of names.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from datetime import date
from typing import Any, NamedTuple

import dlt

from ..api.client import Client, Params
from ..dlt_internals import raise_if_signalled
from ..errors import AuthenticationFailed, ConfigurationError, HostUnreachable, NotThere, UnexpectedAnswer, WootricError
from ..records import fitted, odd_values
from ..state import KNOWN
from ..tables import DAY, EMAIL_SOURCES, EMAIL_STATS, NPS_SUMMARY, RESPONSES, SEGMENTS, SURVEY_TEMPLATES, Overview
from .date_filter import DateFilter
from .days import DAY as ONE_DAY
from .days import DAYS_AGAIN, EARLIEST, Days, Place, last_ended_day
from .known_rows import KnownRows
from .listing import Page, Row
from .notes import TableNotes
from .row_filter import RowFilter
from .supervision import Supervision

PLACE, QUOTED, EMPTY = "days", "quoted", "empty"
"""In the state of an overview: how far its days have been read, whether they are asked for in quotes, and that it had
no rows.
"""
ALL_SENDS = "all"
"""The source of the figures of all e-mails."""

log = logging.getLogger("wootric_pipeline.reading")


class Range(NamedTuple):
    """The days to read: from one on, or just those before another."""

    start: date | None = None
    end: date | None = None


class OverviewReader:
    """The overviews of one account.

    Args:
        client: Asks the API.
        supervision: Takes note of what is done.
        days: Which to read.
        requests_max: How many requests the days of history may take in each run.
        row_shape: Tells settings apart that change the form in which rows are loaded.
    """

    def __init__(
        self,
        client: Client,
        supervision: Supervision,
        days: Range,
        requests_max: int,
        row_shape: str,
    ) -> None:
        self._client = client
        self.notes = supervision.notes
        self._days = days
        self._requests_max = requests_max
        self._row_shape = row_shape

    def is_range(self, overview: Overview) -> bool:
        """Whether just some days are read, which changes nothing of what later runs read."""
        return self._days.end is not None and overview.date_params is not None

    def pages(self, overview: Overview, wanted: RowFilter) -> Iterator[Page | None]:
        """The rows dlt shall load; None where it may turn to other tables.

        Args:
            overview: Which.
            wanted: What of the rows is loaded.

        Raises:
            WootricError: It cannot be read, and was asked for by its name. A run that isolates tables gets it in its
                notes.
        """
        state = dlt.current.resource_state(overview.name)
        notes = self._begun(overview)
        yield None
        # Whoever is nobody's is refused here, whoever may not read this overview further down.
        self._client.sign_in()
        before = None if self.is_range(overview) else state.get(KNOWN)
        known = KnownRows(before, overview.key, self._row_shape, wanted.dropped)
        was_read = bool({KNOWN, PLACE, EMPTY} & state.keys())
        try:
            for rows in self._rows(overview, state):
                yield self._to_load(overview, rows, known, wanted) or None
                raise_if_signalled()
            notes.complete = True
            log.info("%s: read; %s rows with %s requests.", overview.name, notes.rows, notes.requests)
        except WootricError as error:
            self._end(overview, error)
        finally:
            self._keep(overview, state, known, notes)
        if notes.complete and not notes.rows and not was_read:
            # The table and its columns shall exist although it has never had a row.
            state[EMPTY] = True
            yield dlt.mark.materialize_table_schema()

    def _begun(self, overview: Overview) -> TableNotes:
        notes = self.notes.table(overview.name)
        notes.begin(None)
        notes.mode = "days" if overview.date_params else "whole"
        notes.began = None if self.is_range(overview) else int(self._now())
        log.info("%s: reads.", overview.name)
        return notes

    def _now(self) -> float:
        """The earlier of two clocks, UNIX seconds."""
        return self._client.now() + min(self._client.server_ahead_seconds, 0)

    def _to_load(self, overview: Overview, rows: Page, known: KnownRows, wanted: RowFilter) -> Page:
        """Those of some rows that were not loaded as they are, counted."""
        notes = self.notes.table(overview.name)
        fitting = [fitted(overview, wanted.left(row)) for row in rows]
        if unusable := sum(not _is_usable(overview, row) for row in fitting):
            raise UnexpectedAnswer(f"{unusable:,} of {len(fitting):,} rows of {overview.name} have no usable key.")
        usable = {known.name(row): row for row in fitting}
        changed, unchanged = known.parted(list(usable.values()))
        notes.rows_unchanged += len(unchanged)
        notes.rows += len(changed)
        notes.odd_values += odd_values(changed)
        return changed

    def _keep(self, overview: Overview, state: dict[str, Any], known: KnownRows, notes: TableNotes) -> None:
        """Keeps in the state what the next run has to know, with the rows that were handed on."""
        if self.is_range(overview):
            if notes.rows:
                state.pop(KNOWN, None)
            return
        since = "" if overview.date_params is None else str(last_ended_day(self._now()) - DAYS_AGAIN * ONE_DAY)
        state.pop(KNOWN, None)
        if kept := known.kept(since):
            state[KNOWN] = kept

    def _end(self, overview: Overview, error: WootricError) -> None:
        """Notes why an overview cannot be read; raises that where somebody waits for it, or nothing can be read."""
        is_named = overview.name in self.notes.named
        if isinstance(error, (ConfigurationError, HostUnreachable)) or (is_named and not self.notes.isolates_tables):
            raise error
        notes = self.notes.table(overview.name)
        sentence = f"{overview.name} was not read: {error}"
        if is_named:
            notes.error = sentence
            self.notes.needs_change |= isinstance(error, (AuthenticationFailed, NotThere))
            log.warning(sentence)
        else:
            notes.is_refused = True
            self.notes.warn(sentence)

    def _asked(self, overview: Overview, params: Params) -> Any:
        self.notes.table(overview.name).requests += 1
        return self._client.get_overview(overview.path, params)

    def _rows(self, overview: Overview, state: dict[str, Any]) -> Iterator[Page]:
        if overview.date_params is not None:
            yield from self._rows_by_day(overview, overview.date_params, state)
        else:
            yield _ROWS[overview.name](self._asked(overview, {}))

    def _rows_by_day(self, overview: Overview, names: tuple[str, str], state: dict[str, Any]) -> Iterator[Page]:
        known = {*overview.columns, overview.name} - set(overview.key)

        def ask(params: Params) -> dict[str, Any]:
            answer = self._asked(overview, params)
            needed = {RESPONSES.name} if overview is NPS_SUMMARY else known
            if not isinstance(answer, dict) or not answer.keys() & needed:
                raise UnexpectedAnswer(f"Wootric answered {overview.path} with something that holds no figures.")
            return answer

        has_figures, rows_of = (_was_sent, _sends) if overview is EMAIL_STATS else (_has_responses, _summary)
        dates = DateFilter(overview.path, ask, names, has_figures, is_quoted=QUOTED in state)
        last = last_ended_day(self._now())
        dates.check(last)
        if dates.is_quoted:
            state[QUOTED] = True
        else:
            state.pop(QUOTED, None)
        start, end = self._days
        place = Place.of_state(state.get(PLACE), start or EARLIEST)
        days = Days(dates.range, has_figures, place, last, self._requests_max)
        parts = days.read() if end is None or start is None else days.in_range(start, end)
        try:
            for part in parts:
                yield [row for day, answer in part for row in rows_of(day, answer)]
        finally:
            if end is None:
                self._keep_place(overview, state, place)

    def _keep_place(self, overview: Overview, state: dict[str, Any], place: Place) -> None:
        notes = self.notes.table(overview.name)
        notes.history_from, notes.is_history_complete = place.since, place.is_whole
        state.pop(PLACE, None)
        if kept := place.as_state():
            state[PLACE] = kept


def _is_usable(overview: Overview, row: Row) -> bool:
    """Whether a row has its key, in types by which it can be merged."""
    return all(isinstance(row.get(name), (str, int, date)) for name in overview.key)


def _number(value: Any) -> float:
    if isinstance(value, str):
        return float(value) if value.strip().isdecimal() else 0.0
    return float(value) if isinstance(value, (int, float)) else 0.0


def _has_responses(answer: Mapping[str, Any]) -> bool:
    return any(_number(answer.get(name)) > 0 for name in ("responses", "promoters", "passives", "detractors"))


def _was_sent(answer: Any) -> bool:
    """Whether any of the figures of e-mails is more than nothing."""
    return any(map(_was_sent, answer.values())) if isinstance(answer, dict) else _number(answer) > 0


def _summary(day: date, answer: Mapping[str, Any]) -> Page:
    return [{**answer, DAY: day}]


def _sends(day: date, answer: Mapping[str, Any]) -> Page:
    """A row for all sends of a day, and one for each kind of them that the answer tells of."""
    figures = answer if not isinstance(answer.get(EMAIL_STATS.name), dict) else None
    by_source = {ALL_SENDS: figures} if figures else {**answer}
    if not figures:
        by_source[ALL_SENDS] = by_source.pop(EMAIL_STATS.name)
    return [
        {**_figures(each, is_empty=not _was_sent(answer)), DAY: day, "source": source}
        for source, each in by_source.items()
        if isinstance(each, dict)
    ]


def _figures(answer: Mapping[str, Any], *, is_empty: bool) -> Row:
    """Figures under the names of their columns; where nothing was sent, the answer may be that of a whole month."""
    row = deepcopy(dict(answer))
    raw = row.get("raw_results")
    if isinstance(raw, dict) and "sart_date" in raw:
        raw.setdefault("start_date", raw.pop("sart_date"))
    if is_empty:
        row.pop("send_date", None)
    if is_empty and isinstance(raw, dict):
        row["raw_results"] = {name: value for name, value in raw.items() if name not in ("start_date", "end_date")}
    return row


def _objects(content: Any, name: str) -> Page:
    """The objects of a list, which may be inside an object."""
    elements = content.get(name) if isinstance(content, dict) else content
    if not isinstance(elements, list) or not all(isinstance(each, dict) for each in elements):
        raise UnexpectedAnswer(f"Wootric answered with something that is no list of {name}.")
    return elements


def _segments(content: Any) -> Page:
    return _objects(content, SEGMENTS.name)


def _survey_templates(content: Any) -> Page:
    default = content.get("default_survey_template_id") if isinstance(content, dict) else None
    return [
        {**each, "is_default": None if default is None else each.get("id") == default}
        for each in _objects(content, SURVEY_TEMPLATES.name)
    ]


def _email_sources(content: Any) -> Page:
    kinds = content if isinstance(content, dict) else {EMAIL_SOURCES.name: content}
    return [{**each, "kind": kind} for kind in kinds for each in _objects(kinds, kind)]


_ROWS: Mapping[str, Callable[[Any], Page]] = {
    SEGMENTS.name: _segments,
    SURVEY_TEMPLATES.name: _survey_templates,
    EMAIL_SOURCES.name: _email_sources,
}
"""What makes rows of an answer."""
