"""dbt's tables hold the rows of the marts, on DuckDB and PostgreSQL, whatever is loaded. `make test-dbt`: opt in."""

import itertools
import json
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import pytest

from tests.conftest import NOON, PROJECT, Serve, Servers, row
from tests.destinations.test_swapping import connected, new_database
from tests.script import Project, project_for
from wootric_pipeline.insight.dbt.project import write
from wootric_pipeline.insight.model import models
from wootric_pipeline.insight.surveys import Metric, metrics
from wootric_pipeline.sandbox import SECOND, Account, DemoAccount

DBT = os.environ.get("WOOTRIC_TEST_DBT", "")
"""The program, in the environment that has it."""

pytestmark = pytest.mark.skipif(not DBT, reason="needs dbt; make test-dbt")

PLACES = pytest.mark.parametrize(
    "place", ["duckdb", pytest.param("postgres", marks=pytest.mark.xdist_group("postgres"))]
)
README = (PROJECT / "dbt/README.md").read_text(encoding="utf-8")
BUILD_SECONDS_MAX = 300
VARCHAR, TEXT = 1043, 25
"""PostgreSQL's numbers of two types that are the same to readers."""
ZONE = "Australia/Lord_Howe"
SURVEYS: dict[int, Metric] = {1: "nps", 2: "csat", 3: "ces", 4: "csat", 99: "nps"}
Table = tuple[list[tuple[str, Any]], list[tuple[Any, ...]]]
"""Columns with their types, and rows."""


