"""Assets for Dagster: each table by the hour, the marts behind them, and the past by months.

`dagster dev -f dagster_defs.py`, in an environment with `dagster-dlt`, `dagster-webserver`, and `wootric-pipeline` with
its extra of the destination. Settings are in `.dlt/` where it is started, or in the environment; `destination_type`,
`dataset_name`, and for DuckDB a whole path among what is secret. Change `FIRST_MONTH`.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import dlt
from dagster_dlt import DagsterDltResource, DagsterDltTranslator, dlt_assets
from dagster_dlt.translator import DltResourceTranslatorData
from dlt import Pipeline

from wootric_pipeline import wootric_source
from wootric_pipeline.command.failures import USER_MISTAKE, explain
from wootric_pipeline.ranges import load_range

FIRST_MONTH = "2026-01-01"
"""Of the backfill: that of the account's first survey, or older rows are not loaded.

The hourly load begins with `start_date` of the settings, or with all history.
"""
GROUP = "wootric"
RETRIES = dg.RetryPolicy(max_retries=3, delay=300, backoff=dg.Backoff.EXPONENTIAL)
POOL = "wootric"
"""Of which one may run at a time, by `dagster instance concurrency set wootric 1`."""


@contextmanager
def told_in_a_sentence() -> Iterator[None]:
    """Fails as the command does: without what may hold rows, and for good where somebody has to change something."""
    try:
        yield
    except Exception as error:
        sentence, code = explain(error)
        raise dg.Failure(sentence, allow_retries=code != USER_MISTAKE) from None


class Translator(DagsterDltTranslator):
    """Names the assets as the tables, below the source."""

    def get_asset_spec(self, data: DltResourceTranslatorData) -> dg.AssetSpec:
        """The asset of a table; no asset comes before it."""
        spec = super().get_asset_spec(data)
        return spec.replace_attributes(key=dg.AssetKey(["wootric", data.resource.name]), deps=[])


@dlt_assets(
    # For the names of the tables alone: the credentials are looked for when a run begins.
    dlt_source=wootric_source(client_id="-", client_secret="-"),
    dlt_pipeline=dlt.pipeline("wootric_pipeline"),
    dagster_dlt_translator=Translator(),
    group_name=GROUP,
    pool=POOL,
)
def tables(context: dg.AssetExecutionContext, loader: DagsterDltResource) -> Iterator[dg.MaterializeResult]:
    """Loads what is new or has changed."""
    pipeline = dlt.pipeline("wootric_pipeline")
    with told_in_a_sentence():
        results = list(loader.run(context, dlt_source=wootric_source(), dlt_pipeline=pipeline))
    for result in results:
        rows = extracted_rows(pipeline, result.asset_key.path[-1])
        yield dg.MaterializeResult(result.asset_key, metadata={**result.metadata, "rows_loaded": rows})


def extracted_rows(pipeline: Pipeline, table: str) -> int:
    """How many rows of a table the last run has read and loaded.

    What dagster-dlt says is counted where dlt writes files, by cells if they are CSV, and missing if there are none.
    """
    packages = pipeline.last_trace.last_extract_info.metrics.values()
    counted = (step["table_metrics"].get(table) for steps in packages for step in steps)
    return sum(each.items_count for each in counted if each)


@dg.asset(key=["wootric_marts"], deps=[tables], group_name=GROUP, pool=POOL)
def marts() -> dg.MaterializeResult:
    """Scores, intervals and the like of what is loaded, in a dataset of their own."""
    # In a process of its own: dlt has one pipeline at a time in each.
    command = [sys.executable, "-m", "wootric_pipeline", "--marts", "--json", "--wait"]
    ended = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=False)
    if ended.returncode:
        # The report holds one sentence about it.
        told = json.loads(ended.stdout)["error"]
        raise dg.Failure(told, allow_retries=ended.returncode != USER_MISTAKE)
    return dg.MaterializeResult(metadata=json.loads(ended.stdout)["marts"]["tables"])


@dg.asset(
    key=["wootric_months"],
    partitions_def=dg.MonthlyPartitionsDefinition(start_date=FIRST_MONTH),
    retry_policy=RETRIES,
    group_name=GROUP,
    pool=POOL,
)
def months(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """All tables, as far as they were updated in the month."""
    with told_in_a_sentence():
        loaded = load_range(*context.partition_time_window)
    return dg.MaterializeResult(metadata={**loaded.rows, "requests": loaded.requests})


hourly = dg.define_asset_job("wootric_hourly", selection=[tables, marts], op_retry_policy=RETRIES)

defs = dg.Definitions(
    assets=[tables, marts, months],
    jobs=[hourly],
    schedules=[dg.ScheduleDefinition(job=hourly, cron_schedule="5 * * * *", execution_timezone="UTC")],
    resources={"loader": DagsterDltResource()},
)
