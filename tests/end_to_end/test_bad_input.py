"""Mistakes and misfortunes: one plain sentence, the documented exit code, and what was loaded stays as it was."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NOON, Serve, first, row
from tests.script import (
    AT_ANY_PORT,
    DUCKDB_FILE,
    OVERVIEW_NAMES,
    TABLE_NAMES,
    WITHOUT_BACKOFF,
    WITHOUT_PATIENCE,
    Outcome,
    Project,
    expected,
    project_for,
)
from wootric_pipeline.sandbox import CLIENT_ID, CLIENT_SECRET, PASSWORD, USERNAME, Account, Sandbox

# What the tests of this file share is made once, in one process.
pytestmark = pytest.mark.xdist_group("bad_input")

USER_MISTAKE = 2
FAILURE = 1

MISSING_CREDENTIALS = (
    "Set client_id and client_secret, or username and password, under [sources.wootric] in secrets.toml, which was "
    "looked for in FOLDER/.dlt, or as SOURCES__WOOTRIC__CLIENT_ID and so on in the environment."
)
WRONG_CREDENTIALS = (
    "Wootric refuses the credentials: check client_id and client_secret, or username and password, under "
    "[sources.wootric]."
)
CHOICE = (
    "choose from end_users, responses, declines, segments, survey_templates, nps_summary, email_stats, email_sources."
)
NO_DATE = "start_date must be a date such as 2024-01-31 or a time such as 2024-01-31T08:00:00Z."
NAMED_LIKE_FILE = "The dataset must not have the name of the DuckDB file; choose another with --dataset."
NAMED_LIKE_STAGING = (
    "The dataset must not end in _staging, which is where rows of another are merged from; choose another with "
    "--dataset."
)
NOT_WRITABLE = (
    "The DuckDB file cannot be written; check the path and its permissions, or set another file under "
    "[destination.duckdb] credentials."
)
DROP_THE_RIGHT_TO_WRITE_ANYWHERE = """
import ctypes, os, sys
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
if ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0):
    sys.exit("cannot drop a capability")
os.execv(sys.executable, [sys.executable, {script!r}, *sys.argv[1:]])
"""
HOLD_OPEN = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"


def small_account() -> Account:
    account = Account()
    for index, table in enumerate(TABLE_NAMES):
        account.fill(table, [row(100 * index + each, NOON + each) for each in (1, 2, 3)])
    account.change("responses", 101, account.rows["responses"][101]["updated_at"], text="Fine.", tags=["a", "b"])
    return account


@pytest.fixture(scope="module")
def loaded_once(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which the small account is loaded."""
    with Sandbox(small_account()) as sandbox:
        project = project_for(sandbox, tmp_path_factory.mktemp("loaded"))
        project.prelude = AT_ANY_PORT
        assert project.run().code == 0
        assert len(project.loaded()["wootric.responses"]) == 3
        return project


@pytest.fixture
def project(loaded_once: Project, serve: Serve, tmp_path: Path) -> Project:
    """A copy of it, with an account of its own."""
    copy = loaded_once.copy(tmp_path / "project")
    copy.set(base_url=serve(small_account()).url)
    return copy


def assert_is_told(project: Project, code: int, sentence: str, outcome: Callable[[], Outcome]) -> None:
    """Whether a run ends with an exit code and one sentence, and leaves what is loaded as it was."""
    file = project.folder / DUCKDB_FILE
    before = file.read_bytes()
    ended = outcome()
    assert (ended.code, ended.sentence, ended.stdout) == (code, sentence, "")
    if file.read_bytes() != before:
        # It may be noted there that the run has failed.
        after = project.loaded()
        file.write_bytes(before)
        assert after == project.loaded()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--tables surveys", f"There is no table surveys; {CHOICE}"),
        ("--tables ,", f"tables names none; {CHOICE[:-1]}, or leave it out."),
        ("--table responses", "Unrecognized arguments: --table responses; see --help."),
        ("responses", "Unrecognized arguments: responses; see --help."),
        ("--start-date", "Argument --start-date: expected one argument; see --help."),
        ("--start-date yesterday", NO_DATE),
        *first(
            ("--start-date 2024-01-02 --end-date 2024-01-02", "end_date must be later than start_date."),
            ("--start-date 2024-01-02 --end-date 2024-01-01", "end_date must be later than start_date."),
        ),
        ("--end-date 2024-01-01", "end_date needs a start_date: together they are the range to load."),
        *first(("--dataset Wootric_Pipeline", NAMED_LIKE_FILE), ("--dataset wootric_pipeline", NAMED_LIKE_FILE)),
        *first(("--dataset wootric_staging", NAMED_LIKE_STAGING), ("--dataset Wootric-Staging", NAMED_LIKE_STAGING)),
        (
            "--destination nowhere",
            "There is no destination nowhere; choose one that dlt has, such as duckdb, postgres or filesystem.",
        ),
        *first(
            ("--destination s3", "There is no destination s3; its name is filesystem."),
            ("--destination SQLite", "There is no destination SQLite; its name is sqlalchemy."),
        ),
        (
            "--destination postgres",
            "Settings are missing (destination.postgres.credentials.database, destination.postgres.credentials.host, "
            "destination.postgres.credentials.password, destination.postgres.credentials.username); "
            "put them in .dlt/secrets.toml or in the environment.",
        ),
    ],
)
def test_a_wrong_argument_is_told(project: Project, words: str, sentence: str) -> None:
    assert_is_told(project, USER_MISTAKE, sentence, lambda: project.run(*words.split()))


