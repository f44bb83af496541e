"""Segments, survey templates and figures by day: loaded whole, again only where they change, and within a budget."""

import json
from collections.abc import Callable
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import dlt
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from tests.conftest import NOON, Serve, access, first, row
from tests.end_to_end.test_losses import to
from tests.overviews import DAY, counted, last_day, surveyed, table
from tests.script import project_for
from tests.tables import expected, loaded
from wootric_pipeline import wootric_source
from wootric_pipeline.api import client as client_module
from wootric_pipeline.command.loading import load
from wootric_pipeline.command.run import Run, source_for
from wootric_pipeline.errors import ConfigurationError, ListRefused
from wootric_pipeline.reading.days import DAYS_AGAIN
from wootric_pipeline.sandbox import SECOND, Account, DemoAccount, Refused, Sandbox
from wootric_pipeline.sandbox.overviews import Overviews
from wootric_pipeline.tables import ALL_TABLES, DEFAULT_TABLES, OVERVIEWS, TABLES

FILE = Path("wootric_pipeline.duckdb")
AT_NOON = datetime.fromtimestamp(NOON, timezone.utc)
NPS = "nps_summary"
DEFAULT_OVERVIEWS = ("segments", "survey_templates")
LOCATING_REQUESTS_MAX = 20
"""To find the first day of 27 years by halves, and how days are asked for."""


@pytest.fixture
def account() -> Account:
    account = Account()
    account.put("responses", row(1, NOON, score=9))
    account.segments = [
        {"name": name, "data_type": "string", "created_at": NOON * SECOND} for name in ("persona", "plan")
    ]
    account.survey_templates = [template(1, "en", "es"), template(2, "de")]
    return account


def template(row_id: int, *languages: str) -> dict[str, Any]:
    return {
        "id": row_id,
        "name": f"Survey {row_id}",
        "default_language": languages[0],
        "languages": [{"code": each, "name": each.upper()} for each in languages],
        "non_configured_language_count": 1,
        "custom_samplings": [],
    }


def run(sandbox: Sandbox, *tables: str, full_refresh: bool = False, **arguments: Any) -> Run:
    """Loads some tables as the command does that names them, or the default ones."""
    notes = Run(isolates_tables=True)
    source = source_for(notes, **access(sandbox), **{"tables": list(tables) or None, **arguments})
    load(to(), source, notes, list(source.selected_resources), full_refresh=full_refresh)
    return notes


def requests(sandbox: Sandbox, name: str) -> int:
    return sum(request.path == OVERVIEWS[name].path for request in sandbox.requests)


def languages() -> set[tuple[int, int, str, str]]:
    query = (
        "SELECT id, _dlt_list_idx, languages.code, languages.name FROM survey_templates "
        "JOIN survey_templates__languages AS languages ON languages._dlt_parent_id = survey_templates._dlt_id"
    )
    with to().sql_client() as client:
        return {tuple(each) for each in client.execute_sql(query) or []}


def answers_instead(monkeypatch: pytest.MonkeyPatch, content: Callable[[str], Any]) -> None:
    """Has overviews answer with something else, or refuse."""
    monkeypatch.setattr(Overviews, "answer", lambda _self, name, _params, _now: content(name))


def test_segments_and_survey_templates_come_with_the_lists(account: Account, serve: Serve) -> None:
    notes = run(serve(account))
    assert notes.ok
    assert tuple(notes.tables) == DEFAULT_TABLES
    assert {name: notes.table(name).requests for name in DEFAULT_OVERVIEWS} == dict.fromkeys(DEFAULT_OVERVIEWS, 1)
    assert loaded(to(), "responses") == expected(account, "responses")
    assert table(to(), "segments", "name") == {
        name: {"name": name, "data_type": "string", "created_at": AT_NOON} for name in ("persona", "plan")
    }
    assert table(to(), "survey_templates", "id") == {
        each["id"]: {
            "id": each["id"],
            "name": each["name"],
            "is_default": each["id"] == 1,
            "default_language": each["default_language"],
            "non_configured_language_count": 1,
        }
        for each in account.survey_templates
    }
    assert languages() == {(1, 0, "en", "EN"), (1, 1, "es", "ES"), (2, 0, "de", "DE")}


