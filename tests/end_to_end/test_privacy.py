"""No secret, token or row content is ever shown, whatever happens and however much is logged."""

import gzip
import hmac
import logging
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dlt
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from tests.conftest import NOON, Serve, first, row
from tests.script import DUCKDB_FILE, WITHOUT_BACKOFF, Outcome, Project, project_for
from tests.scripted import FakeClock
from wootric_pipeline import wootric_source
from wootric_pipeline.sandbox import Account, Sandbox
from wootric_pipeline.sandbox import server as sandbox_module

SECRETS = {
    "client_secret": "canary-client-secret",
    "password": "canary-password",
    "account_token": "NPS-canary-account-token",
}
EMAIL, PHONE, ADDRESS = "canary@example.com", "+15550100999", "203.0.113.77"
TEXT, TAG, VALUE = "canary-comment-text", "canary-tag", "canary-property-value"
CONTENT = [EMAIL, PHONE, ADDRESS, TEXT, TAG, VALUE]
HASH_KEY = "canary-hash-key-of-32-characters"
LOG = "wootric.log"
LOUDEST = {"RUNTIME__LOG_LEVEL": "DEBUG"}
LOG_EVERYTHING = "import logging; logging.basicConfig(level=logging.DEBUG)"


def canary_account() -> Account:
    account = Account()
    account.put("end_users", end_user(1, NOON))
    account.put("responses", response(2, NOON))
    account.put("declines", row(3, NOON, ip_address=ADDRESS, end_user={"properties": {"plan": VALUE}}))
    return account


def end_user(row_id: int, second: int, **fields: Any) -> dict[str, Any]:
    answer = {"id": 2, "score": 3, "text": TEXT}
    known = {"email": EMAIL, "phone_number": PHONE, "properties": {"plan": VALUE}, "last_response": answer}
    return row(row_id, second, **{**known, **fields})


def response(row_id: int, second: int, **fields: Any) -> dict[str, Any]:
    known = {"text": TEXT, "ip_address": ADDRESS, "tags": [TAG], "end_user": {"properties": {"plan": VALUE}}}
    return row(row_id, second, **{**known, **fields})


@pytest.fixture(autouse=True)
def _canaries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_module, "CLIENT_SECRET", SECRETS["client_secret"])
    monkeypatch.setattr(sandbox_module, "PASSWORD", SECRETS["password"])
    monkeypatch.setattr(sandbox_module, "USERNAME", EMAIL)


def tokens(sandbox: Sandbox) -> set[str]:
    """Every token the client has been seen to use."""
    headers = [request.headers.get("Authorization", "") for request in sandbox.requests]
    used = {header.removeprefix("Bearer ") for header in headers if header}
    assert used
    return used


def assert_nothing_is_shown(sandbox: Sandbox, *outcomes: Outcome) -> None:
    for outcome in outcomes:
        shown = outcome.stdout + outcome.stderr
        assert [word for word in (*SECRETS.values(), *CONTENT, *tokens(sandbox)) if word in shown] == []


def assert_no_secret_is_kept(sandbox: Sandbox, project: Project, *, traced: bool = True) -> None:
    """Rows may wait in load packages; what opens the account may be nowhere."""
    secrets = [word.encode() for word in (*SECRETS.values(), *tokens(sandbox))]
    files = [file for file in project.folder.rglob("*") if file.is_file()]
    names = {file.name for file in files}
    assert ("state.json" in names, "trace.pickle" in names) == (True, traced)
    for file in files:
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        assert [word for word in secrets if word in content] == [], file


def by_client(sandbox: Sandbox, folder: Path) -> Project:
    return project_for(sandbox, folder, client_secret=SECRETS["client_secret"])


def by_person(sandbox: Sandbox, folder: Path) -> Project:
    person = {"username": EMAIL, "password": SECRETS["password"], "account_token": SECRETS["account_token"]}
    return project_for(sandbox, folder, client_id="", client_secret="", **person)


