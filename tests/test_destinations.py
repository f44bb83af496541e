"""The same life of an account at every destination: whole tables compared with the account's rows after each step."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dlt
import pytest
from dlt.pipeline.pipeline import Pipeline

from tests.conftest import NOON, Serve, access
from tests.servers import ACCESS_KEY, SECRET_KEY, postgres, s3
from tests.tables import expected, loaded
from wootric_pipeline import Run, wootric_source
from wootric_pipeline.account import SECOND, DemoAccount
from wootric_pipeline.loading import load
from wootric_pipeline.sandbox import Sandbox
from wootric_pipeline.tables import TABLES

MERGING = ("duckdb", "ducklake", "sqlite", "postgres", "s3-delta", "s3-iceberg", "file-delta")


@pytest.fixture(scope="session")
def _servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Servers that are started when a test first needs one, and are gone with the last."""
    with ExitStack() as stack:

        class Started(dict[str, str]):
            def __missing__(self, name: str) -> str:
                start = {"postgres": postgres, "s3": s3}[name]
                self[name] = stack.enter_context(start(tmp_path_factory.mktemp(name)))
                return self[name]

        yield Started()


@pytest.fixture
def destination(
    request: pytest.FixtureRequest, _servers: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Configures a destination by the environment alone; its name."""
    name: str = request.param
    for key, value in configuration(name, _servers, tmp_path).items():
        monkeypatch.setenv(key, value)
    return {"sqlite": "sqlalchemy"}.get(name, name.replace("s3-", "file-").partition("-")[0]).replace(
        "file", "filesystem"
    )


def extension(name: str) -> None:
    """Puts an extension of DuckDB where it looks for it, from the package that carries it."""
    from duckdb_extensions import import_extension

    import_extension(name)


def configuration(name: str, servers: dict[str, str], folder: Path) -> dict[str, str]:
    kind, _, files = name.partition("-")
    if kind == "ducklake":
        for needed in ("ducklake", "sqlite_scanner"):
            extension(needed)
    if kind == "postgres":
        return {"DESTINATION__POSTGRES__CREDENTIALS": servers["postgres"]}
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
            f"{credentials}ENDPOINT_URL": servers["s3"],
            f"{credentials}REGION_NAME": "us-east-1",
            "SOURCES__WOOTRIC__FILES": files,
        }
    return {}


def pipeline_to(destination: str, dataset: str) -> Pipeline:
    return dlt.pipeline("wootric_pipeline", destination=destination, dataset_name=dataset)


def run(pipeline: Pipeline, sandbox: Sandbox, **arguments: Any) -> Run:
    notes = Run()
    load(pipeline, wootric_source(run=notes, **access(sandbox), **arguments), notes, list(TABLES))
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
    ("destination", "properties"),
    # Iceberg is slow here, and one way of storing properties tells as much about it.
    # Tests of one server run in one process, which alone starts it.
    [
        pytest.param(name, form, marks=pytest.mark.xdist_group(name.partition("-")[0]))
        for name in MERGING
        for form in ("columns", "json")
        if (name, form) != ("s3-iceberg", "json")
    ],
    indirect=["destination"],
)
def test_the_tables_follow_the_account(destination: str, properties: str, serve: Serve) -> None:
    account = DemoAccount(NOON, end_users=40, responses=110, declines=30)
    sandbox = serve(account)
    dataset = f"wootric_{properties}"
    steps = [
        "as it is",
        "updated rows",
        "fewer tags",
        "no tags",
        "a new column",
        "a new type",
        "unchanged",
        "time passes",
    ]
    for index, step in enumerate(steps):
        change(account, step, second=300 if step == "time passes" else index)
        pipeline = pipeline_to(destination, dataset)
        run(pipeline, sandbox, properties=properties)
        for table in TABLES:
            assert loaded(pipeline, table) == expected(account, table, properties), step
        if step == "a new column":
            pipeline.drop()