@pytest.mark.slow
def test_what_has_not_changed_is_not_loaded_again(account: Account, serve: Serve) -> None:
    sandbox = serve(account)
    run(sandbox)
    before = FILE.read_bytes()
    notes = run(sandbox)
    assert (FILE.read_bytes(), to().has_pending_data) == (before, False)
    assert [(notes.table(name).rows, notes.table(name).rows_unchanged) for name in DEFAULT_OVERVIEWS] == [(0, 2)] * 2
    account.segments[0]["data_type"] = "integer"
    account.survey_templates[1] = template(2, "de", "fr")
    notes = run(sandbox)
    assert [(notes.table(name).rows, notes.table(name).rows_unchanged) for name in DEFAULT_OVERVIEWS] == [(1, 1)] * 2
    assert table(to(), "segments", "name")["persona"]["data_type"] == "integer"
    assert languages() == {(1, 0, "en", "EN"), (1, 1, "es", "ES"), (2, 0, "de", "DE"), (2, 1, "fr", "FR")}
    assert requests(sandbox, "segments") == requests(sandbox, "survey_templates") == 3


def test_an_account_without_any_has_empty_tables_with_all_columns(serve: Serve) -> None:
    sandbox = serve(Account())
    assert run(sandbox, *OVERVIEWS).ok
    with to().sql_client() as client:
        for name, overview in OVERVIEWS.items():
            described = client.execute_sql(f"DESCRIBE {name}") or []
            assert [column[0] for column in described if column[0][:4] != "_dlt"] == list(overview.documented)
            assert client.execute_sql(f"FROM {name}") == []
        assert client.execute_sql("FROM survey_templates__languages") == []
    before = FILE.read_bytes()
    assert run(sandbox, *OVERVIEWS).ok
    assert FILE.read_bytes() == before


