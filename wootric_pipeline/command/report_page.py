"""Writes the report page: what the marts say of a stretch of days, as one HTML file."""

import argparse
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any

from dlt import Pipeline

from ..accounts import account
from ..descriptions import RUNS
from ..destinations.queries import Queries, in_utc, is_empty
from ..dlt_internals import stored_state
from ..errors import ConfigurationError
from ..hashing import DESCRIBED
from ..insight.dates import FIRST_DATE, LAST_DATE
from ..insight.page.document import document
from ..insight.page.figures import Figures, Known, Verdict, Wanted
from ..insight.page.reading import figures
from ..insight.page.words import counted, interval, lacking, moved, score, span
from ..insight.zones import first_whole_day
from ..settings import shown
from ..state import state_of
from ..tables import CURSOR, DECLINES, RESPONSES
from .marts import build_marts_of_changes, choices, marts_of
from .pipeline import DEMO_PIPELINE_NAME
from .refresh import first_day
from .run import Run
from .status import status

DEMO_FILE = "wootric_demo_report.html"
COMMENTS_MAX = 200
LAST_VERDICT = f"""
SELECT started_at, verdict, verdict_detail FROM {RUNS} WHERE verdict IS NOT NULL ORDER BY started_at DESC LIMIT 1
"""  # noqa: S608


def wanted(options: argparse.Namespace) -> Wanted:
    """What the command line asks the page for.

    Raises:
        ConfigurationError: The window ends before it begins.
    """
    if options.since and options.until and options.since >= options.until:
        raise ConfigurationError("--since must be a day before --until, which is the first one behind the window.")
    return Wanted(options.since, options.until, options.survey, options.segment or (), options.comments or 0)


def day(text: str) -> date:
    """A date of the command line."""
    with suppress(ValueError):
        at = datetime.strptime(text, "%Y-%m-%d").date()
        if FIRST_DATE <= at <= LAST_DATE:
            return at
    raise argparse.ArgumentTypeError(f"a date such as 2024-01-31 is needed, from {FIRST_DATE} to {LAST_DATE}")


def comments_number(text: str) -> int:
    """How many comments the command line asks for."""
    if text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= COMMENTS_MAX:
        return int(text)
    raise argparse.ArgumentTypeError(f"a number from 1 to {COMMENTS_MAX} is needed; without it no comment is shown")


def refuse_unwritable(file: str) -> None:
    """Raises ConfigurationError if the page could not be written, before what takes long has begun."""
    path = Path(file)
    try:
        if not file.strip() or (path.exists() and not path.is_file()):
            raise ConfigurationError(f"--report must name a file, such as report.html; {shown(file)} is none.")
        with tempfile.NamedTemporaryFile(dir=path.parent):
            pass
        if path.exists():
            path.open("a").close()
    except (OSError, ValueError):
        raise ConfigurationError(
            f"The report cannot be written to {shown(file)}; choose a file in a folder that you may write to."
        ) from None


def write_page(pipeline: Pipeline, run: Run, wanted: Wanted, file: str) -> str:
    """Writes the page, of marts that are built for it unless they are those of the last load; what it says, in short.

    Args:
        pipeline: That of the loaded tables.
        run: Takes what was written, for machines.
        wanted: What the page is to show.
        file: Where to; what is there is replaced when the page is complete.

    Raises:
        ConfigurationError: Nothing is loaded, there is no such survey or property, or the marts cannot be built.
        OSError: The file cannot be written.
        Exception: Whatever the destination raises when it cannot be reached.
    """
    refuse_unwritable(file)
    if is_empty(pipeline, account().source):
        raise ConfigurationError(f"Nothing was loaded into the dataset {pipeline.dataset_name} yet; load it first.")
    build_marts_of_changes(pipeline, run)
    found = read(pipeline, wanted)
    text = document(found).encode()
    _replace(Path(file), text)
    run.page = _as_json(found, file, len(text))
    return "\n".join(_as_text(found, file))


def read(pipeline: Pipeline, wanted: Wanted) -> Figures:
    """What the page says, of marts that are built.

    Raises:
        ConfigurationError: There is no such survey or property.
        Exception: Whatever the destination raises when it cannot be reached.
    """
    known = _known(pipeline)
    loaded = Queries(pipeline, account().source)
    with marts_of(pipeline).kept() as ask:
        return figures(ask, loaded.rows, wanted, known, has_comments=_has_comments(loaded))


