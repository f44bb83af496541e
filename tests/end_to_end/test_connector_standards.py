"""What other ecosystems ask of every connector, asked of this source.

Each test bears the name of a test of Airbyte's connector acceptance tests (`connector_acceptance_test/tests`) or of the
Singer SDK's standard tests (`singer_sdk/testing/suites.py`), and says which; `test_beyond_...` is asked by neither. In
place of an image stands the script, of a catalog dlt's schema, of a STATE message the cursor dlt commits with the rows,
and of records the rows in DuckDB, looked at by SQL. Left out, as it has no meaning for a dlt source:

- Airbyte's tests of a form in the browser and its JSON schema, where this has a function's arguments (test_oneof_usage,
  test_property_type_is_not_array, test_object_not_empty, test_array_type, test_forbidden_complex_types, test_date_*,
  test_duplicate_order, test_nested_group, test_display_type, test_oauth_*, test_defined_refs_*, test_defined_keyword_*)
  and of its images (test_image_*), stream statuses, file sources, low-code manifests (TestInterleavedStreams) and pages
  (TestConnectorDocumentation, suggested streams); test_optional is empty there.
- Singer's AttributeIsNumberTest: no column is declared to hold fractions.
- Of Singer's tests of targets, which are dlt's part, those whose input this source cannot bring about (no_primary_keys,
  pk_updates, record_before_schema, schema_no_properties) and multiple_state_messages, which are the slices below.
"""

import inspect
import re
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import dlt
import pytest
import tomlkit
from dlt.common.configuration.specs.base_configuration import is_secret_hint
from dlt.common.schema import Schema
from dlt.pipeline.pipeline import Pipeline

from tests.conftest import NOON, PROJECT, Serve, access, first, row
from tests.end_to_end.test_odd_values import OddAccount
from tests.end_to_end.test_privacy import assert_nothing_is_shown
from tests.end_to_end.test_source import assert_equal, extract
from tests.promises import RECORDS, Sample, defaults, includes, kept, lines, load_sample, schema
from tests.script import DUCKDB_FILE, WITHOUT_BACKOFF, Project, project_for
from tests.scripted import connected
from tests.tables import expected, loaded
from wootric_pipeline import wootric_source
from wootric_pipeline.api.client import Credentials
from wootric_pipeline.command.loading import load
from wootric_pipeline.command.run import Run, source_for
from wootric_pipeline.errors import ConfigurationError
from wootric_pipeline.misspelling import OF_COMMAND
from wootric_pipeline.reading.mode import mode_of
from wootric_pipeline.sandbox import CLIENT_ID, CLIENT_SECRET, SECOND, Account, DemoAccount, Refused
from wootric_pipeline.tables import CURSOR, DEFAULT_TABLES, TABLES
from wootric_pipeline.version import VERSION

# What the tests of this file share is made once, in one process.
pytestmark = pytest.mark.xdist_group("connector_standards")

LOOKBACK_SECONDS = 300
FUTURE = datetime(2999, 12, 31, tzinfo=timezone.utc)
SQL_TYPES = {"bigint": "BIGINT", "bool": "BOOLEAN", "text": "VARCHAR", "timestamp": "TIMESTAMP WITH TIME ZONE"}
TEXT = "Ä 👍 \\u0041 \"q\" 'q' \r\n\t;--"

each_table = pytest.mark.parametrize("table", TABLES)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return load_sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    return pipeline_in(tmp_path)


@pytest.fixture
def catalog() -> Schema:
    return wootric_source("id", "secret").discover_schema()


def pipeline_in(folder: Path) -> Pipeline:
    """The pipeline of a project's folder, or a new one."""
    destination = dlt.destinations.duckdb(str(folder / DUCKDB_FILE))
    working = str(folder / "dlt/pipelines")
    return dlt.pipeline("wootric_pipeline", working, destination=destination, dataset_name="wootric")


def all_rows(pipeline: Pipeline) -> set[tuple[str, str]]:
    """Whole rows, but for dlt's columns, with their tags."""
    return {(table, line) for table in TABLES for line in lines(loaded(pipeline, table)).splitlines()}


