"""What is missing is found, and fetched, at every kind of destination that can be read."""

from pathlib import Path

import pytest

from tests.conftest import Serve, Servers, row
from tests.destinations.test_destination_failures import postgres
from tests.destinations.test_destinations import configuration
from tests.script import project_for
from wootric_pipeline.sandbox import Account

PLACES = ["sqlite", "file-delta", "file-iceberg", "file-jsonl"]
KINDS = {"sqlite": "sqlalchemy", "file": "filesystem"}


@pytest.mark.slow
@pytest.mark.parametrize("place", [*PLACES, pytest.param("postgres", marks=postgres)])
def test_what_is_missing_is_fetched(place: str, serve: Serve, servers: Servers, tmp_path: Path) -> None:
    account = Account()
    for number in (1, 2):
        account.put("end_users", row(number, last_response={"id": 10 + number, "score": number, "text": "t"}))
        account.put("responses", row(10 + number, end_user_id=number, score=number, text="t"))
    sandbox = serve(account, unlisted={"end_users": (1,), "responses": (12,)})
    kind = place.partition("-")[0]
    settings = configuration(place, servers, tmp_path) | {
        "DESTINATION_TYPE": KINDS.get(kind, kind), "DATASET_NAME": "verify_" + tmp_path.name
    }  # fmt: skip
    project = project_for(sandbox, tmp_path / "project")
    lists = ("--tables", "end_users,responses,declines")
    assert project.run(*lists, **settings).code == 0

    found = project.run("--verify", "--json", **settings)
    assert found.code == 1
    assert {name: each["missing_ids"] for name, each in found.report["verified"].items()} == {
        "end_users": [1],
        "responses": [12],
    }
    assert project.run("--repair", **settings).code == 0
    # As from another machine.
    again = project.run("--verify", "--json", DLT_DATA_DIR=str(tmp_path / "other"), **settings)
    assert (again.code, again.report["ok"]) == (0, True)
    assert len(again.report["unchecked"]) == (place == "file-jsonl")
