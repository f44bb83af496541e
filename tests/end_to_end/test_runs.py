"""What runs leave in `wootric_runs`, what `--status` says of them, and who is told of a run."""

import itertools
import json
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.conftest import NOON, Serve, row
from tests.end_to_end.test_faults import WITH_A_QUICK_CLOCK
from tests.script import DUCKDB_FILE, TABLE_NAMES, Project, project_for
from tests.scripted import Answer, Scripted
from wootric_pipeline.sandbox import Account, Refused
from wootric_pipeline.version import VERSION

KEPT = (
    "table_name, complete, rows, rows_unchanged, requests, mode, cursor AT TIME ZONE 'UTC', error, warnings, version, "
    "started_at > read_up_to - INTERVAL 1 MINUTE, seconds > 0"
)
CANARY = "canary@example.com"
CURSOR = datetime.fromtimestamp(NOON, timezone.utc).replace(tzinfo=None)


LISTS = ",".join(TABLE_NAMES)


@pytest.fixture
def account() -> Account:
    account = Account()
    account.put("end_users", row(1, email=CANARY))
    account.put("responses", row(2, text=CANARY))
    account.put("declines", row(3))
    return account


def no_responses(table: str) -> None:
    if table == "responses":
        raise Refused(500, "internal error")


def runs(project: Project, order: str = "started_at, table_name") -> list[tuple[Any, ...]]:
    return project.ask(f"SELECT {KEPT} FROM wootric.wootric_runs ORDER BY {order}")


def test_each_run_is_a_row_for_each_table(account: Account, serve: Serve, tmp_path: Path) -> None:
    project = project_for(serve(account), tmp_path / "project", tables=LISTS)
    assert project.run("--tables", "end_users,declines").code == 0
    account.put("declines", row(4, NOON + 60))
    assert project.run("--tables", "declines").code == 0
    end = (None, None, VERSION, True, True)
    after = CURSOR + timedelta(minutes=1)
    assert runs(project) == [
        ("declines", True, 1, 0, 5, "updated", CURSOR, *end),
        ("end_users", True, 1, 0, 5, "updated", CURSOR, *end),
        ("declines", True, 1, 1, 2, "updated", after, *end),
    ]
    assert project.ask("SELECT count(DISTINCT run_id), count(DISTINCT started_at) FROM wootric.wootric_runs") == [
        (2, 2)
    ]