def cursor(pipeline: Pipeline, table: str = "responses") -> datetime:
    state = pipeline.state["sources"]["wootric"]["resources"][table]["incremental"][CURSOR]
    moment: datetime = state["last_value"]
    return moment


def last_load(folder: Path, table: str = "responses") -> list[float]:
    """The times, ascending, of the rows that came with the last load."""
    newest = "(SELECT max(load_id) FROM wootric._dlt_loads)"
    query = f"SELECT epoch({CURSOR}) FROM wootric.{table} WHERE _dlt_load_id = {newest} ORDER BY ALL"
    return [second for (second,) in Project(folder).ask(query)]


def columns_of(project: Project, table: str) -> dict[str, str]:
    query = f"SELECT column_name, data_type FROM information_schema.columns WHERE table_name = '{table}'"
    return dict(project.ask(f"{query} AND table_schema = 'wootric' AND NOT starts_with(column_name, '_dlt')"))


def shipped(name: str) -> str:
    """A settings file as it is shipped, with what is commented out in force."""
    return re.sub(r"^# (?=\w+ = )", "", (PROJECT / ".dlt" / name).read_text(), flags=re.MULTILINE)


def settings_in(text: str) -> dict[str, Any]:
    settings: dict[str, Any] = tomlkit.parse(text).unwrap()["sources"]["wootric"]
    return settings


def refuse(status: int, times: int) -> Callable[[str], None]:
    """Has lists answer with an error, the first times they are asked."""
    left = iter(range(times))

    def answer(_table: str) -> None:
        if next(left, None) is not None:
            raise Refused(status, "refused")

    return answer


def test_airbyte_spec_match_expected() -> None:
    """TestSpec.test_match_expected: every setting is in the docstring and in a settings file, with its default."""
    arguments = defaults()
    documented = str(inspect.getdoc(wootric_source)).split("Args:")[1].split("Returns:")[0]
    assert re.findall(r"^    (\w+): ", documented, re.MULTILINE) == list(arguments)
    offered = settings_in(shipped("config.toml")) | settings_in(shipped("secrets.toml.example"))
    # The script reads some more, and one belongs to a single call.
    assert set(offered) - set(OF_COMMAND) == set(arguments) - {"end_date"}
    in_force = settings_in((PROJECT / ".dlt/config.toml").read_text())
    assert {name: arguments.get(name, value) for name, value in in_force.items()} == in_force


def test_airbyte_spec_config_match_spec(serve: Serve, tmp_path: Path) -> None:
    """TestSpec.test_config_match_spec: the shipped files, with every setting in force, are taken."""
    project = project_for(serve(Account()), tmp_path, hash_key="a key of 16 char")
    project.write(".dlt/config.toml", shipped("config.toml"))
    project.write(".dlt/secrets.toml", shipped("secrets.toml.example"))
    outcome = project.run("--check")
    assert (outcome.code, outcome.stderr) == (0, "")


@pytest.mark.parametrize("given", [{}, {"client_id": "a"}, {"client_secret": "a"}, {"username": "a"}])
def test_airbyte_spec_required(given: dict[str, Any]) -> None:
    """TestSpec.test_required: without complete credentials it fails at once, and names what is missing."""
    with pytest.raises(ConfigurationError, match="Set client_id and client_secret, or username and password"):
        wootric_source(**given)


@pytest.mark.parametrize("choices", [{"properties": "columns, json"}, {"files": "delta, iceberg, parquet, jsonl"}])
def test_airbyte_spec_enum_usage(choices: dict[str, Any]) -> None:
    """TestSpec.test_enum_usage: each choice is documented and taken, any other is refused."""
    ((name, listed),) = choices.items()
    for choice in listed.split(", "):
        assert f"`{choice}`" in str(wootric_source.__doc__)
        choices[name] = choice
        wootric_source("id", "secret", **choices)
    choices[name] = "other"
    with pytest.raises(ConfigurationError, match=f"{name} must be one of {listed}."):
        wootric_source("id", "secret", **choices)


