"""Destinations that cannot be run here: what dlt would have them do, made by its own classes without a connection.

Every statement is parsed in the destination's dialect; the merges are translated and run by DuckDB.
"""

import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, cast

import dlt
import duckdb
import pytest
import sqlglot
from dlt.common.schema.utils import get_nested_tables
from dlt.destinations.job_client_impl import SqlJobClientWithStagingDataset
from dlt.pipeline.exceptions import PipelineStepFailed
from dlt.pipeline.pipeline import Pipeline
from sqlglot import exp

from tests.conftest import NOON, Serve, access
from wootric_pipeline import wootric_source
from wootric_pipeline.command import loading
from wootric_pipeline.descriptions import TABLE_DESCRIPTIONS, descriptions
from wootric_pipeline.sandbox import SECOND, DemoAccount
from wootric_pipeline.tables import RESPONSES, TABLES


class Expected(NamedTuple):
    """How a destination is written to, and the types our columns have there."""

    dialect: str
    file_format: str
    bigint: str
    bool: str
    text: str
    timestamp: str
    json: str


DESTINATIONS = {
    "athena": Expected("athena", "parquet", "bigint", "boolean", "string", "timestamp", "string"),
    "bigquery": Expected("bigquery", "jsonl", "INT64", "BOOL", "STRING", "TIMESTAMP", "JSON"),
    "clickhouse": Expected("clickhouse", "jsonl", "Int64", "Bool", "String", "DateTime64(6, 'UTC')", "String"),
    "databricks": Expected("databricks", "parquet", "BIGINT", "BOOLEAN", "STRING", "TIMESTAMP", "STRING"),
    "motherduck": Expected("duckdb", "parquet", "BIGINT", "BOOLEAN", "VARCHAR", "TIMESTAMP WITH TIME ZONE", "JSON"),
    # SQL Server has had the type json since 2025.
    "mssql": Expected("tsql", "insert_values", "bigint", "bit", "nvarchar(max)", "datetimeoffset", "json"),
    "redshift": Expected(
        "redshift", "insert_values", "bigint", "boolean", "varchar(max)", "timestamp with time zone", "super"
    ),
    "snowflake": Expected("snowflake", "jsonl", "NUMBER(19,0)", "BOOLEAN", "VARCHAR", "TIMESTAMP_LTZ", "VARIANT"),
    "synapse": Expected("tsql", "insert_values", "bigint", "bit", "nvarchar(max)", "datetimeoffset", "nvarchar(max)"),
}

ODBC = "?driver=ODBC Driver 18 for SQL Server"
CREDENTIALS: dict[str, Mapping[str, str]] = {
    "athena": {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"},
    "bigquery": {"project_id": "analytics", "private_key": "secret", "client_email": "loader@example.com"},
    "clickhouse": {"": "clickhouse://loader:secret@127.0.0.1/analytics"},
    "databricks": {
        "server_hostname": "127.0.0.1",
        "http_path": "/sql",
        "catalog": "analytics",
        "access_token": "secret",
    },
    "motherduck": {"": "md:analytics?motherduck_token=secret"},
    "mssql": {"": f"mssql://loader:secret@127.0.0.1/analytics{ODBC}"},
    "redshift": {"": "redshift://loader:secret@127.0.0.1/analytics"},
    "snowflake": {"": "snowflake://loader:secret@account/analytics"},
    "synapse": {"": f"synapse://loader:secret@127.0.0.1/analytics{ODBC}"},
}

DRIVERS = (
    "clickhouse_connect",
    "clickhouse_driver",
    "databricks",
    "google",
    "psycopg2",
    "pyathena",
    "pyodbc",
    "snowflake",
)

ODD_KEYS = (
    "select",
    "user",
    "Total $ (net)",
    "7days",
    "a.b/c",
    "A.B/C",
    'quote"d `and` [more]; --',
    "日本",
    "한국",
    "",
    "_dlt_id",
    "k" * 300 + "1",
    "k" * 300 + "2",
)
LONG_LIST = "l" * 150


class Anything(type):
    """A class whose attributes are such classes, too."""

    def __getattr__(cls, name: str) -> "Anything":
        return _anything(name)


class StandIn(ModuleType):
    """A module that has everything; nothing in it does anything."""

    def __getattr__(self, name: str) -> Anything:
        return _anything(name)


def _anything(name: str) -> Anything:
    if name.startswith("__"):
        raise AttributeError(name)
    return Anything(name, (), {"__init__": lambda *_args, **_fields: None})


class Drivers(MetaPathFinder, Loader):
    """Finds stand-ins for database drivers: without a connection, dlt only imports them."""

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.partition(".")[0] in DRIVERS else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


@pytest.fixture
def _drivers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "meta_path", [Drivers(), *sys.meta_path])
    before = set(sys.modules)
    yield
    # Nobody else shall get a stand-in, or a class of dlt's that uses one.
    for name in set(sys.modules) - before:
        if isinstance(sys.modules[name], StandIn) or name.startswith("dlt.destinations.impl."):
            del sys.modules[name]


