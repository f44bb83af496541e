"""`--marts`, and the setting of that name: what the command builds of an account, and what it says where it cannot."""

import re
from datetime import date, datetime, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest

from tests.conftest import NOON, Serve, row
from tests.documents import DOCUMENTS, block
from tests.marts import Row, expected_marts, figures_of, in_order, of_account
from tests.script import DUCKDB_FILE, Project, project_for
from wootric_pipeline.insight.model import models
from wootric_pipeline.sandbox import SECOND, Account, DemoAccount

ZONE = "Australia/Lord_Howe"
SURVEYS: dict[int | None, tuple[str | None, int | None, str]] = {
    11: ("nps", 10, "setting"),
    12: (None, None, "undecided"),
    13: ("ces", 7, "setting"),
}
SHOWN = block("", "mart_nps_periods", "docs/insight.md")
SETTINGS = {"time_zone": ZONE, "surveys": '{"11": "nps", "13": "ces"}'}


def marts(project: Project, file: str = DUCKDB_FILE) -> dict[str, list[Row]]:
    """All rows of all marts."""
    with duckdb.connect(str(project.folder / file), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return {name: rows_of(connection.execute(f"FROM wootric_marts.{name}")) for name in models()}


def rows_of(found: duckdb.DuckDBPyConnection) -> list[Row]:
    head = [column[0] for column in found.description or ()]
    return [dict(zip(head, each, strict=True)) for each in found.fetchall()]


def check(found: dict[str, list[Row]], account: Account) -> None:
    wanted = expected_marts(of_account(account), ZONE, SURVEYS)
    assert {name: in_order(found[name]) for name in wanted} == {name: in_order(rows) for name, rows in wanted.items()}


def test_marts_follow_the_account(serve: Serve, tmp_path: Path) -> None:
    account = DemoAccount(NOON, end_users=60, responses=300, declines=80)
    for number, response in enumerate(list(account.rows["responses"].values())):
        odd: dict[int, Row] = {4: {"score": 11}, 5: {"score": -1}, 6: {"score": None}, 7: {"completed": False}}
        account.put("responses", {**response, **odd.get(number % 40, {})})
    project = project_for(serve(account), tmp_path / "project", **SETTINGS)
    assert project.run().code == 0
    report = project.run("--marts", "--json").report
    found = marts(project)
    check(found, account)
    assert report["marts"]["tables"] == {name: len(rows) for name, rows in found.items()}
    assert report["marts"]["time_zone"] == {"name": ZONE, "known_by": "setting"}
    assert (report["ok"], report["marts"]["undecided_surveys"], report["marts"]["missing"]) == (True, [12], [])

    # Tags and properties that were not there before.
    some = list(account.rows["responses"])
    account.change("responses", some[0], (NOON + 5) * SECOND, tags=["new"], end_user={"properties": {"Tier": 3}})
    account.change("responses", some[1], (NOON + 5) * SECOND, score=0, tags=[])
    assert project.run().code == 0
    assert marts(project) == found
    assert project.run("--marts").code == 0
    check(marts(project), account)


def test_days_are_those_of_the_zone(serve: Serve, tmp_path: Path) -> None:
    account = Account()
    account.put("responses", row(1, score=9))
    project = project_for(serve(account), tmp_path / "project", time_zone=ZONE)
    assert project.run("--tables", "responses").code == 0
    assert project.run("--marts").code == 0
    days = marts(project)["dim_dates"]
    assert [day["local_date"] for day in days[:1] + days[-1:]] == [date(2022, 12, 26), date(2023, 12, 31)]
    for day in days:
        midnight = datetime.combine(day["local_date"], datetime.min.time(), ZoneInfo(ZONE))
        assert day["utc_from"] == midnight.astimezone(timezone.utc)
    lengths = {(day["utc_until"] - day["utc_from"]).total_seconds() / 3_600 for day in days}
    assert lengths == {24, 23.5, 24.5}


def test_tables_and_columns_are_typed_and_described(serve: Serve, tmp_path: Path) -> None:
    account = Account()
    account.put("responses", row(1, score=0))
    project = project_for(serve(account), tmp_path / "project")
    assert project.run("--tables", "responses").code == 0
    assert project.run("--marts").code == 0
    names = {"bigint": "BIGINT", "bool": "BOOLEAN", "date": "DATE", "double": "DOUBLE", "text": "VARCHAR",
             "timestamp": "TIMESTAMP WITH TIME ZONE"}  # fmt: skip
    told = project.ask(
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
        "WHERE schema_name = 'wootric_marts' AND column_name[1] <> '_' AND table_name[1] <> '_' ORDER BY 1, 2"
    )
    assert told == sorted(
        (model.name, name, names[column.data_type], column.text.replace("`", ""))
        for model in models().values()
        for name, column in model.columns.items()
    )
    tables = project.ask("SELECT table_name, comment FROM duckdb_tables() WHERE schema_name = 'wootric_marts'")
    assert {name: text for name, text in tables if text} == {
        name: model.text.replace("`", "") for name, model in models().items()
    }


@pytest.mark.slow
def test_the_setting_builds_them_of_what_has_changed(serve: Serve, tmp_path: Path) -> None:
    account = Account()
    account.put("responses", row(1, score=0, completed=True))
    project = project_for(serve(account), tmp_path / "project", marts=True, tables="responses")
    built = project.run("--json").report["marts"]
    assert built["tables"]["fct_responses"] == 1
    before = project.loaded()
    assert "marts" not in project.run("--json").report
    assert project.loaded() == before
    # Settings have changed, then rows.
    assert project.run("--json", SOURCES__WOOTRIC__TIME_ZONE=ZONE).report["marts"]["time_zone"]["name"] == ZONE
    account.put("responses", row(2, NOON + 60, score=9, completed=True))
    outcome = project.run(SOURCES__WOOTRIC__TIME_ZONE=ZONE)
    assert outcome.code == 0
    assert outcome.stdout.splitlines()[-1].startswith("9 marts into duckdb, dataset wootric_marts, in ")
    nps = "SELECT responses, nps FROM wootric_marts.mart_nps_periods WHERE period = 'month' AND scope = 'all'"
    assert project.ask(nps) == [(2, 0.0)]


@pytest.mark.slow
def test_the_zone_is_the_one_that_a_comparison_has_seen(serve: Serve, tmp_path: Path) -> None:
    account = DemoAccount(NOON, end_users=20, responses=60, declines=10, time_zone="America/Los_Angeles")
    project = project_for(serve(account), tmp_path / "project")
    assert project.run().code == 0
    # Last responses of the demo's people are invented, so that rows seem to be missing.
    assert "comparison" in project.run("--verify", "--json").report
    report = project.run("--marts", "--json").report
    assert report["marts"]["time_zone"] == {"name": "America/Los_Angeles", "known_by": "offsets"}


@pytest.mark.slow
@pytest.mark.parametrize("deleted", ["mark", "remove"])
def test_what_is_gone_leaves_the_marts(serve: Serve, tmp_path: Path, deleted: str) -> None:
    account = Account()
    for number in range(1, 40):
        account.put("end_users", row(number))
        account.put("responses", row(number, score=number % 11, end_user_id=number, tags=["a"]))
    project = project_for(serve(account), tmp_path / "project", marts=True, deleted=deleted)
    assert project.run().code == 0
    account.delete("responses", 1)
    report = project.run("--find-deleted", "--json").report
    tables = report["marts"]["tables"]
    assert (report["ok"], tables["fct_responses"], tables["fct_response_tags"]) == (True, 38, 38)
    assert sum(each["responses"] for each in marts(project)["mart_nps_daily"]) == 38


def test_counting_is_followed_as_far_as_it_goes(serve: Serve, tmp_path: Path) -> None:
    account = Account()
    account.put("responses", row(1, score=0, completed=False))
    account.put("responses", row(2, score=9, completed=True, excluded_from_calculations=True))
    project = project_for(serve(account), tmp_path / "project", counting='["excluded", "completed", "latest"]')
    assert project.run().code == 0
    outcome = project.run("--marts")
    assert "Marts do not follow latest of counting." in outcome.stdout.splitlines()
    assert project.ask("SELECT response_id FROM wootric_marts.fct_responses WHERE is_counted") == [(2,)]


def test_what_is_assumed_or_undecided_is_said(serve: Serve, tmp_path: Path) -> None:
    account = Account()
    account.put("responses", row(1, score=9, survey_id=5))
    account.put("responses", row(2, score=3, survey_id=4))
    account.put("responses", row(3, score=8, survey_id=6))
    project = project_for(serve(account), tmp_path / "project", tables="responses", surveys='{"6": "ces"}')
    assert project.run().code == 0
    outcome = project.run("--marts")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout.splitlines()[11:15] == [
        "Days are those of UTC, which is assumed; set time_zone under [sources.wootric] to the account's, such as "
        "America/Los_Angeles.",
        "What the scores of surveys 4, 5 are is undecided, so no figure has them; say nps, csat or ces of each by "
        "surveys under [sources.wootric].",
        "Scores of 6 are out of the range of what surveys says.",
        "Not loaded, or without a row or in another form: declines, end_users; null in the marts.",
    ]


def test_the_document_shows_what_the_command_says(serve: Serve, tmp_path: Path) -> None:
    account = Account()
    account.put("responses", row(1, score=0))
    project = project_for(
        serve(account),
        tmp_path / "project",
        tables="responses,declines,end_users",
        time_zone="America/Los_Angeles",
    )
    account.put("declines", row(2))
    account.put("end_users", row(3))
    assert project.run().code == 0
    said = [re.sub(r"  +[-\d,]*|\d+\.\d", " ", line) for line in project.run("--marts").stdout.splitlines()]
    shown = [re.sub(r"  +[-\d,]*|\d+\.\d", " ", line) for line in SHOWN.splitlines()]
    assert said == shown


def test_the_worked_example_is_right() -> None:
    counts, before = (
        {"promoters": 46, "detractors": 5, "responses": 75},
        {"promoters": 30, "detractors": 12, "responses": 70},
    )
    figures = figures_of({**counts, "declines": 0}, before)
    nps, low, high, change, z = (
        f"{figures[name]:.2f}" for name in ("nps", "nps_low", "nps_high", "nps_change", "change_z")
    )
    text = " ".join(DOCUMENTS["docs/insight.md"].split())
    assert f"Of 46 promoters, 24 passives and 5 detractors the NPS is {nps}, and the interval {low} to {high}." in text
    assert f"is a change of {change} with a `change_z` of {z}." in text


@pytest.fixture
def project(serve: Serve, tmp_path: Path) -> Project:
    account = Account()
    account.put("responses", row(1, score=0))
    account.put("declines", row(2))
    return project_for(serve(account), tmp_path / "project")


def test_nothing_is_loaded_yet(project: Project) -> None:
    outcome = project.run("--marts")
    told = "Nothing was loaded into the dataset wootric yet; load it first."
    assert (outcome.code, outcome.stdout, outcome.sentence) == (2, "", told)


def test_responses_are_not_loaded(project: Project) -> None:
    assert project.run("--tables", "declines").code == 0
    outcome = project.run("--marts")
    told = "Responses are not loaded yet, and all marts are made of them; load them first."
    assert (outcome.code, outcome.stdout, outcome.sentence) == (2, "", told)


def test_an_account_without_responses_has_empty_marts(serve: Serve, tmp_path: Path) -> None:
    project = project_for(serve(Account()), tmp_path / "project")
    assert project.run().code == 0
    report = project.run("--marts", "--json").report
    assert (report["ok"], report["marts"]["tables"]) == (True, dict.fromkeys(models(), 0))


def test_what_is_left_out_is_null(serve: Serve, tmp_path: Path) -> None:
    account = Account()
    for table, row_id in (("responses", 1), ("declines", 2), ("end_users", 7)):
        account.put(table, row(row_id, score=9, survey_id=3, text="t", tags=["a"]))
    excluded = "responses.score,*.survey_id,responses.tags,personal"
    project = project_for(serve(account), tmp_path / "project", exclude_columns=excluded)
    assert project.run().code == 0
    report = project.run("--marts", "--json").report
    missing = ["responses.survey_id", "responses.score", "responses.text", "declines.survey_id"]
    assert (report["ok"], report["marts"]["missing"]) == (True, missing)
    (fact,) = marts(project)["fct_responses"]
    assert (fact["response_id"], fact["score"], fact["survey_id"], fact["is_counted"]) == (1, None, None, False)
    assert [each["end_user_id"] for each in marts(project)["dim_people"]] == [7]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"SOURCES__WOOTRIC__TIME_ZONE": "Los Angeles"},
            "time_zone must be a name such as America/Los_Angeles; there is no zone Los Angeles.",
        ),
        (
            {"SOURCES__WOOTRIC__SURVEYS": '{"1": "nsp"}'},
            'surveys must say nps, csat or ces of the survey 1, such as {11 = "nps", 12 = "csat"}, or {"11": "nps", '
            '"12": "csat"} in the environment.',
        ),
        (
            {"DESTINATION_TYPE": "filesystem", "SOURCES__WOOTRIC__FILES": "parquet"},
            'Marts cannot be built of parquet files, which keep all versions of a row; set files = "delta" or '
            '"iceberg" under [sources.wootric], and load into another dataset.',
        ),
        (
            {"DESTINATION_TYPE": "sqlalchemy", "DESTINATION__SQLALCHEMY__CREDENTIALS": "sqlite:///x.db"},
            "Marts cannot be built at sqlalchemy, only at duckdb, motherduck, ducklake, postgres, redshift, "
            "snowflake, bigquery, databricks and of files.",
        ),
    ],
)
def test_mistakes_are_told_before_anything_is_loaded(project: Project, settings: dict[str, str], sentence: str) -> None:
    settings = {**settings, "DESTINATION__FILESYSTEM__BUCKET_URL": f"file://{project.folder}/bucket"}
    for words, is_set in ((["--marts"], "false"), ([], "true")):
        outcome = project.run(*words, SOURCES__WOOTRIC__MARTS=is_set, **settings)
        assert (outcome.code, outcome.stdout, outcome.sentence) == (2, "", sentence)


