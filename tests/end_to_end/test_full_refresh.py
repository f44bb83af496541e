"""Full refreshes: what is gone goes, what cannot be read stays, and nothing shrinks without a word."""

from contextlib import nullcontext
from datetime import datetime, timezone
from pathlib import Path
from shutil import rmtree
from typing import Any

import dlt
import pytest
from dlt.pipeline.pipeline import Pipeline

from tests.conftest import NOON, Serve, access, row
from tests.script import TABLE_NAMES, expected, project_for
from tests.tables import expected as whole
from tests.tables import loaded
from wootric_pipeline.command.consent import confirm
from wootric_pipeline.command.loading import load
from wootric_pipeline.command.refresh import refreshes
from wootric_pipeline.command.run import Run, source_for
from wootric_pipeline.errors import ConfigurationError
from wootric_pipeline.sandbox import SECOND, Account, Behaviour, Refused, Sandbox
from wootric_pipeline.tables import TABLES

DAY = 86_400


@pytest.fixture
def account() -> Account:
    account = Account()
    for index, table in enumerate(TABLES):
        account.fill(table, [row(1_000 * index + day, NOON + day * DAY) for day in range(60)])
    for day in (3, 4):
        account.put("responses", row(1_000 + day, NOON + day * DAY, tags=["a", "b"]))
    return account


def run(pipeline: Pipeline, sandbox: Sandbox, *tables: str, refresh: bool = False, **arguments: Any) -> Run:
    notes = Run(isolates_tables=True)
    minutes = arguments.pop("minutes", 5)
    empties = arguments.pop("empties", False)
    source = source_for(notes, **access(sandbox), **arguments)
    names = tables or list(TABLES)
    load(pipeline, source, notes, names, checkpoint_minutes=minutes, full_refresh=refresh, empties=empties)
    return notes


def columns(pipeline: Pipeline, table: str) -> set[str]:
    with pipeline.sql_client() as client:
        return {found[0] for found in client.execute_sql(f"DESCRIBE {table}") or []}


def test_what_does_not_come_again_goes_with_its_tags(pipeline: Pipeline, account: Account, serve: Serve) -> None:
    sandbox = serve(account)
    run(pipeline, sandbox)
    account.delete("responses", 1_003)
    account.delete("declines", 2_000)
    notes = run(pipeline, sandbox, refresh=True, minutes=0)
    assert notes.ok
    assert notes.refreshed == {"end_users": (60, 60, 0), "responses": (60, 59, 1), "declines": (60, 59, 1)}
    for table in TABLES:
        assert loaded(pipeline, table) == whole(account, table)
    with pipeline.sql_client() as client:
        assert client.execute_sql("SELECT value FROM responses__tags ORDER BY ALL") == [("a",), ("b",)]
    assert refreshes(pipeline, "wootric") == {}
    # Nothing is a refresh that was not asked for.
    account.delete("responses", 1_004)
    assert run(pipeline, sandbox).refreshed == {}
    assert len(loaded(pipeline, "responses")) == 59


@pytest.mark.slow
def test_one_that_breaks_off_is_completed_by_the_next_run(pipeline: Pipeline, account: Account, serve: Serve) -> None:
    sandbox = serve(account)
    run(pipeline, sandbox)
    before = {table: whole(account, table) for table in TABLES}
    account.delete("responses", 1_059)
    asked: list[str] = []

    def refuse(table: str) -> None:
        asked.append(table)
        if table == "responses" and asked.count(table) > 2:
            raise Refused(404, "gone")

    sandbox.behaviour.before_answer = refuse
    notes = run(pipeline, sandbox, refresh=True, minutes=0)
    assert notes.table("responses").error
    assert set(notes.refreshed) == {"end_users", "declines"}
    assert loaded(pipeline, "responses") == before["responses"]
    sandbox.behaviour = Behaviour()
    # What a backfill loads meanwhile is no more gone than what the refresh itself has read.
    backfill = run(pipeline, sandbox, "responses", start_date="2023-11-01", end_date="2024-01-01")
    assert backfill.refreshed == {}
    assert set(run(pipeline, sandbox).refreshed) == {"responses"}
    assert loaded(pipeline, "responses") == whole(account, "responses")


