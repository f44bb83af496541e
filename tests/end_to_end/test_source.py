"""The source, end to end: from an account over HTTP through dlt into DuckDB, compared as whole tables."""

import threading
import time
from math import ceil
from typing import Any

import dlt
import pytest
from dlt.pipeline.pipeline import Pipeline

from tests.conftest import NOON, Serve, access, first, row
from tests.tables import expected, loaded
from wootric_pipeline import wootric_source
from wootric_pipeline.command.loading import load
from wootric_pipeline.command.run import Run, source_for
from wootric_pipeline.errors import ConfigurationError
from wootric_pipeline.sandbox import SECOND, Account, DemoAccount, Refused, Sandbox
from wootric_pipeline.tables import TABLES

HOUR = 3_600


@pytest.fixture
def account() -> DemoAccount:
    """A small account with everything in it."""
    return DemoAccount(NOON, end_users=130, responses=260, declines=90)


def extract(pipeline: Pipeline, sandbox: Sandbox, *tables: str, **arguments: Any) -> Run:
    """One load as a user of dlt writes it; what was done."""
    run = Run()
    source = source_for(run, **access(sandbox), **arguments)
    pipeline.run(source.with_resources(*tables) if tables else source)
    return run


def assert_equal(pipeline: Pipeline, account: Account) -> None:
    for table in TABLES:
        assert loaded(pipeline, table) == expected(account, table)


def list_requests(sandbox: Sandbox) -> int:
    return sum(request.path != "/oauth/token" for request in sandbox.requests)


def test_the_first_load_holds_every_row_of_the_account(pipeline: Pipeline, account: Account, serve: Serve) -> None:
    extract(pipeline, serve(account))
    assert_equal(pipeline, account)


def test_no_list_waits_for_what_another_one_shows_of_its_order(pipeline: Pipeline, serve: Serve) -> None:
    account, tables = Account(), ("responses", "declines", "end_users")
    for table in tables:
        # Sorted by id and by both times alike: nothing of the first window can be handed on yet.
        account.fill(table, [row(index, NOON + index) for index in range(1_000)])
    sandbox = serve(account, latency_seconds=0.05)
    extract(pipeline, sandbox, *tables)
    asked = [request.path for request in sandbox.requests if request.path != "/oauth/token"]
    assert set(asked[:9]) == {f"/v1/{table}" for table in tables}


@pytest.mark.slow
def test_further_loads_bring_what_has_changed(pipeline: Pipeline, account: DemoAccount, serve: Serve) -> None:
    sandbox = serve(account)
    for moment in (0, 60, 200, 201):
        account.advance(NOON + moment)
        extract(pipeline, sandbox)
        assert_equal(pipeline, account)


def test_a_load_in_which_nothing_changed_costs_two_requests_a_table(
    pipeline: Pipeline, account: Account, serve: Serve
) -> None:
    sandbox = serve(account)
    extract(pipeline, sandbox)
    sandbox.requests.clear()
    extract(pipeline, sandbox)
    # And one for each of segments and survey_templates.
    assert list_requests(sandbox) == 6 + 2


@pytest.mark.parametrize("changed", first(60, 2_500))
def test_what_has_changed_costs_three_requests_more_than_it_fills_pages(
    pipeline: Pipeline, serve: Serve, changed: int
) -> None:
    account = Account()
    account.fill("declines", [row(index, NOON + index) for index in range(4_000)])
    sandbox = serve(account)
    extract(pipeline, sandbox, "declines")
    for index in range(changed):
        account.change("declines", index * 7 % 3_989, (NOON + 10_000 + index) * SECOND)
    sandbox.requests.clear()
    run = extract(pipeline, sandbox, "declines", lookback_seconds=1)
    notes = run.table("declines")
    # The two rows of the overlap are those of its first and its last second.
    assert (notes.rows, notes.rows_unchanged) == (changed, 2)
    assert list_requests(sandbox) <= changed / 50 + 3


@pytest.mark.slow
def test_lists_that_shrink_and_empty_lose_their_children(pipeline: Pipeline, serve: Serve) -> None:
    account = Account()
    sandbox = serve(account)
    for second, tags in enumerate((["a", "b", "c"], ["b"], [], ["d", "a"])):
        account.put("responses", row(1, NOON + second, tags=tags, notes=tags[:1]))
        extract(pipeline, sandbox)
        assert_equal(pipeline, account)


