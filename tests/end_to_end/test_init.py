"""`dlt init` makes a project of this repository that loads an account."""

import json
import sys
from pathlib import Path

import pytest

from tests.conftest import NOON, Serve, row
from tests.repository import configure, initialised, run
from tests.script import TABLE_NAMES, Project, expected
from wootric_pipeline.sandbox import Account, DemoAccount

IMPORTED = """
import pathlib, sys, wootric_pipeline
folder = pathlib.Path(wootric_pipeline.__file__).parent
for module in list(sys.modules.values()):
    if (getattr(module, "__file__", None) or "").startswith(str(folder)):
        print(pathlib.Path(module.__file__).relative_to(folder))
"""
DELTA_ROWS = """
import json, sys
from deltalake import DeltaTable
table = DeltaTable(sys.argv[1]).to_pyarrow_table(columns=["id", "updated_at"])
print(json.dumps([[row["id"], int(row["updated_at"].timestamp())] for row in table.to_pylist()]))
"""


@pytest.fixture
def created(tmp_path: Path) -> Project:
    """The project `dlt init` makes of it in an empty folder."""
    return initialised(tmp_path, "duckdb")


def test_an_initialised_project_loads_the_account(created: Project, serve: Serve) -> None:
    account = Account()
    for table in TABLE_NAMES:
        account.fill(table, [row(each, NOON + each) for each in range(120)])
    account.put("responses", row(500, NOON, tags=["pricing"]))
    configure(created, serve(account).url)
    outcome = created.run_anew()
    assert outcome.code == 0, outcome.stderr
    assert "wootric_pipeline" in outcome.stdout
    for table in TABLE_NAMES:
        assert created.held(table) == expected(account, table)
    tags = (
        "SELECT id, value FROM wootric.responses JOIN wootric.responses__tags t ON _dlt_parent_id = responses._dlt_id"
    )
    assert created.ask(tags) == [(500, "pricing")]


@pytest.mark.slow
def test_placeholders_that_are_left_are_not_sent(created: Project, serve: Serve) -> None:
    sandbox = serve(Account())
    configure(created, sandbox.url)
    assert created.run_anew().code == 0
    assert (sandbox.requests[0].path, sandbox.requests[0].params) == ("/oauth/token", {})


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """What of the package is imported with the source."""
    # In a folder without a package of that name.
    elsewhere = Project(tmp_path_factory.mktemp("elsewhere"))
    return set(elsewhere.python("-c", IMPORTED).stdout.split())


@pytest.mark.slow
@pytest.mark.parametrize("destination", ["duckdb", "postgres", "filesystem"])
def test_an_initialised_project_has_what_it_needs_and_nothing_else(
    tmp_path: Path, imported: set[str], destination: str
) -> None:
    created = initialised(tmp_path, destination)
    made = [file for file in (created.folder / "wootric").rglob("*") if not file.is_dir()]
    assert {str(file.relative_to(created.folder / "wootric")) for file in made} == imported
    assert not any(file.is_symlink() for file in made)
    assert f"destination='{destination}'" in created.script.read_text()
    lines = (created.folder / "requirements.txt").read_text().splitlines()
    assert {line.split("<")[0].split(">")[0] for line in lines} == {
        f"dlt[{destination}]", "requests", "pyarrow", "sqlglot", "duckdb", "deltalake",
    }  # fmt: skip


@pytest.mark.slow
def test_what_dlt_init_requires_is_enough_for_delta_tables(serve: Serve, tmp_path: Path) -> None:
    account = DemoAccount(NOON, end_users=30, responses=90, declines=20)
    project = initialised(tmp_path, "filesystem")
    configure(project, serve(account).url, bucket_url=(tmp_path / "lake").as_uri())
    python = project.folder / ".venv/bin/python"
    for words in ([sys.executable, "-m", "venv", ".venv"], [python, "-m", "pip", "install", "-r", "requirements.txt"]):
        made = run(project.folder, *words)
        assert made.code == 0, made.stderr
    outcome = run(project.folder, python, project.script)
    assert outcome.code == 0, outcome.stderr
    for table in TABLE_NAMES:
        rows = json.loads(run(project.folder, python, "-c", DELTA_ROWS, tmp_path / "lake/wootric" / table).stdout)
        assert sorted(map(tuple, rows)) == sorted(expected(account, table).items())