def test_airbyte_spec_secret_is_properly_marked() -> None:
    """TestSpec.test_secret_is_properly_marked, test_has_secret: credentials, and they alone, have dlt's secret type."""
    hints = wootric_source.ref.SPEC.get_resolvable_fields()
    credentials = {"client_id", "client_secret", "username", "password", "account_token", "hash_key"}
    assert {name for name, hint in hints.items() if is_secret_hint(hint)} == credentials
    # Whoever has the address of a webhook can write there.
    assert set(settings_in(shipped("secrets.toml.example"))) == {*credentials, "notify_url"}


@pytest.mark.slow
def test_airbyte_spec_secret_never_in_the_output(sample: Sample) -> None:
    """TestSpec.test_secret_never_in_the_output: however much is logged."""
    assert "[DEBUG]" in sample.outcomes[0].stderr
    assert_nothing_is_shown(sample.sandbox, *sample.outcomes)


@pytest.mark.parametrize(("code", "secret"), [(0, CLIENT_SECRET), (2, "canary-wrong-secret")])
def test_airbyte_connection_check(serve: Serve, tmp_path: Path, code: int, secret: str) -> None:
    """TestConnection.test_check: good credentials pass, bad ones fail with one sentence that does not repeat them."""
    outcome = project_for(serve(Account()), tmp_path, client_secret=secret).run("--check")
    assert (outcome.code, len(outcome.stderr.splitlines())) == (code, 1 if code else 0)
    assert "canary" not in outcome.stdout + outcome.stderr


def test_airbyte_discovery_discover(catalog: Schema) -> None:
    """TestDiscovery.test_discover, test_streams_have_valid_json_schemas, TapDiscoveryTest: dlt takes it back."""
    assert sorted(catalog.data_table_names(seen_data_only=False)) == sorted(DEFAULT_TABLES)
    assert Schema.from_dict(dict(catalog.to_dict())).version_hash == catalog.version_hash


@each_table
def test_airbyte_discovery_primary_keys_exist_in_schema(catalog: Schema, table: str) -> None:
    """TestDiscovery.test_primary_keys_..., test_defined_cursors_exist_in_schema, test_streams_has_sync_modes."""
    declared = catalog.get_table(table)
    keys = {name: column for name, column in declared["columns"].items() if column.get("primary_key")}
    assert [(name, key["data_type"], key["nullable"]) for name, key in keys.items()] == [("id", "bigint", False)]
    assert (declared["columns"][CURSOR]["data_type"], declared["write_disposition"]) == ("timestamp", "merge")


def test_airbyte_discovery_additional_properties_is_true(pipeline: Pipeline, tmp_path: Path, serve: Serve) -> None:
    """TestDiscovery.test_additional_properties_is_true, TargetSchemaUpdates: what the API adds becomes a column."""
    account, additions = Account(), [{}, {"device": "phone"}]
    sandbox = serve(account)
    for second, fields in enumerate(additions):
        account.put("declines", {**row(second, NOON + second), **fields})
        extract(pipeline, sandbox, "declines")
    assert Project(tmp_path).ask("SELECT id, device FROM wootric.declines ORDER BY id") == [(0, None), (1, "phone")]


@pytest.mark.parametrize("kind", ["settings", "columns", "primary_keys"])
def test_airbyte_discovery_backward_compatibility(sample: Sample, kind: str) -> None:
    """TestSpec.test_backward_compatibility, TestDiscovery.test_backward_compatibility: nothing has gone or changed."""
    assert includes(schema(sample.project)[kind], kept(kind))


@pytest.mark.parametrize("table", kept("columns"))
def test_airbyte_basic_read_every_field_appears(sample: Sample, table: str) -> None:
    """TestBasicRead.test_read (validate_data_points): every column, all documented ones among them, has a value."""
    names = sorted({*columns_of(sample.project, table), *kept("columns")[table]})
    (counts,) = sample.project.ask(f"SELECT {', '.join(f'count({name})' for name in names)} FROM wootric.{table}")
    assert [name for name, values in zip(names, counts, strict=True) if not values] == []