class Loaded:
    """A user's project that loads into a database of its own, where dbt's tables are made, too.

    Args:
        place: Where to.
        servers: Those of the tests.
        project: The user's.
    """

    def __init__(self, place: str, servers: Servers, project: Project) -> None:
        self.folder = project.folder / "dbt_project"
        self._project = project
        address = str(project.folder / "surveys.duckdb")
        self._environment = {"WOOTRIC_DBT_TARGET": place, "WOOTRIC_DUCKDB": address, "HOME": str(project.folder)}
        if place == "postgres":
            address = new_database(servers, f"dbt_{next(NUMBERS)}")
            parts = urlsplit(address)
            self._environment |= {
                "PGHOST": str(parts.hostname),
                "PGPORT": str(parts.port),
                "PGUSER": str(parts.username),
                "PGDATABASE": parts.path.strip("/"),
                "DBT_ENV_SECRET_PGPASSWORD": str(parts.password),
            }
        self._place, self._address = place, address

    def run(self, *words: str, **settings: str) -> None:
        """Runs the command, which has to succeed."""
        destination = {
            "DESTINATION_TYPE": self._place,
            f"DESTINATION__{self._place.upper()}__CREDENTIALS": self._address,
        }
        named = {f"SOURCES__WOOTRIC__{name.upper()}": value for name, value in settings.items()}
        outcome = self._project.run(*words, **destination, **named)
        assert outcome.code == 0, outcome.stderr

    def build(self, zone: str = "UTC", **variables: Any) -> None:
        """Makes dbt's tables, with all tests passed."""
        write(self.folder, zone)
        done = self.dbt("build", **variables)
        assert done.returncode == 0, done.stdout
        assert re.search(r"PASS=\d+ WARN=0 ERROR=0 SKIP=0", done.stdout), done.stdout
        assert "Deprecat" not in done.stdout

    def dbt(self, command: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        words = [DBT, "--no-use-colors", *command.split(), "--profiles-dir", "."]
        words += ["--vars", json.dumps(variables)] if variables else []
        # Days are those of the account, wherever dbt runs.
        environment = {"PATH": os.defpath, "TZ": "Asia/Tokyo", "PGTZ": "Asia/Tokyo", **self._environment}
        return subprocess.run(
            words, cwd=self.folder, env=environment, capture_output=True, encoding="utf-8", timeout=BUILD_SECONDS_MAX
        )

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """What a statement finds, if anything."""
        with self._cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if statement.startswith("SELECT") else []

    def tables(self, schema: str) -> dict[str, Table]:
        """All models."""
        with self._cursor() as cursor:
            found = {}
            for name, model in models().items():
                cursor.execute(f"SELECT {', '.join(model.columns)} FROM {schema}.{name}")
                types = [(each[0], TEXT if each[1] == VARCHAR else each[1]) for each in cursor.description]
                found[name] = (types, sorted(cursor.fetchall(), key=repr))
            return found

    def _cursor(self) -> Any:
        return _cursor(self._place, self._address)


NUMBERS = itertools.count()


@contextmanager
def _cursor(place: str, address: str) -> Iterator[Any]:
    connection = connected(address) if place == "postgres" else duckdb.connect(address)
    with closing(connection), closing(connection.cursor()) as cursor:
        cursor.execute("SET TimeZone = 'Asia/Tokyo'")
        yield cursor
        connection.commit() if place == "postgres" else None


def check(loaded: Loaded) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of both, which are the same."""
    wanted, found = loaded.tables("wootric_marts"), loaded.tables("wootric_dbt")
    for name, table in wanted.items():
        assert found[name] == table, name
    return {name: rows for name, (_, rows) in found.items()}


@PLACES
def test_tables_of_the_demo(place: str, serve: Serve, servers: Servers, tmp_path: Path) -> None:
    loaded = Loaded(place, servers, project_for(serve(DemoAccount(NOON)), tmp_path / "project"))
    loaded.run()
    loaded.run("--marts", time_zone="America/Los_Angeles")
    loaded.build("America/Los_Angeles")
    assert len(check(loaded)["fct_responses"]) == 10_000


SCORES: dict[int | None, Sequence[int | None]] = {
    2: range(1, 11),
    3: range(1, 9),
    4: range(1, 6),
    5: range(1, 8),
    6: range(2, 8),
    7: range(1, 11),
    8: (1, 7, None),
    9: (10, 0),
}
"""Those of surveys that have no odd ones, or other ones."""


def awkward() -> Account:
    """Surveys of all kinds, people and surveys that are not named, odd scores, and answers when clocks change."""
    account = Account()
    change = int(datetime(2024, 4, 6, 15, tzinfo=timezone.utc).timestamp())
    for number in range(1, 400):
        survey = (None, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9)[number % 12]
        score = SCORES.get(survey, (0, 3, 6, 7, 8, 9, 10, 11, -1, None))
        fields: dict[str, Any] = {
            "survey_id": survey,
            "score": score[number // 12 % len(score)],
            "end_user_id": number % 17 or None,
            "completed": (True, True, False, None)[number % 4],
            "excluded_from_calculations": (False, False, False, None, True)[number % 5],
            "text": (None, "", " ", "it's fine", "{{ no }} {# template #}")[number % 5],
            "tags": [[], ["a"], ["it's", "b", "b"], ["{% raw %}", "ä"]][number % 4],
            "end_user": {
                "properties": [{}, {"Plan": "it's", "seats": number}, {"is trial": number % 2 == 0}][number % 3]
            },
        }
        account.put("responses", row(number, change + (number - 200) * 7_000, **fields))
    for number in range(1, 60):
        fields = {"survey_id": (None, 1, 5, 10)[number % 4], "end_user_id": number % 23 or None}
        account.put("declines", row(number, change + number * 1_800, **fields))
    for number in range(1, 30):
        account.put("end_users", row(number, email=f"p{number}@example.com"))
    return account


@PLACES
def test_tables_of_an_awkward_account(place: str, serve: Serve, servers: Servers, tmp_path: Path) -> None:
    account = awkward()
    loaded = Loaded(place, servers, project_for(serve(account), tmp_path / "project", deleted="mark"))
    counting = ["excluded", "completed"]
    settings = {"time_zone": ZONE, "surveys": json.dumps(SURVEYS), "counting": json.dumps(counting)}
    loaded.run()
    loaded.run("--marts", **settings)
    loaded.build(ZONE, surveys=SURVEYS, counting=counting)
    rows = check(loaded)
    scores = loaded.ask(
        "SELECT survey_id, MIN(score), MAX(score), COUNT(score) FROM wootric.responses GROUP BY survey_id"
    )
    of_python = metrics([*scores, (10, None, None, 0)], SURVEYS)
    assert {each[0]: each[1:5] for each in rows["dim_surveys"]} == {
        survey: (each.metric, each.score_max, each.known_by, each.fits) for survey, each in of_python.items()
    }
    assert {each[3] for each in rows["dim_surveys"]} == {"setting", "zero", "range", "undecided"}
    assert {each[4] for each in rows["dim_surveys"]} == {True, False}

    # A property and its other type come later, and rows are gone; nothing of the first tables is in the way.
    plan = {"properties": {"Plan": 7, "Owner": {"Name": "x"}, "since": "2024-01-01T00:00:00Z"}}
    account.change("responses", 7, (NOON + 10**8) * SECOND, end_user=plan, tags=[])
    for table, row_id in (("responses", 12), ("responses", 14), ("declines", 3), ("end_users", 29)):
        account.delete(table, row_id)
    loaded.run("--find-deleted", "--yes")
    loaded.run()
    loaded.run("--marts", time_zone=ZONE)
    loaded.build(ZONE)
    again = check(loaded)
    assert len(again["fct_responses"]) == len(rows["fct_responses"]) - 2
    properties = {each[1] for each in again["fct_response_properties"]}
    assert properties == {"plan", "seats", "is_trial", "owner__name", "since"}
    loaded.run("--full-refresh")
    loaded.run("--marts", time_zone=ZONE)
    loaded.build(ZONE)
    check(loaded)


@PLACES
def test_tables_of_little(place: str, serve: Serve, servers: Servers, tmp_path: Path) -> None:
    account = awkward()
    properties = {"Plan": "free", "n": 0.5, "is trial": False, "none": None, "more": {"a": [1]}, "list": [1]}
    account.change("responses", 9, (NOON + 10**8) * SECOND, end_user={"properties": properties})
    project = project_for(
        serve(account),
        tmp_path / "project",
        tables="responses",
        properties="json",
        exclude_columns="responses.text,responses.tags",
        hash_columns="responses.excluded_from_calculations",
        hash_key="k" * 32,
    )
    loaded = Loaded(place, servers, project)
    loaded.run()
    loaded.run("--marts", counting="utc", time_zone="Pacific/Apia")
    loaded.build("Pacific/Apia", counting="utc")
    rows = check(loaded)
    assert [name for name, found in rows.items() if not found] == ["fct_response_tags"]
    assert {each[1] for each in rows["fct_response_properties"]} >= {"Plan", "n", "is trial", "more", "list"}


@pytest.fixture
def one(serve: Serve, servers: Servers, tmp_path: Path) -> Loaded:
    """A response, with dbt's tables of it."""
    account = Account()
    account.put("responses", row(1, score=0, survey_id=1, tags=["a"], end_user={"properties": {"plan": "free"}}))
    account.put("declines", row(2, survey_id=1))
    loaded = Loaded("duckdb", servers, project_for(serve(account), tmp_path / "project"))
    loaded.run()
    loaded.build()
    return loaded


def test_tests_of_the_tables_can_fail(one: Loaded) -> None:
    for table in ("dim_surveys", "fct_responses", "mart_nps_periods"):
        one.ask(f"INSERT INTO wootric_dbt.{table} FROM wootric_dbt.{table}")
    one.ask("UPDATE wootric_dbt.fct_asks SET ask_id = NULL, outcome = 'ignored' WHERE outcome = 'declined'")
    one.ask("UPDATE wootric_dbt.fct_response_tags SET response_id = 5")
    one.ask("UPDATE wootric_dbt.mart_nps_daily SET detractors = 2")
    one.ask("DELETE FROM wootric_dbt.dim_dates WHERE local_date = DATE '2023-06-01'")
    failed = re.findall(r" FAIL \d+ (\w+) \.*", one.dbt("test").stdout)
    assert sorted(set(failed)) == [
        "accepted_values_fct_asks_outcome__answered__declined",
        "counts_add_up",
        "days_have_no_gap",
        "not_null_fct_asks_ask_id",
        "relationships_fct_response_tags_response_id__response_id__ref_fct_responses_",
        "unique_fct_responses_response_id",
        "unique_together_dim_surveys_survey_id",
        "unique_together_mart_nps_periods_period__period_start__scope__survey_id",
    ]
    one.ask("DELETE FROM wootric_dbt.fct_responses")
    assert "each_response_is_a_fact" in re.findall(r" FAIL \d+ (\w+) \.*", one.dbt("test").stdout)


NO_METRIC = "surveys must say nps, csat or ces of each survey_id, such as {11: nps, 12: csat}."


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"counting": ["latest"]}, "counting knows no latest here; choose from excluded, completed, utc."),
        ({"surveys": {"a": "nps"}}, NO_METRIC),
        ({"surveys": {"1": "nsp"}}, NO_METRIC),
        (
            {"wootric_schema": "other"},
            "Responses are not loaded yet, and all models are made of them; load them first, or say by the variable "
            "wootric_schema where they are.",
        ),
    ],
)
def test_mistakes_are_told(one: Loaded, variables: dict[str, Any], sentence: str) -> None:
    done = one.dbt("build", **variables)
    assert done.returncode != 0
    assert sentence in " ".join(done.stdout.split())