@pytest.mark.parametrize("status", [*first(403, 400, 401, 422), 404, 500])
def test_a_default_overview_that_is_refused_stops_nothing(
    account: Account, serve: Serve, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(client_module, "ONE_RETRY_SECONDS_MAX", 0.0)

    def refuse(_name: str) -> Any:
        raise Refused(status, "refused")

    answers_instead(monkeypatch, refuse)
    notes = run(serve(account))
    assert (notes.ok, notes.needs_change, len(notes.warnings)) == (True, False, 2)
    assert all(
        warning.startswith(f"{name} was not read: Wootric ")
        for name, warning in zip(DEFAULT_OVERVIEWS, notes.warnings, strict=True)
    )
    assert [notes.table(name).is_refused for name in DEFAULT_TABLES] == [False] * 3 + [True] * 2
    assert loaded(to(), "responses") == expected(account, "responses")
    monkeypatch.undo()


@pytest.mark.slow
def test_a_refusal_is_a_warning_of_the_command(account: Account, serve: Serve, tmp_path: Path) -> None:
    project = project_for(serve(account, refuses=frozenset(DEFAULT_OVERVIEWS)), tmp_path)
    for _ in range(2):
        outcome = project.run("--json")
        assert (outcome.code, outcome.stderr, outcome.report["ok"]) == (0, "", True)
        assert outcome.report["tables"]["segments"]["refused"] is True
        assert outcome.report["warnings"] == [
            f"{name} was not read: Wootric does not let these credentials read {OVERVIEWS[name].path}."
            for name in DEFAULT_OVERVIEWS
        ]
    assert project.held("responses") == {1: NOON}
    lines = project.run().stdout.splitlines()
    assert next(line for line in lines if line.startswith("segments ")).split()[-1] == "-"
    assert project.run("--status", "--max-age", "1").code == 0
    noted = project.ask("SELECT DISTINCT table_name, complete FROM wootric.wootric_runs ORDER BY ALL")
    assert noted == [(name, True) for name in sorted(TABLES)]
    outcome = project.run("--check")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert "Warning: segments cannot be read: Wootric does not let these credentials read" in outcome.stdout


@pytest.mark.parametrize("words", [("--tables", "responses,segments"), ()])
@pytest.mark.parametrize("check", [(), ("--check",)])
def test_a_refusal_of_what_was_named_is_a_failure(
    account: Account, serve: Serve, tmp_path: Path, words: tuple[str, ...], check: tuple[str, ...]
) -> None:
    project = project_for(serve(account, refuses=frozenset({"segments"})), tmp_path)
    project.set(**({} if words else {"tables": '["responses", "segments"]'}))
    outcome = project.run(*words, *check)
    assert (outcome.code, "does not let these credentials read /v1/segments." in outcome.sentence) == (2, True)
    assert check or project.held("responses") == {1: NOON}


@pytest.mark.parametrize("setting", [None, ["segments"]])
def test_in_a_program_of_ones_own_a_refusal_raises_where_it_was_named(
    account: Account, serve: Serve, setting: list[str] | None
) -> None:
    sandbox = serve(account, refuses=frozenset(DEFAULT_OVERVIEWS))
    source = wootric_source(**access(sandbox), tables=setting)
    if setting is None:
        to().run(source)
        assert loaded(to(), "responses") == expected(account, "responses")
        return
    with pytest.raises(PipelineStepFailed) as failure:
        to().run(source)
    assert isinstance(failure.value.exception.__cause__, ListRefused)


def test_tables_are_selected_by_setting_and_all_can_be_selected(account: Account, serve: Serve) -> None:
    sandbox = serve(account)
    assert tuple(wootric_source(**access(sandbox)).selected_resources) == DEFAULT_TABLES
    source = wootric_source(**access(sandbox), tables="nps_summary, responses")
    assert list(source.selected_resources) == ["responses", NPS]
    assert list(source.resources) == list(ALL_TABLES)
    to().run(wootric_source(**access(sandbox), daily_history_requests_max=30).with_resources(NPS))
    assert len(table(to(), NPS, "date")) >= DAYS_AGAIN


@pytest.mark.parametrize("tables", ["segment", "responses,nps", [], ",", ["responses", "x"]])
def test_an_unknown_table_is_refused(tables: Any) -> None:
    told = r"^(There is no table .+|tables names none); choose from end_users, responses, .*\.$"
    with pytest.raises(ConfigurationError, match=told):
        wootric_source("id", "secret", tables=tables)


def test_an_unknown_table_is_one_sentence(serve: Serve, tmp_path: Path) -> None:
    sentence = f"There is no table segment; choose from {', '.join(ALL_TABLES)}."
    project = project_for(serve(Account()), tmp_path)
    for outcome in (project.run("--tables", "segment"), project.run(SOURCES__WOOTRIC__TABLES="responses,segment")):
        assert (outcome.code, outcome.sentence) == (2, sentence)


# --- Figures by day.

RULES = [
    pytest.param({}, {}, id="documented"),
    pytest.param(
        {"counts_excluded": True, "counts_incomplete": False, "dates_quoted": False},
        {"excluded": True, "incomplete": False},
        id="excluded-completed-bare",
    ),
    *first(
        pytest.param(
            {"dates_bare": False, "counts_last_day": False, "days_in_utc": True}, {"in_utc": True}, id="several"
        ),
        pytest.param({"counts_excluded": True}, {"excluded": True}, id="excluded"),
        pytest.param({"counts_incomplete": False}, {"incomplete": False}, id="completed"),
        pytest.param({"counts_last_day": False}, {}, id="last-day-out"),
        pytest.param({"days_in_utc": True}, {"in_utc": True}, id="utc"),
        pytest.param({"dates_bare": False}, {}, id="quoted"),
        pytest.param({"dates_quoted": False}, {}, id="bare"),
    ),
]


@pytest.mark.parametrize(("behaviour", "rule"), RULES)
def test_each_ended_day_has_its_figures(serve: Serve, behaviour: dict[str, Any], rule: dict[str, Any]) -> None:
    account = surveyed(50, every=2)
    sandbox = serve(account, **behaviour)
    notes = run(sandbox, NPS)
    assert (notes.ok, notes.table(NPS).is_history_complete) == (True, True)
    assert table(to(), NPS, "date") == counted(account, **rule)
    assert notes.table(NPS).mode == "days"
    before = FILE.read_bytes()
    again = run(sandbox, NPS)
    assert FILE.read_bytes() == before
    # One that tells whether days are looked at, by a form that may be refused first in the first run alone.
    assert (again.table(NPS).rows, again.table(NPS).requests) == (0, 1 + DAYS_AGAIN)


def test_days_are_those_of_a_zone_far_away(serve: Serve) -> None:
    account = surveyed(45, "Pacific/Kiritimati")
    assert run(serve(account), NPS).ok
    assert table(to(), NPS, "date") == counted(account)


@pytest.mark.slow
def test_history_is_filled_within_the_budget_and_goes_on_where_it_was(serve: Serve, tmp_path: Path) -> None:
    account = surveyed(75, every=3)
    sandbox = serve(account)
    project = project_for(sandbox, tmp_path, tables=NPS, daily_history_requests_max=25)
    wanted = counted(account)
    reached: list[str | None] = []
    for _ in range(10):
        before = requests(sandbox, NPS)
        outcome = project.run("--json")
        report = outcome.report["tables"][NPS]
        assert (outcome.code, report["complete"]) == (0, True)
        assert report["requests"] == requests(sandbox, NPS) - before <= 25 + DAYS_AGAIN + 1
        # Its place is in the destination, with the rows.
        project.folder.joinpath("dlt/pipelines").rename(project.folder / f"gone{len(reached)}")
        reached.append(report.get("history_from"))
        if report["history_complete"]:
            break
        if report.get("history_from"):
            since = date.fromisoformat(report["history_from"])
            days = {day for (day,) in project.ask("SELECT date FROM wootric.nps_summary")}
            assert days == {day for day in wanted if day >= since}
    assert len(reached) > 2
    assert reached[-1] == min(wanted).isoformat()
    query = f"SELECT {', '.join(OVERVIEWS[NPS].columns)} FROM wootric.nps_summary ORDER BY date"
    assert project.ask(query) == [
        tuple(figures[name] for name in OVERVIEWS[NPS].columns) for figures in wanted.values()
    ]
    assert f"{NPS}: days from" not in project.run().stdout


@pytest.mark.slow
def test_the_report_says_from_when_on_days_are_in(serve: Serve, tmp_path: Path) -> None:
    project = project_for(serve(surveyed(75, every=3)), tmp_path, tables=NPS, daily_history_requests_max=3)
    assert f"{NPS}: the first day that has figures is still looked for; the next runs go on." in project.run().stdout
    project.set(daily_history_requests_max=20)
    lines = project.run().stdout.splitlines()
    (first,) = project.ask("SELECT min(date) FROM wootric.nps_summary")[0]
    assert f"{NPS}: days from {first} on are in; the next runs bring older ones." in lines


def test_a_day_that_changes_is_loaded_again(serve: Serve) -> None:
    account = surveyed(50, every=2)
    sandbox = serve(account)
    run(sandbox, NPS)
    changed = next(
        each
        for each in account.rows["responses"].values()
        if each["created_at"] < _second(last_day() - 4 * DAY)
        and not each["excluded_from_calculations"]
        and each["created_at"] > _second(last_day() - 20 * DAY)
    )
    account.change("responses", changed["id"], changed["updated_at"] + SECOND, score=0 if changed["score"] > 6 else 10)
    notes = run(sandbox, NPS)
    assert (notes.table(NPS).rows, notes.table(NPS).rows_unchanged) == (1, DAYS_AGAIN - 1)
    assert table(to(), NPS, "date") == counted(account)


def _second(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=timezone.utc).timestamp()) * SECOND


