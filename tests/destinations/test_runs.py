"""What the runs did is kept, and told again, at every kind of destination."""

from pathlib import Path

import pytest

from tests.conftest import NOON, Serve, Servers, row
from tests.destinations.test_destination_failures import postgres
from tests.destinations.test_destinations import configuration
from tests.script import TABLE_NAMES, project_for
from wootric_pipeline.sandbox import Account

PLACES = ["sqlite", "file-delta", "file-iceberg", "file-parquet", "file-jsonl"]
KINDS = {"sqlite": "sqlalchemy", "file": "filesystem"}


@pytest.mark.slow
@pytest.mark.parametrize("place", [*PLACES, pytest.param("postgres", marks=postgres)])
def test_the_status_is_told_by_each_destination(place: str, serve: Serve, servers: Servers, tmp_path: Path) -> None:
    account = Account()
    account.put("responses", row(1))
    kind = place.partition("-")[0]
    settings = configuration(place, servers, tmp_path) | {
        "DESTINATION_TYPE": KINDS.get(kind, kind), "DATASET_NAME": "runs_" + tmp_path.name
    }  # fmt: skip
    project = project_for(serve(account), tmp_path / "project", tables=",".join(TABLE_NAMES))
    assert project.run("--status", **settings).stdout.startswith("No run is noted")
    assert project.run(**settings).code == 0
    account.put("responses", row(2, NOON + 60))
    assert project.run("--tables", "responses", **settings).code == 0
    assert project.run(SOURCES__WOOTRIC__CLIENT_SECRET="wrong", **settings).code == 2

    # As from another machine.
    report = project.run("--status", "--json", DLT_DATA_DIR=str(tmp_path / "other"), **settings).report
    told = [(run["table_name"], run["complete"], run["rows"], bool(run["error"])) for run in report["runs"]]
    assert told == [
        *((name, False, 0, True) for name in TABLE_NAMES),
        ("responses", True, 1, False),
        *((name, True, int(name == "responses"), False) for name in TABLE_NAMES),
    ]
    starts = sorted({run["started_at"] for run in report["runs"]}, reverse=True)
    last_complete = {name: each["last_complete_at"] for name, each in report["tables"].items()}
    assert last_complete == {"end_users": starts[2], "responses": starts[1], "declines": starts[2]}
    assert report["tables"]["responses"]["cursor"] == "2023-11-14T22:14:20Z"


def test_a_folder_that_was_tried_in_vain_leaves_a_database_its_status(serve: Serve, tmp_path: Path) -> None:
    account = Account()
    account.put("responses", row(1))
    project = project_for(serve(account), tmp_path / "project", tables="responses")
    assert project.run().code == 0
    (tmp_path / "file").write_text("no folder")
    tried = project.run("--destination", "filesystem", DESTINATION__FILESYSTEM__BUCKET_URL=f"file://{tmp_path}/file")
    assert tried.code == 2
    assert project.run().code == 0
    status = project.run("--status", "--json")
    assert (status.code, status.stderr) == (0, "")
    assert status.report["runs"][0]["complete"]