def test_other_options_are_refused(project: Project) -> None:
    told = "--marts builds all marts of what is loaded; leave out --verify, --tables."
    assert project.run("--marts", "--verify", "--tables", "responses").sentence == told
    told = "--marts loads nothing; leave out --start-date."
    assert project.run("--marts", "--start-date", "2024-01-01").sentence == told


@pytest.mark.slow
def test_marts_that_cannot_be_built_fail_the_run_and_keep_its_rows(project: Project) -> None:
    broken = "import wootric_pipeline.insight.build as b; b.make = lambda *_: 1 / 0"
    outcome = project.run(prelude=broken, SOURCES__WOOTRIC__MARTS="true")
    assert outcome.code == 1
    assert outcome.sentence.startswith(
        "What the run has changed is loaded, but the marts are not built of it. The run failed"
    )
    assert "responses" in outcome.stdout
    assert project.held("responses") == {1: NOON}
    assert project.run("--json", SOURCES__WOOTRIC__MARTS="true").report["marts"]["tables"]["fct_responses"] == 1


@pytest.mark.parametrize("words", [("--marts",), ("--report", "page.html")])
def test_of_a_dataset_that_is_not_there_nothing_is_built(tmp_path: Path, words: tuple[str, ...]) -> None:
    project = Project(tmp_path)
    # Of a run that failed before it loaded anything.
    duckdb.connect(str(tmp_path / DUCKDB_FILE)).close()
    outcome = project.run(*words)
    assert (outcome.code, outcome.sentence) == (2, "Nothing was loaded into the dataset wootric yet; load it first.")
