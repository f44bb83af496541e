"""Weeks of runs into DuckDB, over a list that ignores `updated`."""

import random
from pathlib import Path

import dlt
import pytest
from dlt import Pipeline

from tests.conftest import Serve
from tests.rereading import live, old_account
from tests.script import project_for
from wootric_pipeline.sandbox import Account


@pytest.mark.slow
def test_weeks_of_runs_leave_no_row_staler_than_its_age_allows(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    def to() -> Pipeline:
        return dlt.pipeline("wootric_pipeline", destination="duckdb", dataset_name="wootric")

    account = old_account(random.Random(3))
    ignored = frozenset({"responses"})
    live(account, serve(account, ignores_updated=ignored, ignores_sort_key=ignored), to, monkeypatch)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("staleness", "-0.1", "staleness must be 0 or more."),
        ("staleness", "nan", "staleness must be a finite number."),
        ("staleness", "inf", "staleness must be a finite number."),
        ("staleness_days_max", "0", "staleness_days_max must be more than 0."),
        ("staleness_days_max", "-3", "staleness_days_max must be more than 0."),
        ("staleness_days_max", "nan", "staleness_days_max must be a finite number."),
        ("last_responses_max", "-1", "last_responses_max must be 0 or more."),
    ],
)
def test_a_number_that_makes_no_sense_is_refused(
    serve: Serve, tmp_path: Path, name: str, value: str, sentence: str
) -> None:
    sandbox = serve(Account())
    outcome = project_for(sandbox, tmp_path).run(**{f"SOURCES__WOOTRIC__{name.upper()}": value})
    assert (outcome.code, outcome.stderr.strip(), sandbox.requests) == (2, sentence, [])