def test_dates_that_are_ignored_load_nothing_and_are_told(serve: Serve, tmp_path: Path) -> None:
    account = surveyed(20)
    project = project_for(serve(account, ignores_dates=True), tmp_path, tables=f"responses,{NPS}")
    outcome = project.run("--json")
    table_report = outcome.report["tables"][NPS]
    assert (outcome.code, outcome.report["ok"], table_report["complete"], table_report["rows"]) == (1, False, False, 0)
    assert "a day to come, as without dates, so that no day can be told from others; nothing" in outcome.sentence
    assert project.held("responses") == {
        row_id: each["updated_at"] // SECOND for row_id, each in account.rows["responses"].items()
    }
    assert "wootric.nps_summary" not in project.loaded()


@pytest.mark.slow
def test_a_full_refresh_reads_all_days_again_over_several_runs(serve: Serve) -> None:
    account = surveyed(75, every=3)
    sandbox = serve(account)
    run(sandbox, NPS)
    with to().sql_client() as client:
        client.execute_sql("UPDATE nps_summary SET nps = 1000")
        client.execute_sql("INSERT INTO nps_summary (date, _dlt_load_id, _dlt_id) VALUES ('1999-01-01', 'x', 'x')")
    notes = run(sandbox, NPS, full_refresh=True, daily_history_requests_max=40)
    assert (notes.ok, notes.table(NPS).is_history_complete, notes.refreshed) == (True, False, {})
    assert date(1999, 1, 1) in table(to(), NPS, "date")
    notes = run(sandbox, NPS)
    assert notes.refreshed[NPS].rows_removed == 1
    assert table(to(), NPS, "date") == counted(account)


