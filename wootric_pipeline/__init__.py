"""Wootric as a dlt source: end users, responses and declines, incremental on `updated_at`, merged on `id`."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Optional

import dlt
from dlt.common.typing import TSecretStrValue
from dlt.extract import DltResource
from dlt.extract.hints import TResourceHints

from . import destinations, settings
from .client import Client, Credentials
from .errors import WootricError
from .reading import Cursor, Reading
from .report import Run
from .shape import Shape
from .tables import CURSOR, DECLINES, END_USERS, PRIMARY_KEY, RESPONSES, Table

__all__ = ["Run", "WootricError", "wootric_source"]


@dlt.source(name="wootric", section="wootric")
def wootric_source(
    client_id: Optional[TSecretStrValue] = None,
    client_secret: Optional[TSecretStrValue] = None,
    username: Optional[TSecretStrValue] = None,
    password: Optional[TSecretStrValue] = None,
    account_token: Optional[TSecretStrValue] = None,
    base_url: str = "https://api.wootric.com",
    start_date: Optional[str] = None,
    end_date: Optional[str] = None,
    lookback_seconds: int = 300,
    rescan_days: Optional[int] = None,
    connections: int = 4,
    properties: str = "columns",
    exclude_columns: Optional[list[str]] = None,
    files: str = "delta",
    run: Optional[Run] = None,
) -> list[DltResource]:
    """The tables of one Wootric account, each complete up to the moment its reading began.

    >>> pipeline = dlt.pipeline("wootric_pipeline", destination="duckdb", dataset_name="wootric")
    >>> pipeline.run(wootric_source())
    >>> pipeline.run(wootric_source().with_resources("responses"))

    Every argument is also a setting in `[sources.wootric]` of dlt's configuration, except `end_date` and `run`, which
    belong to a single call. All times are UTC unless they name a zone.

    Args:
        client_id: Of the API client made in Wootric's settings; with `client_secret`.
        client_secret: See `client_id`.
        username: E-mail address of a person with access to the account, instead of a client; with `password`.
        password: See `username`.
        account_token: Which account (`NPS-...`), for a person who has several.
        base_url: Where the API is. Accounts in Europe and Australia have hosts of their own.
        start_date: First day to load, ISO date or time; default all history. A table with a cursor goes on from it.
        end_date: With `start_date`: load just the rows updated in this closed-open range, and leave the cursor alone.
        lookback_seconds: How far before the cursor a run begins, so that rows that became visible late are caught.
        rescan_days: For lists on which the API ignores the `updated` filter: how many days of `created_at` to read
            again in each run; default all since `start_date`. Rows created earlier are then not seen to change.
        connections: How many requests may be under way at once.
        properties: Free-form objects as a column for each key (`columns`), or as one JSON column (`json`).
        exclude_columns: Patterns of columns that are dropped before anything is written, as in
            `responses.ip_address`, `end_users.email` or `*.end_user__properties__*`.
        files: How destinations that keep files lay tables out: `delta` or `iceberg`, which merge, or `parquet` or
            `jsonl`, which append each version of a row.
        run: Takes notes of what is done; only programs that report on it pass one.

    Returns:
        The resources `end_users`, `responses` and `declines`, to be merged on `id`.

    Raises:
        ConfigurationError: A setting is missing or cannot be.
        WootricError: While dlt extracts: a table cannot be read completely. Nothing of the run is committed then.
    """
    start, end = settings.span(start_date, end_date)
    settings.at_least("lookback_seconds", lookback_seconds, 0)
    settings.at_least("rescan_days", rescan_days, 1)
    settings.at_least("connections", connections, 1)
    secrets = (client_id, client_secret, username, password, account_token)
    credentials = Credentials(*map(settings.given, secrets))
    run = run or Run()
    client = Client(base_url, credentials, connections=connections)
    run.client = client
    reading = Reading(client, run, lookback_seconds=lookback_seconds, rescan_days=rescan_days)
    shape = Shape(properties, tuple(exclude_columns or ()))
    destinations.layout("", files)

    # Texts that look like times stay texts: a property that holds one today may hold a word tomorrow.
    dlt.current.source_schema().remove_type_detection("iso_timestamp")

    cursor = partial(
        dlt.sources.incremental, CURSOR, initial_value=start, end_value=end, allow_external_schedulers=False
    )
    return [_resource(table, reading, cursor(), shape, files) for table in (END_USERS, RESPONSES, DECLINES)]


def _resource(table: Table, reading: Reading, incremental: Cursor, shape: Shape, files: str) -> DltResource:
    def rows(updated_at: Cursor = incremental) -> Iterator[Any]:
        layout = destinations.layout(destinations.kind_of(dlt.current.pipeline()), files)
        reading.run.appends = layout.appends
        hints: TResourceHints | None = destinations.hints(shape.left(table), layout)
        shaping = shape.shaping(table, dlt.current.source_schema(), lists_in_rows=layout.lists_in_rows)
        for page in reading.pages(table, updated_at, once=layout.upserts):
            if page == [] and layout.upserts:
                # dlt makes a row's identifier of its key there, which the empty row that makes a table has not.
                hints = destinations.hints(shape.left(table), replace(layout, upserts=False, appends=True))
            if page:
                page = [shaping.shaped(row) for row in page]
            # dlt works the table out anew for each page that comes with hints: the first is enough.
            yield dlt.mark.with_hints(page, hints) if page is not None and hints else page
            hints = hints if page is None else None

    return dlt.resource(
        rows, name=table.name, primary_key=PRIMARY_KEY, write_disposition="merge", columns=shape.columns(table)
    )
