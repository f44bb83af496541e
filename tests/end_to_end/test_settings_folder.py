"""`.dlt` is looked for where dlt looks, and credentials that are missing are told with the folder."""

from pathlib import Path

import pytest

from tests.conftest import Serve, first
from tests.script import SCRIPT, Project, project_for
from wootric_pipeline.sandbox import CLIENT_ID, CLIENT_SECRET, Account

USER_MISTAKE = 2
SCRIPT_WORDS = (str(SCRIPT),)
MODULE_WORDS = ("-m", "wootric_pipeline")
SOURCE = """
import dlt
from wootric_pipeline import wootric_source
dlt.pipeline("surveys", destination="duckdb").run(wootric_source())
"""


def sentence(folder: Path) -> str:
    return (
        "Set client_id and client_secret, or username and password, under [sources.wootric] in secrets.toml, which was "
        f"looked for in {folder}, or as SOURCES__WOOTRIC__CLIENT_ID and so on in the environment."
    )


@pytest.mark.parametrize("words", [SCRIPT_WORDS, MODULE_WORDS], ids=["script", "module"])
def test_the_folder_belongs_to_where_the_command_is_started(
    words: tuple[str, ...], serve: Serve, tmp_path: Path
) -> None:
    here, elsewhere = Project(tmp_path / "here"), Project(tmp_path / "elsewhere")
    elsewhere.folder.mkdir()
    here.write(".dlt/config.toml", f'[sources.wootric]\nbase_url = "{serve(Account()).url}"\n')
    here.write(
        ".dlt/secrets.toml", f'[sources.wootric]\nclient_id = "{CLIENT_ID}"\nclient_secret = "{CLIENT_SECRET}"\n'
    )
    outcome = here.python(*words, "--check")
    assert (outcome.code, outcome.stderr) == (0, "")
    outcome = elsewhere.python(*words, "--check")
    assert (outcome.code, outcome.stdout) == (USER_MISTAKE, "")
    assert outcome.sentence == sentence(elsewhere.folder / ".dlt")


def test_a_folder_without_credentials_is_named(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("settings/.dlt/secrets.toml", '[sources.wootric]\nclient_id = "<configure me>"\n')
    outcome = project.run(DLT_PROJECT_DIR="settings")
    assert (outcome.code, outcome.stdout) == (USER_MISTAKE, "")
    assert outcome.sentence == sentence(tmp_path / "settings/.dlt")


def test_the_source_by_itself_names_the_folder(tmp_path: Path) -> None:
    outcome = Project(tmp_path).python("-c", SOURCE)
    assert outcome.stderr.splitlines()[-1].endswith(f"ConfigurationError: {sentence(tmp_path / '.dlt')}")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("o'neil", []),
        ("env=prod", ["--check"]),
        *first(
            ("50% off", ["--demo"]),
            ("env=prod", []),
            ("50% off", []),
            ("o'neil", ["--check"]),
            ("50% off", ["--check"]),
            ("o'neil", ["--demo"]),
            ("env=prod", ["--demo"]),
        ),
    ],
)
def test_a_folder_that_dlt_cannot_work_in_is_told_and_another_can_be_set(
    name: str, words: list[str], serve: Serve, tmp_path: Path
) -> None:
    project = project_for(serve(Account()), tmp_path / name)
    outcome = project.run(*words)
    working_folder = tmp_path / name / "dlt/pipelines" / ("wootric_demo" if words == ["--demo"] else "wootric_pipeline")
    assert (outcome.code, outcome.stdout, outcome.sentence) == (
        USER_MISTAKE,
        "",
        f"dlt cannot work in {working_folder}, because of a character in its name; set another folder in DLT_DATA_DIR.",
    )
    if words != ["--demo"]:
        only = [] if words else ["--tables", "responses"]
        outcome = project.run(*words, *only, DLT_DATA_DIR=str(tmp_path / "dlt"))
        assert (outcome.code, outcome.stderr) == (0, "")


@pytest.mark.parametrize("name", first("o'neil", "env=prod"))
def test_a_folder_that_only_duckdb_cannot_read_from_serves_other_destinations(
    name: str, serve: Serve, tmp_path: Path
) -> None:
    project = project_for(serve(Account()), tmp_path / name, files="jsonl")
    words = ("--destination", "filesystem", "--tables", "responses")
    outcome = project.run(*words, DESTINATION__FILESYSTEM__BUCKET_URL=str(tmp_path / "bucket"))
    assert (outcome.code, outcome.stderr) == (0, "")