@dataclass(repr=False)
class Generated:
    """What dlt made of an account for a destination.

    Attributes:
        expected: What it should have made.
        client: The destination's; it has the schema.
        formats: Of the files to load.
        created, staged: The statements that create each table, and its twin that rows are merged from.
        comments: The statements that say what each table is, where it is not said as it is created.
        added: The statements that add the column `text` to the responses.
        merges: The statements that merge each root table and its children.
    """

    expected: Expected
    client: SqlJobClientWithStagingDataset
    formats: set[str]
    created: dict[str, exp.Expression] = field(default_factory=dict)
    staged: dict[str, exp.Expression] = field(default_factory=dict)
    comments: dict[str, list[str]] = field(default_factory=dict)
    added: list[str] = field(default_factory=list)
    merges: dict[str, list[exp.Expression]] = field(default_factory=dict)

    def parse(self, statement: str) -> exp.Expression:
        """The statement, which must be valid in the dialect."""
        (tree,) = (tree for tree in sqlglot.parse(statement, self.expected.dialect) if tree is not None)
        # What sqlglot does not understand it takes for a command.
        assert tree.find(exp.Command) is None, statement
        return cast(exp.Expression, tree)

    def create(self) -> dict[str, exp.Expression]:
        """The statements that create each table of the schema, one for each."""
        created = {}
        for name in self.client.schema.tables:
            (statement, *comments), _ = self.client._build_schema_update_sql([(name, {})])
            created[name] = self.parse(statement)
            assert all(isinstance(self.parse(comment), exp.Comment) for comment in comments)
            self.comments[name] = comments
        return created

    def merge(self, root: str) -> list[exp.Expression]:
        """The statements that merge a table and its children, from the file dlt would run."""
        chain = [self.client.prepare_load_table(table["name"]) for table in self.chain(root)]
        (job,) = self.client.create_table_chain_completed_followup_jobs(chain)
        return [self.parse(line) for line in Path(job.new_file_path()).read_text(encoding="utf-8").splitlines()]

    def chain(self, root: str) -> Sequence[Any]:
        """A table and its children."""
        return get_nested_tables(self.client.schema.tables, root)

    def name(self, name: str) -> str:
        """A name in the case the destination keeps it in."""
        return name.upper() if self.expected.dialect == "snowflake" else name

    def type_of(self, data_type: str) -> str:
        """The type a column should have, as sqlglot writes it."""
        return exp.DataType.build(getattr(self.expected, data_type), self.expected.dialect).sql(self.expected.dialect)

    def types(self, created: exp.Expression) -> dict[str, str]:
        """The types of columns in a statement, by name."""
        types = {
            column.name: column.args["kind"].sql(self.expected.dialect) for column in created.find_all(exp.ColumnDef)
        }
        return {name: re.sub(r"^Nullable\((.*)\)$", r"\1", found) for name, found in types.items()}


@pytest.fixture(scope="module")
def _made() -> dict[tuple[str, str], Generated]:
    """Making it takes a second, so it is made once."""
    return {}