def test_an_unknown_kind_of_progress_is_told(project: Project) -> None:
    outcome = project.run("--progress", "fast")
    assert (outcome.code, outcome.stdout) == (USER_MISTAKE, "")
    assert outcome.sentence.startswith("Argument --progress: invalid choice: 'fast'")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"client_id": "", "client_secret": ""}, MISSING_CREDENTIALS),
        ({"client_secret": "wrong"}, WRONG_CREDENTIALS),
        ({"client_id": "", "username": "sandbox@example.com", "password": "wrong"}, WRONG_CREDENTIALS),
        ({"base_url": "api.wootric.com"}, "base_url must be an address such as https://api.wootric.com."),
        (
            {"base_url": "http://example.com"},
            "base_url must begin with https: example.com would get the credentials in the clear.",
        ),
        (
            {"base_url": "https://me:pass@example.com"},
            "base_url must be an address only, without credentials or a query.",
        ),
        ({"base_url": "http://127.0.0.1/#api"}, "base_url must be an address only, without credentials or a query."),
        ({"region": "mars"}, "region must be one of us, eu, au."),
        (
            {"base_url": "https://app.wootric.com/api", "region": "EU"},
            "base_url and region must not contradict each other: the region eu is at https://api.wootric.eu; leave one "
            "of them out.",
        ),
        ({"start_date": "yesterday"}, NO_DATE),
        ({"lookback_seconds": "soon"}, "The setting lookback_seconds must be of the type int."),
        ({"connections": "0"}, "connections must be 1 or more."),
        ({"checkpoint_minutes": "often"}, "The setting checkpoint_minutes must be of the type float."),
        ({"checkpoint_minutes": "-1"}, "checkpoint_minutes must be 0 or more."),
    ],
)
def test_a_wrong_setting_is_told(project: Project, settings: dict[str, str], sentence: str) -> None:
    project.set(**settings)
    assert_is_told(project, USER_MISTAKE, sentence.replace("FOLDER", str(project.folder)), project.run)


MISSING, EMPTY = (
    ("missing.pem", "names a file that does not exist"),
    ("empty.pem", "names a file without certificates that can be read"),
)


@pytest.mark.parametrize(
    ("variable", "path", "fault", "words"),
    [
        *first(
            ("REQUESTS_CA_BUNDLE", *MISSING, []),
            ("REQUESTS_CA_BUNDLE", *EMPTY, []),
            ("CURL_CA_BUNDLE", *MISSING, []),
            ("CURL_CA_BUNDLE", *EMPTY, []),
        ),
        *first(
            ("CURL_CA_BUNDLE", *EMPTY, ["--check"]),
            ("CURL_CA_BUNDLE", *MISSING, ["--check"]),
            ("REQUESTS_CA_BUNDLE", *MISSING, ["--check"]),
            ("REQUESTS_CA_BUNDLE", *EMPTY, ["--check"]),
        ),
    ],
)
def test_certificates_that_do_not_exist_are_told(
    project: Project, variable: str, path: str, fault: str, words: list[str]
) -> None:
    project.set(base_url="https://127.0.0.1:1")
    project.write("empty.pem", "")
    sentence = f"{variable} {fault}; correct it, or take it away."
    assert_is_told(project, USER_MISTAKE, sentence, lambda: project.run(*words, **{variable: path}))


@pytest.mark.parametrize("around", first("\t{}\r\n", "{}\n", " {} "))
def test_what_is_around_credentials_does_not_matter(project: Project, around: str) -> None:
    project.set(client_id=around.format(CLIENT_ID), client_secret=around.format(CLIENT_SECRET))
    outcome = project.run("--check")
    assert (outcome.code, outcome.stderr) == (0, "")


