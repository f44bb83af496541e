"""The script as a user runs it: its options, settings, exit codes and reports."""

import json
import re
import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NOON, Serve, row
from tests.script import OVERVIEW_NAMES, TABLE_NAMES, Outcome, Project, expected, project_for
from wootric_pipeline.sandbox import CLIENT_ID, CLIENT_SECRET, SECOND, Account, DemoAccount
from wootric_pipeline.version import VERSION

DAY = 86_400
OPTIONS = {
    "--help", "--version", "--demo", "--tables", "--start-date", "--end-date", "--exclude-columns", "--full-refresh",
    "--yes", "--destination", "--dataset", "--account", "--accounts", "--check", "--verify", "--repair",
    "--find-deleted", "--forget", "--remember", "--marts", "--report", "--since", "--until", "--survey", "--segment",
    "--comments", "--status", "--max-age", "--wait",
    "--json", "--progress", "--debug", "--log-file",
}  # fmt: skip
REPORT_KEYS = [
    "ok", "pipeline", "destination", "dataset", "started_at", "seconds", "requests", "rate_limit_wait_seconds",
    "tables", "schema_changes", "warnings",
]  # fmt: skip
SMALL_DEMO = """
import functools, wootric_pipeline.sandbox as sandbox
sandbox.DemoAccount = functools.partial(sandbox.DemoAccount, end_users=50, responses=1_000, declines=50)
"""
"""A prelude: the demo's account is small."""
TABLE_KEYS = [
    "rows",
    "rows_unchanged",
    "requests",
    "mode",
    "cursor_before",
    "cursor_after",
    "read_up_to",
    "complete",
    "odd_values",
]


def iso(second: int) -> str:
    return datetime.fromtimestamp(second, timezone.utc).isoformat().replace("+00:00", "Z")


def small_account() -> Account:
    """Three days of rows: of each table one a day, the third at noon."""
    account = Account()
    for index, table in enumerate(TABLE_NAMES):
        account.fill(table, [row(100 * index + day, NOON - (3 - day) * DAY) for day in (1, 2, 3)])
    return account


def rows_read(report: dict[str, Any]) -> dict[str, int]:
    return {name: table["rows"] for name, table in report["tables"].items()}


def test_help_names_the_options_and_no_others(tmp_path: Path) -> None:
    outcome = Project(tmp_path).run_anew("--help")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert set(re.findall(r"--[a-z-]+", outcome.stdout)) == OPTIONS


def test_version_is_printed(tmp_path: Path) -> None:
    outcome = Project(tmp_path).run_anew("--version")
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, f"wootric_pipeline {VERSION}\n", "")


@pytest.mark.slow
def test_the_demo_loads_everything_then_only_changes(tmp_path: Path) -> None:
    project = Project(tmp_path)
    first = project.run("--demo", "--json").report
    assert rows_read(first) == {
        "end_users": 5_000, "responses": 10_000, "declines": 5_000, "segments": 4, "survey_templates": 3,
    }  # fmt: skip
    assert list(first) == REPORT_KEYS
    assert (first["ok"], first["pipeline"], first["destination"], first["dataset"]) == (
        True, "wootric_demo", "duckdb", "wootric",
    )  # fmt: skip
    modes = {**dict.fromkeys(TABLE_NAMES, "updated"), **dict.fromkeys(OVERVIEW_NAMES, "whole")}
    assert {name: table["mode"] for name, table in first["tables"].items() if table["complete"]} == modes

    again = project.run("--demo", "--json")
    assert (again.code, again.report["ok"], again.report["schema_changes"]) == (0, True, [])
    cursors = {name: table["cursor_after"] for name, table in first["tables"].items()}
    assert {name: table["cursor_before"] for name, table in again.report["tables"].items()} == cursors
    assert 0 < sum(rows_read(again.report).values()) < 500
    assert again.report["requests"] <= 12 + 2
    assert_demo_is_loaded(project, again.report)


