"""Weeks of runs into PostgreSQL, over a list that ignores `updated`, without a working folder that stays."""

import random
import shutil
from pathlib import Path

import dlt
import pytest
from dlt import Pipeline

from tests.conftest import Serve, Servers
from tests.destinations.test_swapping import new_database
from tests.rereading import live, old_account


@pytest.mark.slow
@pytest.mark.xdist_group("postgres")
def test_weeks_of_runs_leave_no_row_staler_than_its_age_allows(
    serve: Serve, servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", new_database(servers, "rereading"))

    def to() -> Pipeline:
        # Each run may be on another machine: the state comes from the database.
        shutil.rmtree(tmp_path / "dlt", ignore_errors=True)
        pipeline = dlt.pipeline("wootric_pipeline", destination="postgres", dataset_name="wootric")
        pipeline.sync_destination()
        return pipeline

    account = old_account(random.Random(3))
    ignored = frozenset({"responses"})
    live(account, serve(account, ignores_updated=ignored, ignores_sort_key=ignored), to, monkeypatch)
