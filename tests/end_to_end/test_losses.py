"""Ways in which a loader could end well with rows missing, each closed."""

import signal
from pathlib import Path

import dlt
import pytest
from dlt.pipeline.pipeline import Pipeline

from tests.api_model import Model, account_of
from tests.conftest import NOON, Serve, access, first, row
from tests.script import Project
from tests.tables import expected, loaded
from wootric_pipeline.command.loading import load
from wootric_pipeline.command.run import Run, source_for
from wootric_pipeline.errors import IncompleteScan
from wootric_pipeline.reading.listing import Page, Params
from wootric_pipeline.sandbox import Account, Behaviour, Sandbox

DAY = 86_400


IGNORES = {"ignores_updated": frozenset({"responses"})}


def to(dataset: str = "wootric", file: str = "wootric_pipeline") -> Pipeline:
    destination = dlt.destinations.duckdb(f"{file}.duckdb")
    return dlt.pipeline("wootric_pipeline", destination=destination, dataset_name=dataset)


def run(pipeline: Pipeline, sandbox: Sandbox, **arguments: object) -> Run:
    notes = Run()
    source = source_for(notes, **{**access(sandbox), **arguments})
    load(pipeline, source, notes, ["responses"])
    return notes


def add(account: Account, *days: int) -> None:
    for day in days:
        account.put("responses", row(day, NOON + day * DAY))


@pytest.mark.parametrize("behaviour", [{}, {"ignores_updated": frozenset({"responses"})}])
def test_a_start_date_after_the_cursor_leaves_no_gap(serve: Serve, behaviour: dict[str, object]) -> None:
    account = Account()
    sandbox = serve(account, **behaviour)
    add(account, 0, 1)
    run(to(), sandbox, start_date="2023-11-01")
    add(account, 2, 9)
    run(to(), sandbox, start_date="2023-11-20")
    assert loaded(to(), "responses") == expected(account, "responses")


@pytest.mark.parametrize(
    ("ignores", "then"),
    [
        *first(({}, "2023-11-01"), ({}, None)),
        *first((IGNORES, None), (IGNORES, "2023-11-01")),
    ],
)
def test_a_start_date_that_found_no_rows_may_be_moved_back(
    serve: Serve, ignores: dict[str, object], then: str | None
) -> None:
    account = Account()
    sandbox = serve(account, **ignores)
    add(account, 0, 1)
    run(to(), sandbox, start_date="2023-12-01")
    assert loaded(to(), "responses") == {}
    run(to(), sandbox, start_date=then)
    assert loaded(to(), "responses") == expected(account, "responses")
    # Had the first start date stayed in the state, it would cut off what lies between the cursor and itself.
    add(account, 2)
    run(to(), sandbox, start_date=then)
    assert loaded(to(), "responses") == expected(account, "responses")


@pytest.mark.slow
@pytest.mark.parametrize("other", [{"dataset": "other"}, {"file": "other"}])
def test_destinations_fed_by_turns_never_share_a_cursor(serve: Serve, other: dict[str, str]) -> None:
    account = Account()
    sandbox = serve(account)
    for day, target in enumerate(({}, other, other, other, {}, other)):
        add(account, day)
        pipeline = to(**target)
        run(pipeline, sandbox)
        assert loaded(pipeline, "responses") == expected(account, "responses")


def test_a_restored_backup_is_filled_up_again(serve: Serve, tmp_path: Path) -> None:
    account = Account()
    sandbox = serve(account)
    add(account, 0)
    run(to(), sandbox)
    backup = (tmp_path / "wootric_pipeline.duckdb").read_bytes()
    add(account, 5)
    run(to(), sandbox)
    (tmp_path / "wootric_pipeline.duckdb").write_bytes(backup)
    add(account, 9)
    run(to(), sandbox)
    assert loaded(to(), "responses") == expected(account, "responses")