@pytest.mark.slow
def test_what_dlt_itself_loads_meanwhile_is_kept(pipeline: Pipeline, account: Account, serve: Serve) -> None:
    sandbox = serve(account)
    run(pipeline, sandbox)
    sandbox.behaviour.before_answer = lambda _table: (_ for _ in ()).throw(Refused(404, "gone"))
    assert run(pipeline, sandbox, refresh=True).refreshed == {}
    sandbox.behaviour = Behaviour()
    source = source_for(Run(), **access(sandbox))
    pipeline.run(source.with_resources("responses"))
    assert set(run(pipeline, sandbox, "responses").refreshed) == {"responses"}
    assert loaded(pipeline, "responses") == whole(account, "responses")


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", [{}, {"ignores_updated": frozenset(TABLES)}], ids=["updated", "created"])
def test_a_list_that_is_suddenly_empty_empties_nothing(
    pipeline: Pipeline, account: Account, serve: Serve, behaviour: dict[str, Any]
) -> None:
    sandbox = serve(account, **behaviour)
    run(pipeline, sandbox)
    before, rows = loaded(pipeline, "declines"), dict(account.rows["declines"])
    account.rows["declines"].clear()
    for words in ({"refresh": True}, {}):
        notes = run(pipeline, sandbox, **words)
        assert not notes.ok
        assert notes.table("declines").error == (
            "Wootric shows no declines, so the 60 loaded before stay and the table is not refreshed; if the account "
            "really has none, run with --full-refresh --tables declines --yes."
        )
        assert loaded(pipeline, "declines") == before
    account.rows["declines"].update(rows)
    assert run(pipeline, sandbox).refreshed == {"declines": (60, 60, 0)}
    account.rows["declines"].clear()
    assert run(pipeline, sandbox, "declines", refresh=True, empties=True).refreshed == {"declines": (60, 0, 60)}
    assert loaded(pipeline, "declines") == {}


def test_a_table_that_never_had_rows_is_refreshed(pipeline: Pipeline, serve: Serve) -> None:
    sandbox = serve(Account())
    for refresh in (True, False, True):
        assert run(pipeline, sandbox, refresh=refresh).ok


@pytest.mark.slow
def test_columns_and_lists_that_hold_nothing_any_more_are_dropped(pipeline: Pipeline, serve: Serve) -> None:
    account = Account()
    sandbox = serve(account)
    told: dict[str, Any] = {"email": "a@example.com", "properties": {"plan": "gold", "seats": 7, "teams": [1, 2]}}
    account.put("end_users", row(1, **told))
    account.put("responses", row(1, tags=["a"], text="t", notes=[{"by": "x"}]))
    run(pipeline, sandbox)
    account.put("end_users", row(1, **{**told, "properties": {"plan": "gold"}}))
    account.put("responses", row(1, text="t"))
    excluded = ["end_users.email", "responses.text"]
    assert run(pipeline, sandbox, refresh=True, exclude_columns=excluded).ok
    assert {"properties__plan", "phone_number"} <= columns(pipeline, "end_users")
    assert {"email", "properties__seats"} & columns(pipeline, "end_users") == set()
    assert "text" not in columns(pipeline, "responses")
    with pipeline.sql_client() as client:
        found = client.execute_sql("SELECT table_name FROM information_schema.tables WHERE table_schema = 'wootric'")
    assert {name for (name,) in found or [] if not name.startswith("_dlt")} == {*TABLES, "responses__tags"}
    # They come again, with whatever type they have then.
    account.put("end_users", row(1, NOON + 9, email="b@example.com", properties={"seats": "many", "teams": ["x"]}))
    account.put("responses", row(1, NOON + 9, tags=["c"], text="u"))
    pipeline.drop()
    assert run(pipeline, sandbox).ok
    assert loaded(pipeline, "responses") == whole(account, "responses")
    with pipeline.sql_client() as client:
        assert client.execute_sql("SELECT email, properties__seats FROM end_users") == [("b@example.com", "many")]
        assert client.execute_sql("SELECT properties__teams FROM end_users") == [('["x"]',)]


def test_plain_files_of_before_go_when_all_is_there(serve: Serve, account: Account, tmp_path: Path) -> None:
    sandbox = serve(account)
    bucket = tmp_path / "bucket"
    pipeline = dlt.pipeline(
        "wootric_pipeline", destination=dlt.destinations.filesystem(str(bucket)), dataset_name="wootric"
    )

    def files() -> dict[str, set[str]]:
        return {name: {file.name for file in (bucket / "wootric" / name).glob("*.jsonl*")} for name in TABLE_NAMES}

    run(pipeline, sandbox, files="jsonl")
    before = files()

    def refuse(table: str) -> None:
        if table == "declines":
            raise Refused(404, "gone")

    sandbox.behaviour.before_answer = refuse
    run(pipeline, sandbox, files="jsonl", refresh=True)
    after = files()
    assert after["declines"] == before["declines"]
    assert not after["responses"] & before["responses"]
    assert len(after["responses"]) == 1


