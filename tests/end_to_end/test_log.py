"""The log: what is in it, where it goes, who may read it. That it holds no canaries is in `test_privacy.py`."""

import logging
import re
import time
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest

from tests.conftest import NOON, Serve, row
from tests.script import DUCKDB_FILE, TABLE_NAMES, WITHOUT_PATIENCE, Project, expected, project_for
from tests.scripted import TOKEN, Answer, answer, talking
from wootric_pipeline.command.lock import exclusive_run
from wootric_pipeline.sandbox import SECOND, Account, Refused
from wootric_pipeline.version import VERSION

LOG = "wootric.log"
STARTED = "INFO wootric_pipeline.command: wootric_pipeline {} loads {}; destination duckdb, dataset wootric."


def lines_of(log: str) -> list[str]:
    """Its lines without their times, and with the same seconds and numbers of requests in all."""
    stamp = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ", re.MULTILINE)
    assert len(stamp.findall(log)) == len(log.splitlines()), log
    return alike(stamp.sub("", log)).splitlines()


def alike(text: str) -> str:
    """The same seconds and numbers of requests wherever there are any."""
    return re.sub(r"\d+ requests", "5 requests", re.sub(r"\d+\.\d s\.", "0.1 s.", text))


def logged(project: Project) -> list[str]:
    """The lines of the log file, which is begun anew."""
    file = project.folder / LOG
    text = file.read_text(encoding="utf-8")
    file.write_text("")
    return lines_of(text)


@pytest.fixture
def account() -> Account:
    account = Account()
    account.fill("declines", [row(index, NOON + index) for index in range(3)])
    account.fill("responses", [row(index, NOON + index) for index in range(120)])
    return account


def test_a_run_writes_down_where_each_table_begins_and_ends(serve: Serve, account: Account, tmp_path: Path) -> None:
    project = project_for(serve(account), tmp_path, keep_runs="false")
    words = ("--log-file", LOG, "--tables", "declines")
    assert project.run(*words).stderr == ""
    commented = "INFO wootric_pipeline.destinations: Wrote 8 comments of declines."
    assert logged(project) == lines("reads all there is.", 3, after=[commented])
    account.change("declines", 0, (NOON + 5) * SECOND)
    project.run(*words)
    assert logged(project) == lines("reads what has changed since 2023-11-14 22:08:22 UTC.", 1)
    project.run(*words)
    unchanged = "INFO wootric_pipeline.command: Nothing has changed: there is nothing to load."
    assert logged(project) == lines("reads what has changed since 2023-11-14 22:08:25 UTC.", 0, before=[unchanged])


def lines(begins: str, rows: int, before: Sequence[str] = (), after: Sequence[str] = ()) -> list[str]:
    """The log of a run that reads declines; what else it has before and after the commit."""
    return [
        STARTED.format(VERSION, "declines"),
        f"INFO wootric_pipeline.reading: declines: {begins}",
        f"INFO wootric_pipeline.reading: declines: read completely; {rows} rows with 5 requests.",
        *before,
        f"INFO wootric_pipeline.command: Committed so far: declines {rows} rows.",
        *after,
        f"INFO wootric_pipeline.command: Ended with {rows} rows and 5 requests, after 0.1 s.",
    ]


@pytest.mark.slow
def test_a_run_writes_down_retries_waits_fallbacks_and_commits(serve: Serve, account: Account, tmp_path: Path) -> None:
    sandbox = serve(account, ignores_updated=frozenset({"responses"}), rate_limit=2, rate_window_seconds=1.0)

    def outage(_table: str) -> None:
        if len(sandbox.requests) == 3:
            raise Refused(500, "internal error")

    sandbox.behaviour.before_answer = outage
    # Each page is committed by itself.
    project = project_for(sandbox, tmp_path, checkpoint_minutes=0)
    assert project.run("--log-file", LOG, "--tables", "responses").code == 0
    lines = [re.sub(r"waits \d s", "waits 1 s", line) for line in logged(project)]
    commits = [line for line in lines if "Committed" in line]
    rows = [int(re.sub(r"\D", "", line)) for line in commits]
    assert commits == [f"INFO wootric_pipeline.command: Committed so far: responses {number} rows." for number in rows]
    assert rows == sorted(rows)
    assert (len(set(rows)) > 1, rows[-1]) == (True, 120)
    once = [
        "WARNING wootric_pipeline.api: /v1/responses: status 500; asks again in 0.1 s.",
        "WARNING wootric_pipeline.reading: responses: the updated filter or the sort_key is ignored; "
        "it is read along created_at instead.",
    ]
    assert {line: lines.count(line) for line in once} == dict.fromkeys(once, 1)
    assert "INFO wootric_pipeline.api: The account's rate limit is used up; waits 1 s." in lines


