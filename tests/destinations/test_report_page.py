"""The report page at each kind of destination: it says the same as that of DuckDB."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from dlt.pipeline.pipeline import Pipeline

from tests.conftest import NOON, Serve
from tests.destinations.test_destinations import GROUPS, destination, pipeline_to, run  # noqa: F401  # a fixture
from wootric_pipeline.command.report_page import read, write_page
from wootric_pipeline.command.run import Run
from wootric_pipeline.insight.page.document import document
from wootric_pipeline.insight.page.figures import Wanted
from wootric_pipeline.sandbox import DemoAccount

WANTED = Wanted(date(2022, 11, 15), date(2023, 11, 14), segments=["plan", "seats"], comments=5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "destination",
    [
        pytest.param(place, marks=GROUPS.get(place, pytest.mark.xdist_group(place)))
        for place in ("postgres", "ducklake", "file-delta", "file-iceberg")
    ],
    indirect=True,
)
def test_the_page_says_the_same_everywhere(
    destination: str,  # noqa: F811
    serve: Serve,
    pipeline: Pipeline,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOURCES__WOOTRIC__TIME_ZONE", "America/Los_Angeles")
    monkeypatch.setenv("SOURCES__WOOTRIC__SURVEYS", '{"11": "nps", "12": "nps", "13": "csat"}')
    account = DemoAccount(NOON, end_users=60, responses=600, declines=150)
    sandbox = serve(account)
    run(pipeline, sandbox)
    write_page(pipeline, Run(), WANTED, "duckdb.html")
    here = read(pipeline, WANTED)
    assert here.now.counts.has_point
    assert [each.name for each in here.dimensions] == ["plan", "seats"]
    assert len(here.comments) == 5

    other = pipeline_to(destination, "page")
    run(other, sandbox)
    write_page(other, Run(), WANTED, "other.html")
    there = read(other, WANTED)
    assert replace(there, known=here.known) == here
    assert Path("other.html").read_text("utf-8") == document(there)
