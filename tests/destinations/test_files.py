"""The documented settings of destinations and ways to read files, run on local files, S3 and real databases.

What is loaded, and what the examples read, is compared with the account's rows.
"""

import base64
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import pytest
import tomlkit

from tests.conftest import NOON, Serve, Servers, first
from tests.destinations.test_destinations import change, extension, pipeline_to, run
from tests.documents import COMMAND, block, section, shell_lines, with_comments, with_lines, words
from tests.end_to_end import test_readme
from tests.end_to_end.test_readme import put_in_force, resolved
from tests.script import Project, project_for
from tests.servers import ACCESS_KEY, SECRET_KEY
from tests.tables import expected, loaded, read
from wootric_pipeline.command import report
from wootric_pipeline.command.run import Run
from wootric_pipeline.sandbox import SECOND, Account, DemoAccount, Sandbox
from wootric_pipeline.tables import TABLES

settings_file = test_readme.settings_file

READ_DELTA = block("python", "import DeltaTable")
READ_ICEBERG = block("python", "get_iceberg_tables")
VIEWS = block("sql", "CREATE VIEW loads")
READ_S3 = block("python", "register_filesystem")
SECRET = block("sql", "CREATE SECRET")
FOLDERS = block("", "_dlt_loads/")
TO_POSTGRES = block("sh", "export ")
CHECK_POSTGRES = block("sh", "--destination postgres --check")

BUCKET = "s3://your-bucket"
LOCAL = "file:///srv/surveys"
DATASET = "wootric"
SAME_SECOND = "again in the same second"
STEPS = ("as it is", "updated rows", "fewer tags", "no tags", SAME_SECOND, "a new column", "a new type", "unchanged")
FEW_STEPS = ("as it is", "fewer tags", SAME_SECOND, "no tags", "a new type")
# To read a view, DuckDB asks the S3 store hundreds of times.
STEPS_OF_S3 = ("as it is", "fewer tags", "no tags")
KINDS_OF_FILES = {
    "delta": {"_delta_log", "parquet"},
    "iceberg": {"data", "metadata"},
    "parquet": {"parquet"},
    "jsonl": {"jsonl.gz"},
}


def small_account() -> DemoAccount:
    return DemoAccount(NOON, end_users=40, responses=110, declines=30)


def happen(account: DemoAccount, step: str, second: int) -> None:
    """What happens to the account before a step; the API shows no fractions of a second."""
    if step == SAME_SECOND:
        account.change("responses", list(account.rows["responses"])[2], (NOON + second - 1) * SECOND + 1, tags=["late"])
    else:
        change(account, step, second)


@dataclass(frozen=True)
class Store:
    """A place for files.

    Attributes:
        snippet: What only the documented settings for it contain.
        names: What to put for what in the documented settings and examples.
    """

    snippet: str
    names: Mapping[str, str]

    def here(self, text: str) -> str:
        """A text of the documents with the names of this place."""
        for placeholder, name in self.names.items():
            text = text.replace(placeholder, name)
        return text

    @property
    def settings(self) -> str:
        return self.here(with_comments(block("toml", self.snippet)))


def local_files(folder: Path) -> Store:
    # In examples for S3 a folder stands for the address, and there are no options.
    bucket = folder / "bucket"
    return Store(LOCAL, {", storage_options=storage": "", LOCAL: bucket.as_uri(), BUCKET: str(bucket)})


def s3_store(folder: Path, endpoint: str) -> Store:
    keys = {"your-key-id": ACCESS_KEY, "your-secret-key": SECRET_KEY, "eu-central-1": "us-east-1"}
    return Store(f'"{BUCKET}"', {"https://minio.example.com": endpoint, BUCKET: f"s3://wootric/{folder.name}", **keys})


