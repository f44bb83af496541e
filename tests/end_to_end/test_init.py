"""`dlt init` makes a project of this repository that loads an account."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import NOON, PROJECT, Serve, row
from tests.script import TABLE_NAMES, Project, expected
from wootric_pipeline.sandbox import CLIENT_ID, CLIENT_SECRET, Account

COPIED = ("wootric_pipeline", "sources")
IMPORTED = """
import pathlib, sys, wootric_pipeline
folder = pathlib.Path(wootric_pipeline.__file__).parent
for module in list(sys.modules.values()):
    if (getattr(module, "__file__", None) or "").startswith(str(folder)):
        print(pathlib.Path(module.__file__).relative_to(folder))
"""
PLACEHOLDER = '"<configure me>"'


def git(folder: Path, *words: str) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    # Another user's checkout, as in a container, is cloned all the same.
    trust = ["-c", "safe.directory=*"]
    subprocess.run(["git", *identity, *trust, *words], cwd=folder, env=environment, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with the package and the sources as they are in the working tree."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    for name in COPIED:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT / name, folder / name, symlinks=True, ignore=ignored)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "As it is")
    return folder


@pytest.fixture
def created(repository: Path, tmp_path: Path) -> Project:
    """The project `dlt init` makes of it in an empty folder."""
    folder = tmp_path / "created"
    folder.mkdir()
    project = Project(folder)
    del project.environment["PYTHONPATH"]
    project.environment["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    project.environment["PATH"] = os.environ["PATH"]
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(repository), str(clone))
    made = project.python("-m", "dlt", "init", "wootric", "duckdb", "--location", str(clone))
    assert made.code == 0, made.stdout + made.stderr
    project.script = folder / "wootric_pipeline.py"
    return project


def configure(project: Project, base_url: str) -> None:
    """Fills in what a user has to, and leaves the rest as it was made."""
    secrets = (project.folder / ".dlt/secrets.toml").read_text()
    for name, value in (("client_id", CLIENT_ID), ("client_secret", CLIENT_SECRET)):
        assert f"{name} = {PLACEHOLDER}" in secrets
        secrets = secrets.replace(f"{name} = {PLACEHOLDER}", f'{name} = "{value}"')
    project.write(".dlt/secrets.toml", secrets)
    config = (project.folder / ".dlt/config.toml").read_text()
    project.write(".dlt/config.toml", f'{config}\n[sources.wootric]\nbase_url = "{base_url}"\n')


def test_an_initialised_project_loads_the_account(created: Project, serve: Serve) -> None:
    account = Account()
    for table in TABLE_NAMES:
        account.fill(table, [row(each, NOON + each) for each in range(120)])
    account.put("responses", row(500, NOON, tags=["pricing"]))
    configure(created, serve(account).url)
    outcome = created.run()
    assert outcome.code == 0, outcome.stderr
    assert "wootric_pipeline" in outcome.stdout
    for table in TABLE_NAMES:
        assert created.held(table) == expected(account, table)
    tags = (
        "SELECT id, value FROM wootric.responses JOIN wootric.responses__tags t ON _dlt_parent_id = responses._dlt_id"
    )
    assert created.ask(tags) == [(500, "pricing")]


def test_placeholders_that_are_left_are_not_sent(created: Project, serve: Serve) -> None:
    sandbox = serve(Account())
    configure(created, sandbox.url)
    assert created.run().code == 0
    assert (sandbox.requests[0].path, sandbox.requests[0].params) == ("/oauth/token", {})


def test_an_initialised_project_names_what_it_requires(created: Project) -> None:
    lines = (created.folder / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if line.startswith("dlt[duckdb]")]
    assert {line.split("<")[0].split(">")[0] for line in lines} == {
        "dlt[duckdb]", "requests", "pyarrow", "sqlglot", "duckdb",
    }  # fmt: skip


def test_an_initialised_project_has_what_the_source_imports_as_files(created: Project) -> None:
    # In a folder without a package of that name.
    elsewhere = Project(created.folder.parent)
    imported = elsewhere.python("-c", IMPORTED).stdout.split()
    made = [file for file in (created.folder / "wootric").rglob("*.py") if file.is_file()]
    assert {str(file.relative_to(created.folder / "wootric")) for file in made} == set(imported)
    assert not any(file.is_symlink() for file in made)
