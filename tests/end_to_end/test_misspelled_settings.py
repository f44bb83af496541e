"""Settings that nobody would read are refused before anything is: what they were to leave out would be loaded."""

import json
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.script import Outcome, Project, project_for
from wootric_pipeline.sandbox import Account, Sandbox

USER_MISTAKE = 2
PIPELINE = "pipelines.wootric_pipeline"
SOURCE = """
import dlt
from wootric_pipeline import wootric_source
wootric_source()
"""


@pytest.fixture
def sandbox(serve: Serve) -> Sandbox:
    return serve(Account())


@pytest.fixture
def project(sandbox: Sandbox, tmp_path: Path) -> Project:
    return project_for(sandbox, tmp_path)


def assert_is_refused(outcome: Outcome, sandbox: Sandbox, sentence: str) -> None:
    assert (outcome.code, outcome.sentence, outcome.stdout) == (USER_MISTAKE, sentence, "")
    assert sandbox.requests == []


@pytest.mark.parametrize("file", ["config.toml", "secrets.toml"])
@pytest.mark.parametrize(
    ("section", "name", "rest"),
    [
        ("sources.wootric", "exclude_column", "the nearest is exclude_columns."),
        ("sources.wootric", "start_dat", "the nearest is start_date."),
        ("sources.wootric", "hash_column", "the nearest is hash_columns."),
        ("sources", "hash_normalised_emails", "the nearest is hash_normalized_emails under [sources.wootric]."),
        ("sources.wootric", "Exclude-Columns", "the nearest is exclude_columns."),
        ("sources.wootric.wootric", "exclude_column", "the nearest is exclude_columns under [sources.wootric]."),
        (
            "wootric_pipeline.sources.wootric",
            "exclude_column",
            "the nearest is exclude_columns under [sources.wootric].",
        ),
        ("sources.wootric.responses", "exclude_columns", "the nearest is exclude_columns under [sources.wootric]."),
        ("source.wootric", "exclude_columns", "the nearest is exclude_columns under [sources.wootric]."),
        ("source.wootric", "exclude_column", "the nearest is exclude_columns under [sources.wootric]."),
        ("Sources.Wootric", "exclude_columns", "the nearest is exclude_columns under [sources.wootric]."),
        ("sources.wotric", "start_date", "the nearest is start_date under [sources.wootric]."),
        ("sources.wootrick", "exclude_columns", "the nearest is exclude_columns under [sources.wootric]."),
        ("source", "exclude_columns", "the nearest is exclude_columns under [sources.wootric]."),
        ("sources.wootric_pipeline", "start_date", "the nearest is start_date under [sources.wootric]."),
        ("sources", "exclude_column", "the nearest is exclude_columns under [sources.wootric]."),
        ("pipelines.other", "exclude_columns", "the nearest is exclude_columns under [sources.wootric]."),
        ("pipelines.other", "stalenes", "the nearest is staleness under [sources.wootric]."),
        ("sources.wootric", "rescan_days", "the nearest is staleness."),
        ("destinations.duckdb", "credentials", "the nearest is credentials under [destination.duckdb]."),
        ("destination.duckdb", "credential", "the nearest is credentials."),
        ("wootric", "start_date", "the nearest is start_date under [sources.wootric]."),
        (PIPELINE, "start_date", "the nearest is start_date under [sources.wootric]."),
        (PIPELINE, "exclude_column", "the nearest is exclude_columns under [sources.wootric]."),
        (PIPELINE, "dataset", "the nearest is dataset_name."),
        (f"{PIPELINE}.sources.wootric", "start_date", "the nearest is start_date under [sources.wootric]."),
        (
            "pipeline.wootric_pipeline",
            "dataset_name",
            "the nearest is dataset_name under [pipelines.wootric_pipeline].",
        ),
    ],
)
def test_a_misspelled_setting_in_a_file_is_refused(
    project: Project, sandbox: Sandbox, file: str, section: str, name: str, rest: str
) -> None:
    project.write(f".dlt/{file}", f'[{section}]\n{name} = "2024-01-01"\n')
    sentence = f"There is no setting {name} under [{section}]; {rest}"
    assert_is_refused(project.run(), sandbox, sentence)