@each_table
def test_airbyte_basic_read_expected_records(sample: Sample, table: str) -> None:
    """TestBasicRead.test_read (expect_records): the rows are, byte for byte, those that are kept in a file."""
    found = loaded(pipeline_in(sample.project.folder), table)
    assert lines(found) == (RECORDS / f"{table}.jsonl").read_text(encoding="utf-8")


def test_airbyte_basic_read_empty_streams(pipeline: Pipeline, tmp_path: Path, serve: Serve) -> None:
    """TestBasicRead.test_read (empty_streams): an empty list is loaded as an empty table with all its columns."""
    run, project = Run(), Project(tmp_path)
    load(pipeline, source_for(run, **access(serve(Account()))), run, list(TABLES))
    assert [project.ask(f"FROM wootric.{name}") for name in (*TABLES, "responses__tags")] == [[]] * 4
    assert (run.ok, list(columns_of(project, "declines"))) == (True, list(TABLES["declines"].columns))


@pytest.mark.parametrize(("status", "code"), [(401, 2), (500, 1)])
def test_airbyte_basic_read_trace_message_on_failure(serve: Serve, tmp_path: Path, status: int, code: int) -> None:
    """TestBasicRead.test_airbyte_trace_message_on_failure: an error that lasts ends with a code and a sentence."""
    project = project_for(serve(Account(), before_answer=refuse(status, times=1_000_000)), tmp_path)
    outcome = project.run(prelude=f"{WITHOUT_BACKOFF}; c.RETRY_SECONDS_MAX = 0.2")
    assert (outcome.code, outcome.sentence.startswith("Wootric ")) == (code, True)


@pytest.mark.slow
def test_airbyte_full_refresh_sequential_reads(pipeline: Pipeline, serve: Serve) -> None:
    """TestFullRefresh.test_sequential_reads: what the first read brings, the second brings as well."""
    account, run = DemoAccount(NOON, end_users=20, responses=60, declines=5), Run()
    sandbox = serve(account)
    extract(pipeline, sandbox)
    first = all_rows(pipeline)
    account.put("declines", row(1, NOON + 1))
    load(pipeline, source_for(run, **access(sandbox)), run, list(TABLES), full_refresh=True)
    assert (run.rows, first < all_rows(pipeline)) == (86, True)


@pytest.mark.slow
def test_airbyte_incremental_two_sequential_reads(tmp_path: Path, serve: Serve) -> None:
    """TestIncremental.test_two_sequential_reads: nothing older than the overlap comes; the sum is a refresh."""
    account = DemoAccount(NOON, end_users=30, responses=60, declines=60)
    sandbox, pipeline, refreshed = serve(account), pipeline_in(tmp_path), pipeline_in(tmp_path / "refreshed")
    extract(pipeline, sandbox)
    for moment in (100, 700):
        states = {table: cursor(pipeline, table) for table in TABLES}
        account.advance(NOON + moment)
        extract(pipeline, sandbox)
        for table, state in states.items():
            seconds = last_load(tmp_path, table)
            assert state.timestamp() - LOOKBACK_SECONDS <= seconds[0]
            assert state.timestamp() < seconds[-1] == cursor(pipeline, table).timestamp()
    extract(refreshed, sandbox)
    assert all_rows(pipeline) == all_rows(refreshed)


@pytest.mark.parametrize("pages", first(2, 1, 3))
def test_airbyte_incremental_read_sequential_slices(
    pipeline: Pipeline, tmp_path: Path, serve: Serve, pages: int
) -> None:
    """TestIncremental.test_read_sequential_slices: from each state on the way, a load brings what is left, no more."""
    account = Account()
    account.fill("responses", [row(index, NOON + index * 100, tags=["a"] * (index % 3)) for index in range(170)])
    sandbox = serve(account)
    # The cursor moves past a page when the next one is asked for, which begins with the former's last row.
    pipeline.run(wootric_source(**access(sandbox)).with_resources("responses").add_limit(pages + 1))
    assert cursor(pipeline).timestamp() == NOON + pages * 49 * 100
    extract(pipeline, sandbox, "responses")
    assert last_load(tmp_path) == [NOON + index * 100 for index in range(pages * 49 + 1, 170)]
    assert loaded(pipeline, "responses") == expected(account, "responses")