@pytest.mark.slow
def test_a_full_refresh_removes_what_is_gone(account: Account, serve: Serve) -> None:
    sandbox = serve(account)
    run(sandbox)
    del account.segments[0], account.survey_templates[0]
    run(sandbox)
    # As with the lists.
    assert len(table(to(), "segments", "name")) == 2
    notes = run(sandbox, *DEFAULT_TABLES, full_refresh=True)
    assert [notes.refreshed[name].rows_removed for name in DEFAULT_OVERVIEWS] == [1, 1]
    assert (set(table(to(), "segments", "name")), set(table(to(), "survey_templates", "id"))) == ({"plan"}, {2})
    assert languages() == {(2, 0, "de", "DE")}


@pytest.mark.slow
def test_a_table_that_was_dropped_stops_alone_and_comes_again(account: Account, serve: Serve) -> None:
    sandbox = serve(account)
    run(sandbox)
    with to().sql_client() as client:
        client.execute_sql("DROP TABLE segments")
    notes = run(sandbox)
    assert (notes.ok, "--full-refresh --tables segments" in str(notes.table("segments").error)) == (False, True)
    assert notes.table("responses").complete
    assert run(sandbox, "segments", full_refresh=True).ok
    assert set(table(to(), "segments", "name")) == {"persona", "plan"}


def test_a_range_brings_its_days_and_leaves_the_place(serve: Serve) -> None:
    account = surveyed(60)
    sandbox = serve(account)
    first, last = last_day() - 50 * DAY, last_day() - 40 * DAY
    notes = run(sandbox, NPS, start_date=str(first), end_date=str(last))
    wanted = counted(account)
    in_range = {day: figures for day, figures in wanted.items() if first <= day < last}
    assert notes.ok
    assert table(to(), NPS, "date") == in_range
    assert run(sandbox, NPS).ok
    assert table(to(), NPS, "date") == wanted


