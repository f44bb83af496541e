"""Destinations swapped by configuration, moved to another machine, restored from a backup, and with few rights."""

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dlt
import pytest
from dlt.common.schema.typing import TTableSchema
from dlt.pipeline.exceptions import PipelineStepFailed
from dlt.pipeline.pipeline import Pipeline

from tests.conftest import NOON, Serve, Servers, access, first, row
from tests.destinations.test_destinations import configuration, run
from tests.end_to_end.test_losses import DAY, add
from tests.end_to_end.test_losses import run as run_responses
from tests.script import TABLE_NAMES, project_for
from tests.script import expected as expected_seconds
from tests.servers import superuser
from tests.tables import expected, loaded
from wootric_pipeline import wootric_source
from wootric_pipeline.command.failures import explain
from wootric_pipeline.sandbox import Account, DemoAccount, Sandbox
from wootric_pipeline.tables import TABLES

IDLE_REQUESTS = 2 * len(TABLES) + 2
"""What a run asks for in which little has changed."""

Place = Callable[..., Pipeline]

# Tests of one server run in one process, which alone starts it.
with_postgres = pytest.mark.xdist_group("postgres")
POSTGRES = pytest.param("postgres", marks=with_postgres)
PLACES = first(POSTGRES, "duckdb", "file-delta")