def test_a_full_refresh_that_dies_leaves_no_cursor_behind(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account()
    sandbox = serve(account)
    add(account, *range(10))
    run(to(), sandbox)
    notes = Run()
    source = source_for(notes, **access(sandbox))
    pipeline = to()
    with monkeypatch.context() as patch:
        patch.setattr(type(pipeline), "extract", lambda *_args, **_kwargs: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            load(pipeline, source, notes, ["responses"], full_refresh=True)
    # The working folder is lost, and so are the tables.
    with pipeline.sql_client() as client:
        client.execute_sql("DELETE FROM responses")
    pipeline.drop()
    run(to(), sandbox)
    assert loaded(to(), "responses") == expected(account, "responses")


def test_a_backfill_longer_than_a_checkpoint_ends(serve: Serve, tmp_path: Path) -> None:
    account = Account()
    account.fill("responses", [row(index, NOON + index) for index in range(300)])
    project = Project(tmp_path, **access(serve(account)), checkpoint_minutes=0)
    outcome = project.run("--json", "--tables", "responses", "--start-date", "2023-11-01", "--end-date", "2023-12-01")
    assert (outcome.code, outcome.report["tables"]["responses"]["rows"]) == (0, 300)


@pytest.mark.slow
def test_a_source_may_be_used_again_after_a_load(serve: Serve) -> None:
    account = Account()
    sandbox = serve(account)
    account.fill("responses", [row(index, NOON + index) for index in range(200)])
    notes = Run()
    source = source_for(notes, **access(sandbox))
    pipeline = to()
    load(pipeline, source, notes, ["responses"], checkpoint_minutes=0)
    account.fill("responses", [row(index, NOON + index) for index in range(200, 400)])
    pipeline.run(source.with_resources("responses"))
    assert loaded(pipeline, "responses") == expected(account, "responses")


def tied(count: int) -> Model:
    return Model(account_of([row(index, NOON - 100) for index in range(count)]))


def test_ties_in_the_same_order_from_both_ends_are_not_taken_for_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tied(2_000)
    fetch = model.fetch
    monkeypatch.setattr(model, "fetch", lambda params: fetch({**params, "sort_order": "asc"}))
    with pytest.raises(IncompleteScan):
        model.read()


def test_ties_that_every_page_orders_anew_are_not_taken_for_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tied(120)

    def reordered(params: Params) -> Page:
        # Page 2 begins one row too early, as it may where the order of ties is left to chance.
        shift = 1 if params.get("page") == 2 else 0
        rows = [each for number in (1, 2, 3) for each in tied(120).fetch({**params, "page": number})]
        start = (int(params.get("page", 1)) - 1) * 50 - shift
        return rows[start : start + 50] if "sort_key" in params else []

    monkeypatch.setattr(model, "fetch", reordered)
    with pytest.raises(IncompleteScan):
        model.read()


def test_a_sort_key_that_is_ignored_from_some_page_on_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [NOON - 50_000 + index * 7_919 % 9_000 for index in range(60)]
    first = [row(index, second, created=NOON - 90_000 + index) for index, second in enumerate(seconds)]
    tagged = [row(100 + index, NOON - 5_000 + index, created=NOON - 40_000 + index) for index in range(60)]
    hidden = row(500, NOON - 20_000, created=NOON - 30_000)
    model = Model(account_of([*first, *tagged, hidden]))
    fetch = model.fetch

    def flip(params: Params) -> Page:
        ignored = frozenset({"responses"} if len(model.queries) > 2 else ())
        model.behaviour = Behaviour(ignores_sort_key=ignored)
        return fetch(params)

    monkeypatch.setattr(model, "fetch", flip)
    assert {each["id"] for each in model.read()} == set(model.account.rows["responses"])


def test_a_service_that_ignores_per_page_is_read_completely(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model(account_of([row(index, NOON - 1_000 + index) for index in range(200)]))
    fetch = model.fetch
    monkeypatch.setattr(model, "fetch", lambda params: fetch({**params, "per_page": 25}))
    assert [each["id"] for each in model.read()] == list(range(200))


def test_an_empty_table_exists_with_a_start_date_too(serve: Serve) -> None:
    pipeline = to()
    run(pipeline, serve(Account()), start_date="2023-11-01")
    assert loaded(pipeline, "responses") == {}
    with pipeline.sql_client() as client:
        assert client.execute_sql("SELECT count(*) FROM responses") == [(0,)]