def assert_demo_is_loaded(project: Project, report: dict[str, Any]) -> None:
    """The account advances by the second: what is loaded is its state at one moment of the run."""
    state = json.loads((project.folder / "dlt/pipelines/wootric_demo/state.json").read_text())
    account = DemoAccount(state["_local"]["demo_history_ends_at"])
    loaded = {table: project.held(table, file="wootric_demo.duckdb") for table in TABLE_NAMES}
    began = datetime.fromisoformat(report["started_at"].replace("Z", "+00:00")).timestamp()
    for second in range(int(began), int(began + report["seconds"]) + 2):
        account.advance(second)
        if loaded == {table: expected(account, table) for table in TABLE_NAMES}:
            return
    pytest.fail("what is loaded is no state of the demo account")


def test_the_demo_prints_a_report_and_answers_two_questions(tmp_path: Path) -> None:
    outcome = Project(tmp_path).run("--demo", "--dataset", "My-Surveys", prelude=SMALL_DEMO)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert re.search(r"^responses +1,000 +2\d +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +yes$", outcome.stdout, re.M)
    nps, tags = outcome.stdout.split("NPS by month:")[1].split("Top tags:")
    assert len(re.findall(r"^\d{4}-\d\d +\d+ +(?:0|-?[1-9]\d*)$", nps, re.M)) == 6
    assert len(re.findall(r"^[a-z ]+ +\d+ +\d\.\d$", tags, re.M)) == 5


@pytest.mark.slow
@pytest.mark.parametrize("place", ["environment", "config"])
def test_the_demo_leaves_real_tables_alone_whatever_is_configured(serve: Serve, tmp_path: Path, place: str) -> None:
    file = tmp_path / "real.duckdb"
    project = project_for(serve(small_account()), tmp_path)
    if place == "environment":
        project.environment["DESTINATION__DUCKDB__CREDENTIALS"] = str(file)
        project.environment["DATASET_NAME"] = "surveys"
    else:
        named = 'destination_type = "duckdb"\ndataset_name = "surveys"'
        pipelines = f"[pipelines.wootric_pipeline]\n{named}\n[pipelines.wootric_demo]\n{named}"
        project.write(".dlt/config.toml", pipelines)
        project.write(".dlt/secrets.toml", f'[destination.duckdb]\ncredentials = "{file}"\n')
    assert project.run().code == 0
    before = project.loaded(file.name)
    assert len(before["surveys.responses"]) == 3
    for _ in range(2):
        report = project.run("--demo", "--json", prelude=SMALL_DEMO).report
        assert (report["ok"], report["destination"], report["dataset"]) == (True, "duckdb", "wootric")
        # Its first run loads all anew, which must not be here either.
        shutil.rmtree(tmp_path / "dlt/pipelines/wootric_demo")
    assert project.loaded(file.name) == before
    assert len(project.held("responses", file="wootric_demo.duckdb")) == 1_000


@pytest.mark.slow
def test_the_demo_of_one_table_asks_nothing_of_others(tmp_path: Path) -> None:
    outcome = Project(tmp_path).run("--demo", "--tables", "declines")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert "NPS by month" not in outcome.stdout