def test_a_range_before_the_start_date_brings_its_days(serve: Serve) -> None:
    account = surveyed(60)
    sandbox = serve(account)
    start, first, last = last_day() - 20 * DAY, last_day() - 50 * DAY, last_day() - 40 * DAY
    run(sandbox, NPS, start_date=str(start))
    run(sandbox, NPS, start_date=str(first), end_date=str(last))
    assert table(to(), NPS, "date") == {
        day: each for day, each in counted(account).items() if first <= day < last or day >= start
    }


def test_history_begins_at_the_start_date(serve: Serve) -> None:
    account = surveyed(60)
    first = last_day() - 45 * DAY
    assert run(serve(account), NPS, start_date=str(first)).ok
    assert table(to(), NPS, "date") == {day: each for day, each in counted(account).items() if day >= first}


@pytest.mark.parametrize(
    "patterns",
    [
        ["nps_summary.nps", "segments.created_at", "survey_templates__languages.name"],
        ["survey_templates.languages"],
    ],
)
def test_columns_are_left_out(account: Account, serve: Serve, patterns: list[str]) -> None:
    columns = [pattern.split(".") for pattern in patterns]
    tables = {name.partition("__")[0] for name, _ in columns}
    run(serve(account), *tables, exclude_columns=patterns, daily_history_requests_max=20)
    schema = to().default_schema
    are_languages_left_out = ["survey_templates", "languages"] in columns
    assert ("survey_templates__languages" in schema.tables) != are_languages_left_out
    with to().sql_client() as client:
        for name, column in columns:
            assert column not in schema.get_table_columns(name)
            assert column not in [each[0] for each in client.execute_sql(f"DESCRIBE {name}") or []]


@pytest.mark.parametrize("pattern", ["nps_summary.date", "segments.name", "survey_templates.*", "email_stats.source"])
def test_keys_cannot_be_left_out(pattern: str) -> None:
    with pytest.raises(ConfigurationError, match="which merging needs"):
        wootric_source("id", "secret", exclude_columns=pattern)


# --- E-mails.

DOCUMENTED_STATS = json.loads(
    """{"email_stats": {"send_date": "Aug  3, 2023-Sep  3, 2024", "send_requests": 7, "emails_sent": 5, "delivered": 5,
    "delivered_percentage": "100.0%", "bounce_rate": 0, "bounce_rate_percentage": "0.0%", "open_rate": "60%",
    "response_rate": "0%", "not_eligible": "2 (29%)", "raw_results": {"processed": 5, "bounce": 0, "opted_out": 2,
    "open": 3, "sart_date": "2023-08-03T00:00:00-07:00", "end_date": "2024-09-03T23:59:59-07:00", "clicked": 4}},
    "initial_send": null, "reminder_send": {"send_requests": 2}}"""
)


def test_email_stats_have_a_row_for_each_day(serve: Serve) -> None:
    account = surveyed(40, every=2)
    sandbox = serve(account)
    assert run(sandbox, "email_stats", "email_sources").ok
    rows = table(to(), "email_stats", "date", "source")
    figures = counted(account, excluded=True)
    assert {key: each["emails_sent"] for key, each in rows.items()} == {
        (day, "all"): 4 * each["responses"] for day, each in figures.items()
    }
    assert {type(each["bounce_rate"]) for each in rows.values()} == {float}
    begun = {day: each["raw_results__start_date"] for (day, _), each in rows.items()}
    assert {day: begins and begins.astimezone(account.time_zone).date() for day, begins in begun.items()} == {
        day: day if each["responses"] else None for day, each in figures.items()
    }
    before = FILE.read_bytes()
    assert run(sandbox, "email_stats", "email_sources").ok
    assert FILE.read_bytes() == before


def test_sources_of_emails_are_named(serve: Serve) -> None:
    account = DemoAccount(NOON, end_users=1, responses=1, declines=1)
    assert run(serve(account), "email_sources").ok
    assert table(to(), "email_sources", "id") == {
        "email_api": {"id": "email_api", "kind": "ongoing", "name": "Email API *", "date": None},
        "1": {"id": "1", "kind": "sends", "name": "customers.csv", "date": "Jan 11, 2024  9:01AM"},
    }


