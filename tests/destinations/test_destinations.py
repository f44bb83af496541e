"""The same life of an account at every destination: whole tables compared with the account's rows after each step."""

from collections import Counter
from pathlib import Path
from typing import Any

import dlt
import pytest
from dlt.pipeline.pipeline import Pipeline

from tests.conftest import NOON, Serve, Servers, access, first, row
from tests.script import project_for
from tests.servers import ACCESS_KEY, SECRET_KEY
from tests.tables import contents, expected, loaded, plain
from wootric_pipeline.command.loading import load
from wootric_pipeline.command.run import Run, source_for
from wootric_pipeline.sandbox import SECOND, Account, DemoAccount, Sandbox
from wootric_pipeline.tables import TABLES

MERGING = ("duckdb", "ducklake", "sqlite", "postgres", "s3-delta", "s3-iceberg", "file-delta")
# Tests of one server run in one process, which alone starts it.
GROUPS = {name: pytest.mark.xdist_group(name.partition("-")[0]) for name in MERGING}
# These take many times as long; DuckLake runs DuckDB's statements, and files of Iceberg are written as Delta's are.
SLOW = ("ducklake", "s3-iceberg")
IN_CI = {(name, "columns") for name in ("duckdb", "sqlite", "postgres", "file-delta")} | {("duckdb", "json")}


def places_and_forms(*others: tuple[str, str]) -> list[Any]:
    """Destinations and forms of properties; CI takes one of each kind, and others that are named."""
    return [
        pytest.param(name, form, marks=group if (name, form) in {*IN_CI, *others} else [group, pytest.mark.slow])
        for name, group in GROUPS.items()
        for form in ("columns", "json")
        if form == "columns" or name not in SLOW
    ]