def test_the_demo_has_a_dataset_of_its_own_at_another_destination(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.environment["DESTINATION__FILESYSTEM__BUCKET_URL"] = str(tmp_path / "bucket")
    project.environment["SOURCES__WOOTRIC__FILES"] = "jsonl"
    report = project.run("--demo", "--json", "--destination", "filesystem", prelude=SMALL_DEMO).report
    assert (report["ok"], report["destination"], report["dataset"]) == (True, "filesystem", "wootric_demo")
    assert {path.name for path in (tmp_path / "bucket").iterdir()} == {"wootric_demo", "wootric_demo.lock"}


@pytest.mark.slow
def test_the_json_report_has_the_documented_keys(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(small_account())
    outcome = project_for(sandbox, tmp_path).run_anew("--json")
    report = outcome.report
    assert (outcome.code, outcome.stderr) == (0, "")
    assert list(report) == REPORT_KEYS
    assert datetime.fromisoformat(report["started_at"].replace("Z", "+00:00")) < datetime.now(timezone.utc)
    assert 0 < report["seconds"] < 60
    assert report["requests"] == len(sandbox.requests)
    assert report["rate_limit_wait_seconds"] == 0
    assert list(report["tables"]) == [*TABLE_NAMES, *OVERVIEW_NAMES]
    for name, table in report["tables"].items():
        asked = sum(request.path == f"/v1/{name}" for request in sandbox.requests)
        assert list(table) == TABLE_KEYS
        read_up_to = table.pop("read_up_to")
        of_list, of_overview = (
            [3, 0, asked, "updated", None, iso(NOON), True, 0],
            [0, 0, 1, "whole", None, None, True, 0],
        )
        assert list(table.values()) == (of_list if name in TABLE_NAMES else of_overview)
        assert report["started_at"][:16] <= read_up_to[:16] <= f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M}"


def test_a_python_without_dlt_is_told(tmp_path: Path) -> None:
    project = Project(tmp_path)
    outcome = project.python("-S", *project.command("--help"))
    sentence = "dlt is not installed for this Python; `make demo` installs it for .venv/bin/python.\n"
    assert (outcome.code, outcome.stdout, outcome.stderr) == (2, "", sentence)


def test_settings_come_from_the_environment(serve: Serve, tmp_path: Path) -> None:
    account = small_account()
    project = project_for(serve(account), tmp_path, start_date=iso(NOON - DAY))
    outcome = project.run(DATASET_NAME="surveys", DESTINATION__DUCKDB__CREDENTIALS="other.duckdb")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert project.held("responses", "surveys", "other.duckdb") == {102: NOON - DAY, 103: NOON}


@pytest.mark.slow
def test_settings_come_from_the_files_in_the_working_folder(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(small_account())
    project = Project(tmp_path)
    project.write(
        ".dlt/config.toml",
        f'[sources.wootric]\nbase_url = "{sandbox.url}"\nstart_date = {iso(NOON - DAY)[:10]}\n'
        '[pipelines.wootric_pipeline]\ndestination_type = "duckdb"\ndataset_name = "surveys"\n',
    )
    project.write(
        ".dlt/secrets.toml", f'[sources.wootric]\nclient_id = "{CLIENT_ID}"\nclient_secret = "{CLIENT_SECRET}"\n'
    )
    outcome = project.run_anew("--json")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.report["dataset"] == "surveys"
    assert project.held("declines", "surveys") == {202: NOON - DAY, 203: NOON}


def test_the_command_line_wins_over_settings(serve: Serve, tmp_path: Path) -> None:
    project = project_for(serve(small_account()), tmp_path, start_date="2001-01-01")
    words = ["--json", "--dataset", "chosen", "--destination", "duckdb", "--start-date", iso(NOON)]
    report = project.run(*words, DATASET_NAME="surveys", DESTINATION_TYPE="nothing").report
    assert (report["destination"], report["dataset"]) == ("duckdb", "chosen")
    assert project.held("end_users", "chosen") == {3: NOON}


def test_the_destination_comes_from_settings(serve: Serve, tmp_path: Path) -> None:
    project = project_for(serve(small_account()), tmp_path)
    project.write(
        ".dlt/config.toml",
        f'[pipelines.wootric_pipeline]\ndestination_type = "filesystem"\n'
        f'[destination.filesystem]\nbucket_url = "{tmp_path / "lake"}"\n[sources.wootric]\nfiles = "parquet"\n',
    )
    outcome = project.run("--json")
    assert (outcome.code, outcome.stderr, outcome.report["destination"]) == (0, "", "filesystem")
    assert outcome.report["appends"] is True
    assert [len(list((tmp_path / "lake/wootric" / name).glob("*.parquet"))) for name in TABLE_NAMES] == [1, 1, 1]


def test_only_the_selected_tables_are_asked_for_and_loaded(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(small_account())
    project = project_for(sandbox, tmp_path)
    report = project.run("--json", "--tables", "declines, responses").report
    assert rows_read(report) == {"responses": 3, "declines": 3}
    assert {request.path for request in sandbox.requests} == {"/oauth/token", "/v1/responses", "/v1/declines"}
    assert set(project.loaded()) == {"wootric.responses", "wootric.declines", "wootric.responses__tags"}


@pytest.mark.slow
def test_a_start_date_limits_the_first_load_and_no_later_one(serve: Serve, tmp_path: Path) -> None:
    account = small_account()
    project = project_for(serve(account), tmp_path)
    project.run("--start-date", iso(NOON - DAY))
    assert project.held("responses") == {102: NOON - DAY, 103: NOON}
    account.put("responses", row(104, NOON + 60))
    report = project.run("--json", "--start-date", "2001-01-01").report
    assert report["tables"]["responses"]["cursor_before"] == iso(NOON)
    assert project.held("responses") == {102: NOON - DAY, 103: NOON, 104: NOON + 60}


@pytest.mark.slow
def test_a_start_date_that_no_table_needs_is_told(serve: Serve, tmp_path: Path) -> None:
    project = project_for(serve(small_account()), tmp_path)
    words = ["--tables", "responses", "--start-date", "2001-01-01"]
    told = "responses went on where the last run ended; to load from --start-date, add --end-date or --full-refresh."
    assert told not in project.run(*words).stdout
    assert told in project.run(*words).stdout
    assert told not in project.run(*words, "--end-date", "2040-01-01").stdout
    assert told not in project.run(*words, "--full-refresh").stdout


@pytest.mark.slow
def test_a_range_is_closed_open_and_leaves_the_cursor_alone(serve: Serve, tmp_path: Path) -> None:
    account = small_account()
    project = project_for(serve(account), tmp_path)
    project.run()
    start, end = NOON - 20 * DAY, NOON - 10 * DAY
    for row_id, second in ((1, start - 1), (2, start), (3, end - 1), (4, end)):
        account.put("responses", row(row_id, second))
    words = ["--tables", "responses", "--start-date", iso(start), "--end-date", iso(end)]
    outcome = project.run("--json", *words)
    assert (outcome.code, rows_read(outcome.report)) == (0, {"responses": 2})
    first_load = {101: NOON - 2 * DAY, 102: NOON - DAY, 103: NOON}
    assert project.held("responses") == {**first_load, 2: start, 3: end - 1}
    account.put("responses", row(104, NOON + 60))
    responses = project.run("--json").report["tables"]["responses"]
    assert (responses["cursor_before"], responses["cursor_after"]) == (iso(NOON), iso(NOON + 60))
    assert project.held("responses") == {**first_load, 2: start, 3: end - 1, 104: NOON + 60}


@pytest.mark.slow
def test_a_full_refresh_drops_the_selected_tables_and_cursors_only(serve: Serve, tmp_path: Path) -> None:
    account = small_account()
    project = project_for(serve(account), tmp_path)
    project.run()
    before = project.loaded()
    for table in TABLE_NAMES:
        account.delete(table, min(account.rows[table]))
    report = project.run("--json", "--full-refresh", "--tables", "responses").report
    assert (report["ok"], rows_read(report)) == (True, {"responses": 2})
    assert report["tables"]["responses"]["cursor_before"] is None
    assert project.held("responses") == expected(account, "responses")
    after = project.loaded()
    assert {name: after[f"wootric.{name}"] for name in ("end_users", "declines")} == {
        name: before[f"wootric.{name}"] for name in ("end_users", "declines")
    }
    again = project.run("--json").report["tables"]
    cursors = {**dict.fromkeys(TABLE_NAMES, iso(NOON)), **dict.fromkeys(OVERVIEW_NAMES)}
    assert {name: table["cursor_before"] for name, table in again.items()} == cursors


def test_a_check_reads_a_row_of_each_table_and_loads_nothing(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(small_account(), ignores_updated=frozenset({"responses"}))
    project = project_for(sandbox, tmp_path)
    outcome = project.run("--check", "--json")
    assert (outcome.code, outcome.stderr, outcome.report["ok"]) == (0, "", True)
    assert list(outcome.report) == REPORT_KEYS
    assert outcome.report["tables"] == {
        "end_users": {"readable": True, "mode": "updated"},
        "responses": {"readable": True, "mode": "created"},
        "declines": {"readable": True, "mode": "updated"},
        **{name: {"readable": True, "mode": "whole"} for name in OVERVIEW_NAMES},
    }
    of_lists = {f"/v1/{name}" for name in TABLE_NAMES}
    assert {request.params["per_page"] for request in sandbox.requests if request.path in of_lists} == {"1"}
    others = [request.path for request in sandbox.requests if request.path not in {*of_lists, "/oauth/token"}]
    assert others == [f"/v1/{name}" for name in OVERVIEW_NAMES]
    assert project.loaded() == {}


def test_a_check_prints_what_it_found(serve: Serve, tmp_path: Path) -> None:
    outcome = project_for(serve(small_account()), tmp_path).run("--check", "--tables", "declines")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert re.search(r"^declines +yes +updated_at$", outcome.stdout, re.M)
    assert "The destination duckdb answers." in outcome.stdout


class WithoutTime(Account):
    """An account one of whose responses, until it is put right, has no `updated_at`."""

    is_right = False

    def shown(self, row: dict[str, Any]) -> dict[str, Any]:
        shown = super().shown(row)
        return {**shown, "updated_at": None} if row["id"] == 104 and not self.is_right else shown


def account_without_time() -> WithoutTime:
    account = WithoutTime()
    for table, rows in small_account().rows.items():
        account.fill(table, rows.values())
    account.put("responses", row(104, NOON + 60))
    return account


def test_a_check_names_the_table_that_cannot_be_read(serve: Serve, tmp_path: Path) -> None:
    outcome = project_for(serve(account_without_time()), tmp_path).run_anew("--check", "--json")
    assert (outcome.code, outcome.report["ok"]) == (1, False)
    assert outcome.report["tables"]["responses"] == {"readable": False, "mode": None}
    assert outcome.report["tables"]["declines"] == {"readable": True, "mode": "updated"}
    assert outcome.sentence == "The row with id 104 of responses has no updated_at."


def test_a_check_fails_for_credentials_that_are_refused(serve: Serve, tmp_path: Path) -> None:
    outcome = project_for(serve(small_account()), tmp_path, client_secret="wrong").run_anew("--check", "--json")
    assert (outcome.code, outcome.report["ok"], outcome.report["tables"]) == (2, False, {})
    assert "refuses the credentials" in outcome.sentence
    assert outcome.report["error"] == outcome.sentence


@pytest.mark.slow
def test_logs_and_progress_stay_off_stdout(serve: Serve, tmp_path: Path) -> None:
    project = project_for(serve(small_account()), tmp_path)
    outcome = project.run_anew("--json", "--progress", "log", RUNTIME__LOG_LEVEL="INFO")
    assert outcome.report["ok"]
    assert "[INFO]" in outcome.stderr
    assert "- Reading -" in outcome.stderr


def test_without_progress_nothing_but_the_report_is_shown(serve: Serve, tmp_path: Path) -> None:
    outcome = project_for(serve(small_account()), tmp_path).run("--progress", "none")
    assert (outcome.code, outcome.stderr) == (0, "")
    head, _, *lines = outcome.stdout.splitlines()
    assert head.split() == ["table", "rows", "requests", "latest", "change", "(UTC)", "complete"]
    cursor = ["2023-11-14", "22:13:20", "yes"]
    assert [line.split() for line in lines[:3]] == [[name, "3", "4", *cursor] for name in TABLE_NAMES]
    assert [line.split() for line in lines[3:5]] == [[name, "0", "1", "-", "yes"] for name in OVERVIEW_NAMES]
    assert re.fullmatch(r"9 rows into duckdb, dataset wootric, in \d+\.\d s with 15 requests\.", lines[5])


def report_lines(outcome: Outcome) -> list[str]:
    """A report for people, without its rule and its spaces, and without the seconds it took."""
    head, _, *lines = outcome.stdout.splitlines()
    return [" ".join(re.sub(r"in \d+\.\d s", "in 0.1 s", line).split()) for line in (head, *lines)]


@pytest.mark.slow
def test_a_report_tells_what_is_new_from_what_was_read_again(serve: Serve, tmp_path: Path) -> None:
    account = small_account()
    account.put("responses", row(100, NOON - 60))
    project = project_for(serve(account), tmp_path)
    project.run()
    assert report_lines(project.run()) == [
        "table new or changed read again requests latest change (UTC) complete",
        "end_users 0 1 2 2023-11-14 22:13:20 yes",
        "responses 0 2 2 2023-11-14 22:13:20 yes",
        "declines 0 1 2 2023-11-14 22:13:20 yes",
        "segments 0 0 1 - yes",
        "survey_templates 0 0 1 - yes",
        "Nothing has changed since 2023-11-14 22:13:20 (UTC); each run reads the last rows before that again.",
        "0 rows into duckdb, dataset wootric, in 0.1 s with 9 requests.",
    ]
    account.put("responses", row(104, NOON + 60))
    account.change("responses", 101, (NOON + 61) * SECOND)
    assert report_lines(project.run()) == [
        "table new or changed read again requests latest change (UTC) complete",
        "end_users 0 1 2 2023-11-14 22:13:20 yes",
        "responses 2 2 2 2023-11-14 22:14:21 yes",
        "declines 0 1 2 2023-11-14 22:13:20 yes",
        "segments 0 0 1 - yes",
        "survey_templates 0 0 1 - yes",
        "Nothing has changed in end_users, declines.",
        "2 rows into duckdb, dataset wootric, in 0.1 s with 9 requests.",
    ]


def test_an_account_without_rows_says_so(serve: Serve, tmp_path: Path) -> None:
    project = project_for(serve(Account()), tmp_path)
    # The first time an empty answer is not believed at once: it may be a mistake.
    for requests in (3, 2):
        assert report_lines(project.run("--tables", "declines")) == [
            "table rows requests latest change (UTC) complete",
            f"declines 0 {requests} - yes",
            "No rows were found.",
            f"0 rows into duckdb, dataset wootric, in 0.1 s with {requests + 1} requests.",
        ]


@pytest.mark.slow
def test_a_table_read_along_created_says_so(serve: Serve, tmp_path: Path) -> None:
    account = small_account()
    project = project_for(serve(account, ignores_updated=frozenset({"responses"})), tmp_path)
    report = project.run("--json").report
    modes = {name: table["mode"] for name, table in report["tables"].items()}
    lists = {"end_users": "updated", "responses": "created", "declines": "updated"}
    assert modes == {**lists, **dict.fromkeys(OVERVIEW_NAMES, "whole")}
    account.change("responses", 101, (NOON + 60) * SECOND)
    outcome = project.run()
    said = (
        "responses: Wootric does not filter or sort it by updated_at, so it is read along created_at: young rows by "
        "each run, older ones more rarely."
    )
    assert said in outcome.stdout.splitlines()
    assert said in project.run("--check").stdout.splitlines()
    assert project.held("responses") == expected(account, "responses")


@pytest.mark.slow
def test_new_fields_are_loaded_and_named(serve: Serve, tmp_path: Path) -> None:
    account = small_account()
    project = project_for(serve(account), tmp_path)
    assert project.run("--json").report["schema_changes"] == []
    account.put("responses", row(104, NOON + 60, sentiment="positive"))
    report = project.run("--json").report
    assert report["schema_changes"] == [{"table": "responses", "column": "sentiment", "data_type": "text"}]
    assert project.ask("SELECT id, sentiment FROM wootric.responses ORDER BY id") == [
        (101, None), (102, None), (103, None), (104, "positive"),
    ]  # fmt: skip
    account.put("responses", row(105, NOON + 90, mood=3))
    assert "New columns: responses.mood." in project.run().stdout


@pytest.mark.slow
def test_what_an_earlier_run_could_not_load_is_read_again(serve: Serve, tmp_path: Path) -> None:
    account = small_account()
    project = project_for(serve(account), tmp_path)
    account.put("responses", row(100, text="x"))
    project.run()
    project.alter("UPDATE wootric.responses SET text = 'x'")
    project.alter("ALTER TABLE wootric.responses ALTER text SET NOT NULL")
    account.put("responses", row(104, NOON + 3_600))
    failed = project.run("--json")
    assert (failed.code, failed.report["ok"]) == (1, False)
    assert failed.sentence == (
        "The load step failed (ConstraintException); what was loaded before stays valid, and running again goes on "
        "from there; --debug --log-file wootric.log shows where it fails."
    )
    assert 104 not in project.held("responses")

    project.alter("ALTER TABLE wootric.responses ALTER text DROP NOT NULL")
    # Beyond the overlap that a reading begins with, were the cursor where the failed run had moved it.
    account.put("responses", row(105, NOON + 7_200))
    report = project.run("--json").report
    assert report["ok"]
    assert report["tables"]["responses"]["cursor_before"] == iso(NOON)
    assert project.held("responses") == expected(account, "responses")


@pytest.mark.slow
def test_a_table_that_fails_is_reported_while_the_others_load(serve: Serve, tmp_path: Path) -> None:
    account = account_without_time()
    project = project_for(serve(account), tmp_path)
    outcome = project.run("--json")
    assert (outcome.code, outcome.report["ok"]) == (1, False)
    complete = {name: table["complete"] for name, table in outcome.report["tables"].items()}
    others = dict.fromkeys(OVERVIEW_NAMES, True)
    assert complete == {"end_users": True, "responses": False, "declines": True, **others}
    sentence = (
        "1 row is left out of responses, and all others are loaded. The row with id 104 of responses has no updated_at."
    )
    assert outcome.sentence == outcome.report["error"] == outcome.report["tables"]["responses"]["error"] == sentence
    for table in ("end_users", "declines"):
        assert project.held(table) == expected(account, table)

    account.is_right = True
    assert project.run("--json").report["ok"]
    assert project.held("responses") == expected(account, "responses")


@pytest.mark.slow
def test_a_list_that_is_sorted_by_changes_shows_them_to_the_next_run(serve: Serve, tmp_path: Path) -> None:
    account = Account()
    account.fill("responses", [row(index, NOON + index * 86_400) for index in range(200)])
    project = project_for(serve(account, ignores_updated=frozenset({"responses"})), tmp_path)
    project.run("--tables", "responses")
    account.change("responses", 5, (NOON + 300 * 86_400) * SECOND)
    table = project.run("--tables", "responses", "--json").report["tables"]["responses"]
    assert (table["mode"], table["changes_first"], table["rows"], table["complete"]) == ("created", True, 1, True)
    assert project.held("responses") == expected(account, "responses")
    assert "sort it by updated_at all the same" in project.run("--tables", "responses").stdout


@pytest.mark.slow
def test_a_list_in_no_order_of_changes_is_read_again_by_the_age_of_its_rows(serve: Serve, tmp_path: Path) -> None:
    account, ignored = Account(), frozenset({"responses"})
    account.fill("responses", [row(index, NOON + index * 86_400) for index in range(200)])
    project = project_for(serve(account, ignores_updated=ignored, ignores_sort_key=ignored), tmp_path)
    project.run("--tables", "responses")
    account.change("responses", 5, (NOON + 300 * 86_400) * SECOND)
    outcome = project.run("--tables", "responses")
    assert project.held("responses")[5] == NOON + 5 * 86_400
    assert "responses: changes of rows of the last " in outcome.stdout
    table = project.run("--tables", "responses", "--json").report["tables"]["responses"]
    ages = [each["read_up_to"] for each in table["read_up_to_by_age"]]
    assert (ages, min(ages)) == (sorted(ages, reverse=True), table["read_up_to"])
    assert project.run("--tables", "responses", SOURCES__WOOTRIC__STALENESS="0").code == 0
    assert project.held("responses") == expected(account, "responses")