@pytest.mark.slow
def test_the_report_says_how_many_rows_there_were(serve: Serve, account: Account, tmp_path: Path) -> None:
    project = project_for(serve(account), tmp_path)
    project.run()
    account.delete("responses", 1_003)
    report = project.run("--json", "--full-refresh", "--tables", "responses").report["tables"]["responses"]
    assert (report["rows_before"], report["rows_removed"], report["rows_after"]) == (60, 1, 59)
    account.delete("responses", 1_004)
    account.delete("responses", 1_005)
    account.put("responses", row(1_200, NOON + 59 * DAY))
    account.delete("end_users", 3)
    lines = project.run("--full-refresh").stdout.splitlines()
    assert "responses: refreshed; 59 rows before, 2 removed, 1 new, 58 now." in lines
    assert "end_users: refreshed; 60 rows before, 1 removed, 59 now." in lines
    assert "declines: refreshed; 60 rows before, 60 now." in lines
    assert project.held("responses") == expected(account, "responses")


SHRINKS = (
    "--full-refresh from 2023-12-01 on would remove what is older: 17 of 60 rows of responses. Add --yes to "
    "remove it, or choose an earlier --start-date."
)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["command line", "settings", "file"])
def test_history_is_not_shortened_unless_that_is_said(
    serve: Serve, account: Account, tmp_path: Path, place: str
) -> None:
    sandbox = serve(account)
    project = project_for(sandbox, tmp_path)
    assert project.run().code == 0
    before = project.loaded()
    words = ["--full-refresh", "--tables", "responses"]
    if place == "command line":
        words += ["--start-date", "2023-12-01"]
    elif place == "settings":
        project.set(start_date="2023-12-01")
    else:
        project.write(".dlt/config.toml", "[sources.wootric]\nstart_date = 2023-12-01\n")
    sandbox.requests.clear()
    outcome = project.run(*words)
    assert (outcome.code, outcome.sentence, sandbox.requests) == (2, SHRINKS, [])
    assert project.loaded() == before
    report = project.run(*words, "--yes", "--json").report["tables"]["responses"]
    assert (report["rows"], report["rows_before"], report["rows_after"]) == (43, 60, 43)
    assert len(project.held("responses")) == 43
    # Nothing more would go.
    assert project.run(*words).code == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "behaviour", [{}, {"ignores_updated": frozenset(TABLES)}, {"ignores_sort_key": frozenset(TABLES)}]
)
def test_it_asks_nothing_where_all_that_was_loaded_comes_again(
    serve: Serve, account: Account, tmp_path: Path, behaviour: dict[str, Any]
) -> None:
    # Changed after the start date, and created long before it.
    account.put("responses", row(1_100, NOON + 30 * DAY, created=NOON - 500 * DAY))
    project = project_for(serve(account, **behaviour), tmp_path, start_date="2023-12-01T12:00:00.5Z")
    assert project.run("--tables", "responses").code == 0
    before = project.held("responses")
    assert project.run("--tables", "responses", "--full-refresh").code == 0
    assert project.held("responses") == before
    # An earlier date brings more.
    assert project.run("--tables", "responses", "--full-refresh", "--start-date", "2023-11-30").code == 0
    assert before.items() < project.held("responses").items()


@pytest.mark.slow
def test_it_asks_where_rows_go_by_the_time_by_which_they_are_read(
    serve: Serve, account: Account, tmp_path: Path
) -> None:
    sandbox = serve(account)
    project = project_for(sandbox, tmp_path)
    account.put("responses", row(1_100, NOON + 30 * DAY, created=NOON - 500 * DAY))
    words = ("--tables", "responses", "--full-refresh", "--start-date", "2023-12-01")
    asks = SHRINKS.replace("17 of 60", "{} of 61")
    assert project.run().code == 0
    assert project.run(*words).sentence == asks.format(17)
    sandbox.behaviour.ignores_updated = frozenset({"responses"})
    assert project.run().code == 0
    assert project.run(*words).sentence == asks.format(18)
    # In a folder that knows nothing, too.
    rmtree(project.folder / "dlt")
    assert project.run(*words).sentence == asks.format(18)
    report = project.run(*words, "--yes", "--json").report["tables"]["responses"]
    assert (report["rows_before"], report["rows_after"]) == (61, 43)


@pytest.mark.slow
def test_it_asks_where_a_range_of_before_would_go(serve: Serve, account: Account, tmp_path: Path) -> None:
    project = project_for(serve(account), tmp_path, start_date="2023-12-01")
    assert project.run("--tables", "responses").code == 0
    backfill = ("--tables", "responses", "--start-date", "2023-11-20", "--end-date", "2023-12-01")
    assert project.run(*backfill).code == 0
    outcome = project.run("--tables", "responses", "--full-refresh")
    assert outcome.sentence == SHRINKS.replace("17 of 60", "11 of 54")


