"""The demo: an account in memory, served on loopback, and two questions to what was loaded of it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from typing import Any

from dlt import Pipeline

from .. import wootric_source
from ..dlt_internals import forget_settings, local_value
from ..misspelling import SOURCES
from .loading import follow_destination
from .report import as_table

FILES = "files"
"""The one setting of the source that is about the destination."""
DEMO_STATE_KEY = "demo_history_ends_at"

# The first counts as marts and the page do: incomplete responses, too, by days of the account's zone.
DEMO_QUERIES = {
    "NPS by month": """\
SELECT strftime(created_at AT TIME ZONE 'America/Los_Angeles', '%Y-%m') AS month, count(*) AS responses,
       round(100.0 * (count(*) FILTER (score >= 9) - count(*) FILTER (score <= 6)) / count(*))::INTEGER AS nps
FROM {dataset}.responses WHERE NOT excluded_from_calculations
GROUP BY month ORDER BY month DESC LIMIT 6""",
    "Top tags": """\
SELECT tags.value AS tag, count(*) AS responses, round(avg(responses.score), 1) AS average_score
FROM {dataset}.responses__tags AS tags JOIN {dataset}.responses ON responses._dlt_id = tags._dlt_parent_id
GROUP BY tag ORDER BY responses DESC LIMIT 5""",
}


def leave_settings_out(destination: str | None) -> None:
    """Has dlt know no setting but those of the destination, if one is asked for: a mistake in others stops no demo.

    Args:
        destination: Of the command line.
    """
    forget_settings(SOURCES, signature(wootric_source).parameters, but=FILES if destination else "")


@contextmanager
def demo_account(pipeline: Pipeline) -> Iterator[tuple[dict[str, Any], bool]]:
    """Serves the demo account, the same in every run of the pipeline; how to reach it, and whether it is new."""
    from ..sandbox import CLIENT_ID, CLIENT_SECRET, DemoAccount, Sandbox

    # What is noted before that would be forgotten with the notes of another destination.
    follow_destination(pipeline)
    history_ends_at = local_value(pipeline, DEMO_STATE_KEY)
    is_new = history_ends_at is None
    if is_new:
        history_ends_at = int(time.time())
        pipeline.set_local_state_val(DEMO_STATE_KEY, history_ends_at)
    account = DemoAccount(history_ends_at)
    if not is_new:
        account.advance(time.time())
    with Sandbox(account) as sandbox:
        access = {"base_url": sandbox.url, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        yield {**access, "is_demo": True}, is_new


def demo_answers(pipeline: Pipeline) -> str:
    """Two things to ask the loaded data, with the answers."""
    lines = []
    with pipeline.sql_client() as client:
        for title, template in DEMO_QUERIES.items():
            query = template.format(dataset=client.dataset_name)
            with client.execute_query(query) as cursor:
                head = [column[0] for column in cursor.description]
                lines += ["", "", f"{title}:", query, "", *as_table(head, cursor.fetchall())]
    return "\n".join(lines)