@pytest.mark.parametrize("ignored", [(), ("responses",)])
def test_airbyte_incremental_state_with_abnormally_large_values(
    pipeline: Pipeline, tmp_path: Path, serve: Serve, ignored: tuple[str, ...]
) -> None:
    """TestIncremental.test_state_with_abnormally_large_values: nothing comes, nothing breaks, the state stays."""
    sandbox = serve(DemoAccount(NOON, end_users=2, responses=60), ignores_updated=frozenset(ignored))
    extract(pipeline, sandbox, "responses")
    before = all_rows(pipeline)
    with pipeline.managed_state() as state:
        responses = state["sources"]["wootric"]["resources"]["responses"]
        responses["incremental"][CURSOR]["last_value"] = FUTURE
        # Along creation, what was known by each reading is the state.
        for reading in responses.get("history", {}).get("readings", ()):
            reading[1] = FUTURE.timestamp()
    if ignored:
        # Of a new row the state would tell by the ids that it knows, whatever it says of times.
        sandbox.account.change("responses", min(sandbox.account.rows["responses"]), (NOON + 1) * SECOND)
    else:
        sandbox.account.put("responses", row(1, NOON + 1))
    notes = extract(pipeline, sandbox, "responses").table("responses")
    assert (notes.rows, notes.complete, last_load(tmp_path)) == (0, True, [])
    assert (all_rows(pipeline), cursor(pipeline)) == (before, FUTURE)


def test_airbyte_attributes_allowed_hosts(sample: Sample) -> None:
    """TestConnectorAttributes.test_certified_connector_has_allowed_hosts: it talks to the one in `base_url` alone."""
    assert set(re.findall(r"^connects to (.*)$", sample.outcomes[0].stderr, re.MULTILINE)) == {"127.0.0.1"}


def test_singer_cli_prints(tmp_path: Path) -> None:
    """TapCLIPrintsTest, TargetCliPrintsTest."""
    about, version = Project(tmp_path).run("--help"), Project(tmp_path).run("--version")
    assert (about.code, "--check" in about.stdout, version.code, VERSION in version.stdout) == (0, True, 0, True)


def test_singer_tap_stream_connections(serve: Serve) -> None:
    """TapStreamConnectionTest: each table answers."""
    sandbox = serve(DemoAccount(NOON, 1, 1, 1), ignores_updated=frozenset({"declines"}))
    with connected(sandbox.url, credentials=Credentials(CLIENT_ID, CLIENT_SECRET)) as client:
        assert [mode_of(client, table) for table in TABLES.values()] == ["updated", "updated", "created"]


@each_table
def test_singer_tap_valid_final_state(sample: Sample, table: str) -> None:
    """TapValidFinalStateTest: nothing is under way, and the state is the time of the newest row."""
    pipeline = pipeline_in(sample.project.folder)
    newest = sample.project.ask(f"SELECT epoch(max({CURSOR})) FROM wootric.{table}")
    assert (pipeline.has_pending_data, newest) == (False, [(cursor(pipeline, table).timestamp(),)])


@each_table
def test_singer_stream_primary_keys(sample: Sample, table: str) -> None:
    """StreamPrimaryKeysTest, StreamReturnsRecordTest, TargetDuplicateRecords, AttributeNotNullTest: all rows, once."""
    query = f"SELECT count(DISTINCT id), count(*), count(id), count(created_at), count({CURSOR}) FROM wootric.{table}"
    assert sample.project.ask(query) == [(len(sample.sandbox.account.rows[table]),) * 5]


@each_table
def test_singer_stream_record_matches_stream_schema(sample: Sample, catalog: Schema, table: str) -> None:
    """StreamRecordMatchesStreamSchema, Stream...SchemaMatches...Test (both ways), StreamSchemaIsValidTest."""
    found = {name: kind for name, kind in columns_of(sample.project, table).items() if "properties__" not in name}
    columns = catalog.get_table(table)["columns"]
    assert found == {name: SQL_TYPES[str(column["data_type"])] for name, column in columns.items()}