@pytest.mark.slow
@pytest.mark.parametrize("sign_in", [by_client, by_person])
def test_a_load_that_succeeds_shows_nothing(serve: Serve, tmp_path: Path, sign_in: Any) -> None:
    sandbox = serve(canary_account())
    project = sign_in(sandbox, tmp_path)
    outcomes = [
        project.run(),
        project.run("--json", "--progress", "log", "--full-refresh", prelude=LOG_EVERYTHING, **LOUDEST),
        project.run("--check", **LOUDEST),
    ]
    assert [outcome.code for outcome in outcomes] == [0, 0, 0]
    assert "[DEBUG]" in outcomes[1].stderr
    assert_nothing_is_shown(sandbox, *outcomes)
    assert_no_secret_is_kept(sandbox, project)
    assert TEXT in str(project.loaded())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "environment"),
    [
        ((), {}),
        (("--json", "--progress", "log"), LOUDEST),
        ((), {**LOUDEST, "RUNTIME__LOG_FORMAT": "JSON"}),
    ],
)
def test_a_load_that_the_destination_refuses_shows_nothing(
    serve: Serve, tmp_path: Path, words: tuple[str, ...], environment: dict[str, str]
) -> None:
    account = canary_account()
    sandbox = serve(account)
    project = by_client(sandbox, tmp_path)
    project.run()
    trace = project.folder / "dlt/pipelines/wootric_pipeline/trace.pickle"
    traced = trace.read_bytes()
    # DuckDB repeats the value it cannot convert in its message, and dlt logs that.
    project.alter("ALTER TABLE wootric.end_users ALTER email TYPE INTEGER USING 1")
    account.put("end_users", end_user(4, NOON + 60))
    # With --debug, the log would hold the traceback, and with that what DuckDB says.
    outcome = project.run("--log-file", LOG, *words, **environment)
    assert outcome.code == 1
    assert "The load step failed (ConversionException)" in outcome.stderr
    assert ("failed terminally in load" in outcome.stderr) == bool(environment)
    assert_rows_are_kept_in_tables_only(sandbox, project)
    assert_nothing_is_shown(sandbox, outcome)
    assert_nothing_is_logged(sandbox, project)
    assert_no_secret_is_kept(sandbox, project)
    # It is that of the last run that ended well.
    assert trace.read_bytes() == traced


@pytest.mark.parametrize("table", first("responses", "end_users"))
def test_odd_values_are_not_shown(serve: Serve, tmp_path: Path, table: str) -> None:
    account = canary_account()
    bad = end_user(4, NOON, last_seen_at=0) if table == "end_users" else response(4, NOON, score=TEXT)
    account.put(table, {**bad, "page_views_count": VALUE})
    sandbox = serve(account)
    outcome = by_client(sandbox, tmp_path).run("--json", prelude=LOG_EVERYTHING, **LOUDEST)
    assert (outcome.code, "of the row with id 4 does not fit its type" in outcome.stdout) == (0, True)
    assert_nothing_is_shown(sandbox, outcome)


def assert_nothing_is_logged(sandbox: Sandbox, project: Project) -> None:
    log = (project.folder / LOG).read_text()
    assert [word for word in (*SECRETS.values(), *CONTENT, *tokens(sandbox), "Traceback") if word in log] == []


@pytest.mark.slow
def test_the_log_shows_nothing(serve: Serve, tmp_path: Path) -> None:
    account = canary_account()
    sandbox = serve(account, rate_limit=2, rate_window_seconds=1.0)
    project = by_person(sandbox, tmp_path)
    words = ("--debug", "--log-file", LOG)
    assert project.run(*words).code == 0
    sandbox.behaviour.rate_limit = None
    account.put("responses", response(4, NOON, score=TEXT, created_at=None))
    assert project.run(*words).code == 1
    log = (project.folder / LOG).read_text()
    assert [word for word in ("DEBUG", "/v1/responses?", "waits", "The row with id 4") if word not in log] == []
    assert_nothing_is_logged(sandbox, project)


def test_a_token_refused_in_the_middle_is_not_shown(serve: Serve, tmp_path: Path) -> None:
    account = canary_account()
    account.fill("responses", [response(100 + index, NOON + index) for index in range(120)])
    sandbox = serve(account)

    def lock_out(_table: str) -> None:
        if len(sandbox.requests) > 6:
            sandbox.behaviour.token_seconds = 0
            sandbox.revoke_tokens()

    sandbox.behaviour.before_answer = lock_out
    project = by_person(sandbox, tmp_path)
    # Where runs are kept, that of this one leaves a trace of its own.
    project.set(keep_runs="false")
    outcome = project.run("--progress", "log", prelude=LOG_EVERYTHING, **LOUDEST)
    assert outcome.code == 2
    assert "refuses a token it has just issued" in outcome.stderr
    assert len(tokens(sandbox)) > 1
    assert_nothing_is_shown(sandbox, outcome)
    assert_no_secret_is_kept(sandbox, project, traced=False)


