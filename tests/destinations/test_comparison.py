"""Wootric's own figures are compared at every kind of destination that can be read."""

import time
from pathlib import Path

import pytest

from tests.conftest import Serve, Servers
from tests.destinations.test_destination_failures import postgres
from tests.destinations.test_destinations import configuration
from tests.overviews import surveyed
from tests.script import project_for
from wootric_pipeline.sandbox import SECOND

PLACES = ["sqlite", "file-delta", "file-iceberg", "file-jsonl"]
KINDS = {"sqlite": "sqlalchemy", "file": "filesystem"}


@pytest.mark.slow
@pytest.mark.parametrize("place", [*PLACES, pytest.param("postgres", marks=postgres)])
def test_figures_are_compared(place: str, serve: Serve, servers: Servers, tmp_path: Path) -> None:
    account = surveyed(90)
    hidden = next(row for row in account.rows["responses"].values() if row["id"] > 300 and row["id"] % 4)
    sandbox = serve(account, unlisted={"responses": (hidden["id"],)})
    kind = place.partition("-")[0]
    settings = configuration(place, servers, tmp_path) | {
        "DESTINATION_TYPE": KINDS.get(kind, kind), "DATASET_NAME": "compare_" + tmp_path.name
    }  # fmt: skip
    project = project_for(sandbox, tmp_path / "project", tables="responses")
    assert project.run(**settings).code == 0
    found = project.run("--verify", "--json", **settings)
    comparison = found.report["comparison"]
    assert (found.code, comparison["verdict"], comparison["difference"]) == (1, "differs", 1)

    sandbox.behaviour.unlisted = {}
    assert project.run("--full-refresh", "--yes", **settings).code == 0
    # Another version of some rows, where files keep all of them.
    for row_id in list(account.rows["responses"])[-20:]:
        account.change("responses", row_id, int(time.time()) * SECOND, score=0)
    assert project.run(**settings).code == 0
    found = project.run("--verify", "--json", **settings)
    assert (found.code, found.report["comparison"]["verdict"], found.report["comparison"]["requests"]) == (
        0,
        "equal",
        6,
    )
    # And where persons' latest answers are looked at.
    sandbox.behaviour.counts_excluded, sandbox.behaviour.counts_last_day = True, False
    found = project.run("--verify", "--json", SOURCES__WOOTRIC__COUNTING="latest", **settings)
    assert found.code == 0, found
    assert found.report["comparison"]["counting"] == ["excluded", "last_day_out"]