def test_a_run_that_fails_is_noted_with_its_sentence(account: Account, serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(account)
    project = project_for(sandbox, tmp_path / "project", tables=LISTS)
    project.prelude = WITH_A_QUICK_CLOCK
    sandbox.behaviour.before_answer = no_responses
    outcome = project.run()
    assert outcome.code == 1
    found = {name: (complete, error) for name, complete, *_, error, _w, _v, _r, _s in runs(project)}
    assert found["declines"] == (True, None)
    assert found["responses"] == (False, outcome.sentence)


def test_a_run_that_fails_as_a_whole_is_noted_for_all_tables(account: Account, serve: Serve, tmp_path: Path) -> None:
    project = project_for(serve(account), tmp_path / "project", tables=LISTS)
    outcome = project.run(SOURCES__WOOTRIC__CLIENT_SECRET="wrong")
    assert outcome.code == 2
    assert [each[:2] for each in runs(project)] == [(name, False) for name in sorted(TABLE_NAMES)]
    assert {each[7] for each in runs(project)} == {outcome.sentence}


@pytest.mark.slow
def test_what_cannot_be_noted_now_is_noted_with_the_next_run(account: Account, serve: Serve, tmp_path: Path) -> None:
    project = project_for(serve(account), tmp_path / "project", tables=LISTS)
    assert project.run().code == 0
    no_table = (
        "import dlt; dlt.Pipeline.load = (lambda load: lambda self, *a, **k: 1 / 0 if 'runs' in self.working_dir "
    )
    no_table += "else load(self, *a, **k))(dlt.Pipeline.load)"
    outcome = project.run("--json", prelude=no_table)
    assert outcome.code == 0
    assert outcome.report["warnings"] == [
        "How this run has ended is not noted in wootric_runs yet (ZeroDivisionError)."
    ]
    assert len(runs(project)) == 3
    assert project.run().code == 0
    assert len(runs(project)) == 9


@pytest.mark.slow
def test_a_table_of_runs_that_was_dropped_is_made_anew(account: Account, serve: Serve, tmp_path: Path) -> None:
    project = project_for(serve(account), tmp_path / "project", tables=LISTS)
    assert project.run().code == 0
    project.alter("DROP TABLE wootric.wootric_runs")
    outcome = project.run("--json")
    assert (outcome.code, outcome.report["warnings"]) == (0, [])
    assert len(runs(project)) == 3


def test_a_lost_working_folder_loses_no_run(account: Account, serve: Serve, tmp_path: Path) -> None:
    project = project_for(serve(account), tmp_path / "project", tables=LISTS)
    assert project.run().code == 0
    assert project.run(DLT_DATA_DIR=str(tmp_path / "other")).code == 0
    assert len(runs(project)) == 6


def test_runs_are_not_kept_where_nobody_wants_them(account: Account, serve: Serve, tmp_path: Path) -> None:
    project = project_for(serve(account), tmp_path / "project", tables=LISTS, keep_runs="false")
    assert project.run().code == 0
    before = (project.folder / DUCKDB_FILE).read_bytes()
    assert project.run().code == 0
    assert (project.folder / DUCKDB_FILE).read_bytes() == before
    assert project.ask("SELECT count(*) FROM information_schema.tables WHERE table_name = 'wootric_runs'") == [(0,)]


@pytest.mark.slow
def test_the_status_tells_the_last_runs_and_how_fresh_tables_are(
    account: Account, serve: Serve, tmp_path: Path
) -> None:
    sandbox = serve(account)
    project = project_for(sandbox, tmp_path / "project", tables=LISTS)
    project.prelude = WITH_A_QUICK_CLOCK
    assert project.run().code == 0
    sandbox.behaviour.before_answer = no_responses
    assert project.run().code == 1
    outcome = project.run("--status", "--json", CLIENT_ID="nobody")
    assert outcome.code == 0
    report = outcome.report
    assert [(run["table_name"], run["complete"], run["rows"]) for run in report["runs"]] == [
        ("end_users", True, 0),
        ("responses", False, 0),
        ("declines", True, 0),
        ("end_users", True, 1),
        ("responses", True, 1),
        ("declines", True, 1),
    ]
    fresh = report["tables"]
    assert list(fresh) == list(TABLE_NAMES)
    assert fresh["responses"]["last_complete_at"] == report["runs"][-1]["started_at"]
    assert (
        fresh["responses"]["last_run_at"] == report["runs"][0]["started_at"] == fresh["end_users"]["last_complete_at"]
    )
    text = project.run("--status", "--tables", "responses").stdout
    assert "  NO  " in text
    assert "declines" not in text


def test_the_status_fails_where_a_complete_run_is_too_long_ago(account: Account, serve: Serve, tmp_path: Path) -> None:
    project = project_for(serve(account), tmp_path / "project", tables=LISTS)
    assert project.run("--tables", "end_users,responses").code == 0
    project.alter(
        "UPDATE wootric.wootric_runs SET started_at = started_at - INTERVAL 5 HOUR WHERE table_name = 'responses'"
    )
    for hours, words, sentence in (
        (3, (), "No run that began in the last 3 hours has loaded responses completely."),
        (3, ("--tables", "end_users"), ""),
        (6, (), ""),
        (6, ("--tables", "declines"), "No run that began in the last 6 hours has loaded declines completely."),
    ):
        outcome = project.run("--status", "--max-age", str(hours), *words)
        assert (outcome.code, outcome.stderr.strip()) == (1 if sentence else 0, sentence)


@pytest.mark.slow
def test_a_range_makes_no_table_fresh(account: Account, serve: Serve, tmp_path: Path) -> None:
    project = project_for(serve(account), tmp_path / "project")
    assert project.run("--tables", "responses").code == 0
    project.alter("UPDATE wootric.wootric_runs SET started_at = started_at - INTERVAL 5 HOUR")
    report = project.run(
        "--json", "--tables", "responses", "--start-date", "2023-01-01", "--end-date", "2023-02-01"
    ).report
    assert (report["tables"]["responses"]["complete"], report["tables"]["responses"]["read_up_to"]) == (True, None)
    assert project.run("--status", "--max-age", "3").code == 1
    assert project.ask("SELECT kind FROM wootric.wootric_runs ORDER BY started_at") == [("load",), ("range",)]


def test_the_status_of_ranges_alone(account: Account, serve: Serve, tmp_path: Path) -> None:
    project = project_for(serve(account), tmp_path / "project", tables="responses")
    assert project.run("--start-date", "2023-01-01", "--end-date", "2023-02-01").code == 0
    outcome = project.run("--status")
    assert outcome.code == 0
    head, _, row = outcome.stdout.splitlines()
    assert (head.split()[:2], row.split()[2:5]) == (["run", "(UTC)"], ["responses", "yes", "range"])


def test_the_status_of_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.folder.mkdir()
    assert project.run("--status").stdout == "No run is noted in the dataset wootric.\n"
    outcome = project.run("--status", "--max-age", "3")
    assert (outcome.code, outcome.sentence) == (
        1, "No run that began in the last 3 hours has loaded any table completely.",
    )  # fmt: skip
    assert not (project.folder / DUCKDB_FILE).exists()


def told(server: Scripted) -> list[dict[str, str]]:
    return [json.loads(received.body) for received in server.sent("POST")]


@pytest.mark.slow
def test_somebody_is_told_of_failures_recoveries_and_new_columns(
    account: Account, serve: Serve, tmp_path: Path
) -> None:
    sandbox = serve(account)
    with Scripted(sign_in=(Answer(body=b"ok"),)) as hook:
        project = project_for(sandbox, tmp_path / "project", tables=LISTS, notify_url=f"{hook.url}/secret-path")
        project.prelude = WITH_A_QUICK_CLOCK
        assert project.run().code == 0
        assert told(hook) == []
        sandbox.behaviour.before_answer = no_responses
        failed = project.run()
        account.put("responses", row(9, NOON + 60, sentiment="good", text=CANARY))
        sandbox.behaviour.before_answer = None
        assert project.run().code == 0
        assert project.run().code == 0
        place = "Wootric into duckdb, dataset wootric"
        assert told(hook) == [
            {"event": "failure", "text": f"{place}: the run failed. {failed.sentence}"},
            {"event": "recovery", "text": f"{place}: the run is complete again."},
            {"event": "schema_change", "text": f"{place}: new columns responses.sentiment."},
        ]


@pytest.mark.parametrize(
    ("answer", "reason"), [(Answer(404), "status 404"), (Answer(302, headers={"Location": "/x"}), "status 302")]
)
def test_that_nobody_can_be_told_is_a_warning_without_the_address(
    account: Account, serve: Serve, tmp_path: Path, answer: Answer, reason: str
) -> None:
    with Scripted(sign_in=(answer,)) as hook:
        project = project_for(serve(account), tmp_path / "project", tables=LISTS, notify_url=f"{hook.url}/secret-path")
        outcome = project.run("--json", "--debug", SOURCES__WOOTRIC__CLIENT_SECRET="wrong")
        assert outcome.code == 2
        assert outcome.report["warnings"] == [f"The address in notify_url could not be told of this run ({reason})."]
        assert "secret-path" not in outcome.stdout + outcome.stderr
        assert len(hook.sent("POST")) == 1


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "meanwhile"])
def test_a_run_that_finds_the_file_open_is_noted_with_the_next(
    account: Account, serve: Serve, tmp_path: Path, moment: str
) -> None:
    sandbox = serve(account)
    opened: list[duckdb.DuckDBPyConnection] = []
    file = tmp_path / "project" / DUCKDB_FILE

    def open_it(_table: str = "") -> None:
        if not opened:
            opened.append(duckdb.connect(str(file)))

    with Scripted(sign_in=(Answer(body=b"ok"),)) as hook:
        project = project_for(sandbox, tmp_path / "project", notify_url=hook.url)
        assert project.run("--tables", "responses").code == 0
        account.put("responses", row(9, NOON + 60))
        if moment == "before":
            open_it()
        else:
            sandbox.behaviour.before_answer = open_it
        failed = project.run("--tables", "responses")
        assert failed.code == 1
        opened[0].close()
        assert project.run("--tables", "responses").code == 0
        found = project.ask("SELECT complete, error FROM wootric.wootric_runs ORDER BY started_at")
        assert found == [(True, None), (False, failed.stderr.strip()), (True, None)]
        assert [each["event"] for each in told(hook)] == ["failure", "recovery"]