@pytest.fixture
def generated(
    request: pytest.FixtureRequest,
    _made: dict[tuple[str, str], Generated],
    _drivers: None,
    serve: Serve,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Generated:
    destination, properties = request.param
    if request.param not in _made:
        # dlt writes the statements of a merge into files there.
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        pipeline = configured(destination, tmp_path, monkeypatch)
        pipeline.extract(wootric_source(properties=properties, **access(serve(odd_account()))))
        pipeline.normalize()
        _made[request.param] = generate(pipeline, DESTINATIONS[destination])
    return _made[request.param]


def configured(destination: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """A pipeline with a destination that is configured by the environment alone."""
    for key, value in CREDENTIALS[destination].items():
        monkeypatch.setenv(f"DESTINATION__{destination}__CREDENTIALS__{key}".upper().removesuffix("__"), value)
    if destination == "athena":
        # dlt puts the files there, and Athena takes them from there.
        monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", f"file://{folder}/bucket")
    return dlt.pipeline("wootric_pipeline", destination=destination, dataset_name="wootric")


def odd_account() -> DemoAccount:
    """An account with names that databases do not like."""
    account = DemoAccount(NOON, end_users=6, responses=12, declines=6)
    odd = {**dict.fromkeys(ODD_KEYS, 1), LONG_LIST: [1, 2]}
    account.change("end_users", 1_000, NOON * SECOND, properties=odd)
    account.change("responses", 50_000, NOON * SECOND, tags=["a", "b"], notes=["n"])
    return account


def generate(pipeline: Pipeline, expected: Expected) -> Generated:
    """What dlt would do to load a pipeline's package."""
    client = cast(SqlJobClientWithStagingDataset, pipeline.destination_client())
    (package,) = map(pipeline.get_load_package_info, pipeline.list_normalized_load_packages())
    jobs = [job.job_file_info for job in package.jobs["new_jobs"]]
    # Raises if there are columns that the files cannot hold there.
    client.verify_schema(list(client.schema.tables), jobs)
    made = Generated(expected, client, {job.file_format for job in jobs})
    made.created = made.create()
    with client.with_staging_dataset():
        made.staged = made.create()
    columns = client.schema.get_table_columns("responses")
    older = {name: column for name, column in columns.items() if name != "text"}
    made.added, _ = client._build_schema_update_sql([("responses", older)])
    made.merges = {table: made.merge(table) for table in TABLES}
    return made


each = pytest.mark.parametrize(
    "generated",
    [(destination, properties) for destination in DESTINATIONS for properties in ("columns", "json")],
    indirect=True,
    ids="-".join,
)
each_with_columns = pytest.mark.parametrize(
    "generated", [(destination, "columns") for destination in DESTINATIONS], indirect=True, ids="-".join
)


@each
def test_tables_have_our_columns_with_their_types(generated: Generated, request: pytest.FixtureRequest) -> None:
    as_json = request.node.callspec.params["generated"][1] == "json"
    for table in TABLES.values():
        declared = {**table.columns, **table.flattened, **(dict.fromkeys(table.properties, "json") if as_json else {})}
        wanted = {generated.name(name): generated.type_of(data_type) for name, data_type in declared.items()}
        for created in (generated.created[table.name], generated.staged[table.name]):
            types = generated.types(created)
            assert {name: types[name] for name in wanted} == wanted
    tags = generated.types(generated.created["responses__tags"])
    assert tags[generated.name("value")] == generated.type_of("text")
    assert tags[generated.name("_dlt_list_idx")] == generated.type_of("bigint")


@each
def test_files_have_a_format_the_destination_takes(generated: Generated) -> None:
    capabilities = generated.client.capabilities
    taken = capabilities.supported_loader_file_formats or capabilities.supported_staging_file_formats
    assert generated.formats == {generated.expected.file_format}
    assert generated.formats <= set(taken)


@each_with_columns
def test_names_are_short_and_each_key_has_one_of_its_own(generated: Generated) -> None:
    capabilities = generated.client.capabilities
    for table, created in generated.created.items():
        columns = list(generated.types(created))
        assert all(generated.name(name.lower()) == name for name in columns)
        assert max(map(len, columns)) <= capabilities.max_column_identifier_length
        assert len({name.lower() for name in columns}) == len(columns)
        assert created.this.this.name.endswith(generated.name(table))
        assert len(created.this.this.name) <= capabilities.max_identifier_length
    users = odd_account().rows["end_users"].values()
    keys = {key for user in users for key, value in user["properties"].items() if value is not None}
    columns = list(generated.types(generated.created["end_users"]))
    assert len([name for name in columns if name.lower().startswith("properties__")]) == len(keys)
    assert [table["name"] for table in generated.chain("end_users")] == ["end_users"]


@each_with_columns
def test_names_are_quoted(generated: Generated) -> None:
    ours = [generated.created[name] for name in generated.client.schema.data_table_names()]
    names = {name.lower() for created in ours for name in (created.this.this.name, *generated.types(created))}
    statements = [*ours, *(statement for merge in generated.merges.values() for statement in merge)]
    identifiers = [name for statement in statements for name in statement.find_all(exp.Identifier)]
    assert {name.name.lower() for name in identifiers if name.args["quoted"]} >= names
    assert not {name.name.lower() for name in identifiers if not name.args["quoted"]} & names


@each_with_columns
def test_a_new_column_is_added(generated: Generated) -> None:
    statement, *others = (each for each in generated.added if not each.startswith("COMMENT ON TABLE "))
    added = generated.parse(statement)
    assert isinstance(added, exp.Alter)
    assert generated.types(added) == {generated.name("text"): generated.type_of("text")}
    (name,) = (column.this for column in added.find_all(exp.ColumnDef))
    assert name.args["quoted"]
    # Valid for Snowflake, and without effect; sqlglot does not know it.
    assert all(re.fullmatch(r'ALTER TABLE "WOOTRIC"."RESPONSES"\sDROP CLUSTERING KEY', other) for other in others)


@pytest.mark.parametrize(
    "generated",
    [(name, "columns") for name in ("snowflake", "bigquery", "databricks")],
    indirect=True,
    ids="-".join,
)
def test_columns_are_described_as_they_are_made(generated: Generated, request: pytest.FixtureRequest) -> None:
    destination, _ = request.node.callspec.params["generated"]
    for table in (*TABLES, "responses__tags"):
        created = generated.created[table]
        lines = created.find_all(exp.ColumnDef)
        told = {column.name.lower(): [each.name for each in column.find_all(exp.Literal)] for column in lines}
        wanted = {name: text for name, text in descriptions(table).items() if name in told}
        assert {*wanted} >= {*TABLES[table].documented} if table in TABLES else wanted == descriptions(table)
        assert {name: text for name, text in wanted.items() if text not in told[name]} == {}
        of_table = created.sql() + "".join(generated.comments[table])
        assert (TABLE_DESCRIPTIONS[table] in of_table) is (destination != "snowflake")


class Played:
    """DuckDB in the part of a destination: it has the tables, and does what the statements say.

    Args:
        generated: The destination and its statements.
        root: The table to merge, with its children.
    """

    def __init__(self, generated: Generated, root: str) -> None:
        self._generated, self._root = generated, root
        self._database = duckdb.connect()
        for table in generated.chain(root):
            for created in (generated.created[table["name"]], generated.staged[table["name"]]):
                self._create(created)

    def _create(self, created: exp.Expression) -> None:
        table = created.this.this
        if table.catalog:
            self._database.execute(f"ATTACH IF NOT EXISTS ':memory:' AS \"{table.catalog}\"")
        schema = ".".join(f'"{part}"' for part in (table.catalog, table.db) if part)
        self._database.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        columns = ", ".join(f'"{name}" VARCHAR' for name in self._generated.types(created))
        self._database.execute(f"CREATE TABLE {table.sql('duckdb')} ({columns})")

    def put(self, created: exp.Expression, *rows: Mapping[str, str]) -> None:
        """Adds rows to a table."""
        for row in rows:
            columns = ", ".join(f'"{self._generated.name(name)}"' for name in row)
            values = ", ".join(f"'{value}'" for value in row.values())
            self._database.execute(f"INSERT INTO {created.this.this.sql('duckdb')} ({columns}) VALUES ({values})")

    def merge(self) -> None:
        """Does what dlt would have the destination do."""
        for statement in self._generated.merges[self._root]:
            self._database.execute(statement.sql("duckdb"))

    def held(self, table: str, *columns: str) -> list[tuple[str, ...]]:
        """What a table holds in the end."""
        names = ", ".join(f'"{self._generated.name(name)}"' for name in columns)
        created = self._generated.created[table].this.this
        return self._database.execute(f"SELECT {names} FROM {created.sql('duckdb')} ORDER BY ALL").fetchall()


def version(row_id: str, row_key: str, updated_at: str) -> dict[str, str]:
    return {"id": row_id, "_dlt_id": row_key, "updated_at": updated_at}


def tag(root_key: str, value: str) -> dict[str, str]:
    return {"_dlt_id": f"{root_key}-{value}", "_dlt_root_id": root_key, "_dlt_parent_id": root_key, "value": value}


@each_with_columns
@pytest.mark.parametrize("table", TABLES)
def test_a_merge_keeps_the_newest_version_of_each_id(generated: Generated, table: str) -> None:
    played = Played(generated, table)
    played.put(generated.created[table], version("1", "first", "1"), version("2", "other", "1"))
    played.put(
        generated.staged[table], version("1", "late", "2"), version("1", "newest", "3"), version("3", "new", "3")
    )
    played.merge()
    assert played.held(table, "id", "_dlt_id") == [("1", "newest"), ("2", "other"), ("3", "new")]


@each_with_columns
def test_a_merge_replaces_the_tags_of_a_response(generated: Generated) -> None:
    played = Played(generated, RESPONSES.name)
    played.put(generated.created["responses"], version("1", "first", "1"), version("2", "other", "1"))
    played.put(generated.created["responses__tags"], tag("first", "gone"), tag("first", "kept"), tag("other", "stays"))
    played.put(generated.staged["responses"], version("1", "late", "2"), version("1", "newest", "3"))
    played.put(generated.staged["responses__tags"], tag("late", "gone"), tag("newest", "kept"), tag("newest", "new"))
    played.merge()
    assert played.held("responses__tags", "_dlt_root_id", "value") == [
        ("newest", "kept"),
        ("newest", "new"),
        ("other", "stays"),
    ]


@pytest.mark.usefixtures("_drivers")
def test_a_load_that_fails_at_athena_says_why(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTORE_FROM_DESTINATION", "false")
    pipeline = configured("athena", tmp_path, monkeypatch)

    def fail(*_arguments: object, **_options: object) -> None:
        raise PipelineStepFailed(pipeline, "load", "1", RuntimeError("no such bucket"), cast(Any, None))

    monkeypatch.setattr(pipeline, "load", fail)
    pipeline.extract(wootric_source(**access(serve(odd_account()))))
    with pytest.raises(PipelineStepFailed, match="no such bucket"):
        loading.load_extracted(pipeline)
