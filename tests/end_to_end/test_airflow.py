"""The DAGs of deploy/ load what the account has, in Airflow's own environment. `make test-airflow`: opt in."""

import os
import shutil
import subprocess
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PROJECT, Serve
from tests.monthly import FIRST_MONTHS, MONTHS_LOADED, account_of_months, held, rows_within, told
from tests.tables import expected
from wootric_pipeline.sandbox import SECOND, Account, Sandbox
from wootric_pipeline.tables import TABLES

PYTHON = os.environ.get("WOOTRIC_TEST_AIRFLOW", "")
"""Of the environment with Airflow."""
PROGRAM = Path(__file__).parent / "airflow_runs.py"
WITHOUT_WIDTH = """
from airflow.sdk import DAG
from airflow_dag import FIRST_MONTH, RETRIES, load_month
with DAG("without_width", schedule="@monthly", start_date=FIRST_MONTH, default_args=RETRIES) as dag:
    load_month()
"""

pytestmark = pytest.mark.skipif(not PYTHON, reason="needs Airflow; make test-airflow")


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables of Airflow with a database in a file, no examples, and another DAG beside those of deploy/."""
    home = tmp_path_factory.mktemp("airflow")
    (home / "dags").mkdir()
    shutil.copy(PROJECT / "deploy/airflow_dag.py", home / "dags")
    (home / "dags/without_width.py").write_text(WITHOUT_WIDTH, encoding="utf-8")
    settings = {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    settings |= {"AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags")}
    migrate = [PYTHON, "-m", "airflow", "db", "migrate"]
    subprocess.run(migrate, env={"PATH": os.defpath, "HOME": str(home), **settings}, check=True, stdout=subprocess.PIPE)
    return settings


@pytest.fixture
def account() -> Account:
    return account_of_months()


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def runs(what: str, folder: Path, sandbox: Sandbox, airflow: dict[str, str]) -> list[Any]:
    return told(PYTHON, PROGRAM, what, folder, sandbox, code=Path(airflow["AIRFLOW__CORE__DAGS_FOLDER"]), **airflow)


def test_hourly_runs_load_all_and_then_what_is_new(
    account: Account, serve: Serve, tmp_path: Path, airflow: dict[str, str]
) -> None:
    sandbox = serve(account)
    assert [run["state"] for run in runs("hourly", tmp_path, sandbox, airflow)] == ["success"]
    for table in TABLES:
        assert held(tmp_path / "surveys.duckdb", table) == expected(account, table)
    account.change("responses", min(account.rows["responses"]), int(FIRST_MONTHS[-1].timestamp()) * SECOND, score=1)
    assert [run["state"] for run in runs("hourly", tmp_path, sandbox, airflow)] == ["success"] * 2
    for table in TABLES:
        assert held(tmp_path / "surveys.duckdb", table) == expected(account, table)
    # An empty folder for each process that has run a task, and none for those that have read the file.
    left = [path for path in (tmp_path / "tmp").glob("dlt_*/**/*") if path.name != "pipelines"]
    assert left == []
    assert len(list((tmp_path / "tmp").glob("dlt_*"))) <= 2


def test_three_months_have_no_gap_and_no_overlap(
    account: Account, serve: Serve, tmp_path: Path, airflow: dict[str, str]
) -> None:
    found = runs("months", tmp_path, serve(account), airflow)
    assert [run["state"] for run in found] == ["success"] * MONTHS_LOADED
    assert [(moment(run["start"]), moment(run["end"])) for run in found] == list(pairwise(FIRST_MONTHS))[:MONTHS_LOADED]
    assert [run["rows"] for run in found] == [dict.fromkeys(TABLES, 3)] * MONTHS_LOADED
    for table in TABLES:
        within = rows_within(account, table, FIRST_MONTHS[0], FIRST_MONTHS[MONTHS_LOADED])
        assert held(tmp_path / "surveys.duckdb", table) == within


def test_an_interval_without_width_fails(
    account: Account, serve: Serve, tmp_path: Path, airflow: dict[str, str]
) -> None:
    (found,) = runs("without_width", tmp_path, serve(account), airflow)
    assert found["start"] == found["end"]
    assert found["state"] == "failed"
    assert found["rows"] is None
    assert not (tmp_path / "surveys.duckdb").exists()
