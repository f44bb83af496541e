"""Loads a Wootric account with dlt's `rest_api` as its documentation has it, and nothing else of one's own.

The API's 30 pages of 50 rows end each run, so it is run until nothing new comes. Times are made moments, since as the
API shows them, in the account's time zone, they do not sort by time; the cursor is then the newest `updated_at`.
"""

from datetime import datetime, timezone
from typing import Any

import dlt
from dlt.extract import DltSource
from dlt.sources.rest_api import rest_api_source

TABLES = ("end_users", "responses", "declines")
TIMES = ("created_at", "updated_at", "last_surveyed", "last_seen_at")


def with_moments(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its times as moments."""
    return {**row, **{name: datetime.strptime(row[name], "%Y-%m-%d %H:%M:%S %z") for name in TIMES if row.get(name)}}


def wootric() -> DltSource:
    """The three tables, incremental on `updated_at`; the settings are those of `[sources.wootric]`."""
    url = dlt.config["sources.wootric.base_url"]
    access = {name: dlt.secrets[f"sources.wootric.{name}"] for name in ("client_id", "client_secret")}
    token = {"access_token_url": f"{url}/oauth/token", **access}
    oldest_first = {"per_page": 50, "sort_key": "updated_at", "sort_order": "asc"}
    incremental = {
        "cursor_path": "updated_at",
        "initial_value": datetime(2010, 1, 1, tzinfo=timezone.utc),
        "start_param": "updated[gte]",
        "convert": lambda moment: int(moment.timestamp()),
    }
    config: Any = {
        "client": {
            "base_url": f"{url}/v1/",
            "auth": {"type": "oauth2_client_credentials", **token},
            # It stops before the page named, and the API refuses page 31.
            "paginator": {"type": "page_number", "base_page": 1, "maximum_page": 31, "total_path": None},
        },
        "resource_defaults": {
            "primary_key": "id",
            "write_disposition": "merge",
            "parallelized": True,
            "processing_steps": [{"map": with_moments}],
        },
        "resources": [
            {"name": table, "endpoint": {"path": table, "params": dict(oldest_first), "incremental": incremental}}
            for table in TABLES
        ],
    }
    return rest_api_source(config)


def main() -> None:
    """Runs it until nothing new comes."""
    pipeline = dlt.pipeline("rest_api_pipeline", destination="duckdb", dataset_name="wootric")
    is_complete = False
    while not is_complete:
        pipeline.run(wootric())
        assert pipeline.last_trace
        assert pipeline.last_trace.last_normalize_info
        is_complete = not set(TABLES) & set(pipeline.last_trace.last_normalize_info.row_counts)


if __name__ == "__main__":
    main()
