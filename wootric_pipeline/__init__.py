"""Wootric as a dlt source: end users, responses and declines, incremental on `updated_at`, and overviews."""

from . import starting  # noqa: F401  # before dlt, whose import takes a second

# isort: split
import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial
from inspect import signature
from typing import Optional

import dlt
from dlt.common.typing import TSecretStrValue
from dlt.sources import DltResource

from . import settings
from .accounts import about, of_clone, others
from .api.address import address_of, setting_of
from .api.client import Client, Credentials
from .destinations.layout import checked_files
from .destinations.turns import turns
from .dlt_internals import Cursor
from .errors import WootricError
from .exclusion import Exclusion
from .hashing import Hashing
from .misspelling import refuse_misspelled
from .overviews import overview_resource
from .reading.by_id import ByIdReader
from .reading.history import SECONDS_PER_DAY, Pace
from .reading.overviews import OverviewReader, Range
from .reading.reader import Reader, Rereading
from .reading.supervision import Supervision, supervision
from .resources import resource
from .shape import Shape
from .state import DEMO
from .tables import CURSOR, DEFAULT_TABLES, OVERVIEWS, TABLES
from .version import VERSION

__all__ = ["WootricError", "wootric_source"]

# Who wants to read the log says where it goes: without that, Python would print some of it.
logging.getLogger("wootric_pipeline").addHandler(logging.NullHandler())


@dlt.source(name="wootric", section="wootric")
def wootric_source(
    client_id: Optional[TSecretStrValue] = None,
    client_secret: Optional[TSecretStrValue] = None,
    username: Optional[TSecretStrValue] = None,
    password: Optional[TSecretStrValue] = None,
    account_token: Optional[TSecretStrValue] = None,
    base_url: str = "https://api.wootric.com",
    region: Optional[str] = None,
    tables: Optional[str | list[str]] = None,
    start_date: Optional[str] = None,
    end_date: Optional[str] = None,
    lookback_seconds: int = 300,
    staleness: float = 0.1,
    staleness_days_max: float = 30,
    last_responses_max: int = 100,
    daily_history_requests_max: int = 200,
    connections: int = 4,
    properties: str = "columns",
    exclude_columns: Optional[str | list[str]] = None,
    hash_columns: Optional[str | list[str]] = None,
    hash_key: Optional[TSecretStrValue] = None,
    hash_normalized_emails: bool = False,
    files: str = "delta",
    deleted: str = "keep",
) -> list[DltResource]:
    """The tables of one Wootric account, each complete up to the moment its reading began.

    >>> pipeline = dlt.pipeline("wootric_pipeline", destination="duckdb", dataset_name="wootric")
    >>> pipeline.run(wootric_source())
    >>> pipeline.run(wootric_source().with_resources("responses"))

    Every argument is also a setting in `[sources.wootric]` of dlt's configuration, except `end_date`, which belongs to
    a single call. All times are UTC unless they name a zone.

    Args:
        client_id: Of the API client made in Wootric's settings; with `client_secret`.
        client_secret: See `client_id`.
        username: E-mail address of a person with access to the account, instead of a client; with `password`.
        password: See `username`.
        account_token: Which account (`NPS-...`), for a person who has several.
        base_url: Where the API is, if not where the region says; it may have a path.
        region: Of the account: `us` (default), `eu` or `au`, whose APIs have hosts of their own.
        tables: Which to load, a list or a text with commas: of `end_users`, `responses`, `declines`, `segments` and
            `survey_templates`, which are the default, and `nps_summary`, `email_stats` and `email_sources`. Of those
            that it names, one that cannot be read is a failure. `with_resources` selects others all the same.
        start_date: First day to load, ISO date or time; default all history. A table with a cursor goes on from it.
        end_date: With `start_date`: load just the rows updated in this closed-open range, and leave the cursor alone.
        lookback_seconds: How far before the cursor a run begins, so that rows that became visible late are caught.
        staleness: For lists on which the API ignores the `updated` filter: how late a change may be seen, as a share of
            the row's age: by default, that of a row of ten days a day later. 0 reads all history in every run.
        staleness_days_max: How late at most, however old the row is.
        last_responses_max: How many responses each run may ask for by their ids there, because a person's row tells of
            another score or text; 0 is none.
        daily_history_requests_max: How many requests each run may spend on days of `nps_summary`, and as many on those
            of `email_stats`, that are older than the last ones, until all history is loaded.
        connections: How many requests may be under way at once.
        properties: Free-form objects as a column for each key (`columns`), or as one JSON column (`json`).
        exclude_columns: Patterns of columns that are dropped before anything is written, as in
            `responses.ip_address`, `end_users.email` or `*.end_user__properties__*`; a list, or a text with commas.
            `personal` stands for all columns that are known to be personal.
        hash_columns: Patterns of columns, likewise, whose values are replaced by their HMAC-SHA256 before anything is
            written: the same value by the same text in all tables, so that they still join.
        hash_key: The secret key of these hashes, of 16 characters or more.
        hash_normalized_emails: Whether e-mail addresses are hashed in small letters and without blanks around them.
        files: How destinations that keep files lay tables out: `delta` or `iceberg`, which merge, or `parquet` or
            `jsonl`, which append each version of a row.
        deleted: What the command does with rows that it finds gone in Wootric: `keep`, `mark` or `remove`. With `mark`,
            the lists have a column `_deleted_at`.

    Returns:
        The resources `end_users`, `responses` and `declines`, to be merged on `id`, and the overviews, on their keys;
        `tables` says which of them are selected.

    Raises:
        ConfigurationError: A setting is missing, misspelled or cannot be.
        WootricError: While dlt extracts: a table cannot be read completely. Nothing of the run is committed then.
    """
    watched, schema = supervision(), dlt.current.source_schema()
    whose = of_clone(schema.name)
    if not watched.is_demo:
        refuse_misspelled(signature(wootric_source).parameters, other_accounts=others(whose))
    settings.at_least(0, lookback_seconds=lookback_seconds, staleness=staleness, last_responses_max=last_responses_max)
    settings.at_least(1, connections=connections, daily_history_requests_max=daily_history_requests_max)
    chosen = settings.tables(tables)
    settings.above(0, staleness_days_max=staleness_days_max)
    start, end = settings.span(start_date, end_date)
    cursor = _cursor(start, end)
    with about(whose):
        credentials = _credentials(client_id, client_secret, username, password, account_token)
        client = _client(watched, credentials, base_url, region, connections)
        hashing = _hashing(watched, hash_columns, hash_key, hash_normalized_emails)
    marks = settings.deleted(deleted) == "mark"
    shape = Shape(properties, _exclusion(watched, exclude_columns), hashing, marks)
    pace = Pace(staleness, staleness_days_max * SECONDS_PER_DAY)
    row_shape = f"{VERSION} {shape.key} {files}"
    how = Rereading(lookback_seconds, pace, int(last_responses_max), row_shape, hashing.digest_key)
    reader = Reader(client, watched, how) if watched.by_id is None else ByIdReader(client, watched, watched.by_id)
    # Whoever selects one that is no default wants it.
    watched.notes.named = frozenset(set(OVERVIEWS) - set(DEFAULT_TABLES) | set(() if tables is None else chosen))
    days = Range(start.date() if start else None, end.date() if end else None)
    overviews = OverviewReader(client, watched, days, int(daily_history_requests_max), how.row_shape)

    turns.of_source(schema.name)
    # Texts that look like times stay texts: a property that holds one today may hold a word tomorrow.
    schema.remove_type_detection("iso_timestamp")
    checked_files(files)
    made = [resource(table, reader, cursor(), shape, files, client) for table in TABLES.values()]
    made += [overview_resource(each, overviews, shape, files, client) for each in OVERVIEWS.values()]
    for each in made:
        each.selected = each.name in chosen
    return made


