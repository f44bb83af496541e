"""The demo's invented rows and real ones never come into one dataset, whatever is configured or lost."""

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.end_to_end.test_script import SMALL_DEMO, small_account
from tests.script import Project, project_for

NOT_THE_DEMOS = "The dataset {} holds tables that are not the demo's; choose another with --dataset."
THE_DEMOS = "The dataset {} holds the demo's invented rows; choose another with --dataset, or drop it."


@pytest.fixture
def real(serve: Serve, tmp_path: Path) -> Project:
    return project_for(serve(small_account()), tmp_path)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_demo_does_not_load_into_a_real_dataset_of_files(real: Project, tmp_path: Path) -> None:
    real.environment["DESTINATION__FILESYSTEM__BUCKET_URL"] = str(tmp_path / "bucket")
    real.environment["SOURCES__WOOTRIC__FILES"] = "jsonl"
    words = ("--destination", "filesystem", "--dataset", "surveys")
    assert real.run(*words).code == 0
    before = files(tmp_path / "bucket")
    for folder in ("none", "wootric_demo"):
        shutil.rmtree(tmp_path / "dlt/pipelines" / folder, ignore_errors=True)
        outcome = real.run("--demo", *words, prelude=SMALL_DEMO)
        assert (outcome.code, outcome.sentence) == (2, NOT_THE_DEMOS.format("surveys"))
    assert files(tmp_path / "bucket") == before
    # Nor the other way round.
    demo = ("--destination", "filesystem", "--dataset", "shown")
    assert real.run("--demo", *demo, prelude=SMALL_DEMO).code == 0
    before = files(tmp_path / "bucket")
    for more in ((), ("--full-refresh",), ("--check",)):
        outcome = real.run(*demo, *more)
        assert (outcome.code, outcome.sentence) == (2, THE_DEMOS.format("shown"))
    assert files(tmp_path / "bucket") == before
    assert real.run("--demo", *demo, prelude=SMALL_DEMO).code == 0


@pytest.mark.parametrize("is_lost", [False, True])
def test_the_demo_does_not_load_into_a_real_dataset_of_a_database(real: Project, tmp_path: Path, is_lost: bool) -> None:
    assert real.run().code == 0
    # As if the real file were the demo's.
    shutil.copy(tmp_path / "wootric_pipeline.duckdb", tmp_path / "wootric_demo.duckdb")
    before = real.loaded("wootric_demo.duckdb")
    if is_lost:
        # And the state were lost as well.
        import duckdb

        with duckdb.connect(str(tmp_path / "wootric_demo.duckdb")) as connection:
            connection.execute("DROP TABLE wootric._dlt_pipeline_state")
    outcome = real.run("--demo", prelude=SMALL_DEMO)
    assert (outcome.code, outcome.sentence) == (2, NOT_THE_DEMOS.format("wootric"))
    assert real.loaded("wootric_demo.duckdb") == before


@pytest.mark.slow
def test_a_real_run_does_not_load_into_the_demos_file(real: Project, tmp_path: Path) -> None:
    assert real.run("--demo", prelude=SMALL_DEMO).code == 0
    before = real.loaded("wootric_demo.duckdb")
    outcome = real.run(DESTINATION__DUCKDB__CREDENTIALS=str(tmp_path / "wootric_demo.duckdb"))
    assert (outcome.code, outcome.sentence) == (2, THE_DEMOS.format("wootric"))
    assert real.loaded("wootric_demo.duckdb") == before


@pytest.mark.slow
def test_a_demo_whose_working_folder_was_lost_loads_anew(tmp_path: Path) -> None:
    project = Project(tmp_path)
    for _ in range(2):
        assert project.run("--demo", prelude=SMALL_DEMO).code == 0
        shutil.rmtree(tmp_path / "dlt")
        held = {table: len(project.held(table, file="wootric_demo.duckdb")) for table in ("responses", "declines")}
        assert held == {"responses": 1_000, "declines": 50}


@pytest.mark.slow
@pytest.mark.parametrize(
    "lines", ["dev_mode = true", "[pipelines.wootric_demo]\ndev_mode = true", 'pipelines_dir = "elsewhere"']
)
def test_settings_of_pipelines_do_not_lead_the_demo_astray(real: Project, tmp_path: Path, lines: str) -> None:
    file = tmp_path / "real.duckdb"
    assert real.run(DESTINATION__DUCKDB__CREDENTIALS=str(file)).code == 0
    before = real.loaded(file.name)
    real.write(".dlt/config.toml", f'{lines}\n[destination.duckdb]\ncredentials = "{file}"\n')
    for _ in range(2):
        assert real.run("--demo", prelude=SMALL_DEMO).code == 0
    assert real.loaded(file.name) == before


MISTAKES = {
    "exclude_column": "x",
    "region": "mars",
    "start_date": "some day",
    "checkpoint_minutes": -1,
    "exclude_columns": "responses",
    "connections": "many",
    "files": "stone",
}


@pytest.mark.slow
@pytest.mark.parametrize("place", ["environment", "bare", "file", "broken file"])
def test_mistakes_in_real_settings_do_not_stop_the_demo(tmp_path: Path, place: str) -> None:
    project = Project(tmp_path)
    if place == "environment":
        project.set(**MISTAKES)
    elif place == "bare":
        project.environment |= {name.upper(): str(value) for name, value in MISTAKES.items()}
    elif place == "file":
        lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in MISTAKES.items())
        project.write(".dlt/secrets.toml", f"{lines}\n[sources.wootric]\n{lines}\n[source.wootric]\n{lines}\n")
    else:
        project.write(".dlt/secrets.toml", "[sources")
    for _ in range(2):
        outcome = project.run("--demo", prelude=SMALL_DEMO)
        assert (outcome.code, outcome.stderr) == (0, "")
    assert project.run("--demo", "--check", prelude=SMALL_DEMO).code == 0
    # It grows as time goes by.
    assert len(project.held("responses", file="wootric_demo.duckdb")) >= 1_000


def test_the_demo_takes_of_settings_what_its_destination_needs(tmp_path: Path) -> None:
    project = Project(tmp_path)
    bucket = tmp_path / "bucket"
    project.write(
        ".dlt/config.toml",
        "start_date = 'some day'\n[sources.wootric]\nexclude_column = 'x'\nregion = 'mars'\nfiles = 'jsonl'\n"
        f"[destination.filesystem]\nbucket_url = '{bucket}'\n",
    )
    for _ in range(2):
        outcome = project.run("--demo", "--destination", "filesystem", prelude=SMALL_DEMO)
        assert (outcome.code, outcome.stderr) == (0, "")
    assert list((bucket / "wootric_demo/responses").glob("*.jsonl*"))
    project.write(".dlt/secrets.toml", "[sources")
    outcome = project.run("--demo", "--destination", "filesystem", prelude=SMALL_DEMO)
    assert (outcome.code, "secrets.toml is not valid TOML" in outcome.sentence) == (2, True)