@pytest.mark.parametrize(
    ("kind", "holds"),
    [
        ("timestamp", f"epoch({{0}}) BETWEEN {NOON - 5 * 31_557_600} AND {NOON + 30} AND epoch({{0}}) % 1 = 0"),
        ("bool", "{0} IN (true, false)"),
        ("bigint", "{0} BETWEEN 0 AND 1700000000"),
        ("text", "length({0}) > 0 AND left({0}, 1) NOT IN ('{{', '[')"),
    ],
)
def test_singer_attribute_is(sample: Sample, catalog: Schema, kind: str, holds: str) -> None:
    """AttributeIsDateTimeTest, AttributeIsBooleanTest, AttributeIsIntegerTest, AttributeIsObjectTest (never a text)."""
    for table in TABLES:
        columns = catalog.get_table(table)["columns"].values()
        for name in [column["name"] for column in columns if column["data_type"] == kind]:
            assert sample.project.ask(f"SELECT {name} FROM wootric.{table} WHERE NOT ({holds.format(name)})") == []


STANDARDS = [
    ("array_data", {"tags": ["b", "a", "b"]}, "tags", ["b", "a", "b"]),
    ("camelcase", {"firstPage": "/"}, "first_page", "/"),
    ("camelcase_complex_schema", {"end_user": {"homePage": {"urlPath": 1}}}, "end_user__home_page__url_path", 1),
    ("encoded_string_data", {"text": TEXT}, "text", TEXT),
    ("special_chars_in_attributes", {"a:b-c/d e": 1}, "a_b_c_d_e", 1),
    ("optional_attributes", {}, "score", None),
]


@pytest.mark.parametrize("standards", first(STANDARDS, *([standard] for standard in STANDARDS)))
def test_singer_target(
    pipeline: Pipeline, serve: Serve, standards: list[tuple[str, dict[str, Any], str, object]]
) -> None:
    """TargetArrayData and others, by their names."""
    account = Account()
    account.put("responses", row(1, score=9))
    for row_id, (_, fields, *_) in enumerate(standards, 2):
        account.put("responses", row(row_id, NOON + row_id, **fields))
    extract(pipeline, serve(account), "responses")
    found = loaded(pipeline, "responses")
    for row_id, (standard, _, column, value) in enumerate(standards, 2):
        assert found[row_id].get(column) == value, standard


@pytest.mark.parametrize("bad", [{"id": None}, {"created_at": None}])
def test_singer_target_invalid_schema(pipeline: Pipeline, serve: Serve, bad: dict[str, Any]) -> None:
    """TargetRecordMissingKeyProperty, TargetRecordMissingRequiredProperty: it is refused, and no other row."""
    account = OddAccount({3: bad})
    account.fill("responses", [row(1), row(2), row(3)])
    run = extract(pipeline, serve(account))
    notes = run.table("responses")
    assert (notes.complete, len(notes.left_out), set(loaded(pipeline, "responses"))) == (False, 1, {1, 2})


@pytest.mark.parametrize("status", first(429, 503))
def test_beyond_passing_errors(pipeline: Pipeline, serve: Serve, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """Errors that pass, too many requests among them, are waited out, and nothing is missing."""
    monkeypatch.setattr("wootric_pipeline.api.transport.BACKOFF_SECONDS_MAX", 0)
    account = DemoAccount(NOON, 3, 3, 3)
    extract(pipeline, serve(account, before_answer=refuse(status, times=3)))
    assert_equal(pipeline, account)


def test_beyond_pagination(pipeline: Pipeline, serve: Serve) -> None:
    """More rows than a page has are all loaded, also where they share a second."""
    account = Account()
    account.fill("responses", [row(index, NOON + index // 60) for index in range(151)])
    extract(pipeline, serve(account), "responses")
    assert loaded(pipeline, "responses") == expected(account, "responses")