def _cursor(start: datetime | None, end: datetime | None) -> Callable[[], Cursor]:
    """Makes the cursors of tables, from the first day to load to the moment before which rows are loaded."""
    return partial(dlt.sources.incremental, CURSOR, initial_value=start, end_value=end, allow_external_schedulers=False)


def _credentials(
    client_id: str | None, client_secret: str | None, username: str | None, password: str | None, token: str | None
) -> Credentials:
    return Credentials(
        client_id=settings.given(client_id),
        client_secret=settings.given(client_secret),
        username=settings.given(username),
        password=settings.given_password(password),
        account_token=settings.given(token),
    )


def _client(
    watched: Supervision, credentials: Credentials, base_url: str, region: str | None, connections: int
) -> Client:
    address, setting = address_of(base_url, region), setting_of(base_url, region)
    client = watched.notes.client = Client(address, credentials, setting=setting, connections=connections)
    if watched.is_demo:
        # It is served at another port each time.
        client.accounts = (DEMO, *client.accounts)
    return client


def _exclusion(watched: Supervision, exclude_columns: str | list[str] | None) -> Exclusion:
    patterns = [*(settings.patterns("exclude_columns", exclude_columns) or ()), *watched.exclude_columns]
    exclusion = watched.notes.exclusion = Exclusion(patterns)
    return exclusion


def _hashing(watched: Supervision, hash_columns: str | list[str] | None, key: str | None, emails: bool) -> Hashing:
    patterns = settings.patterns("hash_columns", hash_columns) or ()
    hashing = watched.notes.hashing = Hashing(patterns, settings.given_password(key), normalizes_emails=emails)
    return hashing
