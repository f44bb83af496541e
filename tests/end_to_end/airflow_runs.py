"""Runs the DAGs of deploy/ without a scheduler, in Airflow's environment: a program of `test_airflow.py`'s.

It appends a line of JSON to a file for each run: how it ended, of which interval, and what its task has answered.
"""

import json
import sys
from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import airflow_dag
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

MONTHS = 3


def run(dag: DAG, moment: datetime | None = None) -> None:
    ended = dag.test() if moment is None else dag.test(logical_date=moment, run_after=moment)
    (task,) = ended.get_task_instances()
    told = {"state": ended.state, "start": ended.data_interval_start, "end": ended.data_interval_end}
    with Path(sys.argv[2]).open("a", encoding="utf-8") as file:
        print(json.dumps({**told, "rows": task.xcom_pull(task_ids=task.task_id)}, default=str), file=file)


def first_months() -> list[Any]:
    """The intervals of the first runs that a scheduler makes, as it reads the DAG."""
    read = DagSerialization.from_dict(DagSerialization.to_dict(airflow_dag.monthly))
    latest = airflow_dag.FIRST_MONTH.replace(month=airflow_dag.FIRST_MONTH.month + MONTHS)
    due = read.iter_dagrun_infos_between(airflow_dag.FIRST_MONTH, latest)
    return [each.data_interval for each in due][:MONTHS]


def months() -> None:
    for interval in first_months():
        run(airflow_dag.monthly, interval.end)


def without_width() -> None:
    run(import_module("without_width").dag, airflow_dag.FIRST_MONTH)


programs: dict[str, Callable[[], None]] = {
    "hourly": lambda: run(airflow_dag.hourly),
    "months": months,
    "without_width": without_width,
}
programs[sys.argv[1]]()