def test_every_promised_column_exists_with_its_type_even_without_rows(pipeline: Pipeline, serve: Serve) -> None:
    run = Run()
    load(pipeline, source_for(run, **access(serve(Account()))), run, list(TABLES))
    types = {"bigint": "BIGINT", "bool": "BOOLEAN", "text": "VARCHAR", "timestamp": "TIMESTAMP WITH TIME ZONE"}
    with pipeline.sql_client() as client:
        for table in TABLES.values():
            described = client.execute_sql(f"DESCRIBE {table.name}") or []
            columns = {column[0]: column[1] for column in described}
            assert {
                name: types[kind] for name, kind in {**table.columns, **table.flattened}.items()
            }.items() <= columns.items()
        assert client.execute_sql("SELECT value FROM responses__tags") == []


def test_a_row_with_all_values_null_is_loaded(pipeline: Pipeline, serve: Serve) -> None:
    account = Account()
    for table in TABLES.values():
        fields = dict.fromkeys([*table.columns, *table.objects, *table.text_lists])
        account.put(table.name, {**fields, **row(1)})
    extract(pipeline, serve(account))
    assert_equal(pipeline, account)


@pytest.mark.parametrize("time_zone", first("America/Los_Angeles", "Europe/Berlin", "Asia/Kathmandu", "UTC"))
def test_times_of_any_account_zone_are_loaded_in_utc(pipeline: Pipeline, serve: Serve, time_zone: str) -> None:
    account = Account(time_zone)
    # 2023-11-05 09:00 UTC ends daylight saving in Los Angeles: 01:30 there comes twice.
    for index, second in enumerate(range(1_699_171_200 - 2 * HOUR, 1_699_171_200 + 2 * HOUR, HOUR // 2)):
        account.put("declines", row(index, second))
    extract(pipeline, serve(account), "declines")
    assert loaded(pipeline, "declines") == expected(account, "declines")


def test_unknown_fields_become_columns_and_are_noted(pipeline: Pipeline, serve: Serve) -> None:
    account = Account()
    account.put("responses", row(1, score=9))
    sandbox = serve(account)
    additions: list[dict[str, Any]] = [{}, {"sentiment": "positive", "topics": ["a"]}]
    for fields in additions:
        account.put("responses", row(2, NOON + 1, **fields))
        run = Run()
        load(pipeline, source_for(run, **access(sandbox)), run, ["responses"])
        wanted = expected(account, "responses")
        if fields:
            # A list that is not documented is a text of JSON.
            wanted[2]["topics"] = '["a"]'
        assert loaded(pipeline, "responses") == wanted
    assert [(change.table, change.column, change.data_type) for change in run.schema_changes] == [
        ("responses", "sentiment", "text"),
        ("responses", "topics", "text"),
    ]


def test_texts_that_look_like_times_stay_texts(pipeline: Pipeline, serve: Serve) -> None:
    account = Account()
    account.put("end_users", row(1, properties={"renewal": "2024-01-01T00:00:00Z"}))
    account.put("end_users", row(2, NOON + 1, properties={"renewal": "unknown"}))
    extract(pipeline, serve(account))
    assert_equal(pipeline, account)


def test_the_usual_selections_of_dlt_work(pipeline: Pipeline, account: Account, serve: Serve) -> None:
    sandbox = serve(account)
    extract(pipeline, sandbox, "responses")
    assert {request.path for request in sandbox.requests} == {"/oauth/token", "/v1/responses"}
    assert loaded(pipeline, "responses") == expected(account, "responses")
    assert loaded(pipeline, "declines") == {}
    extract(pipeline, sandbox, "declines")
    assert loaded(pipeline, "declines") == expected(account, "declines")


@pytest.mark.parametrize("limit", [{"max_items": 2}, {"max_time": 0.001}])
def test_a_limited_load_loses_nothing_for_the_next(
    pipeline: Pipeline, account: Account, serve: Serve, limit: dict[str, Any]
) -> None:
    sandbox = serve(account)
    pipeline.run(wootric_source(**access(sandbox)).add_limit(**limit))
    assert len(loaded(pipeline, "responses")) < 260
    extract(pipeline, sandbox)
    assert_equal(pipeline, account)


def test_a_range_is_loaded_closed_open_and_leaves_the_cursor_alone(pipeline: Pipeline, serve: Serve) -> None:
    account = Account()
    for index in range(10):
        account.put("responses", row(index, NOON + index * HOUR))
    sandbox = serve(account)
    dates = {"start_date": "2023-11-15T00:13:20Z", "end_date": "2023-11-15T03:13:20+00:00"}
    run = extract(pipeline, sandbox, "responses", **dates)
    assert sorted(loaded(pipeline, "responses")) == [2, 3, 4]
    assert run.table("responses").complete
    extract(pipeline, sandbox, "responses")
    assert loaded(pipeline, "responses") == expected(account, "responses")


def test_a_start_date_leaves_out_what_was_not_updated_since(pipeline: Pipeline, serve: Serve) -> None:
    account = Account()
    for index in range(5):
        account.put("responses", row(index, NOON + index * 86_400, created=NOON - 9 * 86_400))
    extract(pipeline, serve(account), "responses", start_date="2023-11-16")
    assert sorted(loaded(pipeline, "responses")) == [2, 3, 4]


def test_rows_that_appear_late_are_caught_by_the_overlap(pipeline: Pipeline, serve: Serve) -> None:
    account = Account()
    account.put("responses", row(1, NOON))
    sandbox = serve(account)
    extract(pipeline, sandbox, "responses")
    account.put("responses", row(2, NOON - 299))
    account.put("responses", row(3, NOON - 301))
    run = extract(pipeline, sandbox, "responses")
    assert sorted(loaded(pipeline, "responses")) == [1, 2]
    assert run.table("responses").cursor_after == run.table("responses").cursor_before


@pytest.mark.slow
@pytest.mark.parametrize(("ignored", "mode"), [("ignores_updated", "created"), ("ignores_sort_key", None)])
def test_lists_that_ignore_what_is_undocumented_are_loaded_all_the_same(
    pipeline: Pipeline, account: DemoAccount, serve: Serve, ignored: str, mode: str | None
) -> None:
    sandbox = serve(account, **{ignored: frozenset({"responses", "declines"})})
    for moment in (0, 100, 200):
        account.advance(NOON + moment)
        run = extract(pipeline, sandbox, staleness=0)
        assert_equal(pipeline, account)
    assert run.table("end_users").mode == "updated"
    # Few rows fit on a page, whose order does not matter: only the filter tells along which time they were read.
    assert mode is None or run.table("declines").mode == mode


def test_the_newest_version_wins_within_one_load(pipeline: Pipeline, serve: Serve) -> None:
    account = Account()
    for index in range(120):
        account.put("responses", row(index, NOON + index, score=1))
    late = NOON + 500

    def change_the_first(table: str) -> None:
        if len(sandbox.requests) == 4:
            account.change(table, 0, late * SECOND, score=10)

    sandbox = serve(account, before_answer=change_the_first)
    extract(pipeline, sandbox, "responses")
    assert loaded(pipeline, "responses") == expected(account, "responses")


def test_the_tables_are_read_at_the_same_time(pipeline: Pipeline, account: Account, serve: Serve) -> None:
    sandbox = serve(account, latency_seconds=0.05)
    extract(pipeline, sandbox)
    assert sandbox.under_way_max == 3


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", [{}, {"ignores_updated": frozenset({"responses"})}])
def test_parts_of_one_table_are_read_at_the_same_time(
    pipeline: Pipeline, serve: Serve, behaviour: dict[str, Any]
) -> None:
    account = DemoAccount(NOON, end_users=10, responses=20_000, declines=0)
    sandbox = serve(account, latency_seconds=0.02, **behaviour)
    run = extract(pipeline, sandbox, "responses")
    assert sandbox.under_way_max == 4
    assert loaded(pipeline, "responses") == expected(account, "responses")
    assert run.table("responses").rows == 20_000


@pytest.mark.slow
def test_a_limit_of_requests_is_not_spent_on_looking_ahead(serve: Serve) -> None:
    account = DemoAccount(NOON, end_users=10, responses=6_000, declines=0)
    requests = []
    for connections in (1, 4):
        sandbox = serve(account, rate_limit=1_000)
        pipeline = dlt.pipeline(f"wootric_{connections}", destination="duckdb", dataset_name="wootric")
        pipeline.run(wootric_source(connections=connections, **access(sandbox)).with_resources("responses"))
        requests.append(list_requests(sandbox))
    assert requests[0] == requests[1]


def test_connections_limit_the_requests_under_way(pipeline: Pipeline, account: Account, serve: Serve) -> None:
    sandbox = serve(account, latency_seconds=0.02)
    extract(pipeline, sandbox, connections=1)
    assert sandbox.under_way_max == 1


class WithoutTime(DemoAccount):
    """An account one of whose responses has no `updated_at`."""

    def shown(self, row: dict[str, Any]) -> dict[str, Any]:
        return {**super().shown(row), **({"updated_at": None} if row["id"] == 99_999 else {})}


@pytest.mark.slow
def test_a_row_that_cannot_be_placed_is_left_out_and_logged(
    pipeline: Pipeline, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    account = WithoutTime(NOON, end_users=130, responses=260, declines=90)
    account.put("responses", row(99_999, NOON + 1, score=9))
    with caplog.at_level("WARNING", "wootric_pipeline"):
        run = extract(pipeline, serve(account))
    account.delete("responses", 99_999)
    assert_equal(pipeline, account)
    assert not run.table("responses").complete
    sentence = "1 row is left out of responses, and all others are loaded. The row with id 99999 of responses has no "
    assert f"{sentence}updated_at." in caplog.messages


@pytest.mark.slow
def test_notes_of_loads_do_not_pile_up(pipeline: Pipeline, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wootric_pipeline.command.loading.PACKAGES_KEPT", 2)
    account = DemoAccount(NOON, end_users=10, responses=20, declines=0)
    sandbox = serve(account)
    for hour in range(1, 5):
        account.advance(NOON + hour)
        account.change("responses", 50_000, (NOON + hour * HOUR) * SECOND)
        run = Run()
        load(pipeline, source_for(run, **access(sandbox)), run, list(TABLES))
    assert len(pipeline.list_completed_load_packages()) == 2
    assert_equal(pipeline, account)


@pytest.mark.slow
def test_a_checkpoint_commits_and_the_reading_goes_on_behind_it(
    pipeline: Pipeline, account: Account, serve: Serve
) -> None:
    sandbox = serve(account)
    run = Run()
    load(pipeline, source_for(run, **access(sandbox)), run, list(TABLES), checkpoint_minutes=0)
    assert_equal(pipeline, account)
    assert run.ok
    with pipeline.sql_client() as client:
        loads = client.execute_sql("SELECT count(*) FROM _dlt_loads") or []
    assert loads[0][0] > 4
    assert list_requests(sandbox) <= (130 + 260 + 90) / 50 * 1.05 + 3 * 2 + 4


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", [{}, {"ignores_updated": frozenset(TABLES)}])
def test_a_range_is_committed_in_pieces_too(pipeline: Pipeline, serve: Serve, behaviour: dict[str, Any]) -> None:
    account = DemoAccount(NOON, end_users=60, responses=160, declines=60)
    sandbox = serve(account, **behaviour)
    extract(pipeline, sandbox)
    before_the_range = known(pipeline)
    before = list_requests(sandbox)
    run = Run()
    dates: dict[str, Any] = {"start_date": "2020-01-01", "end_date": "2023-11-16"}
    load(pipeline, source_for(run, **dates, **access(sandbox)), run, list(TABLES), checkpoint_minutes=0)
    assert_equal(pipeline, account)
    assert run.ok
    assert known(pipeline) == before_the_range
    with pipeline.sql_client() as client:
        loads = client.execute_sql("SELECT count(*) FROM _dlt_loads") or []
    assert loads[0][0] > 4
    assert list_requests(sandbox) - before <= sum(1.04 * ceil(rows / 50) + 4 for rows in (60, 160, 60))


def known(pipeline: Pipeline) -> dict[str, Any]:
    """What the state keeps of tables, but for the rows of the overlap, which a range has loaded again."""
    resources: dict[str, dict[str, Any]] = pipeline.state["sources"]["wootric"]["resources"]
    return {name: {key: value for key, value in state.items() if key != "overlap"} for name, state in resources.items()}


@pytest.mark.parametrize("dates", [{}, {"start_date": "2010-01-01", "end_date": "2023-11-16"}])
def test_a_checkpoint_whose_commit_failed_is_not_skipped(
    pipeline: Pipeline, account: Account, serve: Serve, dates: dict[str, Any]
) -> None:
    sandbox = serve(account)
    run = Run()
    source = source_for(run, **dates, **access(sandbox))
    run.checkpoint.begin(0, 0)
    pipeline.extract(source)
    pipeline.drop()
    fresh = dlt.pipeline("wootric_pipeline", destination="duckdb", dataset_name="wootric")
    load(fresh, source, run, list(TABLES))
    assert_equal(fresh, account)


@pytest.mark.slow
@pytest.mark.parametrize("died_after", [5, 11])
def test_a_reading_along_creation_goes_on_where_the_last_run_died(
    pipeline: Pipeline, serve: Serve, died_after: int
) -> None:
    account = DemoAccount(NOON, end_users=10, responses=600, declines=0)
    sandbox = serve(account, ignores_updated=frozenset({"responses"}))
    whole = 600 / 50 * 1.05 + 3

    def die(_table: str) -> None:
        if list_requests(sandbox) >= died_after:
            raise Refused(400, "bad request")

    sandbox.behaviour.before_answer = die
    run = Run(isolates_tables=True)
    load(pipeline, source_for(run, **access(sandbox)), run, ["responses"], checkpoint_minutes=0)
    assert run.table("responses").error
    assert run.table("responses").cursor_after is None
    sandbox.behaviour.before_answer = None
    died_at = list_requests(sandbox)
    run = Run()
    load(pipeline, source_for(run, **access(sandbox)), run, ["responses"], checkpoint_minutes=0)
    assert list_requests(sandbox) - died_at <= whole - died_after + 8
    assert loaded(pipeline, "responses") == expected(account, "responses")
    again = extract(pipeline, sandbox, "responses")
    assert again.table("responses").rows < 50


def test_a_reading_given_up_leaves_no_thread_behind(pipeline: Pipeline, serve: Serve) -> None:
    account = DemoAccount(NOON, end_users=10, responses=3_000, declines=10)
    pipeline.run(wootric_source(**access(serve(account))).add_limit(1))
    deadline = time.monotonic() + 5
    while any(thread.name == "wootric-read-ahead" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_excluded_columns_are_dropped_before_anything_is_written(
    pipeline: Pipeline, account: Account, serve: Serve
) -> None:
    patterns = ["*.ip_address", "end_users.email", "end_users.last_response__*", "*properties__plan"]
    extract(pipeline, serve(account), exclude_columns=patterns)
    gone = ("ip_address", "email", "last_response__", "properties__plan", "end_user__properties__plan")
    for table in TABLES:
        wanted = {
            row_id: {key: value for key, value in found.items() if not key.startswith(gone)}
            for row_id, found in expected(account, table).items()
        }
        assert loaded(pipeline, table) == wanted
    with pipeline.sql_client() as client:
        described = [column[0] for table in TABLES for column in client.execute_sql(f"DESCRIBE {table}") or []]
    assert not [column for column in described if column.startswith(gone)]


@pytest.mark.parametrize(
    "pattern",
    [
        *("*", "responses.*", "end_users.id", "*.updated_at", "ip_address"),
        *("responses.ip_adress", "declines.tags", "*.mail", "end_users.properties_plan", "responses", "responses."),
    ],
)
def test_what_merging_needs_and_what_is_misspelled_cannot_be_excluded(pattern: str) -> None:
    with pytest.raises(ConfigurationError, match="exclude_columns must"):
        wootric_source(client_id="id", client_secret="secret", exclude_columns=[pattern])


@pytest.mark.parametrize(
    "pattern",
    [
        *("responses.text", "*.ip_address", "end_users.settings", "end_users.last_response__survey", "responses.notes"),
        *("end_users.properties__plan", "responses.end_user", "responses.end_user__properties", "responses.new_field*"),
        *("responses.IP_ADDRESS", "Responses.text", "end_users.properties.SSN", "end_users.Properties__Home Town"),
    ],
)
def test_what_the_documentation_knows_can_be_excluded(pattern: str) -> None:
    assert wootric_source(client_id="id", client_secret="secret", exclude_columns=[pattern]).resources
