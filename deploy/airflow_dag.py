"""Two DAGs for Airflow 3: `wootric` loads every hour what is new, `wootric_months` loads the past, a month a task.

It belongs into the folder of DAGs, in an environment with `wootric-pipeline` and its extra of the destination. Settings
are in `.dlt/` beside it, in the environment, or in the variable `dlt_secrets_toml`; `destination_type`, `dataset_name`,
and for DuckDB a whole path among what is secret. Change `FIRST_MONTH`.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import dlt
from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from airflow.timetables.interval import CronDataIntervalTimetable
from dlt.helpers.airflow_helper import PipelineTasksGroup
from dlt.sources import DltSource

from wootric_pipeline import wootric_source
from wootric_pipeline.command.failures import USER_MISTAKE, explain
from wootric_pipeline.ranges import load_range

FIRST_MONTH = datetime(2026, 1, 1, tzinfo=timezone.utc)
"""Of the backfill: that of the account's first survey, or older rows are not loaded.

The hourly load begins with `start_date` of the settings, or with all history.
"""
RETRIES = {"retries": 3, "retry_delay": timedelta(minutes=5), "retry_exponential_backoff": True}


@contextmanager
def told_in_a_sentence() -> Iterator[None]:
    """Fails as the command does: without what may hold rows, and for good where somebody has to change something."""
    try:
        yield
    except Exception as error:
        sentence, code = explain(error)
        raise (AirflowFailException if code == USER_MISTAKE else AirflowException)(sentence) from None


def source() -> DltSource:
    """The source, with the credentials of the moment."""
    with told_in_a_sentence():
        return wootric_source()


with DAG(
    "wootric",
    schedule="5 * * * *",
    start_date=FIRST_MONTH,
    catchup=False,
    max_active_runs=1,
    default_args=RETRIES,
) as hourly:
    # Before the pipeline, which takes its folder from it.
    tables = PipelineTasksGroup("wootric_pipeline")
    pipeline = dlt.pipeline("wootric_pipeline")
    tables.add_run(pipeline, source, decompose="none")
    # A folder is made each time that Airflow reads this file. The task makes its own.
    shutil.rmtree(Path(pipeline.pipelines_dir).parent)

with DAG(
    "wootric_months",
    # "@monthly" would have an interval without width, which is refused.
    schedule=CronDataIntervalTimetable("0 0 1 * *", timezone="UTC"),
    start_date=FIRST_MONTH,
    catchup=True,
    max_active_runs=1,
    default_args=RETRIES,
) as monthly:

    @task
    def load_month(*, data_interval_start: datetime, data_interval_end: datetime) -> dict[str, int]:
        """Loads what was updated in the month; the rows of each table."""
        with told_in_a_sentence():
            return dict(load_range(data_interval_start, data_interval_end).rows)

    load_month()