@pytest.fixture
def at(servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Names a destination in the configuration and nowhere else: `at("postgres", "other")` is the pipeline to it."""

    def configured(place: str, dataset: str = "", **settings: str) -> Pipeline:
        kind = {"file-delta": "filesystem"}.get(place, place)
        named = {"DESTINATION_TYPE": kind, "DATASET_NAME": dataset or tmp_path.name}
        for name, value in {**configuration(place, servers, tmp_path), **named, **settings}.items():
            monkeypatch.setenv(name, value)
        return dlt.pipeline("wootric_pipeline")

    return configured


def execute(connection: Any, *statements: str) -> list[tuple[Any, ...]]:
    """What the last of some statements finds, each executed on its own; the connection is closed in the end."""
    connection.autocommit = True
    with closing(connection), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


def connected(address: str) -> Any:
    import psycopg2

    return psycopg2.connect(address)


def as_superuser(servers: Servers) -> Any:
    return superuser(urlsplit(servers["postgres"].address).port or 0)


def new_database(servers: Servers, name: str) -> str:
    """A database that the loader owns; its address."""
    execute(as_superuser(servers), f"CREATE DATABASE {name} OWNER loader")
    return servers["postgres"].address.replace("analytics", name)


def small_account() -> DemoAccount:
    return DemoAccount(NOON, end_users=60, responses=160, declines=60)


def assert_equal(pipeline: Pipeline, account: Account) -> None:
    for table in TABLES:
        assert loaded(pipeline, table) == expected(account, table)


TOO_WIDE = (
    'A table has more columns than the destination can hold; set properties = "json" under [sources.wootric] and run '
    "again."
)


def asked(sandbox: Sandbox) -> int:
    """How many pages have been asked for since this was last called."""
    count = sum(request.path.startswith("/v1/") for request in sandbox.requests)
    sandbox.requests.clear()
    return count


@with_postgres
def test_a_new_destination_receives_all_history_and_an_old_one_goes_on(at: Place, serve: Serve) -> None:
    account = small_account()
    sandbox = serve(account)
    for turn, place in enumerate(("duckdb", "postgres", "file-delta", "duckdb", "file-delta", "postgres")):
        account.advance(NOON + turn * 15)
        pipeline = at(place)
        notes = run(pipeline, sandbox)
        assert_equal(pipeline, account)
        is_new = turn < 3
        assert {table.cursor_before is None for table in notes.tables.values()} == {is_new}
        assert (asked(sandbox) <= IDLE_REQUESTS) != is_new


@pytest.mark.parametrize(
    ("place", "other"),
    [
        *first(
            ("file-delta", {"dataset": "other"}), pytest.param("postgres", {"dataset": "other"}, marks=with_postgres)
        ),
        *first(
            ("duckdb", {"DESTINATION__DUCKDB__CREDENTIALS": "other.duckdb"}),
            ("file-delta", {"DESTINATION__FILESYSTEM__BUCKET_URL": "other-bucket"}),
        ),
    ],
)
def test_places_fed_by_turns_never_share_a_cursor(
    at: Place, serve: Serve, monkeypatch: pytest.MonkeyPatch, place: str, other: dict[str, str]
) -> None:
    account = Account()
    sandbox = serve(account)
    for day, target in enumerate(({}, other, other, {})):
        add(account, day)
        for name in other:
            monkeypatch.delenv(name, raising=False)
        pipeline = at(place, **target)
        run_responses(pipeline, sandbox)
        assert loaded(pipeline, "responses") == expected(account, "responses")


def test_functions_as_destinations_which_keep_no_state_never_share_a_cursor(serve: Serve) -> None:
    account = Account()
    sandbox = serve(account)
    held: dict[str, set[int]] = {"one": set(), "other": set()}
    for day, name in enumerate(("one", "one", "other", "one")):
        add(account, day)
        pipeline = dlt.pipeline("wootric_pipeline", destination=keeping(held[name], name), dataset_name="wootric")
        run_responses(pipeline, sandbox)
        assert held[name] == set(account.rows["responses"])


def keeping(ids: set[int], name: str) -> Any:
    """A function as a destination."""

    @dlt.destination(name=name, batch_size=10)
    def keep(items: Any, _table: TTableSchema) -> None:
        ids.update(item["id"] for item in items)

    return keep()


@pytest.mark.parametrize("place", PLACES)
def test_another_machine_goes_on_from_what_the_destination_knows(
    at: Place, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    account = small_account()
    sandbox = serve(account)
    for turn, machine in enumerate(("one", "other", "one")):
        account.advance(NOON + turn * 15)
        monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / machine))
        pipeline = at(place)
        run(pipeline, sandbox)
        assert_equal(pipeline, account)
        assert (asked(sandbox) <= IDLE_REQUESTS) == (turn > 0)


@pytest.mark.parametrize("place", first(POSTGRES, "file-delta"))
def test_a_restored_backup_is_filled_up_again(
    at: Place, serve: Serve, servers: Servers, tmp_path: Path, place: str
) -> None:
    account = Account()
    sandbox = serve(account)
    add(account, 0)
    settings = {}
    if place == "postgres":
        settings = {"DESTINATION__POSTGRES__CREDENTIALS": new_database(servers, "restored")}
    run_responses(at(place, **settings), sandbox)
    restore = backup(servers, tmp_path, place)
    for day in (5, 6):
        add(account, day)
        run_responses(at(place, **settings), sandbox)
    restore()
    add(account, 9)
    pipeline = at(place, **settings)
    run_responses(pipeline, sandbox)
    assert loaded(pipeline, "responses") == expected(account, "responses")


def backup(servers: Servers, folder: Path, place: str) -> Callable[[], None]:
    """Makes a copy of all that is in a destination; what puts it back."""
    bucket, copy = folder / "bucket", folder / "backup"
    if place == "postgres":
        execute(as_superuser(servers), "CREATE DATABASE backup TEMPLATE restored OWNER loader")
    else:
        shutil.copytree(bucket, copy)

    def restore() -> None:
        if place == "postgres":
            swap = ("DROP DATABASE restored", "ALTER DATABASE backup RENAME TO restored")
            execute(as_superuser(servers), *swap)
        else:
            shutil.rmtree(bucket)
            copy.rename(bucket)

    return restore


@pytest.mark.parametrize("place", first(POSTGRES, "file-delta"))
def test_what_holds_of_a_pipeline_that_is_run_without_the_script(
    at: Place, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    account = Account()
    sandbox = serve(account)
    # A new destination receives all history, a new machine goes on; for a way back, each needs a name of its own.
    for day, (name, target, machine) in enumerate(
        [
            ("wootric_pipeline", "duckdb", "one"),
            ("wootric_pipeline", place, "one"),
            ("wootric_pipeline", place, "other"),
            ("elsewhere", "duckdb", "other"),
            ("wootric_pipeline", place, "one"),
        ]
    ):
        add(account, day)
        monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / machine))
        at(target, "elsewhere_data" if name == "elsewhere" else "")
        pipeline = dlt.pipeline(name)
        pipeline.run(wootric_source(**access(sandbox)).with_resources("responses"))
        assert loaded(pipeline, "responses") == expected(account, "responses")


@with_postgres
def test_the_script_follows_its_configuration_file(serve: Serve, servers: Servers, tmp_path: Path) -> None:
    account = small_account()
    sandbox = serve(account)
    project = project_for(sandbox, tmp_path / "project")
    project.environment["DESTINATION__POSTGRES__CREDENTIALS"] = servers["postgres"].address
    for turn, destination in enumerate(("duckdb", "postgres", "duckdb")):
        account.advance(NOON + turn * 15)
        named = f'destination_type = "{destination}"\ndataset_name = "{tmp_path.name}"'
        project.write(".dlt/config.toml", f"[pipelines.wootric_pipeline]\n{named}\n")
        report = project.run("--json").report
        assert (report["ok"], report["destination"]) == (True, destination)
        assert (asked(sandbox) <= IDLE_REQUESTS) == (turn == 2)
    for table in TABLE_NAMES:
        assert project.held(table, tmp_path.name) == expected_seconds(account, table)


# `character varying` without a limit is what PostgreSQL also calls `text`.
POSTGRES_TYPES = {
    "bigint": "bigint",
    "bool": "boolean",
    "text": "character varying",
    "timestamp": "timestamp with time zone",
}
PROPERTY_TYPES = {
    "columns": {
        "properties__rate": "double precision",
        "properties__seats": "double precision",
        "properties__paying": "boolean",
        "properties__plan": "character varying",
    },
    "json": {"properties": "jsonb"},
}


@with_postgres
@pytest.mark.parametrize("properties", PROPERTY_TYPES)
def test_columns_have_the_types_of_postgres(at: Place, serve: Serve, servers: Servers, properties: str) -> None:
    account = Account()
    account.put("end_users", row(1, properties={"rate": 0.5, "seats": 3, "paying": True, "plan": "team"}))
    pipeline = at("postgres")
    run(pipeline, serve(account), properties=properties)
    query = (
        "SELECT column_name, data_type || coalesce(character_maximum_length::text, '') "
        "FROM information_schema.columns WHERE table_schema = '{}' AND table_name = '{}'"
    )
    found = {
        name: dict(execute(connected(servers["postgres"].address), query.format(pipeline.dataset_name, name)))
        for name in (*TABLES, "responses__tags")
    }
    for table in TABLES.values():
        declared = {name: POSTGRES_TYPES[kind] for name, kind in {**table.columns, **table.flattened}.items()}
        assert declared.items() <= found[table.name].items()
    assert found["responses__tags"]["value"] == POSTGRES_TYPES["text"]
    free = {name: kind for name, kind in found["end_users"].items() if name.startswith("properties")}
    assert free == PROPERTY_TYPES[properties]


@with_postgres
def test_schemas_of_others_are_left_alone(at: Place, serve: Serve, servers: Servers) -> None:
    address = new_database(servers, "shared")
    names = [*TABLES, "responses__tags", "_dlt_loads", "_dlt_pipeline_state", "_dlt_version"]
    theirs = [f"CREATE TABLE {schema}.{name} AS SELECT 1 AS id" for schema in ("crm", "public") for name in names]
    execute(connected(address), "CREATE SCHEMA crm", *theirs)
    account = small_account()
    sandbox = serve(account)
    for full_refresh in (False, False, True):
        pipeline = at("postgres", "wootric", DESTINATION__POSTGRES__CREDENTIALS=address)
        run(pipeline, sandbox, full_refresh=full_refresh)
        assert_equal(pipeline, account)
    for schema in ("crm", "public"):
        tables = f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{schema}'"
        assert {name for (name,) in execute(connected(address), tables)} == set(names)
        for name in names:
            assert execute(connected(address), f"SELECT * FROM {schema}.{name}") == [(1,)]
    schemas = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_|^information_schema$'"
    assert {name for (name,) in execute(connected(address), schemas)} == {"crm", "public", "wootric", "wootric_staging"}


GRANTS = (
    "GRANT TEMPORARY ON DATABASE guarded TO guest",
    "GRANT USAGE, CREATE ON SCHEMA wootric TO guest",
    "GRANT USAGE, CREATE ON SCHEMA wootric_staging TO guest",
)
"""What a user needs at least who may not make schemas, beside connecting."""


@with_postgres
def test_a_user_may_be_confined_to_schemas_made_beforehand(at: Place, serve: Serve, servers: Servers) -> None:
    address = new_database(servers, "guarded")
    execute(as_superuser(servers), "CREATE ROLE guest LOGIN PASSWORD 'guest-secret'")
    alone = ("REVOKE ALL ON DATABASE guarded FROM PUBLIC", "GRANT CONNECT ON DATABASE guarded TO guest")
    execute(connected(address), *alone, "CREATE SCHEMA wootric", "CREATE SCHEMA wootric_staging", *GRANTS)
    account = small_account()
    sandbox = serve(account)
    guest = address.replace("loader:loader-secret", "guest:guest-secret")
    for turn in range(3):
        account.advance(NOON + turn * 15)
        pipeline = at("postgres", "wootric", DESTINATION__POSTGRES__CREDENTIALS=guest)
        run(pipeline, sandbox, full_refresh=turn == 2)
        assert_equal(pipeline, account)


@with_postgres
@pytest.mark.parametrize(("count", "value"), [(1_700, None), (1_100, 1)], ids=["columns", "bytes in a row"])
def test_more_properties_than_postgres_holds_go_into_one_column(
    at: Place, serve: Serve, monkeypatch: pytest.MonkeyPatch, count: int, value: int | None
) -> None:
    monkeypatch.setenv("LOAD__RAISE_ON_MAX_RETRIES", "1")
    account = Account()
    account.put("end_users", row(1, properties={f"key{index}": value or f"text {index}" for index in range(count)}))
    sandbox = serve(account)
    with pytest.raises(PipelineStepFailed) as failed:
        run(at("postgres"), sandbox)
    assert explain(failed.value) == (TOO_WIDE, 2)
    # What was read as columns waits to be loaded, and never can be.
    account.put("end_users", row(2, NOON + DAY, properties={"key1": 2}))
    pipeline = at("postgres")
    run(pipeline, sandbox, properties="json")
    assert loaded(pipeline, "end_users") == expected(account, "end_users", "json")