def test_a_table_that_cannot_be_read_is_written_down(serve: Serve, account: Account, tmp_path: Path) -> None:
    account.fill("declines", [{**row(index, NOON), "created_at": None} for index in range(104, 111)])
    project = project_for(serve(account), tmp_path)
    assert project.run("--log-file", LOG, "--tables", "declines").code == 1
    sentence = "The row with id 104 of declines has no created_at."
    lines = logged(project)
    assert f"WARNING wootric_pipeline.reading: declines: cannot be read completely. {sentence}" in lines
    assert lines[-1] == f"ERROR wootric_pipeline.command: {sentence}"


def test_each_request_is_written_down_with_debug(serve: Serve, account: Account, tmp_path: Path) -> None:
    sandbox = serve(account)
    project = project_for(sandbox, tmp_path)
    assert project.run("--log-file", LOG, "--debug", "--tables", "declines").code == 0
    written = [line for line in logged(project) if line.startswith("DEBUG")]
    sign_in, *lists = sandbox.requests
    assert written[0].startswith(f"DEBUG wootric_pipeline.api: POST {sign_in.path}: status 200, ")
    queries = ["&".join(f"{name}={value}" for name, value in request.params.items()) for request in lists]
    begun = "DEBUG wootric_pipeline.api: GET /v1/declines?"
    assert [re.sub(r"\d rows, \d+ ms", "3 rows, 5 ms", line) for line in written[1:]] == [
        f"{begun}{query}: status 200, 3 rows, 5 ms." for query in queries
    ]


def test_what_a_query_holds_of_people_is_not_written_down(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "wootric_pipeline")
    refused = answer({}, 401)
    with talking(refused, Answer(body=b"no JSON"), answer([{"id": 1}]), sign_in=(TOKEN, TOKEN)) as talk:
        talk.get("/v1/end_users", email="canary@example.com", page=2)
    assert lines_without_time(caplog) == [
        ("DEBUG", "POST /oauth/token: status 200, 0 ms."),
        ("DEBUG", "GET /v1/end_users?email=...&page=2: status 401, 0 ms."),
        ("INFO", "/v1/end_users: the token is refused before its end; asks for another."),
        ("DEBUG", "POST /oauth/token: status 200, 0 ms."),
        ("DEBUG", "GET /v1/end_users?email=...&page=2: something that is not JSON, 0 ms."),
        ("WARNING", "/v1/end_users: something that is not JSON; asks again in 0.1 s."),
        ("DEBUG", "GET /v1/end_users?email=...&page=2: status 200, 1 rows, 0 ms."),
    ]


