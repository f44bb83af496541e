"""Compares the loaded responses with Wootric's own figures, and tells what came out."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from functools import partial
from typing import Any

from dlt import Pipeline

from ..accounts import account
from ..destinations.queries import Queries, in_utc
from ..dlt_internals import stored_state
from ..errors import DatesIgnored, WootricError
from ..insight.comparison import CANNOT, DIFFERS, OTHERWISE, Comparer, Comparison, Loaded, days_to_compare
from ..insight.fit import Known
from ..insight.own_figures import OwnFigures
from ..insight.tallies import Span, Tally, Window, lacking
from ..insight.zones import DAY, UTC, AccountZone, Offset, account_zone
from ..reading.days import last_ended_day
from ..reading.history import History
from ..reading.overviews import QUOTED
from ..reading.reader import HISTORY
from ..state import check_account, state_of
from ..tables import CURSOR, NPS_SUMMARY, RESPONSES
from .account_settings import AccountSettings, noted_offsets
from .report import iso
from .run import Run, source_for

ZONE_DAYS = 500
"""All windows end there, or begin."""
log = logging.getLogger("wootric_pipeline.command")

MISSING = "Wootric counts responses that are not loaded, or have other scores there."
KNOWN_BY = {
    "setting": "by the setting time_zone",
    "offsets": "as its times are shown",
    "assumed": "which is only assumed; set time_zone to be sure",
}


class CannotCompare(Exception):
    """Nothing can be compared; the message is a sentence."""


def compared(
    pipeline: Pipeline,
    run: Run,
    of_account: AccountSettings,
    known: Mapping[str, Known],
    *,
    appends: bool,
    **arguments: Any,
) -> dict[str, Any]:
    """What the comparison has found, for machines, which the run notes as well; `as_text` tells it to people.

    Args:
        pipeline: Whose dataset.
        run: Takes the notes.
        of_account: How it counts.
        known: Up to when which table is loaded.
        appends: Whether each version of a row is kept.
        arguments: Of the source.
    """
    figures: OwnFigures | None = None
    try:
        state = stored_state(pipeline) or {}
        loaded, queries = _loaded(state, known), Queries(pipeline, account().source)
        if gap := lacking(queries):
            raise CannotCompare(f"Not all that is needed is there: {gap}.")
        figures = _figures(run, state, **arguments)
        now = run.connected().now()
        found = _compared(queries, figures, of_account, loaded, now, noted_offsets(state), appends=appends)
    except DatesIgnored:
        reason = f"Wootric answers {NPS_SUMMARY.path} with the same figures whatever days it is asked for."
        found = Comparison(CANNOT, reason)
    except (CannotCompare, WootricError) as error:
        found = Comparison(CANNOT, str(error))
    except Exception as error:
        # Whether rows fit each other is known by now, and is not to be lost.
        log.debug("This is where the comparison failed:", exc_info=error)
        found = Comparison(CANNOT, f"The tables cannot be counted ({type(error).__name__}).")
    requests, notes = figures.requests if figures else 0, run.table(RESPONSES.name)
    run.comparison = _as_json(found, requests)
    notes.requests += requests
    if found.is_missing:
        notes.complete, notes.error = False, " ".join(filter(None, (notes.error, MISSING)))
    return run.comparison


def missing(found: Mapping[str, Any]) -> str:
    """A sentence, if rows are missing."""
    return MISSING if found["is_missing"] else ""


def _figures(run: Run, state: Mapping[str, Any], **arguments: Any) -> OwnFigures:
    """What to ask Wootric by, of the account that is loaded."""
    if run.client is None:
        source_for(run, **arguments)
    client = run.connected()
    check_account(state.get("sources", {}).get(account().source, {}), client.accounts, client.sign_in)
    return OwnFigures(client, is_quoted=QUOTED in state_of(state, account().source, NPS_SUMMARY.name))


def _compared(
    queries: Queries,
    figures: OwnFigures,
    of_account: AccountSettings,
    loaded: Loaded,
    now: float,
    noted: Sequence[Offset],
    *,
    appends: bool,
) -> Comparison:
    last_ended = last_ended_day(now)
    figures.check(last_ended)
    zone = _zone(figures, of_account.time_zone, noted, Window(last_ended - ZONE_DAYS * DAY, last_ended))
    days = days_to_compare(loaded, last_ended, zone.name)
    if days is None:
        raise CannotCompare("No day has ended between the start date and the last complete run.")
    tally = Tally(queries, zone.name, of_account.surveys, appends=appends)
    return Comparer(figures, tally, loaded, zone, days, of_account.counting).compare()


def _zone(figures: OwnFigures, given: str, noted: Sequence[Offset], days: Window) -> AccountZone:
    if given:
        return AccountZone(given, "setting")
    if (zone := account_zone(noted, *days)) is not None and zone.known_by == "offsets":
        return zone
    # A year whose middle has passed.
    year = days.last.year - (days.last.month < 8)
    return account_zone(figures.offsets(year), *days) or AccountZone(UTC, "assumed")


def _loaded(state: Mapping[str, Any], known: Mapping[str, Known]) -> Loaded:
    """Which responses are loaded: as runs are noted, or else, as the state tells."""
    of_table = state_of(state, account().source, RESPONSES.name)
    cursor: Mapping[str, Any] = of_table.get("incremental", {}).get(CURSOR, {})
    limits = known.get(RESPONSES.name)
    last = in_utc(cursor.get("last_value"))
    until, changes = (last, last) if limits is None else (limits.new_rows, limits.changes or limits.new_rows)
    if until is None or changes is None:
        raise CannotCompare("No run has loaded responses completely.")
    start = in_utc(cursor.get("initial_value"))
    if HISTORY not in of_table:
        return Loaded(until, lambda _span: changes, start=start)
    return Loaded(until, partial(_read_at, History.of_state(of_table[HISTORY])), is_ordered=False, start=start)


def _read_at(history: History, span: Span) -> datetime | None:
    """When a range was last read, of a list that is read along `created_at`."""
    since, until = span.since.timestamp(), span.until.timestamp()
    readings = [
        reading
        for bounds, reading in history.groups()
        if (bounds.since is None or bounds.since < until) and (bounds.until is None or bounds.until > since)
    ]
    began = [reading.began for reading in readings if reading is not None]
    return datetime.fromtimestamp(min(began), timezone.utc) if began and len(began) == len(readings) else None


def as_text(found: Mapping[str, Any]) -> str:
    """For people."""
    told = f"Wootric's own figures: {found['verdict']}"
    if found["verdict"] == DIFFERS:
        told += f" by {abs(found['difference']) or 'scores alone'}"
    return " ".join([f"{told}.", *_details(found)])


def _details(found: Mapping[str, Any]) -> list[str]:
    sentences = []
    if found["verdict"] == OTHERWISE:
        sentences.append(_offered(found))
    if found["where"]:
        sentences.append(_difference(found))
    if found["reason"]:
        sentences.append(found["reason"])
    if windows := found["windows"]:
        first, last = min(each["first"] for each in windows), max(each["last"] for each in windows)
        known_by = KNOWN_BY[found["zone_is_known_by"]]
        sentences.append(
            f"Compared: {_counted(len(windows), 'range')} of days from {first} to {last}; days are those of "
            f"{found['time_zone']}, {known_by}."
        )
    return sentences


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _offered(found: Mapping[str, Any]) -> str:
    words = found["counting"]
    offer = f"counting = {words}".replace("'", '"') if words is not None else f'time_zone = "{found["rule"]["zone"]}"'
    return f"There, {found['told']}: {offer} says so here."


def _difference(found: Mapping[str, Any]) -> str:
    first, last = found["where"]["first"], found["where"]["last"]
    where = f"on {first}" if first == last else f"between {first} and {last}"
    if found["difference"] > 0:
        what = f"Wootric counts {found['difference']:,} more than are loaded"
    elif found["difference"] < 0:
        what = f"Wootric counts {-found['difference']:,} fewer than are loaded, which were probably deleted there"
    else:
        what = "Wootric counts as many as are loaded, with other scores"
    return f"{what}; some of them were given {where}."


def _as_json(found: Comparison, requests: int) -> dict[str, Any]:
    rule = found.rule
    return {
        "verdict": found.verdict,
        "difference": found.difference,
        "is_missing": found.is_missing,
        "where": {"first": str(found.where.first), "last": str(found.where.last)} if found.where else None,
        "reason": found.reason,
        "windows": [
            {
                "first": str(each.window.first),
                "last": str(each.window.last),
                "wootric": each.wootric._asdict(),
                "loaded": each.loaded._asdict(),
            }
            for each in found.windows
        ],
        "rule": rule.__dict__ if rule else None,
        "counting": rule.setting if rule and rule.zone in ("", UTC) else None,
        "told": found.told,
        "time_zone": found.zone.name if found.zone else None,
        "zone_is_known_by": found.zone.known_by if found.zone else None,
        "requests": requests,
        "compared_at": iso(datetime.now(timezone.utc)),
    }