def test_what_former_versions_have_loaded_is_counted_by_both_times(
    pipeline: Pipeline, account: Account, serve: Serve
) -> None:
    account.put("responses", row(1_100, NOON + 30 * DAY, created=NOON - 500 * DAY))
    notes = run(pipeline, serve(account), "responses", start_date="2023-11-20")
    with pipeline.managed_state(extract_state=True) as state:
        del state["sources"]["wootric"]["resources"]["responses"]["filtered_by"]
    pipeline.normalize()
    pipeline.load()
    for day, sentence in ((20, None), (21, "2 of 55 rows"), (22, "3 of 55 rows")):
        start = datetime(2023, 11, day, tzinfo=timezone.utc)
        with nullcontext() if sentence is None else pytest.raises(ConfigurationError, match=sentence):
            confirm(pipeline, notes, ["responses"], start, yes=False)


def test_a_refresh_forgets_when_which_rows_were_read(pipeline: Pipeline, account: Account, serve: Serve) -> None:
    sandbox = serve(account, ignores_updated=frozenset(TABLES))
    run(pipeline, sandbox, "responses")
    assert loaded(pipeline, "responses") == whole(account, "responses")
    old = min(account.rows["responses"])
    account.change("responses", old, account.rows["responses"][old]["updated_at"] + DAY * SECOND)
    notes = run(pipeline, sandbox, "responses", refresh=True)
    assert notes.refreshed == {"responses": (60, 60, 0)}
    assert loaded(pipeline, "responses") == whole(account, "responses")


@pytest.mark.slow
def test_a_first_load_asks_nothing(serve: Serve, account: Account, tmp_path: Path) -> None:
    project = project_for(serve(account), tmp_path)
    assert project.run("--full-refresh", "--start-date", "2023-12-01").code == 0
    assert project.run("--full-refresh", "--start-date", "2023-12-01").code == 0


@pytest.mark.parametrize("answer", ["y", "n", ""])
def test_on_a_terminal_it_asks(
    serve: Serve, account: Account, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    notes = run(pipeline, serve(account))
    asked: list[str] = []

    class Terminal:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return f"{answer}\n"

        def write(self, text: str) -> None:
            asked.append(text)

        def flush(self) -> None:
            pass

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("sys.stderr", Terminal())
    start = datetime(2023, 12, 1, tzinfo=timezone.utc)
    if answer == "y":
        confirm(pipeline, notes, ["responses"], start, yes=False)
    else:
        with pytest.raises(ConfigurationError, match="Nothing was removed, and nothing was loaded"):
            confirm(pipeline, notes, ["responses"], start, yes=False)
    assert "".join(asked) == f"{SHRINKS.partition(' Add')[0]} Remove it? [y/N] "


def test_plain_files_are_not_shortened_unless_that_is_said(serve: Serve, account: Account, tmp_path: Path) -> None:
    destination = dlt.destinations.filesystem(str(tmp_path / "bucket"))
    pipeline = dlt.pipeline("wootric_pipeline", destination=destination, dataset_name="wootric")
    notes = run(pipeline, serve(account), "responses", files="jsonl", start_date="2023-11-20")
    for day, is_shorter in ((20, False), (21, True), (19, False)):
        start = datetime(2023, 11, day, tzinfo=timezone.utc)
        with pytest.raises(ConfigurationError, match="loaded from 2023-11-20") if is_shorter else nullcontext():
            confirm(pipeline, notes, ["responses"], start, yes=False)


def test_a_row_that_moved_on_meanwhile_is_not_taken_for_gone(
    pipeline: Pipeline, account: Account, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = serve(account)
    run(pipeline, sandbox)
    # It is updated when the place where it will be has been read, before the place where it is.
    account.delete("responses", 1_030)
    committed = Pipeline.load

    def load(*words: Any, **named: Any) -> Any:
        if pipeline.list_normalized_load_packages() and len(sandbox.requests) > requests + 2:
            account.put("responses", row(1_030, NOON + 70 * DAY))
        return committed(*words, **named)

    requests = len(sandbox.requests)
    with monkeypatch.context() as patch:
        patch.setattr(Pipeline, "load", load)
        notes = run(pipeline, sandbox, "responses", refresh=True)
    assert notes.refreshed == {"responses": (60, 60, 0)}
    assert notes.table("responses").rows == 59
    assert loaded(pipeline, "responses") == whole(account, "responses")
