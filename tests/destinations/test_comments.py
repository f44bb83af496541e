"""Databases say what tables and columns mean: written once, kept up, and left alone by whoever may not write there."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from dlt.pipeline.pipeline import Pipeline

from tests.conftest import NOON, Serve, Servers
from tests.destinations.test_destinations import GROUPS, configuration, pipeline_to, run
from tests.servers import superuser
from wootric_pipeline.descriptions import TABLE_DESCRIPTIONS, descriptions
from wootric_pipeline.destinations import comments
from wootric_pipeline.destinations.comments import QUERIES, write_comments
from wootric_pipeline.sandbox import DemoAccount
from wootric_pipeline.tables import DELETED_AT, TABLES

COMMENTED = [
    *(pytest.param(name, marks=GROUPS[name]) for name in ("duckdb", "postgres")),
    pytest.param("ducklake", marks=[GROUPS["ducklake"], pytest.mark.slow]),
]
LOADED = (*TABLES, "responses__tags", "responses__notes")
# The tests' own words for where comments are, beside those of the program.
SQL = {
    "duckdb": "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE schema_name = '{}'",
    "ducklake": "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE schema_name = '{}'",
    "postgres": "SELECT table_name, column_name, col_description(('{0}.' || table_name)::regclass, ordinal_position) "
    "FROM information_schema.columns WHERE table_schema = '{0}'",
}

Comments = dict[str, dict[str, str | None]]


@pytest.fixture
def loaded(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path, serve: Serve) -> Iterator[Pipeline]:
    """A dataset of its own, loaded by the command."""
    with configured(configuration(request.param, servers, tmp_path)):
        pipeline = pipeline_to(request.param, f"comments_{tmp_path.name}")
        run(pipeline, serve(DemoAccount(NOON, end_users=40, responses=110, declines=30)), properties="json")
        yield pipeline


@contextmanager
def configured(variables: Mapping[str, str]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


def commented(pipeline: Pipeline) -> Comments:
    """The comments of all columns but dlt's own ones of rows, by table."""
    found: Comments = {name: {} for name in LOADED}
    with pipeline.sql_client() as client:
        rows = client.execute_sql(SQL[pipeline.destination.destination_name].format(pipeline.dataset_name))
    for table, column, comment in rows or ():
        if table in found and (table not in TABLES or not column.startswith("_dlt")):
            found[table][column] = comment
    return found


def table_comments(pipeline: Pipeline) -> dict[str, str | None]:
    with pipeline.sql_client() as client:
        dataset = pipeline.dataset_name
        rows = client.execute_sql(QUERIES[pipeline.destination.destination_name], dataset, dataset)
    return {table: comment for table, column, comment in rows or () if column is None and table in LOADED}


def wanted() -> Comments:
    return {
        name: {
            column: text
            for column, text in descriptions(name).items()
            # Nothing is marked as gone here, so that no table has a column for it.
            if column != DELETED_AT and (name not in TABLES or column not in TABLES[name].lists)
        }
        for name in LOADED
    }


def statements(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What `write_comments` has the database do."""
    told: list[str] = []
    with pipeline.sql_client() as client, monkeypatch.context() as patch:
        kind = type(client)
        asked = kind.execute_query

        def execute_query(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
            told.append(str(query).strip())
            return asked(self, query, *args, **kwargs)

        patch.setattr(kind, "execute_query", execute_query)
        write_comments(pipeline)
    return told


@pytest.mark.parametrize("loaded", COMMENTED, indirect=True)
def test_the_database_says_once_what_tables_and_columns_mean(loaded: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    assert commented(loaded) == wanted()
    assert table_comments(loaded) == {name: TABLE_DESCRIPTIONS[name] for name in LOADED}
    # What is written is not written again.
    files = {path: path.read_bytes() for path in Path().glob("*.duckdb*")}
    assert [statement for statement in statements(loaded, monkeypatch) if not statement.startswith("SELECT")] == []
    assert {path: path.read_bytes() for path in Path().glob("*.duckdb*")} == files


@pytest.mark.parametrize("loaded", [pytest.param("ducklake", marks=GROUPS["ducklake"])], indirect=True)
def test_comments_of_a_table_are_one_snapshot_of_a_lake(loaded: Pipeline) -> None:
    def snapshots() -> int:
        with loaded.sql_client() as client:
            rows = client.execute_sql("SELECT count(*) FROM ducklake_snapshots('ducklake')")
        return int(rows[0][0]) if rows else 0

    before = snapshots()
    write_comments(loaded, describe=lambda name: {column: f"{text}!" for column, text in descriptions(name).items()})
    assert commented(loaded)["responses"]["score"] == f"{descriptions('responses')['score']}!"
    assert snapshots() - before == len(LOADED)


@pytest.mark.parametrize("loaded", COMMENTED, indirect=True)
def test_a_description_that_changes_is_written_alone(loaded: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {**TABLE_DESCRIPTIONS, "declines": 'It\'s "closed" at 100 %.'}
    monkeypatch.setattr(comments, "TABLE_DESCRIPTIONS", changed)
    written = [each for each in statements(loaded, monkeypatch) if not each.startswith("SELECT")]
    assert (len(written), written[0].count("COMMENT ON")) == (1, 1)
    assert table_comments(loaded) == {name: changed[name] for name in LOADED}
    assert commented(loaded) == wanted()


@pytest.mark.parametrize("loaded", COMMENTED[1:2], indirect=True)
def test_who_does_not_own_a_table_loads_without_comments(
    loaded: Pipeline, servers: Servers, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = loaded.dataset_name
    changed = {name: f"{text} Changed." for name, text in TABLE_DESCRIPTIONS.items()}
    monkeypatch.setattr(comments, "TABLE_DESCRIPTIONS", changed)
    port = urlsplit(servers["postgres"].address).port or 0
    with closing(superuser(port, "analytics")) as connection, connection.cursor() as cursor:
        for name in set(LOADED) - {"declines"}:
            cursor.execute(f"ALTER TABLE {dataset}.{name} OWNER TO CURRENT_USER")
            cursor.execute(f"GRANT ALL ON {dataset}.{name} TO PUBLIC")
    with caplog.at_level(logging.DEBUG, "wootric_pipeline"):
        write_comments(loaded)
    kept = {name: TABLE_DESCRIPTIONS[name] for name in LOADED}
    assert table_comments(loaded) == {**kept, "declines": changed["declines"]}
    refused = [record.getMessage() for record in caplog.records if record.levelno == logging.DEBUG]
    assert [line for line in refused if "takes no comments of responses (" in line]
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


@pytest.mark.parametrize("loaded", COMMENTED[:1], indirect=True)
def test_a_failure_is_no_error(loaded: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(comments.QUERIES, "duckdb", "SELECT nothing FROM nowhere")
    write_comments(loaded)
    assert commented(loaded) == wanted()