@pytest.fixture
def destination(
    request: pytest.FixtureRequest, servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Configures a destination by the environment alone; its name."""
    name: str = request.param
    for key, value in configuration(name, servers, tmp_path).items():
        monkeypatch.setenv(key, value)
    return {"sqlite": "sqlalchemy"}.get(name, name.replace("s3-", "file-").partition("-")[0]).replace(
        "file", "filesystem"
    )


def extension(name: str) -> None:
    """Puts an extension of DuckDB where it looks for it, from the package that carries it."""
    from duckdb_extensions import import_extension

    import_extension(name)


def configuration(name: str, servers: Servers, folder: Path) -> dict[str, str]:
    kind, _, files = name.partition("-")
    if kind == "ducklake":
        for needed in ("ducklake", "sqlite_scanner"):
            extension(needed)
    if kind == "postgres":
        return {"DESTINATION__POSTGRES__CREDENTIALS": servers["postgres"].address}
    if kind == "sqlite":
        return {"DESTINATION__SQLALCHEMY__CREDENTIALS": f"sqlite:///{folder}/wootric_pipeline.db"}
    if kind == "file":
        return {"DESTINATION__FILESYSTEM__BUCKET_URL": f"file://{folder}/bucket", "SOURCES__WOOTRIC__FILES": files}
    if kind == "s3":
        credentials = "DESTINATION__FILESYSTEM__CREDENTIALS__"
        return {
            "DESTINATION__FILESYSTEM__BUCKET_URL": f"s3://wootric/{folder.name}",
            f"{credentials}AWS_ACCESS_KEY_ID": ACCESS_KEY,
            f"{credentials}AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            f"{credentials}ENDPOINT_URL": servers["s3"].address,
            f"{credentials}REGION_NAME": "us-east-1",
            "SOURCES__WOOTRIC__FILES": files,
        }
    return {}


def pipeline_to(destination: str, dataset: str) -> Pipeline:
    return dlt.pipeline("wootric_pipeline", destination=destination, dataset_name=dataset)


def run(pipeline: Pipeline, sandbox: Sandbox, *tables: str, full_refresh: bool = False, **arguments: Any) -> Run:
    notes = Run()
    source = source_for(notes, **access(sandbox), **arguments)
    load(pipeline, source, notes, tables or list(TABLES), full_refresh=full_refresh)
    return notes


def change(account: DemoAccount, step: str, second: int) -> None:
    """What happens to the account before a step."""
    at = (NOON + second) * SECOND
    responses, users = list(account.rows["responses"]), list(account.rows["end_users"])
    if step == "updated rows":
        account.change("responses", responses[0], at, score=0, text="Ändert sich, 'quoted', \"twice\", a\\b\nand more")
    elif step == "fewer tags":
        account.change("responses", responses[1], at, tags=["one"], notes=["n"])
        account.change("responses", responses[2], at, tags=["one", "two", "three"])
    elif step == "no tags":
        account.change("responses", responses[1], at, tags=[], notes=[])
        account.change("responses", responses[2], at, tags=["two"])
    elif step == "a new column":
        account.change("responses", responses[3], at, sentiment="good")
    elif step == "a new type":
        account.change("end_users", users[0], at, properties={"seats": "many", "Seats": 7, "seats ": 8})
    else:
        account.advance(NOON + second)


@pytest.mark.parametrize(
    ("destination", "properties"), places_and_forms(("s3-iceberg", "columns")), indirect=["destination"]
)
def test_the_tables_follow_the_account(destination: str, properties: str, serve: Serve) -> None:
    account = DemoAccount(NOON, end_users=40, responses=110, declines=30)
    sandbox = serve(account)
    dataset = f"wootric_{properties}"
    runs = [
        ("as it is",),
        ("updated rows", "fewer tags"),
        ("no tags", "a new column", "a new type"),
        ("unchanged",),
        ("time passes",),
    ]
    for index, steps in enumerate(runs):
        for step in steps:
            change(account, step, second=300 if step == "time passes" else index)
        pipeline = pipeline_to(destination, dataset)
        run(pipeline, sandbox, properties=properties)
        for table in TABLES:
            assert loaded(pipeline, table) == expected(account, table, properties), steps
        if "a new column" in steps:
            pipeline.drop()


ODD_KEYS = (
    *("", " ", "\n", "!!!", "__", "_", "%s", "{x}", "a.b", "a-b", "a b", "a\\b", "it's", '"quoted"', "; DROP TABLE x"),
    *("id", "ID", "Case", "case", "updated_at", "_dlt_id", "_dlt_load_id", "properties", "value", "seats__v_text"),
    *("größe", "grüße", "名前", "会社", "🙂", "1st", "_1st"),
    # The longest name in PostgreSQL has 63 letters.
    *("k" * 300 + "a", "k" * 300 + "b", "K" * 300 + "a", "k" * 54 + "a", "K" * 54 + "a", "k" * 51, "k" * 52),
)
PLAIN_KEYS = tuple(f"Key {index}" for index in range(300 - len(ODD_KEYS)))
CHANGING_KEYS = (*ODD_KEYS, *PLAIN_KEYS[:20])


def properties_of_all_types(shift: int) -> dict[str, Any]:
    """Hundreds of properties; with another shift, many have another type."""
    properties: dict[str, Any] = {key: index for index, key in enumerate(PLAIN_KEYS)}
    for index, key in enumerate(CHANGING_KEYS):
        number = index * 100 + shift
        inner = {"Inner": number, "inner": number + 0.5, "properties": {"id": f"text {number}"}}
        types: list[Any] = [number, f"text {number}", number % 2 == 0, inner, None, number + 0.25]
        # Each key with a list makes a table.
        types += [[number, number + 1]] if index in range(20, 25) else []
        properties[key] = types[(index + shift) % len(types)]
    return properties


@pytest.mark.parametrize(("destination", "properties"), places_and_forms(), indirect=["destination"])
def test_properties_of_any_key_and_type_are_kept(destination: str, properties: str, serve: Serve) -> None:
    account = Account()
    sandbox = serve(account)
    for step in range(2):
        for row_id, shift in ((1, step), (2, 9 - step)):
            account.put("end_users", row(row_id, NOON + step, properties=properties_of_all_types(shift)))
        pipeline = pipeline_to(destination, f"wootric_free_{properties}")
        run(pipeline, sandbox, "end_users", properties=properties)
        if properties == "json":
            assert loaded(pipeline, "end_users") == expected(account, "end_users", "json")
        else:
            assert contents(pipeline, "end_users", "properties") == {
                row_id: Counter(plain(held["properties"])) for row_id, held in account.rows["end_users"].items()
            }


@pytest.mark.parametrize(
    "destination",
    first(*(pytest.param(name, marks=GROUPS[name]) for name in ("postgres", "duckdb", "sqlite")))
    + first(*(pytest.param(name, marks=GROUPS[name]) for name in ("file-delta", "s3-iceberg"))),
    indirect=True,
)
def test_tables_without_a_row_are_there_and_can_be_filled(destination: str, serve: Serve) -> None:
    account = Account()
    sandbox = serve(account)
    for is_filled in (False, True):
        if is_filled:
            account.put("responses", row(1, tags=["a"]))
        pipeline = pipeline_to(destination, "wootric_empty")
        run(pipeline, sandbox)
        for table in TABLES:
            assert table in pipeline.default_schema.data_table_names(seen_data_only=True)
            assert loaded(pipeline, table) == expected(account, table)


@pytest.mark.parametrize(
    ("destination", "setting", "path"),
    [
        ("sqlalchemy", "CREDENTIALS", "sqlite:///surveys.sqlite"),
        ("filesystem", "BUCKET_URL", "lake"),
    ],
)
def test_a_relative_path_begins_where_the_command_is_started(
    destination: str, setting: str, path: str, serve: Serve, tmp_path: Path
) -> None:
    sandbox = serve(DemoAccount(NOON, end_users=5, responses=5, declines=5))
    for name in ("first", "other", "first"):
        project = project_for(sandbox, tmp_path / name, tables="declines", files="jsonl")
        project.environment |= {
            "DLT_DATA_DIR": str(tmp_path / "dlt"),
            "DESTINATION_TYPE": destination,
            f"DESTINATION__{destination.upper()}__{setting}": path,
        }
        is_there = (tmp_path / name).is_dir() and any((tmp_path / name).iterdir())
        outcome = project.run("--json")
        assert (outcome.code, outcome.report["tables"]["declines"]["rows"]) == (0, 0 if is_there else 5)
        assert any((tmp_path / name).iterdir())
