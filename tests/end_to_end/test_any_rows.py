"""Rows of any JSON come out of DuckDB as they went in."""

from itertools import count
from typing import Any

import dlt
import duckdb
import pytest
from hypothesis import HealthCheck, given, settings

from tests.any_rows import ROWS, assert_loaded_as_they_are
from tests.conftest import Serve

NAMES = count()


@pytest.mark.slow
@settings(deadline=None, max_examples=8, suppress_health_check=list(HealthCheck))
@given(rows=ROWS)
def test_properties_of_any_json_are_loaded_as_they_are(serve: Serve, rows: list[dict[str, Any]]) -> None:
    name = f"wootric_{next(NAMES)}"
    with duckdb.connect(f"{name}.duckdb"):
        pipeline = dlt.pipeline(name, destination="duckdb", dataset_name="wootric")
        assert_loaded_as_they_are(pipeline, serve, rows)
