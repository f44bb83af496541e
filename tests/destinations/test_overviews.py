"""Segments, survey templates and figures by day follow the account on each kind of destination, and stay idle there."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from dlt.pipeline.pipeline import Pipeline

from tests.conftest import Serve, Servers, first
from tests.destinations.test_destinations import configuration, pipeline_to, run
from tests.overviews import DAY, counted, last_day, surveyed
from tests.tables import selected
from wootric_pipeline.sandbox import SECOND, Account

pytestmark = pytest.mark.xdist_group("file")

PLACES = {
    "sqlite": "sqlalchemy",
    "postgres": "postgres",
    "file-delta": "filesystem",
    "file-iceberg": "filesystem",
}
NAMES = ("segments", "survey_templates", "nps_summary", "email_stats", "email_sources")
LANGUAGES = [{"code": "en", "name": "English"}, {"code": "de", "name": "German"}]


@pytest.fixture(params=first(*PLACES))
def to(
    request: pytest.FixtureRequest, servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Pipeline]:
    for key, value in configuration(request.param, servers, tmp_path).items():
        monkeypatch.setenv(key, value)
    return lambda: pipeline_to(PLACES[request.param], "overviews")


def account_with_all() -> Account:
    account = surveyed(38, every=2)
    account.segments = [{"name": name, "data_type": "string", "created_at": SECOND} for name in ("a", "b")]
    account.survey_templates = [
        {"id": number, "name": f"Survey {number}", "languages": LANGUAGES[:number], "custom_samplings": []}
        for number in (1, 2)
    ]
    account.email_sources["sends"] = [{"id": 1, "name": "a.csv"}]
    return account


def figures(pipeline: Pipeline) -> dict[date, dict[str, Any]]:
    rows = selected(pipeline, "nps_summary")
    kept = [{name: value for name, value in each.items() if name[:4] != "_dlt"} for each in rows]
    # SQLite has no type for days.
    found = {date.fromisoformat(str(each["date"])[:10]): each for each in kept}
    assert len(found) == len(rows)
    return {day: {**each, "date": day} for day, each in found.items()}


def languages(pipeline: Pipeline) -> set[tuple[int, str]]:
    rows = selected(pipeline, "survey_templates")
    if "languages" in rows[0]:
        return {(each["id"], language["code"]) for each in rows for language in json.loads(each["languages"] or "[]")}
    parents = {each["_dlt_id"]: each["id"] for each in rows}
    children = selected(pipeline, "survey_templates__languages")
    return {(parents[each["_dlt_parent_id"]], each["code"]) for each in children}


def test_overviews_follow_the_account(to: Callable[[], Pipeline], serve: Serve) -> None:
    account = account_with_all()
    sandbox = serve(account)
    assert run(to(), sandbox, *NAMES).ok
    assert figures(to()) == counted(account)
    assert languages(to()) == {(1, "en"), (2, "en"), (2, "de")}
    assert len(selected(to(), "email_stats")) == len(counted(account, excluded=True))
    idle = run(to(), sandbox, *NAMES)
    assert (idle.ok, idle.rows) == (True, 0)

    old = next(each for each in account.rows["responses"].values() if not each["excluded_from_calculations"])
    account.change("responses", old["id"], old["updated_at"] + SECOND, excluded_from_calculations=True)
    account.survey_templates[1]["languages"] = LANGUAGES[1:]
    account.segments[0]["data_type"] = "date"
    notes = run(to(), sandbox, *NAMES)
    assert {name: notes.table(name).rows for name in ("segments", "survey_templates", "email_sources")} == {
        "segments": 1,
        "survey_templates": 1,
        "email_sources": 0,
    }
    assert figures(to()) == counted(account)
    assert languages(to()) == {(1, "en"), (2, "de")}
    assert {each["name"]: each["data_type"] for each in selected(to(), "segments")} == {"a": "date", "b": "string"}

    del account.segments[0], account.survey_templates[0]
    notes = run(to(), sandbox, *NAMES, full_refresh=True, start_date=str(last_day() - 10 * DAY))
    assert notes.ok
    # From the first day on that has a response.
    first = min(day for day, each in counted(account).items() if day >= last_day() - 10 * DAY and each["responses"])
    assert figures(to()) == {day: each for day, each in counted(account).items() if day >= first}
    assert [each["name"] for each in selected(to(), "segments")] == ["b"]
    assert languages(to()) == {(2, "de")}


@pytest.mark.parametrize("files", ["parquet", "jsonl"])
def test_plain_files_get_each_version(
    files: str, servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    for key, value in configuration(f"file-{files}", servers, tmp_path).items():
        monkeypatch.setenv(key, value)
    account = account_with_all()
    sandbox = serve(account)
    pipeline = pipeline_to("filesystem", "plain")
    assert run(pipeline, sandbox, *NAMES).ok
    written = sorted(tmp_path.glob("bucket/plain/*/*"))
    assert {each.parent.name for each in written} >= {*NAMES, "survey_templates__languages"}
    assert run(pipeline, sandbox, *NAMES).rows == 0
    assert sorted(tmp_path.glob("bucket/plain/*/*")) == written
    account.segments[0]["data_type"] = "date"
    assert run(pipeline, sandbox, *NAMES).rows == 1
    (new,) = [each for each in tmp_path.glob("bucket/plain/segments/*") if each not in written]
    assert new.stat().st_size > 0