def test_comments_and_documents_say_what_columns_mean(one: Loaded) -> None:
    told = one.ask("SELECT table_name, column_name, comment FROM duckdb_columns() WHERE schema_name = 'wootric_dbt'")
    assert sorted(told) == sorted(
        (model.name, name, column.text) for model in models().values() for name, column in model.columns.items()
    )
    assert one.dbt("docs generate").returncode == 0


def test_the_readme_builds_the_demo(serve: Serve, servers: Servers, tmp_path: Path) -> None:
    project = project_for(serve(DemoAccount(NOON, end_users=20, responses=60, declines=10)), tmp_path / "project")
    Loaded("duckdb", servers, project).run()
    write(project.folder / "dbt", "UTC")
    (install, enter, build) = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)[0].splitlines()
    assert install == 'pip install "dbt-core<1.12" dbt-duckdb'
    (project.folder / "surveys.duckdb").rename(project.folder / "wootric_demo.duckdb")
    environment = {"PATH": f"{Path(DBT).parent}:{os.defpath}", "HOME": str(project.folder)}
    subprocess.run(["bash", "-ec", f"{enter}\n{build}"], cwd=project.folder, env=environment, check=True)
    with duckdb.connect(str(project.folder / "wootric_demo.duckdb")) as connection:
        assert connection.execute("SELECT count(*) FROM wootric_dbt.fct_responses").fetchall() == [(60,)]


def test_it_is_a_package_of_a_project_of_ones_own(one: Loaded) -> None:
    (local,) = re.findall(r"`(packages: \[.*?)` in `packages.yml`", README)
    own = one.folder.parent / "own"
    (own / "models").mkdir(parents=True)
    (own / "packages.yml").write_text(local.replace("path/to/dbt", str(one.folder)))
    (own / "profiles.yml").write_text((one.folder / "profiles.yml").read_text())
    (own / "dbt_project.yml").write_text(
        "name: own\nconfig-version: 2\nprofile: wootric\nflags: {send_anonymous_usage_stats: false}\n"
        "vars: {wootric: {surveys: {1: ces}}}\n"
    )
    (own / "models/metrics.sql").write_text("SELECT metric, scores_fit FROM {{ ref('dim_surveys') }}")
    one.folder = own
    for command in ("deps", "build"):
        done = one.dbt(command)
        assert done.returncode == 0, done.stdout
    assert one.ask("SELECT metric, scores_fit FROM wootric_dbt.metrics") == [("ces", False)]