def test_errors_of_the_service_show_nothing(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(canary_account(), error_rate=1.0)
    soon = f"{LOG_EVERYTHING}\n{WITHOUT_BACKOFF}; c.RETRY_SECONDS_MAX = 0.2"
    outcome = by_person(sandbox, tmp_path).run("--json", prelude=soon, **LOUDEST)
    assert (outcome.code, "(last: status 500)" in outcome.stderr) == (1, True)
    assert_nothing_is_shown(sandbox, outcome)


def test_refused_credentials_are_not_shown(serve: Serve, tmp_path: Path) -> None:
    wrong = "canary-wrong-secret"
    project = project_for(serve(canary_account()), tmp_path, client_secret=wrong)
    for outcome in (project.run(), project.run("--json", "--check", prelude=LOG_EVERYTHING, **LOUDEST)):
        assert outcome.code == 2
        assert wrong not in outcome.stdout + outcome.stderr


def test_secrets_in_a_broken_file_are_not_shown(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write(".dlt/secrets.toml", f'[sources.wootric]\nclient_secret = {SECRETS["client_secret"]}"\n')
    outcome = project.run(**LOUDEST)
    assert (outcome.code, outcome.sentence) == (
        2,
        "secrets.toml is not valid TOML; check what is written in it under .dlt.",
    )


def test_a_secret_of_the_wrong_kind_is_not_shown(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(canary_account())
    project = project_for(sandbox, tmp_path, client_id="sandbox")
    del project.environment["SOURCES__WOOTRIC__CLIENT_SECRET"]
    project.write(".dlt/secrets.toml", f'[sources.wootric]\nclient_secret = ["{SECRETS["client_secret"]}"]\n')
    outcome = project.run(**LOUDEST)
    assert outcome.code == 2
    assert SECRETS["client_secret"] not in outcome.stdout + outcome.stderr


@contextmanager
def listener(heard: list[str]) -> Iterator[str]:
    """A server that notes who comes; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

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


@pytest.mark.slow
def test_usage_is_told_to_nobody_unless_asked_for(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(canary_account())
    project = by_client(sandbox, tmp_path)
    heard: list[str] = []
    with listener(heard) as address:
        to = {"RUNTIME__DLTHUB_TELEMETRY_ENDPOINT": address}
        assert project.run_anew(**to).code == 0
        assert heard == []
        project.write(".dlt/config.toml", "[runtime]\ndlthub_telemetry = true\n")
        assert project.run_anew(**to).code == 0
        assert heard
        assert [word for word in (*SECRETS.values(), *CONTENT, *tokens(sandbox)) if word in str(heard)] == []


def kept_for_itself(project: Project) -> dict[str, str]:
    """What dlt keeps beside the rows, in its working folder and in the destination."""
    names = ("state.json", "trace.pickle", "*.schema.json")
    working = {str(file): str(file.read_bytes()) for name in names for file in project.folder.glob(f"dlt/**/{name}")}
    assert len(working) >= 3
    tables = project.ask(
        "SELECT table_schema || '.' || table_name FROM information_schema.tables WHERE starts_with(table_name, '_dlt')"
    )
    assert len(tables) >= 3
    return working | {table: str(project.ask(f"FROM {table}")) for (table,) in tables}


def assert_rows_are_kept_in_tables_only(sandbox: Sandbox, project: Project) -> None:
    for place, kept in kept_for_itself(project).items():
        assert [word for word in (*SECRETS.values(), *CONTENT, *tokens(sandbox)) if word in kept] == [], place


@pytest.mark.parametrize("sign_in", first(by_person, by_client))
def test_what_dlt_keeps_beside_the_rows_shows_none_of_them(serve: Serve, tmp_path: Path, sign_in: Any) -> None:
    sandbox = serve(canary_account())
    project = sign_in(sandbox, tmp_path)
    assert project.run().code == 0
    assert_rows_are_kept_in_tables_only(sandbox, project)


@pytest.mark.parametrize("sign_in", [by_client, by_person])
def test_what_opens_the_account_is_in_headers_and_forms_only(serve: Serve, tmp_path: Path, sign_in: Any) -> None:
    sandbox = serve(canary_account())
    project = sign_in(sandbox, tmp_path)
    assert [project.run(*words).code for words in ((), ("--check",))] == [0, 0]
    used = tokens(sandbox)
    for request in sandbox.requests:
        signs_in = request.path == "/oauth/token"
        of_person = {"account_token": SECRETS["account_token"]} if signs_in and sign_in is by_person else {}
        assert {name: value for name, value in request.params.items() if value in SECRETS.values()} == of_person
        headers = {name: value for name, value in request.headers.items() if name != "Authorization"}
        shown = str([request.path, request.params, headers, {} if signs_in else request.form])
        assert [word for word in (SECRETS["client_secret"], SECRETS["password"], EMAIL, *used) if word in shown] == []
        assert ("Authorization" in request.headers) == (not signs_in)


@pytest.mark.parametrize(
    "fault", [{"error_rate": 1.0}, {"rate_limit": 0}, {"truncation_rate": 1.0}, {"token_seconds": 0}], ids=" ".join
)
def test_a_traceback_in_a_program_of_ones_own_shows_nothing(
    serve: Serve, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any]
) -> None:
    monkeypatch.setattr("wootric_pipeline.api.transport.Clock", FakeClock)
    monkeypatch.setattr("wootric_pipeline.api.transport.RETRY_SECONDS_MAX", 10)
    sandbox = serve(canary_account(), **fault)
    source = wootric_source(
        username=EMAIL, password=SECRETS["password"], account_token=SECRETS["account_token"], base_url=sandbox.url
    )
    pipeline = dlt.pipeline("wootric_pipeline", destination="duckdb", dataset_name="wootric")
    with caplog.at_level(logging.DEBUG), pytest.raises(PipelineStepFailed) as failed:
        pipeline.run(source)
    assert "connectionpool" in caplog.text
    shown = "".join([caplog.text, *traceback.format_exception(failed.value), str(pipeline.last_trace)])
    assert pipeline.last_trace
    shown += str([step.exception_traces for step in pipeline.last_trace.steps])
    assert "/v1/" in shown
    assert [word for word in (*SECRETS.values(), *CONTENT, *tokens(sandbox)) if word in shown] == []


@pytest.mark.parametrize("files", ["", *first("delta", "parquet")])
def test_what_is_written_is_for_its_owner_only(serve: Serve, tmp_path: Path, files: str) -> None:
    if files == "delta":
        pytest.importorskip("deltalake", reason="needs deltalake; make test-all")
    project = by_client(serve(canary_account()), tmp_path / "project")
    if files:
        project.set(files=files)
        lake = {"DESTINATION_TYPE": "filesystem", "DESTINATION__FILESYSTEM__BUCKET_URL": str(project.folder / "lake")}
        project.environment |= lake
    before = set(project.folder.rglob("*"))
    assert project.run("--json", prelude="import os; os.umask(0o022)").code == 0
    made = set(project.folder.rglob("*")) - before
    assert {"trace.pickle", "lake" if files else DUCKDB_FILE} <= {path.name for path in made}
    assert [path for path in made if path.stat().st_mode & 0o077] == []


@pytest.mark.slow
def test_what_is_hashed_is_nowhere_and_neither_is_the_key(serve: Serve, tmp_path: Path) -> None:
    account = canary_account()
    sandbox = serve(account)
    patterns = "personal,responses.tags,responses.score,*.*properties__*"
    project = by_client(sandbox, tmp_path)
    project.set(hash_columns=patterns, hash_key=HASH_KEY)
    project.environment["LOAD__DELETE_COMPLETED_JOBS"] = "false"
    outcomes = [project.run("--debug", "--log-file", LOG, "--progress", "log", prelude=LOG_EVERYTHING, **LOUDEST)]
    account.put("end_users", end_user(4, NOON + 60, last_response=None))
    account.put("responses", response(5, NOON + 60, score=TEXT))
    outcomes += [project.run("--json"), project.run("--json", "--full-refresh")]
    assert [(outcome.code, outcome.sentence if outcome.code else "") for outcome in outcomes] == 3 * [(0, "")]
    assert len(list(project.folder.rglob("completed_jobs/*.parquet"))) > 3
    shown = "".join(outcome.stdout + outcome.stderr for outcome in outcomes)
    assert [word for word in (*CONTENT, HASH_KEY) if word in shown] == []
    for file in filter(Path.is_file, project.folder.rglob("*")):
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        assert [word for word in (*CONTENT, HASH_KEY) if word.encode() in content] == [], file
    tags = project.ask("SELECT value FROM wootric.responses__tags")
    assert tags == 2 * [(hmac.new(HASH_KEY.encode(), TAG.encode(), "sha256").hexdigest(),)]


@pytest.mark.slow
def test_rows_that_are_loaded_are_kept_at_the_destination_only(serve: Serve, tmp_path: Path) -> None:
    project = by_client(serve(canary_account()), tmp_path / "project")
    assert project.run("--json").code == 0
    for file in filter(Path.is_file, project.folder.rglob("*")):
        if file.name != DUCKDB_FILE:
            assert file.suffix != ".parquet"
            assert [word for word in CONTENT if word.encode() in file.read_bytes()] == [], file
    project.environment["LOAD__DELETE_COMPLETED_JOBS"] = "false"
    assert project.run("--full-refresh", "--json").code == 0
    assert len(list(project.folder.rglob("completed_jobs/*.parquet"))) > 3