def test_a_line_break_behind_a_password_does_not_matter(project: Project) -> None:
    project.set(client_id="", client_secret="", username=f" {USERNAME}\n", password=f"{PASSWORD}\r\n")
    outcome = project.run("--check")
    assert (outcome.code, outcome.stderr) == (0, "")


@pytest.mark.slow
def test_a_list_that_may_not_be_read_stops_no_other(loaded_once: Project, tmp_path: Path) -> None:
    project = loaded_once.copy(tmp_path / "project")
    sentence = "Wootric does not let these credentials read /v1/declines."
    answers = {"/oauth/token": TOKEN, "/v1/end_users": b"[]", "/v1/responses": b"[]"}
    with scripted(answers, b'{"error": "forbidden"}', status=403) as address:
        project.set(base_url=address)
        before = project.loaded()
        outcome = project.run("--json")
        in_words = project.run()
        checked = project.run("--check")
        checked_json = project.run("--check", "--json")
    assert (outcome.code, outcome.sentence) == (USER_MISTAKE, sentence)
    tables = outcome.report["tables"]
    assert {name: table["complete"] for name, table in tables.items()} == {
        "end_users": True,
        "responses": True,
        "declines": False,
        # These are a warning.
        "segments": False,
        "survey_templates": False,
    }
    assert (outcome.report["ok"], tables["declines"]["error"]) == (False, sentence)
    assert (in_words.code, in_words.sentence) == (USER_MISTAKE, sentence)
    assert "declines" in in_words.stdout
    assert project.loaded() == before
    assert (checked.code, checked.sentence) == (USER_MISTAKE, sentence)
    assert [line.split()[:2] for line in checked.stdout.splitlines()[2:7]] == [
        ["end_users", "yes"],
        ["responses", "yes"],
        ["declines", "NO"],
        ["segments", "NO"],
        ["survey_templates", "NO"],
    ]
    assert {name: each["readable"] for name, each in checked_json.report["tables"].items()} == {
        "end_users": True,
        "responses": True,
        "declines": False,
        "segments": False,
        "survey_templates": False,
    }


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--full-refresh", "--check"], "--check loads nothing; leave out --full-refresh."),
        (["--exclude-columns", ""], "--exclude-columns names no column; name one, or leave it out."),
        (["--exclude-columns", " ,"], "--exclude-columns names no column; name one, or leave it out."),
        (["--yes"], "--yes answers what --full-refresh and --find-deleted ask; add one of them, or leave out --yes."),
        (
            ["--demo", "--check", "--yes"],
            "--yes answers what --full-refresh and --find-deleted ask; add one of them, or leave out --yes.",
        ),
    ],
)
def test_options_that_would_do_nothing_are_refused(project: Project, words: list[str], sentence: str) -> None:
    assert_is_told(project, USER_MISTAKE, sentence, lambda: project.run(*words))


def test_a_host_that_does_not_answer_is_told(project: Project) -> None:
    project.set(base_url="http://127.0.0.1:1")
    at_once = "import wootric_pipeline.api.transport as c; c.SIGN_IN_RETRY_SECONDS_MAX = 0"
    sentence = (
        "127.0.0.1:1 cannot be reached (the connection failed); check base_url under [sources.wootric] and the network."
    )
    assert_is_told(project, FAILURE, sentence, lambda: project.run(prelude=at_once))
    assert_is_told(project, FAILURE, sentence, lambda: project.run("--check", prelude=at_once))


EU = "api.wootric.eu cannot be reached ({}); check region under [sources.wootric] and the network."
US = "api.wootric.com cannot be reached ({}); check the network."
NO_NAME = ("socket.gaierror(socket.EAI_NONAME, 'unknown')", "its name cannot be resolved")
REFUSED = ("ConnectionRefusedError()", "the connection failed")
TIMED_OUT = ("TimeoutError()", "no answer in time")