def test_answers_as_documented_are_loaded_whole(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    day = last_day() - DAY

    def answer(_self: Overviews, _name: str, params: dict[str, str], _now: float) -> Any:
        first, last = (date.fromisoformat(params[f"date_range[{end}_date]"]) for end in ("start", "end"))
        return DOCUMENTED_STATS if first <= day <= last else {"email_stats": {"send_requests": 0}, "initial_send": None}

    monkeypatch.setattr(Overviews, "answer", answer)
    assert run(serve(Account()), "email_stats").ok
    rows = table(to(), "email_stats", "date", "source")
    assert set(rows) == {(day, "all"), (day, "reminder_send"), (day + DAY, "all")}
    shown = {name: value for name, value in rows[day, "all"].items() if value is not None}
    assert shown == {
        "date": day,
        "source": "all",
        "send_date": "Aug  3, 2023-Sep  3, 2024",
        "send_requests": 7,
        "emails_sent": 5,
        "delivered": 5,
        "delivered_percentage": "100.0%",
        "bounce_rate": 0.0,
        "bounce_rate_percentage": "0.0%",
        "open_rate": "60%",
        "response_rate": "0%",
        "not_eligible": "2 (29%)",
        "raw_results__processed": 5,
        "raw_results__bounce": 0,
        "raw_results__opted_out": 2,
        "raw_results__open": 3,
        "raw_results__start_date": datetime(2023, 8, 3, 7, tzinfo=timezone.utc),
        "raw_results__end_date": datetime(2024, 9, 4, 6, 59, 59, tzinfo=timezone.utc),
        "raw_results__clicked": 4,
    }
    assert rows[day, "reminder_send"]["send_requests"] == 2


@pytest.mark.parametrize("content", [[], ["a"], *first({"survey_templates": "none"}, {}, None, "text")])
def test_an_answer_that_makes_no_sense_is_told(
    account: Account, serve: Serve, monkeypatch: pytest.MonkeyPatch, content: Any
) -> None:
    answers_instead(monkeypatch, lambda _name: content)
    notes = run(serve(account), "survey_templates", NPS, "responses")
    assert (notes.table("survey_templates").complete, notes.table(NPS).complete) == (content == [], False)
    assert "Wootric answered" in str(notes.table(NPS).error)
    assert notes.table("responses").complete


def test_rows_without_a_key_are_told_and_nothing_is_removed(
    account: Account, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = serve(account)
    run(sandbox, "segments")
    before = table(to(), "segments", "name")
    assert before
    answers_instead(monkeypatch, lambda _name: [{"name": "plan"}, {"name": None}, {"other": 1}])
    notes = run(sandbox, "segments", full_refresh=True).table("segments")
    assert (notes.complete, notes.error) == (
        False, "segments was not read: 2 of 3 rows of segments have no usable key.",
    )  # fmt: skip
    assert table(to(), "segments", "name") == before


def test_figures_that_count_no_responses_are_told(
    account: Account, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers_instead(monkeypatch, lambda _name: {"nps": 5})
    notes = run(serve(account), NPS).table(NPS)
    assert (notes.complete, "something that holds no figures" in str(notes.error)) == (False, True)


@pytest.mark.slow
def test_a_pipeline_of_ones_own_goes_on_where_it_was(serve: Serve) -> None:
    account = surveyed(75, every=3)
    sandbox = serve(account)
    for _ in range(4):
        pipeline = dlt.pipeline("wootric_pipeline", destination="duckdb", dataset_name="wootric")
        pipeline.run(wootric_source(**access(sandbox), daily_history_requests_max=40).with_resources(NPS))
    assert table(to(), NPS, "date") == counted(account)


def test_lists_alone_can_be_chosen(account: Account, serve: Serve) -> None:
    sandbox = serve(account)
    assert list(run(sandbox, *TABLES).tables) == list(TABLES)
    assert [requests(sandbox, name) for name in OVERVIEWS] == [0] * len(OVERVIEWS)