@pytest.mark.parametrize("pieces", [itertools.repeat(b"x" * 10**6), itertools.repeat(b"HTTP/1.1 200")])
def test_no_answer_to_a_notification_is_waited_for(
    account: Account, serve: Serve, tmp_path: Path, pieces: Iterable[bytes]
) -> None:
    with Scripted(sign_in=(Answer(pieces=pieces, pause_seconds=0.5),)) as hook:
        project = project_for(serve(account), tmp_path / "project", notify_url=hook.url)
        prelude = "import wootric_pipeline.command.notification as n; n.SECONDS_MAX = 2"
        outcome = project.run("--json", SOURCES__WOOTRIC__CLIENT_SECRET="wrong", prelude=prelude)
        assert outcome.code == 2
        (warning,) = outcome.report["warnings"]
        assert warning.startswith("The address in notify_url could not be told of this run (")


@pytest.mark.parametrize(
    ("words", "settings", "sentence"),
    [
        ([], {"notify_url": "canary"}, "notify_url must be an address that begins with https:// or http://."),
        (["--max-age", "3"], {}, "--max-age is about --status; add that, or leave out --max-age."),
        (["--status", "--check"], {}, "--status loads nothing; leave out --check."),
        (
            ["--status", "--max-age", "x"],
            {},
            "Argument --max-age: a number of hours, such as 3, is needed; see --help.",
        ),
    ],
)
def test_mistakes(tmp_path: Path, words: list[str], settings: dict[str, str], sentence: str) -> None:
    (tmp_path / "project").mkdir()
    project = Project(tmp_path / "project", client_id="a", client_secret="b", **settings)
    outcome = project.run(*words)
    assert (outcome.code, outcome.sentence) == (2, sentence)