@pytest.mark.parametrize(
    ("region", "sentence", "error", "reason"),
    [
        *first(("eu", EU, *NO_NAME), ("eu", EU, *REFUSED), ("eu", EU, *TIMED_OUT)),
        (None, US, *REFUSED),
        *first((None, US, *TIMED_OUT), (None, US, *NO_NAME)),
    ],
)
def test_a_host_of_wootrics_that_does_not_answer_is_no_mistake(
    tmp_path: Path, region: str | None, sentence: str, error: str, reason: str
) -> None:
    project = Project(tmp_path, client_id="a", client_secret="b", **({"region": region} if region else {}))
    offline = (
        "import wootric_pipeline.api.transport as c; c.SIGN_IN_RETRY_SECONDS_MAX = 0\n"
        f"import socket\ndef fail(*_, **__): raise {error}\nsocket.getaddrinfo = fail"
    )
    outcome = project.run(prelude=offline)
    assert (outcome.code, outcome.sentence) == (FAILURE, sentence.format(reason))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[sources.wootric]\nlookback_seconds = [1]", "The setting lookback_seconds must be of the type int."),
        ("[sources.wootric]\nstart_date = true", NO_DATE),
        ("[sources.wootric\n", "config.toml is not valid TOML; check what is written in it under .dlt."),
        (
            '[sources.wootric]\nhash_key = "not shown"',
            "sources.wootric.hash_key is secret; move it from config.toml to secrets.toml under .dlt, or into the "
            "environment.",
        ),
        ('[runtime]\nlog_level = "LOUD"', "log_level or log_format under [runtime] cannot be used."),
    ],
)
def test_a_wrong_value_in_a_file_is_told(project: Project, text: str, sentence: str) -> None:
    project.write(".dlt/config.toml", text)
    assert_is_told(project, USER_MISTAKE, sentence, project.run)


@pytest.mark.parametrize("words", [["--json", "--tables", "surveys"], ["--json", "--loud"]])
def test_a_mistake_is_told_in_the_json_report_too(project: Project, words: list[str]) -> None:
    outcome = project.run(*words)
    assert (outcome.code, outcome.report["ok"], outcome.report["error"]) == (USER_MISTAKE, False, outcome.sentence)