@pytest.mark.parametrize("words", [[], ["--check"]])
@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("SOURCES__WOOTRIC__EXCLUDE_COLUMN", "SOURCES__WOOTRIC__EXCLUDE_COLUMNS"),
        ("SOURCES__WOOTRIC__START_DAT", "SOURCES__WOOTRIC__START_DATE"),
        ("SOURCES__WOOTRIC__CHECKPOINT_MINUTE", "SOURCES__WOOTRIC__CHECKPOINT_MINUTES"),
        ("SOURCES__WOOTRIC__RESPONSE__MAX_TABLE_NESTING", "SOURCES__WOOTRIC__RESPONSES__MAX_TABLE_NESTING"),
        ("EXCLUDE_COLUMN", "SOURCES__WOOTRIC__EXCLUDE_COLUMNS"),
        ("DESTINATION__DUCKDB__CREDENTIAL", "DESTINATION__DUCKDB__CREDENTIALS"),
        ("SOURCE__WOOTRIC__START_DATE", "SOURCES__WOOTRIC__START_DATE"),
        ("SOURCES_WOOTRIC_START_DATE", "SOURCES__WOOTRIC__START_DATE"),
        ("sources__wootric__start_date", "SOURCES__WOOTRIC__START_DATE"),
        ("PIPELINES__WOOTRIC_PIPELINE__START_DATE", "SOURCES__WOOTRIC__START_DATE"),
    ],
)
def test_a_misspelled_variable_is_refused(
    project: Project, sandbox: Sandbox, words: list[str], name: str, nearest: str
) -> None:
    outcome = project.run(*words, **{name: "2024-01-01"})
    assert_is_refused(outcome, sandbox, f"There is no setting {name}; the nearest is {nearest}.")


def test_a_misspelled_setting_outside_all_sections_is_refused(project: Project, sandbox: Sandbox) -> None:
    project.write(".dlt/config.toml", 'exclude_colums = "end_users.email"\n')
    sentence = "There is no setting exclude_colums; the nearest is exclude_columns under [sources.wootric]."
    assert_is_refused(project.run(), sandbox, sentence)


def test_a_setting_that_is_near_none_is_told_with_all_there_are(project: Project, sandbox: Sandbox) -> None:
    outcome = project.run(SOURCES__WOOTRIC__ZZZ="a secret value")
    assert_is_refused(
        outcome,
        sandbox,
        "There is no setting SOURCES__WOOTRIC__ZZZ; choose from account_token, base_url, checkpoint_minutes, "
        "client_id, client_secret, connections, counting, daily_history_requests_max, deleted, deleted_requests_max, "
        "exclude_columns, files, hash_columns, hash_key, hash_normalized_emails, keep_runs, last_responses_max, "
        "lookback_seconds, marts, notify_url, password, properties, region, repair_requests_max, staleness, "
        "staleness_days_max, start_date, surveys, tables, time_zone, username, verify_after_load.",
    )


def test_an_end_date_is_no_setting(project: Project, sandbox: Sandbox) -> None:
    outcome = project.run(SOURCES__WOOTRIC__END_DATE="2024-02-01", SOURCES__WOOTRIC__START_DATE="2024-01-01")
    assert outcome.code == 2
    assert outcome.sentence.startswith("There is no setting SOURCES__WOOTRIC__END_DATE; choose from ")
    assert not sandbox.requests


def test_what_is_written_for_a_name_never_controls_the_terminal(project: Project, sandbox: Sandbox) -> None:
    project.write(".dlt/config.toml", '[sources.wootric]\n"start_dat\\u001b[2J\\n" = "2024-01-01"\n')
    sentence = "There is no setting start_dat?[2J? under [sources.wootric]; the nearest is start_date."
    assert_is_refused(project.run(), sandbox, sentence)