def _known(pipeline: Pipeline) -> Known:
    (fresh, *_) = [*status(pipeline, [RESPONSES.name]).tables, None]
    state, zone = stored_state(pipeline), choices(pipeline).zone
    return Known(
        zone,
        fresh.last_complete_at if fresh else None,
        verdict(pipeline),
        is_demo=pipeline.pipeline_name == DEMO_PIPELINE_NAME,
        newest_change=_newest_change(state),
        first_day=_first_day(state, zone.name),
    )


def _newest_change(state: Mapping[str, Any] | None) -> datetime | None:
    """The latest `updated_at` of responses that are loaded; before there are any, the cursor is where they begin."""
    cursor = state_of(state, account().source, RESPONSES.name).get("incremental", {}).get(CURSOR, {})
    newest = cursor.get("last_value")
    return None if newest == cursor.get("initial_value") else in_utc(newest)


def _first_day(state: Mapping[str, Any] | None, zone: str) -> date | None:
    """From which day on all responses and declines are loaded, by the start date that was set when they first were."""
    starts = [in_utc(first_day(state_of(state, account().source, table.name))) for table in (RESPONSES, DECLINES)]
    return max((first_whole_day(start, zone) for start in starts if start is not None), default=None)


def verdict(pipeline: Pipeline) -> Verdict | None:
    """That of the last comparison with Wootric's own figures; None where none was made.

    Raises:
        Exception: Whatever the destination raises when it cannot be reached.
    """
    runs = Queries(pipeline, RUNS)
    if RUNS not in runs.tables or "verdict" not in runs.columns(RUNS):
        return None
    for at, found, detail in runs.rows(LAST_VERDICT):
        compared_at = in_utc(at)
        told = json.loads(detail) if isinstance(detail, str) else detail or {}
        return Verdict(str(found), compared_at, _remark(told)) if compared_at else None
    return None


def _remark(detail: Mapping[str, Any]) -> str:
    difference = detail.get("difference") or 0
    by = f"{abs(difference):,} {'more' if difference > 0 else 'fewer'} there" if difference else ""
    otherwise = f"there, {detail['told']}" if detail.get("told") else ""
    return str(otherwise or by or detail.get("reason") or "").rstrip(".")


def _has_comments(loaded: Queries) -> bool:
    """Whether comments can be read: they are loaded, and not as hashes."""
    text = loaded.schema.get_table_columns(RESPONSES.name).get("text", {})
    return text.get("data_type") == "text" and DESCRIBED not in (text.get("description") or "")


def _replace(path: Path, text: bytes) -> None:
    """Writes a file in one step: whoever reads it sees the old page or the new one."""
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text)
        os.replace(part, path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


def _as_text(found: Figures, file: str) -> list[str]:
    counts, days = found.now.counts, span(found.window)
    said = f"NPS {score(counts)}" if counts.has_point else "Too few answers for an NPS"
    said += f", 95% interval {interval(counts)}" if counts.has_interval else ""
    told = [f"{said}, of {counted(counts.responses, 'response')}, {days}.", ". ".join(filter(None, moved(found)))]
    if not counts.responses:
        told = [f"No answer to an NPS survey is counted from {days}."]
    told.append(lacking(found.known, found.window, "these days"))
    return [_plain(" ".join(filter(None, told))), f"The report is {file}."]


def _plain(text: str) -> str:
    """For terminals that know no more than ASCII."""
    return text.replace("\u00a0", " ").replace("−", "-").replace("–", "-").replace("’", "'")


def _as_json(found: Figures, file: str, length: int) -> dict[str, Any]:
    counts = found.now.counts
    return {
        "file": file,
        "bytes": length,
        "since": found.window.since.isoformat(),
        "until": found.window.until.isoformat(),
        "loaded_from": found.known.first_day.isoformat() if found.known.first_day else None,
        "responses": counts.responses,
        "nps": counts.nps if counts.has_point else None,
        "nps_low": counts.low if counts.has_interval else None,
        "nps_high": counts.high if counts.has_interval else None,
        "verdict": found.known.verdict.verdict if found.known.verdict else None,
    }