@pytest.mark.parametrize(
    ("destination", "settings", "extra"),
    [
        ("clickhouse", {"CREDENTIALS": "clickhouse://me:pass@localhost:1/surveys"}, "clickhouse"),
        ("mssql", {}, "mssql"),
    ],
)
def test_a_destination_that_is_not_installed_names_its_extra(
    project: Project, destination: str, settings: dict[str, str], extra: str
) -> None:
    environment = {f"DESTINATION__{destination.upper()}__{name}": value for name, value in settings.items()}
    # Whatever is installed beside the tests, these drivers are not found.
    drivers = ("clickhouse_driver", "clickhouse_connect", "pyodbc", "mssql_python")
    hidden = f"import sys; sys.modules.update(dict.fromkeys({drivers}))"
    sentence = f'{destination} destination needs more packages; install them with: pip install "dlt[{extra}]"'
    assert_is_told(
        project,
        USER_MISTAKE,
        sentence,
        lambda: project.run("--destination", destination, prelude=hidden, **environment),
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" and os.geteuid() == 0, reason="root writes to any file")
def test_a_read_only_database_file_is_told(project: Project) -> None:
    (project.folder / DUCKDB_FILE).chmod(0o444)
    as_root = DROP_THE_RIGHT_TO_WRITE_ANYWHERE.format(script=str(project.script)) if os.geteuid() == 0 else ""
    assert_is_told(project, USER_MISTAKE, NOT_WRITABLE, lambda: project.run(prelude=as_root))


@pytest.mark.parametrize("place", [".", "missing/wootric.duckdb"])
def test_a_database_file_that_cannot_be_is_told(project: Project, place: str) -> None:
    assert_is_told(project, USER_MISTAKE, NOT_WRITABLE, lambda: project.run(DESTINATION__DUCKDB__CREDENTIALS=place))


def test_a_file_that_is_no_database_is_told_and_kept(project: Project) -> None:
    project.write("notes.txt", "remember the milk\n" * 1_000)
    sentence = (
        "The file to load into is no DuckDB database; move it away, or set another file under [destination.duckdb] "
        "credentials."
    )
    assert_is_told(project, USER_MISTAKE, sentence, lambda: project.run(DESTINATION__DUCKDB__CREDENTIALS="notes.txt"))
    assert (project.folder / "notes.txt").read_text() == "remember the milk\n" * 1_000


@pytest.mark.parametrize("words", [[], ["--check"]])
def test_a_database_file_open_in_another_process_is_told(project: Project, words: list[str]) -> None:
    @contextmanager
    def held_open() -> Iterator[None]:
        command = [sys.executable, "-c", HOLD_OPEN, str(project.folder / DUCKDB_FILE)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None
            holder.stdout.readline()
            yield

    def outcome() -> Outcome:
        with held_open():
            return project.run(*words, prelude=WITHOUT_PATIENCE)

    sentence = "The DuckDB file is open in another process; close it there, or run again with --wait."
    assert_is_told(project, FAILURE, sentence, outcome)
    assert project.run().code == 0


def test_a_dataset_named_like_another_database_file_is_told(project: Project) -> None:
    assert_is_told(
        project, USER_MISTAKE, NAMED_LIKE_FILE, lambda: project.run(DESTINATION__DUCKDB__CREDENTIALS="wootric.duckdb")
    )


HTML = b"<!DOCTYPE html><title>Sign in</title>"
TOKEN = json.dumps({"access_token": "t", "token_type": "bearer", "expires_in": 7200}).encode()


@contextmanager
def scripted(answers: dict[str, bytes], others: bytes, status: int = 200) -> Iterator[str]:
    """A server that answers some paths with something else than all the others; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            body = answers.get(path, others)
            self.send_response(200 if path in answers else status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (HTML, "Wootric answered /v1/responses with something that is not JSON."),
        (b'{"responses": []}', "Wootric answered /v1/responses with an object where a list belongs."),
        (b"[1]", "A row of responses is not an object; the API's format has changed."),
    ],
)
def test_an_answer_that_is_no_list_of_rows_is_told(project: Project, content: bytes, sentence: str) -> None:
    with scripted({"/oauth/token": TOKEN}, content) as address:
        project.set(base_url=address)
        before = project.loaded()
        outcome = project.run("--tables", "responses", prelude=WITHOUT_BACKOFF)
    assert (outcome.code, outcome.sentence) == (FAILURE, sentence)
    assert project.loaded() == before


@pytest.mark.parametrize("status", [200, 404])
def test_a_host_that_is_not_the_api_is_told(project: Project, status: int) -> None:
    with scripted({}, HTML, status) as address:
        project.set(base_url=address)
        host = address.removeprefix("http://")
        sentence = f"{host} does not answer as the Wootric API does; check base_url under [sources.wootric]."
        assert_is_told(project, USER_MISTAKE, sentence, lambda: project.run(prelude=WITHOUT_BACKOFF))


def test_a_sign_in_without_a_token_is_told(project: Project) -> None:
    with scripted({}, b"{}") as address:
        project.set(base_url=address)
        sentence = "Wootric answered the sign-in without an access_token; check base_url under [sources.wootric]."
        assert_is_told(project, USER_MISTAKE, sentence, project.run)


LIST_START = '[{"id": 1, "created_at": "2024-01-01 00:00:00 +0000", "updated_at": '


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (
            '[{"created_at": "2024-01-01 00:00:00 +0000", "updated_at": "2024-01-01 00:00:00 +0000", "text": "Hi"}]',
            "A row created at 2024-01-01 00:00:00 (UTC) of responses has no whole number as its id.",
        ),
        (
            LIST_START + '"Tuesday", "text": "Hi"}]',
            "The row with id 1 of responses has a value that is not a time as its updated_at.",
        ),
        (
            LIST_START + '1700000000, "text": "Hi"}]',
            "The row with id 1 of responses has a value that is not a time as its updated_at.",
        ),
        (LIST_START + 'null, "text": "Hi"}]', "The row with id 1 of responses has no updated_at."),
    ],
)
def test_a_row_that_cannot_be_placed_is_told(project: Project, rows: str, sentence: str) -> None:
    with scripted({"/oauth/token": TOKEN, "/v1/responses": rows.encode()}, b"[]") as address:
        project.set(base_url=address)
        before = project.loaded()
        outcome = project.run("--json", prelude=WITHOUT_BACKOFF)
    assert (outcome.code, outcome.sentence) == (FAILURE, sentence)
    complete = {name: table["complete"] for name, table in outcome.report["tables"].items()}
    others = dict.fromkeys(OVERVIEW_NAMES, True)
    assert complete == {"end_users": True, "responses": False, "declines": True, **others}
    assert project.loaded() == before


@pytest.mark.slow
def test_a_free_field_of_another_type_gets_a_column_that_is_named(serve: Serve, tmp_path: Path) -> None:
    account = small_account()
    account.put("end_users", row(1, NOON, properties={"seats": 4}))
    project = project_for(serve(account), tmp_path)
    project.run()
    account.put("end_users", row(2, NOON, properties={"seats": "many"}))
    outcome = project.run("--json")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.report["schema_changes"] == [
        {"table": "end_users", "column": "properties__seats__v_text", "data_type": "text"}
    ]
    assert project.held("end_users") == expected(account, "end_users")
    query = "SELECT id, properties__seats, properties__seats__v_text FROM wootric.end_users WHERE id < 3 ORDER BY id"
    assert project.ask(query) == [(1, 4, None), (2, None, "many")]
