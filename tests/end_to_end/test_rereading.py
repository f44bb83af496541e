"""Weeks of runs into DuckDB, over a list that ignores `updated`."""

import random

import dlt
import pytest
from dlt import Pipeline

from tests.conftest import Serve
from tests.rereading import live, old_account


def test_weeks_of_runs_leave_no_row_staler_than_its_age_allows(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    def to() -> Pipeline:
        return dlt.pipeline("wootric_pipeline", destination="duckdb", dataset_name="wootric")

    account = old_account(random.Random(3))
    ignored = frozenset({"responses"})
    live(account, serve(account, ignores_updated=ignored, ignores_sort_key=ignored), to, monkeypatch)