def lines_without_time(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Levels and messages, with the same seconds in all."""
    return [(each.levelname, alike(each.getMessage())) for each in caplog.records]


def test_waiting_for_another_run_is_written_down(serve: Serve, account: Account, tmp_path: Path) -> None:
    project = project_for(serve(account), tmp_path)
    waiting = "INFO wootric_pipeline.destinations: Waits for another run of wootric_pipeline to end."
    log = project.folder / LOG
    with exclusive_run("wootric_pipeline", project.folder / "dlt/pipelines"):
        process = project.start(*project.command("--wait", "--log-file", LOG, "--tables", "declines"))
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (log.exists() and log.read_text()):
            time.sleep(0.05)
        assert lines_of(log.read_text()) == [waiting]
    with process:
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert lines_of(log.read_text())[1] == STARTED.format(VERSION, "declines")


def test_a_database_file_that_is_open_elsewhere_is_waited_for(serve: Serve, account: Account, tmp_path: Path) -> None:
    project = project_for(serve(account), tmp_path)
    assert project.run("--tables", "declines").code == 0
    waiting = "INFO wootric_pipeline.destinations: Waits for the DuckDB file to be closed in another process."
    log = project.folder / LOG
    with duckdb.connect(str(project.folder / DUCKDB_FILE), read_only=True):
        process = project.start(*project.command("--wait", "--log-file", LOG, prelude=WITHOUT_PATIENCE))
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (log.exists() and waiting in lines_of(log.read_text())):
            time.sleep(0.05)
        assert waiting in lines_of(log.read_text())
        assert process.poll() is None
    with process:
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert {table: project.held(table) for table in TABLE_NAMES} == {
        table: expected(account, table) for table in TABLE_NAMES
    }


def test_the_file_is_appended_to_and_its_owners_alone(serve: Serve, account: Account, tmp_path: Path) -> None:
    project = project_for(serve(account), tmp_path)
    existing, new = project.folder / LOG, project.folder / "new.log"
    existing.write_text("What was there.\n")
    existing.chmod(0o644)
    for file in (existing, new):
        outcome = project.run("--check", "--log-file", str(file), prelude="import os; os.umask(0)")
        assert (outcome.code, outcome.stderr) == (0, "")
        assert file.stat().st_mode & 0o777 == 0o600
    first, *others = existing.read_text().splitlines()
    assert (first, len(others)) == ("What was there.", len(new.read_text().splitlines()))
    assert lines_of(new.read_text())[0] == (
        f"INFO wootric_pipeline.command: wootric_pipeline {VERSION} checks end_users, responses, declines, "
        "segments, survey_templates; destination duckdb, dataset wootric."
    )


@pytest.mark.parametrize(
    ("file", "why"),
    [("there/is/none.log", "No such file or directory"), (".", "Is a directory"), ("", "Is a directory")],
)
def test_a_file_that_cannot_be_written_is_told_at_once(tmp_path: Path, file: str, why: str) -> None:
    outcome = Project(tmp_path).run("--json", "--log-file", file)
    sentence = f"The log file {tmp_path / file} cannot be written ({why}); choose another with --log-file."
    assert (outcome.code, outcome.sentence, outcome.report["error"]) == (2, sentence, sentence)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_is_full_ends_the_log_and_not_the_run(serve: Serve, account: Account, tmp_path: Path) -> None:
    outcome = project_for(serve(account), tmp_path).run("--json", "--log-file", "/dev/full", "--tables", "declines")
    assert outcome.report["ok"]
    assert outcome.sentence == "The log file /dev/full cannot be written any more."


def test_debug_shows_where_it_failed(serve: Serve, account: Account, tmp_path: Path) -> None:
    project = project_for(serve(account), tmp_path)
    assert project.run("--tables", "declines").code == 0
    project.alter("UPDATE wootric.declines SET ip_address = 'x'")
    project.alter("ALTER TABLE wootric.declines ALTER ip_address SET NOT NULL")
    account.put("declines", row(104, NOON + 60))
    failing = ("--tables", "declines", "--json")
    sentence = (
        "The load step failed (ConstraintException); what was loaded before stays valid, and running again goes on "
        "from there; --debug --log-file wootric.log shows where it fails."
    )
    shown = project.run(*failing, "--debug")
    assert (shown.code, shown.report["error"]) == (1, sentence)
    *log, last = shown.stderr.splitlines()
    assert last == sentence
    assert "Traceback (most recent call last):" in log
    assert any(line.startswith("_duckdb.ConstraintException: ") for line in log)

    in_file = project.run(*failing, "--debug", "--log-file", LOG)
    assert (in_file.sentence, in_file.report["error"]) == (sentence, sentence)
    assert "\nTraceback (most recent call last):\n" in (project.folder / LOG).read_text()


PROGRAM = """\
import logging, dlt
from wootric_pipeline import wootric_source
{}
dlt.pipeline("wootric_pipeline", destination="duckdb", dataset_name="wootric").run(wootric_source())
"""
CONFIGURED = "logging.basicConfig(level=logging.INFO, format='%(levelname)s %(name)s: %(message)s')"


def test_a_program_of_ones_own_has_the_log_if_it_asks_for_it(serve: Serve, account: Account, tmp_path: Path) -> None:
    project = project_for(serve(account, ignores_updated=frozenset({"responses"})), tmp_path)
    quiet = {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "CRITICAL"}
    outcome = project.python("-c", PROGRAM.format(CONFIGURED), **quiet)
    lines = [alike(line) for line in outcome.stderr.splitlines() if "wootric_pipeline" in line]
    fallback = "the updated filter or the sort_key is ignored; it is read along created_at instead."
    assert (outcome.code, sorted(lines)) == (
        0,
        [
            "INFO wootric_pipeline.reading: declines: read completely; 3 rows with 5 requests.",
            "INFO wootric_pipeline.reading: declines: reads all there is.",
            "INFO wootric_pipeline.reading: end_users: read completely; 0 rows with 5 requests.",
            "INFO wootric_pipeline.reading: end_users: reads all there is.",
            "INFO wootric_pipeline.reading: responses: read completely; 120 rows with 5 requests.",
            "INFO wootric_pipeline.reading: responses: reads all there is.",
            "INFO wootric_pipeline.reading: segments: read; 0 rows with 5 requests.",
            "INFO wootric_pipeline.reading: segments: reads.",
            "INFO wootric_pipeline.reading: survey_templates: read; 0 rows with 5 requests.",
            "INFO wootric_pipeline.reading: survey_templates: reads.",
            f"WARNING wootric_pipeline.reading: responses: {fallback}",
        ],
    )
    outcome = project.python("-c", PROGRAM.format(""), **quiet)
    assert (outcome.code, outcome.stderr) == (0, "")