@pytest.fixture
def store(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Store:
    if request.param == "local":
        return local_files(tmp_path)
    return s3_store(tmp_path, servers["s3"].address)


STORES = ["local", pytest.param("s3", marks=pytest.mark.xdist_group("s3"))]


def load_with(settings: str, sandbox: Sandbox, settings_file: Path, *words: str, **options: str) -> Project:
    """Runs the command with settings in its secrets.toml, which are then in force here, too."""
    project = project_for(sandbox, settings_file.parent.parent, **options)
    put_in_force(settings, settings_file)
    outcome = project.run(*words)
    assert outcome.code == 0, outcome.stderr
    return project


def assert_loaded(destination: str, account: Account, dataset: str = DATASET, tables: Iterable[str] = TABLES) -> None:
    pipeline = pipeline_to(destination, dataset)
    for table in tables:
        assert loaded(pipeline, table) == expected(account, table)


@pytest.mark.parametrize(
    "destination",
    ["duckdb", "ducklake", "sqlalchemy", pytest.param("postgres", marks=pytest.mark.xdist_group("postgres"))],
)
def test_the_settings_of_a_database_are_enough(
    destination: str,
    serve: Serve,
    servers: Servers,
    settings_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = small_account()
    kind = "[destination.postgres]" if destination == "postgres" else "[destination.duckdb]"
    settings = block("toml", kind, "docs/destinations.md").replace("file:///srv", tmp_path.as_uri())
    if destination == "postgres":
        settings = settings.replace(address_in(settings), servers["postgres"].address)
    if destination == "ducklake":
        # Where the command will look for DuckDB's extensions.
        monkeypatch.setenv("HOME", str(tmp_path))
        for name in ("ducklake", "sqlite_scanner"):
            extension(name)
    words = ("--destination", destination, "--dataset", "settings", "--tables", "responses")
    load_with(settings, serve(account), settings_file, *words)
    assert_loaded(destination, account, "settings", ["responses"])


def address_in(text: str) -> str:
    """The address of a PostgreSQL database in a text of the documents."""
    found = re.search(r'postgresql://[^"]+', text)
    assert found
    return found[0]


@pytest.mark.xdist_group("postgres")
def test_the_commands_for_another_destination_load_into_it(
    serve: Serve, servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = small_account()
    _install, export, command = shell_lines(TO_POSTGRES)
    name, _, address = export.removeprefix("export ").partition("=")
    assert address_in(export) == address.strip('"')
    monkeypatch.setenv(name, servers["postgres"].address)
    project = project_for(serve(account), tmp_path)
    project.environment |= {name: servers["postgres"].address, "DATASET_NAME": "commands"}
    (check,) = shell_lines(CHECK_POSTGRES)
    for program, *options in (words(check), words(command)):
        assert program == COMMAND
        assert project.run(*options).code == 0
    assert_loaded("postgres", account, "commands")


@pytest.mark.xdist_group("s3")
def test_the_credentials_of_the_machine_do_for_s3(
    serve: Serve, servers: Servers, settings_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = small_account()
    settings = re.sub(r"^aws_.*\n", "", s3_store(tmp_path, servers["s3"].address).settings, flags=re.MULTILINE)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    put_in_force(settings, settings_file)
    run(pipeline_to("filesystem", DATASET), serve(account), "responses")
    assert_loaded("filesystem", account, tables=["responses"])


def test_azure_takes_the_key_of_the_account(settings_file: Path) -> None:
    pytest.importorskip("adlfs")
    key = base64.b64encode(b"key").decode()
    snippet = with_comments(block("toml", "azure_")).replace("your-key", key)
    put_in_force(re.sub(r"^azure_(tenant|client).*\n", "", snippet, flags=re.MULTILINE), settings_file)
    assert resolved("filesystem")["credentials"]["azure_storage_account_key"] == key


@pytest.mark.parametrize("bucket", ["gs://your-bucket", "az://your-container"])
def test_delta_tables_get_the_credentials_of_other_stores(bucket: str, settings_file: Path) -> None:
    from dlt.common.libs.deltalake import deltalake_storage_options

    text = block("toml", bucket)
    put_in_force(text, settings_file)
    credentials = tomlkit.parse(text).unwrap()["destination"]["filesystem"]["credentials"]
    options = deltalake_storage_options(resolved("filesystem")["credentials"])
    # Google's are one text of JSON.
    given = json.loads(options.get("service_account_key", "{}")) or options
    assert set(credentials.values()) <= set(given.values())


def scores_of(account: Account) -> dict[str, list[int]]:
    """The scores of responses by their tags."""
    scores: dict[str, list[int]] = defaultdict(list)
    for response in account.rows["responses"].values():
        for tag in response["tags"]:
            scores[tag].append(response["score"])
    return scores


@pytest.mark.parametrize("store", STORES, indirect=True)
def test_delta_tables_are_read_as_shown(store: Store, serve: Serve, settings_file: Path) -> None:
    account = small_account()
    sandbox = serve(account)
    load_with(store.settings, sandbox, settings_file, "--destination", "filesystem", "--tables", "responses")
    for second, step in enumerate(FEW_STEPS[1:] if store.snippet == LOCAL else FEW_STEPS[1:2], 1):
        happen(account, step, second)
        run(pipeline_to("filesystem", DATASET), sandbox, "responses")
    shown: dict[str, Any] = {}
    exec(store.here(with_lines(READ_DELTA)), shown)
    rows = {"responses": shown["responses"].to_pylist()}
    assert read(lambda table: rows.get(table, []), "responses") == expected(account, "responses")
    by_tag = {
        tag: pytest.approx((len(scores), sum(scores) / len(scores))) for tag, scores in scores_of(account).items()
    }
    assert {tag: tuple(numbers) for tag, *numbers in shown["by_tag"].fetchall()} == by_tag
    for statement in re.findall(r"`(table\.[^`]+)`", section("docs/files.md", "Reading files")):
        exec(statement, shown)
    assert shown["table"].to_pyarrow_table().sort_by("id") == shown["responses"].sort_by("id")


@pytest.mark.parametrize("store", STORES, indirect=True)
def test_iceberg_tables_are_read_as_shown(store: Store, serve: Serve, settings_file: Path, tmp_path: Path) -> None:
    account = small_account()
    sandbox = serve(account)
    words = ("--destination", "filesystem", "--tables", "responses")
    load_with(store.settings, sandbox, settings_file, *words, files="iceberg")
    # Somebody else, who has loaded nothing.
    reader = Project(tmp_path / "reader")
    reader.write(".dlt/secrets.toml", store.settings)
    example = store.here(READ_ICEBERG)
    outcome = reader.python("-c", f"{example}\nimport json; print(json.dumps(responses.to_pylist(), default=str))")
    assert outcome.code == 0, outcome.stderr
    rows = {"responses": json.loads(outcome.stdout.splitlines()[-1])}
    unhappy = {row_id: row for row_id, row in expected(account, "responses").items() if row["score"] <= 6}
    assert read(lambda table: rows.get(table, []), "responses") == unhappy


def view_statements(store: Store, files: str) -> dict[str, str]:
    """The documented views for each table, by name; how they differ for other tables and files is said in words."""
    loads, responses, tags = store.here(VIEWS).split("\n\n")
    views = {"loads": loads, "responses": responses, "responses__tags": tags}
    views |= {name: re.sub(r"\bresponses\b", name, responses) for name in ("end_users", "declines")}
    views["responses__notes"] = tags.replace("responses__tags", "responses__notes")
    if files == "jsonl":
        (call,) = re.findall(r"`(read_json\([^`]+)`", section("docs/files.md", "Reading files"))
        before, behind = call.split(f"{BUCKET}/wootric/responses")
        of_parquet = r"read_parquet\('(.+)/\*\.parquet', union_by_name = true\)"
        views = {name: re.sub(of_parquet, rf"{before}\1{behind}", view) for name, view in views.items()}
    return views


def connection_to(store: Store) -> duckdb.DuckDBPyConnection:
    """The documented way to read S3 without an extension; the same database each time."""
    shown: dict[str, Any] = {}
    if store.snippet == LOCAL:
        return duckdb.connect("surveys.duckdb")
    exec(store.here(with_lines(READ_S3)), shown)
    connection: duckdb.DuckDBPyConnection = shown["connection"]
    return connection


def rows_of(connection: duckdb.DuckDBPyConnection, view: str) -> list[dict[str, Any]]:
    found = connection.execute(f"FROM duckdb_views() WHERE view_name = '{view}'").fetchall()
    return connection.execute(f"FROM {view}").to_arrow_table().to_pylist() if found else []


def assert_views_show(connection: duckdb.DuckDBPyConnection, account: Account) -> None:
    for table in TABLES:
        assert read(lambda view: rows_of(connection, view), table) == expected(account, table)
    # Tags of older versions are nobody's.
    shown = sorted(row["value"] for row in rows_of(connection, "responses__tags"))
    assert shown == sorted(tag for response in account.rows["responses"].values() for tag in response["tags"])


@pytest.mark.parametrize("files", first("parquet", "jsonl"))
@pytest.mark.parametrize("store", STORES, indirect=True)
def test_views_of_plain_files_follow_the_account(store: Store, files: str, serve: Serve, settings_file: Path) -> None:
    account = small_account()
    sandbox = serve(account)
    put_in_force(store.settings, settings_file)
    read_rows = dict.fromkeys(TABLES, 0)
    for second, step in enumerate(STEPS if store.snippet == LOCAL else STEPS_OF_S3):
        happen(account, step, second)
        if step == "no tags":
            for table in ("end_users", "declines"):
                account.change(table, min(account.rows[table]), (NOON + second) * SECOND)
        notes = run(pipeline_to("filesystem", DATASET), sandbox, files=files)
        assert_appending_is_told(notes)
        read_rows = {table: rows + notes.table(table).rows for table, rows in read_rows.items()}
        with connection_to(store) as connection:
            if second == 0:
                for view in view_statements(store, files).values():
                    connection.execute(view)
            assert_views_show(connection, account)
            for table, rows in read_rows.items():
                assert versions(connection, view_statements(store, files)[table]) == rows
    assert all(rows > len(account.rows[table]) for table, rows in read_rows.items())


@pytest.mark.xdist_group("s3")
@pytest.mark.parametrize("store", ["s3"], indirect=True)
def test_views_read_with_a_secret_as_shown(store: Store, serve: Serve, settings_file: Path) -> None:
    pytest.importorskip("duckdb_extension_httpfs")
    account = small_account()
    put_in_force(store.settings, settings_file)
    run(pipeline_to("filesystem", DATASET), serve(account), files="parquet")
    shown, host = store.here(SECRET), urlsplit(store.names["https://minio.example.com"]).netloc
    with duckdb.connect() as connection:
        extension("httpfs")
        connection.execute(shown.replace("minio.example.com", host).replace("USE_SSL true", "USE_SSL false"))
        for view in view_statements(store, "parquet").values():
            connection.execute(view)
        assert_views_show(connection, account)


def assert_appending_is_told(notes: Run) -> None:
    told = report.as_text(notes, destination="filesystem", dataset="wootric")
    assert "each new version of a row was appended to the older ones" in told
    assert report.as_json(notes, pipeline="p", destination="filesystem", dataset="wootric")["appends"] is True


def versions(connection: duckdb.DuckDBPyConnection, view: str) -> int:
    """How many rows there are in the files a view shows the newest of."""
    files = view.partition("FROM ")[2].partition("\nWHERE")[0]
    ((count,),) = connection.execute(f"SELECT count(*) FROM {files}").fetchall()
    return int(count)


@pytest.mark.parametrize("store", ["local"], indirect=True)
def test_views_leave_out_loads_that_are_not_complete(
    store: Store, serve: Serve, settings_file: Path, tmp_path: Path
) -> None:
    account = small_account()
    sandbox = serve(account)
    put_in_force(store.settings, settings_file)
    run(pipeline_to("filesystem", DATASET), sandbox, files="parquet")
    before = {table: expected(account, table) for table in TABLES}
    change(account, "fewer tags", 1)
    run(pipeline_to("filesystem", DATASET), sandbox, files="parquet")
    max((tmp_path / "bucket/wootric/_dlt_loads").iterdir()).unlink()
    with connection_to(store) as connection:
        for view in view_statements(store, "parquet").values():
            connection.execute(view)
        for table in TABLES:
            assert read(lambda view: rows_of(connection, view), table) == before[table]


@pytest.mark.parametrize("files", ["delta", "iceberg", "parquet", "jsonl"])
@pytest.mark.parametrize("store", ["local"], indirect=True)
def test_folders_are_those_documented(
    store: Store, files: str, serve: Serve, settings_file: Path, tmp_path: Path
) -> None:
    put_in_force(store.settings, settings_file)
    run(pipeline_to("filesystem", DATASET), serve(small_account()), files=files)
    tables, lists, own = (
        {name.strip("/") for name in line.split("  ")[1].split()} for line in FOLDERS.splitlines()[1:]
    )
    bucket = tmp_path / "bucket/wootric"
    plain = files in ("parquet", "jsonl")
    assert {path.name for path in bucket.iterdir()} == tables | own | (lists if plain else set())
    for table in tables:
        kinds = {path.name if path.is_dir() else path.name.split(".", 3)[-1] for path in (bucket / table).iterdir()}
        assert kinds == KINDS_OF_FILES[files]