WHAT_DLT_KNOWS = """\
excluded_columns = ["of sql_table"]
start_dat = "of anybody"
staleness_days_max = 90
[sources.wootric]
max_table_nesting = 5
schema_contract = { columns = "evolve" }
[sources.wootric.schema]
naming = "snake_case"
[sources.wootric.data_writer]
buffer_max_items = 100
[sources.wootric.extract]
workers = 3
[sources.wootric.wootric]
lookback_seconds = 100
[sources.wootric.responses]
max_table_nesting = 5
[sources.wootric.responses.updated_at]
lag = 0
[sources.wootric_eu]
client_id = "of a clone"
[sources.wootric.eu]
client_id = "of a clone"
[sources.wootric2]
client_id = "of another clone"
[source]
start_date = "of anybody"
[sources.other]
start_dat = "of another source"
[sources.data_writer]
file_max_items = 1000
[pipelines.wootric_pipeline]
dataset_name = "surveys"
restore_from_destination = true
[pipelines.wootric_pipeline.runtime]
intercept_signals = true
[pipelines.other]
start_date = "of another pipeline"
[wootric_pipeline.sources.wootric]
connections = 2
[destination.postgres]
credential = "of another destination"
[destination.wootric]
credentials = "of a destination of that name"
"""


def test_what_dlt_knows_is_not_refused(project: Project) -> None:
    project.write(".dlt/config.toml", WHAT_DLT_KNOWS)
    outcome = project.run(SOURCES__WOOTRIC__DECLINES__MAX_TABLE_NESTING="2", RUNTIME__LOG_LEVEL="CRITICAL")
    assert (outcome.code, outcome.stderr) == (0, "")


@pytest.mark.parametrize("name", ["EXCLUDE_COLUMN", "START_DAT"])
def test_the_source_by_itself_refuses_a_misspelled_setting(project: Project, name: str) -> None:
    outcome = project.python("-c", SOURCE, **{f"SOURCES__WOOTRIC__{name}": "2024-01-01"})
    assert outcome.code == 1
    assert f"ConfigurationError: There is no setting SOURCES__WOOTRIC__{name}; the nearest is" in outcome.stderr


@pytest.mark.parametrize(
    ("text", "told", "nearest"),
    [
        (
            '[sources.wootric.acme.sources.wootric]\nexclude_columns = ["personal"]',
            "exclude_columns under [sources.wootric.acme.sources.wootric]",
            "exclude_columns under [sources.wootric.acme]",
        ),
        (
            '[sources.wootric.marts]\nclient_id = "x"',
            "client_id under [sources.wootric.marts]",
            "client_id under [sources.wootric]",
        ),
        (
            '[sources.wootric.acme]\nregoin = "eu"',
            "regoin under [sources.wootric.acme]",
            "region",
        ),
    ],
)
def test_nothing_looks_deeper_than_an_account(
    project: Project, sandbox: Sandbox, text: str, told: str, nearest: str
) -> None:
    project.write(".dlt/config.toml", f"{text}\n")
    assert_is_refused(project.run(), sandbox, f"There is no setting {told}; the nearest is {nearest}.")


@pytest.mark.slow
def test_a_misspelled_setting_of_an_account_stops_that_one_alone(project: Project) -> None:
    text = '[sources.wootric.acme]\nstart_date = "2015-01-01"\n[sources.wootric.bad]\nregoin = "eu"\n'
    project.write(".dlt/config.toml", f"{text}surveys = {{11 = 'nps'}}\n")
    assert project.run("--account", "acme").code == 0
    refused = "There is no setting regoin under [sources.wootric.bad]; the nearest is region."
    outcome = project.run("--accounts", "all", "--json")
    first, second = json.loads(outcome.stdout)
    assert (outcome.code, first["ok"], second["error"]) == (2, True, refused)
